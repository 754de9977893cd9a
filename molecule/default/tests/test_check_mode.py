# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would change on hosts that are as they should be."""

from __future__ import annotations

import pytest


# Each run leaves out the other domain's hosts and must not forget them: no mail_addresses say where the two MX are.
@pytest.mark.parametrize("domain", ["example.com", "example.org"])
def test_a_dry_run_has_nothing_to_do(play, domain):
    results = play("courier.mail.site", "--check", "--diff", "--limit", f"*.{domain}")
    assert {result.host.partition(".")[0] for result in results} == {"mx1", "out1", "sat1", "sat2"}
    assert not [result for result in results if result.outcome not in ("ok", "skipped")]

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would change on hosts that are as they should be."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

DOMAINS = ["example.com", "example.org"]


@pytest.fixture(scope="module")
def dry(play):
    """Each run leaves out the other domain's hosts and must not forget them: no mail_addresses say where the MX are."""

    def run(domain):
        return play("courier.mail.site", "--check", "--diff", "--limit", f"*.{domain}")

    with ThreadPoolExecutor() as threads:
        return dict(zip(DOMAINS, threads.map(run, DOMAINS), strict=True))


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_dry_run_has_nothing_to_do(dry, domain):
    assert {result.host.partition(".")[0] for result in dry[domain]} == {"mx1", "out1", "sat1", "sat2"}
    assert not [result for result in dry[domain] if result.outcome not in ("ok", "skipped")]

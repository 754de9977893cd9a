# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without filters nothing of them runs, and nothing waits for them."""

from __future__ import annotations

import pytest

from plugins.module_utils._filter_probe import TEXTS


@pytest.mark.parametrize(
    "unit",
    ["courier-pythonfilter.socket", "courier-pythonfilter", "clamav-daemon", "spamd", "spamassassin-maintenance.timer"],
)
def test_nothing_runs(site, unit):
    assert site.run("systemctl is-active %s", unit).stdout.strip() == "inactive"
    assert site.run("systemctl is-enabled %s", unit).stdout.strip() != "enabled"


def test_mail_does_not_wait_for_them(site, letter, token, eventually):
    letter.set_content(TEXTS["virus"])
    site.sendmail(letter, f"root@{site.name}", f"alice@{site.domain}")
    assert eventually(lambda: site.run("grep -rl %s /srv/vmail/%s/alice/Maildir/new", token, site.domain).succeeded)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without fail2ban nobody is banned, and nothing of it is left in the firewall."""

from __future__ import annotations


def test_nobody_bans(site):
    assert site.run("systemctl is-active fail2ban").stdout.strip() == "inactive"
    assert site.run("systemctl is-enabled fail2ban").stdout.strip() != "enabled"
    assert "f2b" not in site.check_output("nft list ruleset")

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A jail that has left the inventory is none, and an account that has is a stranger."""

from __future__ import annotations


def test_a_jail_that_nobody_wants_is_gone(site):
    jails = site.check_output("fail2ban-client status")
    assert "courier-strangers" in jails
    assert "bed-gone" not in jails


def test_who_has_left_is_a_stranger(site):
    account = "/usr/local/lib/courier-mail-bans/account"
    assert site.run(f"{account} %s", f"alice@{site.domain}").rc == 0
    assert site.run(f"{account} %s", f"erin@{site.domain}").rc == 1

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that was accepted is delivered, whatever happens to the host. These tests restart it, so they come last."""

from __future__ import annotations

import pytest


def reboot(host):
    host.container.restart()


def lose_power(host):
    host.container.kill()
    host.container.start()


@pytest.mark.parametrize("accident", [reboot, lose_power])
def test_queued_mail_survives(site, foreign, stranger, letter, token, eventually, accident):
    alice = site.accounts["alice"]
    friend = f"mailbox+{token}@example.net"
    # Until the restart, which makes the routes anew, the recipient's server is out of reach.
    for address in foreign.addresses.values():
        site.check_output("ip route add unreachable %s", address)
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [friend])
    assert eventually(lambda: friend in site.check_output("mailq"))
    assert not foreign.received(token)

    accident(site)

    assert eventually(lambda: all(site.is_open(port) for port in (25, 587, 465, 993)), within=60)
    assert eventually(lambda: site.run("courier flush").succeeded and foreign.received(token))
    assert len(foreign.received(token)) == 1
    assert friend not in site.check_output("mailq")

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another policy, and no list of denied networks. What HELO is refused for, and for whom not, test_peers.py says."""

from __future__ import annotations

import socket


# The stranger is on a blacklist now.
def test_more_recipients_come_later(site, foreign):
    with site.smtp(foreign, 25) as smtp:
        smtp.ehlo()
        smtp.mail("mailbox@example.net")
        codes = [smtp.rcpt(f"alice@{site.domain}")[0] for _time in range(11)]
    assert codes == 10 * [250] + [431]


def test_senders_are_not_refused_any_more(site, stranger):
    with site.smtp(stranger, 25) as smtp:
        smtp.ehlo()
        assert smtp.mail("somebody@spam.example.net")[0] == 250


def test_whom_a_list_denied_is_greeted_again(site, stranger):
    address = stranger.addresses["ipv4"].replace("66", "99")
    stranger.check_output(f"ip addr replace {address}/32 dev eth0")
    dial = (site.addresses["ipv4"], 25)
    try:
        with stranger.inside(lambda: socket.create_connection(dial, 60, source_address=(address, 0))) as connection:
            assert connection.recv(100).startswith(b"220 ")
    finally:
        stranger.check_output(f"ip addr del {address}/32 dev eth0")

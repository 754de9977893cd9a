# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A jail that has left the inventory is none, and an account that has is a stranger."""

from __future__ import annotations

import random
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress


def test_a_jail_that_nobody_wants_is_gone(site):
    jails = site.check_output("fail2ban-client status")
    assert "courier-strangers" in jails
    assert "bed-gone" not in jails


def test_who_has_left_is_a_stranger(site):
    account = "/usr/local/lib/courier-mail-bans/account"
    assert site.run(f"{account} %s", f"alice@{site.domain}").rc == 0
    assert site.run(f"{account} %s", f"erin@{site.domain}").rc == 1


def test_a_log_of_mail_is_for_its_readers(site):
    assert site.check_output("stat -c %a /var/log/mail.log.1") == "640"


def test_who_guesses_by_pop3_is_banned(site, stranger, eventually):
    address = (
        f"{site.facts['bed_ipv6_network'].split('/')[0]}{random.randrange(2**12, 2**16):x}:{random.randrange(2**16):x}"
    )
    stranger.check_output("ip address replace %s/64 dev eth0 nodad", address)

    def guess(_number):
        # Who is banned meanwhile hears no answer.
        with suppress(OSError):
            target = (site.addresses["ipv6"], 995)
            connection = stranger.inside(lambda: socket.create_connection(target, 20, (address, 0)))
            with site.trust.wrap_socket(connection) as pop3:
                stream = pop3.makefile("rb")
                stream.readline()
                for line in (f"USER nobody@{site.domain}", "PASS wrong") * 2:
                    pop3.sendall(f"{line}\r\n".encode())
                    stream.readline()

    try:
        # Courier gives one address few connections, and keeps whoever fails waiting.
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(guess, range(3)))
        assert eventually(
            lambda: f"[courier-strangers] Ban {address}\n" in site.run("cat /var/log/fail2ban.log").stdout + "\n"
        )
    finally:
        stranger.run("ip address del %s/64 dev eth0", address)
        site.run("fail2ban-client unban %s", address)
        site.run("courier-mail pardon %s", f"{site.facts['bed_ipv6_network']}")

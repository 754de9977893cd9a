# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the site refuses while he is on the line: mail_policy and mail_denied_lists of the inventories."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def answer(site):
    """What the site answers to a sender: the code and the text."""

    def answer(caller, sender, port=25, account=None):
        with site.smtp(caller, port) as smtp:
            smtp.ehlo()
            if account:
                smtp.login(*account)
            code, text = smtp.mail(sender)
            return code, text.decode()

    return answer


REFUSED = {
    "a sender": ("somebody@spam.example.net", "Sender rejected"),
    "one sender of a domain": ("offers@partner.example.net", "Sender rejected"),
    "an exchanger": ("somebody@badmx.example.net", "203.0.113.25 is blocked"),
    "freemail from elsewhere": ("somebody@freemail.example.net", "can be accepted only from"),
    "a domain that there is not": ("somebody@nowhere.example.net", "Domain does not exist"),
}


@pytest.mark.parametrize(("sender", "reason"), REFUSED.values(), ids=REFUSED)
def test_refuses(answer, stranger, sender, reason):
    code, text = answer(stranger, sender)
    assert code == 517
    assert reason in text


def test_takes_others_of_that_domain(answer, stranger):
    assert answer(stranger, "somebody@partner.example.net")[0] == 250


def test_takes_freemail_from_its_servers(answer, foreign):
    assert answer(foreign, "somebody@freemail.example.net")[0] == 250


@pytest.mark.parametrize(
    ("sender", "code"), [("somebody@freemail.example.net", 250), ("somebody@spam.example.net", 517)]
)
def test_people_may_send_freemail_and_nobody_what_is_refused(site, answer, stranger, sender, code):
    assert answer(stranger, sender, 465, site.accounts["bob"])[0] == code


def test_takes_so_many_recipients_and_no_more(site, stranger):
    with site.smtp(stranger, 25) as smtp:
        smtp.ehlo()
        smtp.mail("mailbox@example.net")
        codes = [smtp.rcpt(f"alice@{site.domain}")[0] for _time in range(101)]
    assert codes == 100 * [250] + [531]


def test_says_why_in_the_file(site):
    lines = site.check_output("cat /etc/courier/bofh").splitlines()
    assert lines[lines.index("badfrom @spam.example.net") - 1] == "# sells lists of addresses"
    assert lines[lines.index("badfrom offers@partner.example.net") - 1] == "# did not stop when asked; owner alice"


@pytest.fixture
def greeting(site, stranger):
    """What the site says to a stranger who comes from another address than his own."""

    taken = []

    def greeting(family, last):
        address = stranger.addresses[family].replace("66", last)
        length = {"ipv4": 32, "ipv6": 128}[family]
        stranger.check_output(f"ip addr replace {address}/{length} dev eth0 {'nodad' if length == 128 else ''}")
        taken.append(f"{address}/{length}")
        dial = (site.addresses[family], 25)
        with stranger.inside(lambda: socket.create_connection(dial, 60, source_address=(address, 0))) as connection:
            try:
                return connection.recv(100)
            except ConnectionResetError:
                return b""

    yield greeting
    for address in taken:
        stranger.check_output(f"ip addr del {address} dev eth0")


@pytest.mark.parametrize(("last", "greeted"), [("99", False), ("95", True)], ids=["on a list", "beside it"])
def test_does_not_greet_whom_a_list_denies(greeting, family, last, greeted):
    assert greeting(family, last).startswith(b"220 ") == greeted

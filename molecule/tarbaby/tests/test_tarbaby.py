# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A last exchanger on a host of its own. One that shares a host is asked more (molecule/default)."""

from __future__ import annotations

import json
import re

import pytest


@pytest.fixture(params=["tarbaby.example.com", "tarbaby.example.org"], ids=["trixie", "bookworm"])
def tarbaby(request, host_named):
    return host_named(request.param)


@pytest.fixture
def visitor(host_named):
    return host_named("dns.example.net")


@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_takes_nothing_from_anybody(tarbaby, visitor, family, eventually):
    recipient = f"{family}@example.com"
    with tarbaby.call(visitor, 25, family) as smtp:
        assert smtp.ehlo()[0] == 250
        assert not {"auth", "starttls"} & smtp.esmtp_features.keys()
        assert smtp.mail("someone@example.net")[0] == 250
        for one in (recipient, "mailbox@example.net", "postmaster"):
            assert smtp.rcpt(one)[0] == 451
        assert smtp.docmd("DATA")[0] == 503
        assert smtp.docmd("AUTH", "LOGIN")[0] == 502
    assert eventually(lambda: visitor.addresses[family].rpartition(":")[0] in tarbaby.run("courier-tarbaby").stdout)


def test_tells_mail_servers_who_came_and_nobody_else(tarbaby, visitor, eventually):
    with tarbaby.call(visitor, 25, "ipv6") as smtp:
        smtp.ehlo()
        smtp.mail("someone@example.net")
        assert smtp.rcpt("alice@example.com")[0] == 451
        assert smtp.docmd("XVISITS", "0") == (500, b'Error: command "XVISITS" not recognized')

    def told():
        with tarbaby.call(visitor, 25, "ipv4") as smtp:
            code, said = smtp.docmd("XVISITS", "0")
            assert code == 250
            return [json.loads(line) for line in said.splitlines()[:-1]]

    source = f"{visitor.addresses['ipv6'].partition('::')[0]}::/64"
    (visit,) = eventually(lambda: [one for one in told() if one[0] == source and one[2] == 1.0])
    # Or who was asked for by the test before, in the same hour.
    assert re.fullmatch(r"asked for TO:<\w+@example\.com>", visit[3])
    (*_others, last) = told()
    with tarbaby.call(visitor, 25, "ipv4") as smtp:
        assert smtp.docmd("XVISITS", repr(last[1])) == (250, b"No more")
        assert smtp.docmd("XVISITS", "soon")[0] == 501


def test_has_nothing_that_could_send(tarbaby):
    assert tarbaby.run("command -v sendmail").rc != 0
    assert tarbaby.run("dpkg -s courier-base").rc != 0
    user = tarbaby.check_output("ps -o user:20= -C courier-tarbaby || ps -eo user:20=,args= | grep '[c]ourier-tarbaby'")
    assert user.split()[0] == "courier-tarbaby"


def test_comes_back_after_a_restart_of_the_host(tarbaby, visitor, eventually):
    tarbaby.container.restart()
    assert eventually(lambda: tarbaby.is_open(25), 60)
    with tarbaby.call(visitor, 25) as smtp:
        smtp.ehlo()
        smtp.mail("someone@example.net")
        assert smtp.rcpt("alice@example.com")[0] == 451

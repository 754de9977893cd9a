# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may have mail passed on, and in which words: every listener, over both families, for everybody who could ask."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from plugins.module_utils._relay import RECIPIENTS, SENDERS, Class, Site, ask, wrong

# What Courier answers to whoever may not relay.
TO_STRANGERS = {
    "local": 250,
    "local unknown": 550,
    "foreign": 513,
    "percent": 550,
    "quoted": 550,
    "quoted alone": 513,
    "source route": 500,
    "two at signs": 550,
    "empty domain": 513,
    "our literal": 250,
    "percent at our literal": 550,
    "foreign literal": 513,
    "bang path": 550,
    "bang path alone": 513,
}
# And to whoever may.
TO_RELAYS = TO_STRANGERS | {"foreign": 250}
# Courier knows no addresses of IPv6 in addresses, not even its own.
BY_FAMILY: dict[str, dict[str, int]] = {"ipv4": {}, "ipv6": {"our literal": 513, "percent at our literal": 513}}
# Nobody speaks on 587 and 465 without a login.
WITHOUT_LOGIN = dict.fromkeys(RECIPIENTS, 535)


class Asking(NamedTuple):
    """Somebody who asks."""

    host: str
    ports: tuple[int, ...]
    relays: bool
    logs_in: bool = False
    loopback: bool = False


EVERYBODY = {
    "stranger": Asking("stranger.example.net", (25, 587, 465), relays=False),
    "trusted peer": Asking("relay.example.net", (25, 587, 465), relays=False),
    "own address": Asking("mx1.{domain}", (25, 587, 465), relays=False),
    "loopback": Asking("mx1.{domain}", (25,), relays=True, loopback=True),
    "satellite": Asking("sat1.{domain}", (25, 587, 465), relays=True),
    "managed peer": Asking("dns.example.net", (25, 587, 465), relays=True),
    "authenticated": Asking("stranger.example.net", (587, 465), relays=True, logs_in=True),
}


@pytest.fixture
def asked(site, host_named):
    """What the site answers to somebody on a port."""

    def asked(who, port, family):
        caller = host_named(who.host.format(domain=site.domain))
        address = {"ipv4": "127.0.0.1", "ipv6": "::1"}[family] if who.loopback else site.addresses[family]

        def dial():
            smtp = site.smtp(caller, port, family, address=address)
            smtp.ehlo()
            if who.logs_in:
                smtp.login(*site.accounts["bob"])
            return smtp

        victim = "mailbox@example.net"
        return ask(dial, Site(site.domain, site.accounts["bob"].address, victim, victim, address))

    return asked


@pytest.mark.parametrize("name", EVERYBODY)
def test_passes_on_for_whom_it_should_and_nobody_else(asked, family, name):
    who = EVERYBODY[name]
    for port in who.ports:
        answers = asked(who, port, family)
        assert [str(answer) for answer in wrong(answers, Class(name, who.relays))] == []
        expected = (TO_RELAYS if who.relays else TO_STRANGERS) | BY_FAMILY[family]
        if port != 25 and not who.relays:
            expected = WITHOUT_LOGIN
        assert {(answer.sender, answer.recipient): answer.code for answer in answers} == {
            (sender, recipient): code for sender in SENDERS for recipient, code in expected.items()
        }, port


@pytest.fixture
def opened(sites, host_named):
    """A site that somebody opened by mistake, for strangers and for the machine of these tests."""
    site = sites[0]
    networks = site.addresses["ipv4"].rpartition(".")[0], ":2001:0db8"
    lines = "".join(f"{network}\\tallow,RELAYCLIENT\\n" for network in networks)
    site.check_output(f"printf '{lines}' >/etc/courier/smtpaccess/mistake && makesmtpaccess")
    yield site
    site.check_output("rm /etc/courier/smtpaccess/mistake && makesmtpaccess")


def test_a_site_that_is_open_is_found(opened, play):
    results = play("courier.mail.relay_matrix", "--limit", opened.name)
    (failed,) = [result.message for result in results if result.outcome == "failed"]
    # A stranger on three ports and somebody who logs in on two of them, over both families.
    assert failed.startswith("2 of 10 rows failed")
    for address in (opened.addresses["ipv4"], f"[{opened.addresses['ipv6']}]"):
        assert f"relay on {opened.name}, to smtp {address}:25: open, foreign: MAIL FROM:<> / 250 Ok." in failed

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is granted to peers by their class, and by the one check that is lifted for a broken one."""

from __future__ import annotations

import pytest

WRITER = "mailbox@example.net"


@pytest.fixture
def answer(site):
    """What the site answers to a message of a host: the code of the first refusal, or that for the recipient."""

    def answer(caller, family, *, sender=WRITER, helo=None):
        with site.call(caller, 25, family) as smtp:
            smtp.ehlo(helo or caller.name)
            refused = smtp.mail(sender)[0]
            return refused if refused >= 400 else smtp.rcpt(f"alice@{site.domain}")[0]

    return answer


# Who passes, over which family, and with what, that others are refused for.
LIFTED = {
    "dnsbl": ("relay.example.net", "ipv4", {"sender": "somebody@partner.example.net"}),
    "spf": ("relay.example.net", "ipv6", {"sender": WRITER}),
    "sender_domain": ("faults.example.net", "ipv4", {"sender": "somebody@nowhere.example.net"}),
    "helo": ("faults.example.net", "ipv6", {"sender": "somebody@partner.example.net", "helo": "nobody.example.net"}),
}


@pytest.mark.parametrize(("name", "family", "said"), LIFTED.values(), ids=LIFTED)
def test_a_broken_server_passes_the_check_that_is_lifted(answer, host_named, name, family, said):
    assert answer(host_named(name), family, **said) == 250


OTHERS = {
    "dnsbl": ("mx1.example.{other}", "ipv4", {"sender": "somebody@partner.example.net"}),
    "spf": ("faults.example.net", "ipv4", {"sender": WRITER}),
    "sender_domain": ("faults.example.net", "ipv6", {"sender": "somebody@nowhere.example.net"}),
    "helo": ("faults.example.net", "ipv4", {"sender": "somebody@partner.example.net", "helo": "nobody.example.net"}),
}


@pytest.mark.parametrize(("name", "family", "said"), OTHERS.values(), ids=OTHERS)
def test_others_do_not(site, answer, host_named, name, family, said):
    other = {"example.com": "org", "example.org": "com"}[site.domain]
    assert 500 <= answer(host_named(name.format(other=other)), family, **said) < 600


def test_a_server_of_ours_is_not_looked_up_in_blacklists(answer, foreign):
    assert answer(foreign, "ipv4", sender="somebody@partner.example.net") == 250


def test_a_server_of_ours_passes_on_senders_whose_spf_names_others(site, foreign):
    other = {"example.com": "example.org", "example.org": "example.com"}[site.domain]
    with site.smtp(foreign, 587) as smtp:
        smtp.ehlo()
        assert smtp.mail(f"alice@{other}")[0] == 250
        assert smtp.rcpt("mailbox@example.net")[0] == 250


@pytest.mark.parametrize("kind", ["sms", "safe"])
def test_a_relay_that_knows_us_gets_mail_without_a_login(site, foreign, letter, token, eventually, kind):
    site.sendmail(letter, f"root@{site.name}", f"mailbox@{kind}.example.net")
    assert eventually(lambda: foreign.received(token))
    assert "Authenticated" not in foreign.received(token)[0]["Received"]


def test_a_satellite_of_somebody_else_logs_in_there(site, host_named, foreign, letter, token, eventually):
    satellite = host_named(f"sat1.{site.domain}")
    satellite.sendmail(letter, f"root@{satellite.name}", "mailbox@example.net")
    assert eventually(lambda: foreign.received(token))
    received = " ".join(foreign.received(token)[0].get_all("Received"))
    assert "from relay.example.net" in received
    assert f"(Authenticated sender: {site.domain})" in received

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Relays with a login, and what happens when something is wrong with their TLS: mail waits or comes back, and nobody
hears the login."""

from __future__ import annotations

import base64

import pytest

# Courier's words for what it saw. It cannot say more of a peer that hangs up.
WRONG = {
    "wrong-name": "Certificate owner mismatch",
    "expired": "Invalid peer certificate",
    "unknown-issuer": "not signed by a trusted authority",
    "old": "Unexpected SSL connection shutdown",
}
FAULTY = [
    *((f"{fault}-{way}", reason) for fault, reason in WRONG.items() for way in ("starttls", "smtps")),
    ("no-starttls", "/SECURITY=REQUIRED set, but TLS is not available"),
    ("454-starttls", "454 TLS not available"),
]
# And after the first time, for the next hours.
BOXED = "/SECURITY=REQUIRED set, but TLS is not available"


@pytest.mark.parametrize("way", ["starttls", "smtps"])
def test_a_relay_as_it_should_be_gets_the_login_and_the_mail(site, faults, letter, token, eventually, way):
    site.sendmail(letter, site.accounts["alice"].address, f"{token}@right-{way}.example.net")
    assert eventually(lambda: faults.visits(token))
    (visit,) = faults.visits(token)
    assert visit.tls == "TLSv1.3"
    login = base64.b64encode(b"\0us\0a-secret").decode()
    assert f"AUTH PLAIN {login}" in visit.said


@pytest.mark.parametrize(("name", "reason"), FAULTY, ids=[name for name, _reason in FAULTY])
def test_a_relay_with_a_fault_hears_no_login_and_gets_no_mail(
    site, faults, route_of, letter, token, eventually, name, reason
):
    alice = site.accounts["alice"]
    for attempt in range(2):
        recipient = f"{token}-{attempt}@{name}.example.net"
        site.sendmail(letter, alice.address, recipient)
        # It waits, or it comes back and says why.
        assert eventually(lambda to=recipient: "status: " in site.said(to))
        assert eventually(lambda to=recipient: site.waiting(to) or site.inbox(alice, to, "TEXT"))
        said = site.said(recipient)
        assert reason in said or ("starttls" in name and BOXED in said)
    visits = [visit for visit in faults.visits() if visit.port == route_of(name)["port"]]
    assert visits
    assert not [visit for visit in visits if visit.logged_in or any("MAIL FROM" in line for line in visit.said)]


@pytest.fixture
def route_of(site):
    routes = {route["domain"]: route for route in site.facts["mail_routes"]["providers"]}
    return lambda name: routes[f"{name}.example.net"]


class TestStepsOfSmtp:
    @pytest.mark.parametrize("step", ["greeting", "mail", "rcpt", "data", "dot"])
    def test_a_refusal_for_good_comes_back_with_the_words_of_the_peer(self, site, letter, token, eventually, step):
        alice = site.accounts["alice"]
        site.sendmail(letter, alice.address, f"{token}@{step}-5xx.example.net")
        assert eventually(lambda: site.inbox(alice, token, "TEXT"))
        (notice,) = site.inbox(alice, token, "TEXT")
        assert "554 Go away" in notice.as_string()

    @pytest.mark.parametrize("step", ["greeting", "mail", "rcpt", "data", "dot"])
    def test_mail_waits_where_it_is_refused_for_now(self, site, letter, token, eventually, step):
        recipient = f"{token}@{step}-4xx.example.net"
        site.sendmail(letter, site.accounts["alice"].address, recipient)
        assert eventually(lambda: "status: deferred" in site.said(recipient))
        assert "451 Come again" in site.said(recipient)
        assert site.waiting(recipient)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others report of our mail: reports of DMARC, complaints, and lists in DNS that we are on."""

from __future__ import annotations

import gzip
import json
import secrets
import smtplib
import textwrap
import time
from email.utils import formatdate

import dns.name
import dns.reversename
import pytest

from plugins.module_utils._filter_probe import TEXTS
from tests.unit.reported import complaint, failure, letter, packed, record, tls_letter, when, xml
from tests.unit.signed import rsa, sign

NET, ZONE = "example.net", "listed.example.net"
REPORTER = f"noreply@{NET}"
# Nobody is to be believed for the envelope, which SPF says nothing of.
ENVELOPE = f"bounce@spf-neutral.{NET}"


@pytest.fixture(scope="session", autouse=True)
def key(nsupdate):
    """The key of an organisation that reports."""
    parts = " ".join(f'"{part}"' for part in textwrap.wrap(rsa()[1], 200, drop_whitespace=False))
    name = f"reports._domainkey.{NET}"
    nsupdate(NET, f"update delete {name} TXT", f"update add {name} 60 TXT {parts}")
    yield
    nsupdate(NET, f"update delete {name} TXT")


@pytest.fixture
def send(site, foreign):
    """Send a message to an address of the site. Returns the code of the answer."""

    def send(raw, who="reports", sender=ENVELOPE):
        raw = b"Date: " + formatdate().encode() + b"\n" + raw
        with site.smtp(foreign, 25, tls=False) as smtp:
            try:
                smtp.sendmail(sender, [f"{who}@{site.domain}"], raw.replace(b"\n", b"\r\n"))
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
            return 250

    return send


@pytest.fixture
def known(site):
    """What the site knows of reports."""
    return lambda: json.loads(site.check_output("courier-mail-watch reports --days 3 --json --top 3650"))


@pytest.fixture
def counted(known):
    """How many messages were not taken, for this reason."""
    return lambda reason: sum(one["reports"] for one in known()["rejected"] if one["reason"] == reason)


def signed(raw):
    return sign(raw, NET, "reports")


def report(site, token, source, count=7):
    """A message with a report of DMARC about the site."""
    now = time.time()
    text = xml(
        record(source, count, "none", "fail", "fail"),
        name=token,
        domain=site.domain,
        begin=now - 86400,
        end=now - 3600,
    )
    return letter(packed(text), "application/zip", top="").replace(b"<a@example.net>", f"<{token}@{NET}>".encode())


def source():
    """An address that no other test has."""
    return f"2001:db8:bad::{secrets.token_hex(2).lstrip('0') or '1'}:{secrets.token_hex(1).lstrip('0') or '1'}"


def seen(known, address):
    return [one["messages"] for one in known()["dmarc"]["sources"] if one["source"] == address]


def test_a_signed_report_is_stored(site, send, known, token, eventually):
    address = source()
    assert send(signed(report(site, token, address))) == 250
    assert eventually(lambda: seen(known, address) == [7])
    assert any(one["reporter"] == NET for one in known()["dmarc"]["reporters"])


def test_a_report_of_tls_is_stored(site, send, known, token, eventually):
    now, kind = time.time(), f"x-{token}"
    dates = {"start-datetime": when(now - 86400), "end-datetime": when(now - 3600)}
    raw = tls_letter(
        failure(site.name, kind, 3), name=token, domain=site.domain, top="", good=5, bad=3, **{"date-range": dates}
    )
    assert send(signed(raw.replace(b"<a@example.net>", f"<{token}@{NET}>".encode()))) == 250
    found = eventually(lambda: [one for one in known()["tls"]["failures"] if one["type"] == kind])
    assert [(one["domain"], one["mx"], one["sessions"]) for one in found] == [(site.domain, site.name, 3)]
    site.run_unit("courier-mail-watch-metrics.service")
    labels = f'domain="{site.domain}",mx="{site.name}",type="{kind}"'
    numbers = site.check_output("cat /run/courier-mail-watch/courier_mail.prom").splitlines()
    assert f"courier_mail_tls_report_failures{{{labels}}} 3.0" in numbers


def test_a_report_that_was_cut_off_is_counted(send, counted, eventually):
    before = counted("broken")
    assert send(signed(letter(gzip.compress(b"{}" * 99)[:-12], "application/tlsrpt+gzip", top=""))) == 250
    assert eventually(lambda: counted("broken") == before + 1)


def test_it_comes_in_once(site, send, known, counted, token, eventually):
    address, before = source(), counted("duplicate")
    for _time in range(2):
        assert send(signed(report(site, token, address))) == 250
    assert eventually(lambda: counted("duplicate") == before + 1)
    assert seen(known, address) == [7]


def test_a_forged_one_is_counted(site, send, known, counted, token, eventually):
    address, before = source(), counted("forged")
    assert send(report(site, token, address)) == 250
    assert eventually(lambda: counted("forged") == before + 1)
    assert seen(known, address) == []


def test_who_writes_our_results_himself_is_not_believed(site, send, known, counted, token, eventually):
    address, before = source(), counted("forged")
    mark = f"Authentication-Results: {site.name}; dkim=pass header.d={NET}; dmarc=pass header.from={NET}\n"
    assert send(mark.encode() + report(site, token, address)) == 250
    assert eventually(lambda: counted("forged") == before + 1)
    assert seen(known, address) == []


def test_a_bomb_is_counted(send, counted, eventually):
    before = counted("bomb")
    bomb = packed(b"<feedback>" + b" " * (60 << 20))
    assert len(bomb) < 100_000
    assert send(signed(letter(bomb, "application/zip", top=""))) == 250
    assert eventually(lambda: counted("bomb") == before + 1)


def test_a_complaint_names_the_account(site, send, known, token, eventually):
    original = f"""Received: from pc (pc [::ffff:192.0.2.99])
  (AUTH: PLAIN bob@{site.domain}, TLS: TLS1.3,128bits,X)
  by {site.name} with ESMTPSA
From: redacted@{site.domain}
Message-ID: <{token}@{site.name}>
Subject: Buy

{TEXTS["spam"].strip()}
"""
    assert send(signed(complaint(original, name=token, top="")), "fbl") == 250
    found = eventually(
        lambda: [one for one in known()["complaints"]["each"] if one["message"] == f"{token}@{site.name}"]
    )
    assert [(one["account"], one["evidence"], one["type"]) for one in found] == [
        (f"bob@{site.domain}", "login", "abuse")
    ]


def test_who_is_complained_about_is_a_finding(site, send, known, token, eventually):
    name = f"erin@{site.domain}"
    for number in range(3):
        original = f"Return-Path: <{name}>\nFrom: {name}\nMessage-ID: <{token}{number}@{site.name}>\n\nBuy.\n"
        assert send(signed(complaint(original, name=f"{token}{number}", top="")), "fbl") == 250

    def bad():
        found = json.loads(site.run("courier-mail-watch findings --json").stdout)
        return [one for one in found if one["subject"] == f"complaints about {name}" and one["state"] == "bad"]

    assert eventually(bad)


def test_a_virus_is_none(send):
    virus = signed(letter(TEXTS["virus"].encode(), "application/gzip", top=""))
    assert 500 <= send(virus) < 600
    assert (
        500
        <= send(signed(letter(b"MZ", "application/x-msdownload", top="").replace(b'"report"', b'"report.exe"')))
        < 600
    )


def test_nothing_is_lost_while_nobody_reads(site, send, known, token, eventually):
    address = source()
    site.check_output("systemctl stop courier-mail-watch-mail.socket")
    try:
        assert send(signed(report(site, token, address))) == 250
        assert eventually(lambda: "watch" in site.check_output("mailq -batch"))
        assert seen(known, address) == []
    finally:
        site.check_output("systemctl start courier-mail-watch-mail.socket")

    def flushed():
        site.check_output("courier flush")
        return seen(known, address) == [7]

    assert eventually(flushed)


class TestLists:
    @pytest.fixture
    def listed(self, nsupdate):
        """Let a list say something of an address until the test is over."""
        put = set()

        def listed(address, *answers, reason=""):
            name = f"{_backwards(address)}.{ZONE}"
            put.add(name)
            said = [f"update add {name} 1 A {answer}" for answer in answers]
            said += [f'update add {name} 1 TXT "{reason}"'] if reason else []
            nsupdate(NET, f"update delete {name}", *said)

        yield listed
        for name in sorted(put):
            nsupdate(NET, f"update delete {name}")

    @pytest.fixture
    def states(self, site):
        """Ask now, and say what each list says of an address."""

        def states(address):
            done = site.run("courier-mail-watch blocklists check --json")
            assert done.rc in (0, 1), done.stderr
            found = json.loads(done.stdout)["subjects"]
            return {one["zone"]: one for one in found if one["subject"] == address}

        return states

    @pytest.mark.parametrize("version", ["ipv4", "ipv6"])
    def test_an_address_of_ours_on_a_list_is_a_finding_and_goes_away_again(
        self, site, listed, states, eventually, version
    ):
        address = site.addresses[version]
        assert eventually(lambda: states(address)[ZONE]["state"] == "clear")
        listed(address, "127.0.0.5", reason="seen with spam")
        assert eventually(lambda: states(address)[ZONE]["state"] == "listed")
        one = states(address)[ZONE]
        assert (one["answer"], one["reason"], one["url"]) == (
            "127.0.0.5",
            "seen with spam",
            f"https://{ZONE}/{address}",
        )
        said = site.run("courier-mail-watch blocklists")
        assert (said.rc, f"listed   {address} on {ZONE} (127.0.0.5: seen with spam) since" in said.stdout) == (1, True)
        listed(address)
        assert eventually(lambda: states(address)[ZONE]["state"] == "clear")
        assert f"was      {address} on {ZONE} from" in site.check_output("courier-mail-watch blocklists")

    @pytest.mark.parametrize(
        ("answer", "state"), [("127.255.255.254", "unknown"), ("203.0.113.7", "unknown"), ("127.0.0.3", "clear")]
    )
    def test_what_is_no_listing(self, site, listed, states, eventually, answer, state):
        address = site.addresses["ipv4"]
        listed(address, answer)
        assert eventually(lambda: states(address)[ZONE]["state"] == state)
        listed(address)
        assert eventually(lambda: states(address)[ZONE]["state"] == "clear")

    def test_a_list_that_everybody_is_on_lists_nobody(self, site, nsupdate, listed, states, eventually):
        address = site.addresses["ipv4"]
        nsupdate(NET, f"update add 1.0.0.127.{ZONE} 1 A 127.0.0.2")
        listed(address, "127.0.0.2")
        try:
            assert eventually(lambda: states(address)[ZONE]["state"] == "unknown")
            assert f"broken   {ZONE}: " in site.check_output("courier-mail-watch blocklists")
        finally:
            nsupdate(NET, f"update delete 1.0.0.127.{ZONE}")
            listed(address)
        assert eventually(lambda: states(address)[ZONE]["state"] == "clear")

    def test_is_asked_again_and_again(self, site):
        assert site.check_output("systemctl is-active courier-mail-watch-blocklists.timer") == "active"
        assert site.run("systemctl start courier-mail-watch-blocklists.service").rc == 0
        assert site.run("systemctl start courier-mail-watch-prune.service").rc == 0


def _backwards(address):
    end = "in-addr.arpa" if "." in address else "ip6.arpa"
    return dns.reversename.from_address(address).relativize(dns.name.from_text(end)).to_text()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that comes from elsewhere, over port 25."""

from __future__ import annotations

from email.utils import formatdate

import pytest

WRITER = "mailbox@example.net"


def test_a_foreign_server_delivers_to_a_mailbox(site, foreign, family, letter, token, eventually):
    foreign.prefer(family)
    foreign.sendmail(letter, WRITER, f"alice@{site.domain}")
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))
    (message,) = site.inbox(site.accounts["alice"], token)
    assert foreign.addresses[family] in message["Received"]
    assert message["Return-Path"] == f"<{WRITER}>"
    assert message.get_content().split() == letter.get_content().split()


def test_a_foreign_server_uses_tls(site, foreign, letter, token, eventually):
    foreign.sendmail(letter, WRITER, f"alice@{site.domain}")
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))
    (message,) = site.inbox(site.accounts["alice"], token)
    assert "TLS" in message["Received"]


def test_capitals_make_no_difference(site, stranger, letter, token, eventually):
    with site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, WRITER, [f"ALICE@{site.domain.upper()}"])
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


@pytest.mark.parametrize("where", ["", "shop.not-"], ids=["in a hosted domain", "in a domain of others"])
def test_an_unknown_recipient_is_refused_before_the_message(site, stranger, token, where):
    with site.smtp(stranger, 25) as smtp:
        smtp.ehlo()
        assert smtp.mail(WRITER)[0] == 250
        assert smtp.rcpt(f"alice@{site.domain}")[0] == 250
        assert 500 <= smtp.rcpt(f"nobody-{token}@{where}{site.domain}")[0] < 600


@pytest.mark.parametrize(
    ("recipient", "readers"),
    [
        ("sales@{domain}", {"alice", "bob"}),
        ("nobody-knows-{token}@shop.{domain}", {"bob"}),
        ("carol@{domain}", {"carol", "bob"}),
        ("postmaster@{domain}", {"alice"}),
        ("postmaster@shop.{domain}", {"alice"}),
        ("abuse@{domain}", {"alice"}),
    ],
    ids=[
        "alias with two targets",
        "catch-all",
        ".courier forward",
        "postmaster",
        "postmaster next to a catch-all",
        "abuse",
    ],
)
def test_mail_finds_everybody_it_is_meant_for(site, stranger, letter, token, eventually, recipient, readers):
    with site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, WRITER, [recipient.format(domain=site.domain, token=token)])
    assert eventually(lambda: all(site.inbox(site.accounts[reader], token) for reader in readers))
    copies = {name: len(site.inbox(site.accounts[name], token)) for name in ("alice", "bob", "carol")}
    assert copies == {name: int(name in readers) for name in copies}


def test_raw_bytes_in_headers_can_be_read(site, stranger, token, eventually):
    headers = f"From: J\xfcrgen <{WRITER}>\r\nSubject: Gr\xfc\xdfe {token}\r\n".encode("latin-1")
    with site.smtp(stranger, 25) as smtp:
        smtp.sendmail(WRITER, [f"alice@{site.domain}"], headers + b"\r\nHello\r\n", ["BODY=8BITMIME"])
    assert eventually(lambda: site.inbox(site.accounts["alice"], token, "TEXT"))
    (message,) = site.inbox(site.accounts["alice"], token, "TEXT")
    assert message["Subject"] == f"Gr\xfc\xdfe {token}"
    assert message["From"] == f"J\xfcrgen <{WRITER}>"
    assert "subject" in message["X-Courier-Mail-Repaired"]


def test_a_message_in_utf8_arrives(site, stranger, letter, token, eventually):
    letter.replace_header("Subject", f"\u03a7\u03b1\u03af\u03c1\u03b5 {token}")
    letter["From"] = "\u03a3\u03c9\u03ba\u03c1\u03ac\u03c4\u03b7\u03c2@example.net"
    letter["To"] = f"alice@{site.domain}"
    with site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter)  # asks for SMTPUTF8 because of the sender
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))
    (message,) = site.inbox(site.accounts["alice"], token)
    assert message["Subject"] == letter["Subject"]
    assert message["From"] == letter["From"]


class TestSize:
    @pytest.fixture
    def limit(self, site):
        return int(site.facts["courier_mta_files"]["sizelimit"])

    @pytest.fixture
    def smtp(self, site, stranger):
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            yield smtp

    @pytest.fixture
    def write(self, token):
        """Make a message of about so many bytes."""

        def write(size):
            line = b"x" * 70 + b"\r\n"
            fields = (
                f"Subject: {token}\r\nFrom: {WRITER}\r\nDate: {formatdate()}\r\nMessage-ID: <{token}@example.net>\r\n"
            )
            return fields.encode() + b"\r\n" + line * (size // len(line))

        return write

    def test_a_message_below_the_limit_is_taken(self, site, smtp, limit, write, token, eventually):
        smtp.sendmail(WRITER, [f"alice@{site.domain}"], write(limit * 9 // 10))
        assert eventually(lambda: site.inbox(site.accounts["alice"], token))

    def test_a_message_announced_above_the_limit_is_refused(self, smtp, limit):
        assert 500 <= smtp.mail(WRITER, [f"SIZE={limit + 1}"])[0] < 600

    def test_a_message_that_turns_out_above_the_limit_is_refused(self, site, smtp, limit, write):
        smtp.mail(WRITER)
        smtp.rcpt(f"alice@{site.domain}")
        assert 500 <= smtp.data(write(limit * 11 // 10))[0] < 600

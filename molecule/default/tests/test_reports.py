# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delivery reports: whom they are from, what they say, what comes back with them, and who gets them."""

from __future__ import annotations

from email.utils import parseaddr

import pytest


def greek_text(site):
    return site.facts["courier_mta_dsn_texts"][0]["failed"].strip()


@pytest.fixture
def report(site, token, eventually):
    """The report that an account gets on the message with the token, as bytes."""

    def report(account):
        assert eventually(lambda: site.inbox_bytes(account, token, "TEXT"))
        (message,) = site.inbox_bytes(account, token, "TEXT")
        return message

    return report


def test_the_sender_hears_of_a_recipient_that_does_not_exist(site, letter, token, parsed, report):
    alice = site.accounts["alice"]
    site.sendmail(letter, alice.address, f"nobody-{token}@example.net")
    notice = parsed(report(alice))
    text, status, _returned = notice.iter_parts()
    assert notice.get_content_type() == "multipart/report"
    assert notice["Return-Path"] == "<>"
    assert f"<nobody-{token}@example.net>" in text.get_content()
    assert "Action: failed" in status.as_string()


def test_a_report_is_in_the_operator_s_languages(site, letter, token, parsed, report):
    alice = site.accounts["alice"]
    site.sendmail(letter, alice.address, f"nobody-{token}@example.net")
    raw = report(alice)
    notice = parsed(raw)
    assert raw.partition(b"\r\n\r\n")[0].isascii()
    assert parseaddr(notice["From"]) == ("Ταχυδρομείο", f"mailer-daemon@{site.name}")
    assert notice["Subject"] == "Αναφορά παράδοσης / Delivery report"
    text = next(notice.iter_parts()).get_content()
    greek, english = text.index(greek_text(site)), text.index("could NOT BE DELIVERED")
    assert text.index(f"This is the mail server {site.name}.") < greek < english < text.index(f"<nobody-{token}@")


@pytest.mark.parametrize(
    ("share", "kind"), [(0.5, "message/rfc822"), (1.5, "text/rfc822-headers")], ids=["below", "above"]
)
def test_a_message_comes_back_whole_up_to_the_limit(site, letter, token, parsed, report, share, kind):
    alice = site.accounts["alice"]
    line = 70 * "x" + "\n"
    letter.set_content(line * int(share * site.facts["courier_mta_files"]["dsnlimit"] / len(line)))
    site.sendmail(letter, alice.address, f"nobody-{token}@example.net")
    _text, _status, returned = parsed(report(alice)).iter_parts()
    assert returned.get_content_type() == kind
    assert f"Subject: About {token}" in returned.as_string()
    assert ("xxxx" in returned.as_string()) is (share < 1)


class TestStranger:
    @pytest.fixture
    def nobody(self, token):
        """Whom we take mail for and cannot pass it on to."""
        return f"nobody-{token}@nowhere.example.net"

    @pytest.fixture
    def notice(self, site, stranger, foreign, letter, token, nobody, eventually):
        with site.smtp(stranger, 25) as smtp:
            smtp.send_message(letter, f"mailbox+{token}@example.net", [nobody])
        assert eventually(lambda: foreign.received(token))
        (notice,) = foreign.received(token)
        return notice

    def test_gets_a_report_where_the_operator_says_so(self, site, notice):
        assert notice["Return-Path"] == "<>"
        assert greek_text(site) in next(notice.iter_parts()).get_content()

    def test_gets_one_only(self, site, stranger, token, nobody, notice):
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail(f"mailbox+{token}@example.net")
            assert 400 <= smtp.rcpt(nobody)[0] < 600

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in, where, and under which protection."""

from __future__ import annotations

import base64
import imaplib
import smtplib

import pytest

AUTHENTICATED = 235
METHODS = ["PLAIN", "LOGIN", "CRAM-MD5", "CRAM-SHA1", "CRAM-SHA256"]


def plain(account):
    """The argument of a blind AUTH."""
    return "PLAIN " + base64.b64encode(f"\0{account.address}\0{account.password}".encode()).decode()


@pytest.mark.parametrize(
    "who", ["alice", "dave", "erin"], ids=["sha512-crypt", "every printable character", "yescrypt"]
)
class TestRightPassword:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("port", [587, 465])
    def test_opens_smtp(self, site, stranger, log_in, who, port, method):
        with site.smtp(stranger, port) as smtp:
            assert log_in(smtp, site.accounts[who], method) == AUTHENTICATED

    def test_opens_imap(self, site, stranger, family, who):
        with site.imap(stranger, family) as imap:
            imap.login(*site.accounts[who])
            assert imap.select()[0] == "OK"


def test_a_new_mailbox_has_its_folders(site, stranger):
    with site.imap(stranger) as imap:
        imap.login(*site.accounts["dave"])
        folders = {line.rpartition(b" ")[2].strip(b'"') for line in imap.list()[1]}
    assert folders >= {b"INBOX", b"INBOX.Drafts", b"INBOX.Sent", b"INBOX.Junk", b"INBOX.Trash"}


@pytest.mark.parametrize(
    ("who", "password"),
    [("alice", "incorrect horse battery staple"), ("alice", "x"), ("nobody", "correct horse battery staple")],
    ids=["wrong password", "short password", "unknown account"],
)
class TestWrongPassword:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("port", [587, 465])
    def test_is_refused_by_smtp(self, site, stranger, log_in, who, password, port, method):
        account = site.accounts["alice"]._replace(address=f"{who}@{site.domain}", password=password)
        with site.smtp(stranger, port) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
            log_in(smtp, account, method)

    def test_is_refused_by_imap(self, site, stranger, who, password):
        with site.imap(stranger) as imap, pytest.raises(imaplib.IMAP4.error, match="Login failed"):
            imap.login(f"{who}@{site.domain}", password)


@pytest.mark.parametrize("port", [587, 465])
def test_login_is_offered_under_tls(site, stranger, family, port):
    with site.smtp(stranger, port, family) as smtp:
        smtp.ehlo()
        assert smtp.esmtp_features["auth"].split() == METHODS


@pytest.mark.parametrize("port", [25, 587])
def test_login_is_neither_offered_nor_taken_in_clear(site, stranger, family, port):
    with site.smtp(stranger, port, family, tls=False) as smtp:
        smtp.ehlo()
        assert smtp.has_extn("starttls")
        assert not smtp.has_extn("auth")
        for argument in (plain(site.accounts["alice"]), "LOGIN", "CRAM-MD5"):
            assert 400 <= smtp.docmd("AUTH", argument)[0] < 600


def test_login_is_neither_offered_nor_taken_on_port_25(site, stranger, family):
    with site.smtp(stranger, 25, family) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        for argument in (plain(site.accounts["alice"]), "LOGIN", "CRAM-MD5"):
            assert 500 <= smtp.docmd("AUTH", argument)[0] < 600


@pytest.mark.parametrize("port", [465, 993])
def test_a_port_within_tls_says_nothing_in_clear(site, stranger, family, port):
    alice = site.accounts["alice"]
    with stranger.connect(site.addresses[family], port) as connection:
        connection.sendall(f"EHLO x\r\nAUTH {plain(alice)}\r\n1 LOGIN {alice.address} {alice.password!r}\r\n".encode())
        connection.settimeout(5)
        try:
            answer = connection.recv(4096)
        except (TimeoutError, ConnectionResetError):
            answer = b""
    assert not any(word in answer for word in (b"220", b"235", b"250", b"OK"))


@pytest.mark.parametrize("port", [110, 143, 995])
def test_a_door_that_nobody_asked_for_is_closed(site, family, port):
    assert site.is_open(993, family)
    assert not site.is_open(port, family)

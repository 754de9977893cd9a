# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What side_effect.yml put into the inventory is there."""

from __future__ import annotations

import imaplib
import poplib
import smtplib

import pytest

WRITER = "mailbox@example.net"


def issuer(connection):
    return dict(pair for (pair,) in connection.getpeercert()["issuer"])["commonName"]


class TestImapWithStarttls:
    @pytest.fixture
    def imap(self, site, stranger, family):
        with stranger.inside(lambda: imaplib.IMAP4(site.addresses[family], 143, timeout=60)) as imap:
            yield imap

    def test_reads_after_starttls(self, site, imap):
        imap.starttls(site.trust)
        assert issuer(imap.sock) == "Authority of the bed"
        imap.login(*site.accounts["alice"])
        assert imap.select()[0] == "OK"

    def test_takes_no_login_before(self, site, imap):
        assert "LOGINDISABLED" in imap.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            imap.login(*site.accounts["alice"])


class TestPop3s:
    @pytest.fixture
    def pop3(self, site, stranger, family):
        client = stranger.inside(lambda: poplib.POP3_SSL(site.addresses[family], 995, timeout=60, context=site.trust))
        yield client
        client.quit()

    def test_reads_mail(self, site, letter, token, pop3, eventually):
        site.sendmail(letter, WRITER, site.accounts["bob"].address)
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
        assert issuer(pop3.sock) == "Authority of the bed"
        pop3.user(site.accounts["bob"].address)
        pop3.pass_(site.accounts["bob"].password)
        assert b"Subject:" in b"".join(pop3.top(pop3.stat()[0], 0)[1])

    def test_leaves_mail_to_imap(self, site, stranger, letter, token, eventually):
        bob = site.accounts["bob"]
        site.sendmail(letter, WRITER, bob.address)
        assert eventually(lambda: site.inbox(bob, token))
        client = stranger.inside(lambda: poplib.POP3_SSL(site.addresses["ipv4"], 995, timeout=60, context=site.trust))
        client.user(bob.address)
        client.pass_(bob.password)
        # Letters of one second have no order among themselves: the name of a file in a Maildir begins with its second.
        count = client.stat()[0]
        latest = range(count, max(count - 10, 0), -1)
        assert any(token.encode() in b"".join(client.retr(number)[1]) for number in latest)
        client.quit()
        assert len(site.inbox(bob, token)) == 1

    def test_refuses_a_wrong_password(self, site, pop3):
        pop3.user(site.accounts["bob"].address)
        with pytest.raises(poplib.error_proto):
            pop3.pass_("incorrect horse battery staple")


@pytest.mark.parametrize("port", [25, 587])
def test_smtp_serves_the_new_certificate(site, stranger, port):
    with site.smtp(stranger, port) as smtp:
        assert issuer(smtp.sock) == "Authority of the bed"


def test_imaps_serves_the_new_certificate(site, stranger):
    with site.imap(stranger) as imap:
        assert issuer(imap.sock) == "Authority of the bed"


def test_another_name_of_a_domain_reaches_its_people(site, stranger, letter, token, eventually):
    with site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, WRITER, [f"alice@also.{site.domain}"])
        smtp.mail(WRITER)
        assert 500 <= smtp.rcpt(f"nobody-{token}@also.{site.domain}")[0] < 600
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


def test_a_backup_mx_passes_mail_on(site, stranger, foreign, letter, token, eventually):
    with site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, WRITER, ["mailbox@partner.example.net"])
    assert eventually(lambda: foreign.received(token))
    assert f"from {site.name}" in foreign.received(token)[0]["Received"]


def test_a_route_goes_where_dns_does_not_know_the_way(site, foreign, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", "mailbox@routed.example.net")
    assert eventually(lambda: foreign.received(token))
    assert "using TLS" in foreign.received(token)[0]["Received"]


def test_a_denied_host_is_not_greeted(site, host_named):
    denied = host_named("acme.example.net")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        site.smtp(denied, 25, tls=False)
    # The list has its IPv4 address only.
    with site.smtp(denied, 25, "ipv6", tls=False) as smtp:
        assert smtp.ehlo()[0] == 250


def test_a_server_of_ours_relays_without_a_login(site, foreign, letter, token, eventually):
    with site.smtp(foreign, 587) as smtp:
        smtp.send_message(letter, WRITER, [f"mailbox+{token}@example.net"])
    assert eventually(lambda: foreign.received(token))


def test_it_does_so_from_its_address_only(site, foreign):
    with site.smtp(foreign, 587, "ipv6") as smtp:
        smtp.ehlo()
        assert 500 <= smtp.mail(WRITER)[0] < 600


class TestLoginByOtherMethods:
    def test_is_what_is_offered(self, site, stranger):
        with site.smtp(stranger, 587) as smtp:
            smtp.ehlo()
            assert smtp.esmtp_features["auth"].split() == ["CRAM-MD5", "CRAM-SHA256"]

    @pytest.mark.parametrize("method", ["CRAM-MD5", "CRAM-SHA256"])
    def test_opens(self, site, stranger, log_in, method):
        with site.smtp(stranger, 587) as smtp:
            assert log_in(smtp, site.accounts["alice"], method) == 235

    @pytest.mark.parametrize("method", ["PLAIN", "LOGIN", "CRAM-SHA1"])
    def test_and_by_no_other(self, site, stranger, log_in, method):
        with site.smtp(stranger, 587) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
            log_in(smtp, site.accounts["alice"], method)

    def test_leaves_imap_its_password(self, site, stranger):
        with site.imap(stranger) as imap:
            imap.login(*site.accounts["alice"])
            assert imap.select()[0] == "OK"


class TestBlacklist:
    def test_a_host_on_it_is_refused(self, site, host_named):
        other = {"mx1.example.com": "mx1.example.org", "mx1.example.org": "mx1.example.com"}[site.name]
        with site.smtp(host_named(other), 25) as smtp:
            smtp.ehlo()
            smtp.mail(WRITER)
            assert 500 <= smtp.rcpt(f"alice@{site.domain}")[0] < 600

    def test_a_host_that_the_spf_record_of_somebody_trusted_names_is_not(self, site, stranger):
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail(WRITER)
            assert smtp.rcpt(f"alice@{site.domain}")[0] == 250
            assert smtp.rcpt("mailbox@example.net")[0] == 513

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that goes elsewhere, what comes back, and whom it says it is from."""

from __future__ import annotations

import re
import smtplib
import subprocess
from email.utils import parseaddr

import dkim
import pytest

from plugins.module_utils._dns import Resolver

SERVICE = "/run/courier-forward/socket"
SRS0 = r"<SRS0-[^=]{4}=[A-Z2-7]{2}=example\.net=mailbox\+%s@%s>"


@pytest.fixture
def writer(token):
    """Somebody elsewhere. His case is kept."""
    return f"mailbox+{token}@example.net"


@pytest.fixture
def send(site, foreign, letter, writer):
    def send(*recipients, sender=None, author=None):
        del letter["From"]
        letter["From"] = author or "Bob <mailbox@example.net>"
        with site.call(foreign, 25) as smtp:
            smtp.send_message(letter, writer if sender is None else sender, list(recipients))

    return send


@pytest.fixture
def came(foreign, token, eventually):
    """What reached the foreign host with the token in its subject, at least one message."""

    def came(number=1):
        def there():
            return [one for one in foreign.received(token) if token in str(one["Subject"])]

        assert eventually(lambda: len(there()) >= number)
        return there()

    return came


@pytest.fixture
def ask(site):
    """Ask the service, as root."""

    def ask(*said):
        program = (
            "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
            "s.sendall('\\0'.join(sys.argv[2:]).encode() + b'\\n'); s.shutdown(1); print(s.makefile().read())"
        )
        return site.check_output(f"python3 -c %s %s {' '.join(['%s'] * len(said))}", program, SERVICE, *said).strip()

    return ask


def forward(site, name, target):
    """A local name that goes elsewhere, as the role makes it of an alias."""
    path = f"/etc/courier/aliasdir/.courier-{name}"
    site.check_output(
        "echo %s >%s && chown root:courier %s && chmod 640 %s",
        f"| /usr/local/lib/courier-mail/forward {name}@{site.name} {target}",
        *(path,) * 3,
    )
    return f"{name}@{site.name}"


def gone(site, name):
    site.check_output("rm -f %s", f"/etc/courier/aliasdir/.courier-{name}")


class TestTheSender:
    def test_is_one_of_ours(self, site, send, came, token):
        send(f"left@{site.domain}")
        (copy,) = came()
        assert re.fullmatch(SRS0 % (token, re.escape(site.name)), copy["Return-Path"])
        assert f"left@{site.domain}" in copy.get_all("Delivered-To")
        assert copy["From"] == "Bob <mailbox@example.net>"

    def test_stays_nobody(self, site, send, came):
        send(f"left@{site.domain}", sender="")
        assert came()[0]["Return-Path"] == "<>"

    def test_of_a_forward_of_a_forward_is_srs1(self, site, send, came, ask):
        sender = "SRS0=HHHH=TT=elsewhere.example.net=Bob@example.net"
        send(f"left@{site.domain}", sender=sender)
        made = came()[0]["Return-Path"].strip("<>")
        assert re.fullmatch(rf"SRS1-.{{4}}=example\.net==HHHH=TT=elsewhere\.example\.net=Bob@{site.name}", made)
        assert ask("reverse", made) == f"0 {sender}"


class TestWhoElseGetsIt:
    def test_some_here_and_some_elsewhere_each_once(self, site, send, came, token, eventually):
        send(f"partners@{site.domain}")
        (copy,) = came()
        assert copy["Return-Path"].startswith("<SRS0-")
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
        assert eventually(lambda: not site.waiting(token))
        (kept,) = site.inbox(site.accounts["bob"], token)
        assert kept["Return-Path"] == f"<mailbox+{token}@example.net>"
        assert len(came()) == 1

    def test_an_account_keeps_and_passes_on(self, site, send, came, token, eventually):
        send(f"frank@{site.domain}")
        (copy,) = came()
        assert re.fullmatch(SRS0 % (token, re.escape(site.name)), copy["Return-Path"])
        assert eventually(lambda: site.inbox(site.accounts["frank"], token))
        assert len(site.inbox(site.accounts["frank"], token)) == 1

    def test_an_account_passes_on_and_keeps_nothing(self, site, send, came, token, eventually):
        send(f"ivan@{site.domain}")
        (copy,) = came()
        assert re.fullmatch(SRS0 % (token, re.escape(site.name)), copy["Return-Path"])
        assert eventually(lambda: not site.waiting(token))
        assert len(came()) == 1
        assert site.run("grep -rl %s /srv/vmail/%s/ivan", token, site.domain).stdout == ""
        # He is somebody, all the same.
        assert not site.inbox(site.accounts["ivan"], token)


class TestWhatComesBack:
    def test_reaches_the_first_sender_when_the_next_host_refuses(self, site, send, foreign, token, eventually):
        name = f"nowhere-{token}"
        try:
            send(forward(site, name, f"nobody-{token}@example.net"))
            assert eventually(lambda: foreign.received(token))
            (notice,) = foreign.received(token)
            assert notice["Return-Path"] == "<>"
            assert notice.get_content_type() == "multipart/report"
            # As it was written, capitals and all.
            assert f"mailbox+{token}@example.net" in notice["X-Original-To"]
        finally:
            gone(site, name)

    def test_in_lower_case_too(self, site, foreign, letter, token, ask, came):
        made = ask("rewrite", f"mailbox+{token}@example.net").partition(" ")[2]
        with site.call(foreign, 25) as smtp:
            smtp.send_message(letter, "", [made.lower()])
        assert came()[0]["X-Original-To"] == f"mailbox+{token}@example.net"

    def test_keeps_its_capitals(self, site, foreign, letter, ask, came, token):
        made = ask("rewrite", f"MailBox+{token}@example.net").partition(" ")[2]
        with site.call(foreign, 25) as smtp:
            smtp.send_message(letter, "", [made])
        assert came()[0]["X-Original-To"] == f"MailBox+{token}@example.net"

    def test_is_refused_when_it_is_forged_or_no_bounce(self, site, foreign, letter, ask):
        made = ask("rewrite", "mailbox@example.net").partition(" ")[2]
        forged = f"{made[:5]}{'a' if made[5] not in 'aA' else 'b'}{made[6:]}"
        with site.call(foreign, 25) as smtp:
            for sender, recipient, said in (
                ("", forged, b"was not made here"),
                ("mailbox@example.net", made, b"takes only reports"),
            ):
                with pytest.raises(smtplib.SMTPDataError) as refused:
                    smtp.send_message(letter, sender, [recipient])
                assert refused.value.smtp_code == 550
                assert said in refused.value.smtp_error

    def test_a_forged_one_goes_nowhere_by_sendmail_either(self, site, letter, foreign, token, eventually):
        forged = f"SRS0-AAAA=BB=example.net=mailbox+{token}@{site.name}"
        site.check_output("cat /usr/share/common-licenses/BSD | NOADDMSGID=1 sendmail -f '' %s || true", forged)
        assert eventually(lambda: not site.waiting(token))
        assert not foreign.received(token)

    def test_old_secrets_are_known(self, site, ask):
        made = ask("rewrite", "Bob@example.net").partition(" ")[2]
        before = site.check_output("cat /etc/courier/srs-secrets")
        try:
            site.check_output("printf '%%s\\n' a-new-secret-0123456789 %s >/etc/courier/srs-secrets", before)
            site.check_output("systemctl restart courier-forward")
            assert ask("reverse", made) == "0 Bob@example.net"
            assert ask("rewrite", "Bob@example.net") != f"0 {made}"
        finally:
            site.check_output("echo %s >/etc/courier/srs-secrets && systemctl restart courier-forward", before)


class TestWhenTheServiceIsDown:
    def test_mail_waits_and_goes_once(self, site, send, came, token, eventually):
        site.check_output("systemctl stop courier-forward.socket courier-forward")
        try:
            send(f"frank@{site.domain}", f"left@{site.domain}")
            # Both: what is deferred after the flush comes again in five minutes.
            # By the name of the program, which ends so soon that the journal may not know its unit.
            said = "journalctl --no-pager --output=cat SYSLOG_IDENTIFIER=courierlocal | grep %s"
            assert eventually(lambda: site.run(said, token).stdout.count("status: deferred") == 2)
            assert site.waiting(token)
            assert not site.inbox(site.accounts["frank"], token)
        finally:
            site.check_output("systemctl start courier-forward.socket courier-forward && courier flush")
        assert len(came(2)) == 2
        assert eventually(lambda: not site.waiting(token))
        assert len(site.inbox(site.accounts["frank"], token)) == 1
        assert len(came(2)) == 2

    def test_without_a_secret_it_waits_and_a_run_would_say_so(self, site, ask):
        site.check_output("mv /etc/courier/srs-secrets /root/ && systemctl restart courier-forward")
        try:
            assert ask("rewrite", "Bob@example.net").startswith("75 the secret of SRS is missing")
        finally:
            site.check_output("mv /root/srs-secrets /etc/courier/ && systemctl restart courier-forward")


class TestSecrets:
    def test_nobody_else_reads_them(self, site):
        assert site.check_output("stat -c '%U %a' /etc/courier/srs-secrets") == "root 600"
        secret = site.check_output("sed -n 1p /etc/courier/srs-secrets")
        assert secret not in site.check_output("ps axeww")
        for user in ("courier", "vmail"):
            assert not site.run(
                "setpriv --reuid=%s --clear-groups cat /run/credentials/courier-forward.service/*", user
            ).succeeded

    def test_others_of_the_host_may_not_ask(self, site):
        program = (
            "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/courier-forward/socket'); "
            "s.sendall(b'rewrite\\0a@example.net\\n'); s.shutdown(1); print(s.makefile().read())"
        )
        assert site.check_output("setpriv --reuid=nobody --clear-groups python3 -c %s", program).startswith("75 user")


class TestFrom:
    @pytest.fixture(scope="class")
    @classmethod
    def key(cls):
        """Somebody's private key, and what he publishes."""
        made = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout
        shown = subprocess.run(["openssl", "rsa", "-pubout"], check=True, capture_output=True, input=made).stdout
        return made, f"v=DKIM1; k=rsa; p={''.join(shown.decode().splitlines()[1:-1])}"

    @pytest.fixture
    def pass_on(self, site, send, came):
        """Have a message passed on that only SPF proves to be of its author's domain."""

        def pass_on(domain):
            send(f"left@{site.domain}", sender=f"bob@{domain}.example.net", author=f"Böb <bob@{domain}.example.net>")
            return came()[0]

        return pass_on

    @pytest.mark.parametrize("policy", ["reject", "quarantine"])
    def test_becomes_ours_where_the_copy_would_be_refused(self, site, pass_on, policy):
        copy = pass_on(f"shield-{policy}")
        assert parseaddr(str(copy["From"])) == (f"Böb via {site.domain}", f"left@{site.domain}")
        assert copy["Reply-To"] == copy["X-Original-From"] == f"Böb <bob@shield-{policy}.example.net>"
        # It was for the filter that signs, which takes it away.
        assert copy["X-Courier-Mail-Shielded"] is None
        found = map(str, copy.get_all("Authentication-Results"))
        assert any(re.search(rf"^mx[.]example[.]net; dmarc=pass .*from={site.domain}$", said) for said in found)

    def test_stays_where_a_signature_holds(self, site, foreign, nsupdate, came, token, key):
        private, public = key
        selector = f"s{token}._domainkey.shield-reject.example.net"
        record = f'{selector} 60 TXT "{public[:200]}" "{public[200:]}"'
        nsupdate("example.net", f"update add {record}")
        # With what is easily broken on the way: folds, blanks, bytes beyond ASCII, long lines.
        text = (
            f"From: =?utf-8?q?B=C3=B6b?= <bob@shield-reject.example.net>\r\nSubject:  About\r\n\t{token} \r\n"
            f"X-Odd:a  b\t\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Transfer-Encoding: 8bit\r\n\r\n.dots \r\n\r\nBöb  \t\r\n{900 * 'x'}\r\n\r\n\r\n"
        ).encode()
        domain, simple = "shield-reject.example.net", (b"simple", b"simple")
        signature = dkim.sign(text, f"s{token}".encode(), domain.encode(), private, canonicalize=simple)
        with site.call(foreign, 25) as smtp:
            smtp.sendmail("bob@shield-reject.example.net", [f"left@{site.domain}"], signature + text, ["BODY=8BITMIME"])
        (copy,) = came()
        assert copy["X-Courier-Mail-Shielded"] is None
        (path,) = foreign.check_output("grep -rl %s /home/mailbox/Maildir/new", token).split()
        whole = foreign.run("cat %s", path).stdout_bytes
        assert dkim.verify(whole, dnsfunc=lambda _name, timeout=0: public.encode())

    def test_stays_where_nobody_minds(self, pass_on):
        copy = pass_on("shield-none")
        assert copy["From"] == "Böb <bob@shield-none.example.net>"
        assert copy["X-Courier-Mail-Shielded"] is None


class TestTheSeal:
    @pytest.fixture
    def asked(self, host_named):
        """What the world finds in DNS of a key, as dkimpy wants it."""
        resolver = Resolver(host_named("dns.example.net").addresses["ipv4"])

        def asked(name, timeout=0):
            return "".join(resolver.ask_for_data(name.decode().rstrip("."), "TXT")[:1]).encode()

        return asked

    def test_holds_for_others_until_somebody_changes_the_copy(self, site, send, foreign, asked, came, token):
        send(f"left@{site.domain}")
        came()
        (path,) = foreign.check_output("grep -rl %s /home/mailbox/Maildir/new", token).split()
        copy = foreign.run("cat %s", path).stdout_bytes
        chain, seals, why = dkim.arc_verify(copy, dnsfunc=asked)
        assert (chain, why) == (b"pass", "success")
        assert [seal["as-domain"] for seal in seals] == [site.domain.encode()]
        # The seal vouches for what we found.
        assert b"ARC-Authentication-Results: i=1; %s" % site.name.encode() in copy
        assert dkim.arc_verify(copy + b"And more.\n", dnsfunc=asked)[0] == b"fail"

    def test_is_believed_by_the_next_host_which_goes_on_with_the_chain(
        self, sites, foreign, letter, token, asked, came, parsed
    ):
        here, there = sites[:2]
        name = forward(here, f"on-{token}", f"left@{there.domain}")
        letter["From"] = "Bob <mailbox@example.net>"
        try:
            with here.call(foreign, 25) as smtp:
                smtp.send_message(letter, f"mailbox+{token}@example.net", [name])
            came()
            (path,) = foreign.check_output("grep -rl %s /home/mailbox/Maildir/new", token).split()
            copy = foreign.run("cat %s", path).stdout_bytes
            found = map(str, parsed(copy).get_all("ARC-Authentication-Results"))
            assert any(f"i=2; {there.name}" in said and "arc=pass" in said for said in found)
            chain, seals, _why = dkim.arc_verify(copy, dnsfunc=asked)
            assert chain == b"pass"
            assert {seal["as-domain"].decode() for seal in seals} == {here.domain, there.domain}
        finally:
            gone(here, f"on-{token}")


def test_a_loop_between_two_hosts_stops(sites, foreign, letter, token, eventually):
    here, there = sites[:2]
    name = f"loop-{token}"
    first, second = f"{name}@{here.name}", f"{name}@{there.name}"
    forward(here, name, second)
    forward(there, name, first)
    try:
        with here.call(foreign, 25) as smtp:
            smtp.send_message(letter, f"mailbox+{token}@example.net", [first])
        assert eventually(lambda: foreign.received(token))
        (notice,) = foreign.received(token)
        assert "Mail loop" in notice.as_string()
        assert eventually(lambda: not here.waiting(token) and not there.waiting(token))
    finally:
        gone(here, name)
        gone(there, name)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What accounts do with their mail: rules, replies, forwards, folders by address, and a limit."""

from __future__ import annotations

import random
import smtplib
from email.message import EmailMessage

import pytest

LOCAL = "journalctl --no-pager --output=cat SYSLOG_IDENTIFIER=courierlocal | grep %s"


def attach(letter, size):
    """So many bytes that no scanner has an opinion of."""
    if size:
        plans = random.Random(size).randbytes(size)
        letter.add_attachment(plans, maintype="application", subtype="octet-stream", filename="plans.dat")


@pytest.fixture
def writer(token):
    """Somebody elsewhere, whom nobody knows yet."""
    return f"mailbox+{token}@example.net"


@pytest.fixture
def write(site, foreign, letter, writer):
    """A letter from elsewhere, with other fields than usual."""

    def write(recipient, sender=None, to=None, body=None, plans=0, **fields):
        for name, value in {"From": f"Bob <{writer}>", "To": to or recipient, **fields}.items():
            del letter[name.replace("_", "-")]
            if value is not None:
                letter[name.replace("_", "-")] = value
        if body:
            letter.clear_content()
            letter.set_content(body)
        attach(letter, plans)
        with site.call(foreign, 25) as smtp:
            smtp.send_message(letter, writer if sender is None else sender, [recipient])

    return write


@pytest.fixture
def mailbox(site, request):
    """The account's letters in a folder with a token: flags by text."""

    def mailbox(who, folder, token):
        with site.imap(site) as imap:
            imap.login(*site.accounts[who])
            if imap.select(f'"{folder}"', readonly=True)[0] != "OK":
                return []
            _ok, (numbers,) = imap.search(None, "SUBJECT", f'"{token}"')
            if not numbers:
                return []
            _ok, parts = imap.fetch(numbers.replace(b" ", b",").decode(), "(FLAGS)")
            return [part.decode() for part in parts]

    return mailbox


@pytest.fixture
def came(foreign, token, eventually):
    """What reached the foreign host with the token, at least so many."""

    def came(number=1):
        assert eventually(lambda: len(foreign.received(token)) >= number)
        return foreign.received(token)

    return came


class TestRules:
    def test_file_and_mark(self, site, write, mailbox, token, eventually):
        write(f"grace@{site.domain}", List_Id="What is new <news.example.net>")
        assert eventually(lambda: mailbox("grace", "INBOX.News", token))
        (flags,) = mailbox("grace", "INBOX.News", token)
        assert "\\Seen" in flags
        assert not mailbox("grace", "INBOX", token)

    def test_forward_file_and_mark_by_two_conditions(self, site, write, mailbox, token, eventually):
        bills = "INBOX.Bills.&ANw-bersicht"
        author = "Billing <robot@billing.example.net>"
        write(f"grace@{site.domain}", From=author, Subject=f"Ihre RECHNUNG FÜR {token}")
        assert eventually(lambda: mailbox("grace", bills, token))
        (flags,) = mailbox("grace", bills, token)
        assert "\\Flagged" in flags
        assert "\\Seen" not in flags
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
        assert len(site.inbox(site.accounts["bob"], token)) == 1

    def test_one_condition_of_two_is_not_enough(self, site, write, mailbox, token, eventually):
        write(f"grace@{site.domain}", From="Billing <robot@billing.example.net>")
        assert eventually(lambda: mailbox("grace", "INBOX", token))
        assert not site.inbox(site.accounts["bob"], token)

    def test_discard_by_a_pattern_that_a_shell_would_like(self, site, write, mailbox, token, eventually):
        write(f"grace@{site.domain}", Subject=f'{token} Win $5 "now" `touch /tmp/bad` $(touch /tmp/bad)')
        assert eventually(lambda: "success: Message delivered" in site.run(LOCAL, token).stdout)
        assert eventually(lambda: not site.waiting(token))
        for folder in ("INBOX", "INBOX.News", "INBOX.Large", "INBOX.Junk"):
            assert not mailbox("grace", folder, token)
        assert not site.run("test -e /tmp/bad").succeeded

    def test_size(self, site, write, mailbox, token, eventually):
        write(f"grace@{site.domain}", body="x" * 70 + "\n" + ("y" * 70 + "\n") * 3500)
        assert eventually(lambda: mailbox("grace", "INBOX.Large", token))

    def test_reply_to_an_extension(self, site, write, mailbox, came, token, eventually):
        write(f"grace-help@{site.domain}")
        assert came()[0]["Subject"] == "We have your question"
        assert eventually(lambda: mailbox("grace", "INBOX", token))
        assert len(came()) == 1  # and not that she is away

    def test_spam_is_in_junk_before_any_rule_is_asked(self, site, letter, mailbox, token, eventually):
        # As the filters leave it.
        letter["List-Id"] = "<news.example.net>"
        site.sendmail(letter, f"mailbox+{token}@example.net", f"grace-junk@{site.domain}")
        assert eventually(lambda: mailbox("grace", "INBOX.Junk", token))
        assert not mailbox("grace", "INBOX.News", token)


class TestVacation:
    def test_says_once_that_somebody_is_away(self, site, write, mailbox, came, letter, token, eventually):
        write(f"grace@{site.domain}")
        (reply,) = came()
        assert reply["Return-Path"] == "<>"
        assert reply["Auto-Submitted"] == "auto-replied"
        assert reply["From"] == f"Grace Ëxample <grace@{site.domain}>"
        assert reply["Subject"] == "Away until 2099 / Ich bin auf Reisen"
        assert reply["In-Reply-To"] == letter["Message-ID"]
        assert reply.get_content().endswith(f"Für Eiliges: bob@{site.domain}\n")
        # The second has none, and a third to somebody else shows that it would have come by then.
        write(f"grace@{site.domain}")
        assert eventually(lambda: len(mailbox("grace", "INBOX", token)) == 2)
        write(f"grace-help@{site.domain}")
        assert eventually(lambda: "We have your question" in [one["Subject"] for one in came()])
        assert len(came()) == 2

    def test_is_silent_where_it_would_be_a_nuisance(self, site, write, mailbox, came, foreign, token, eventually):
        grace = f"grace@{site.domain}"
        for number, what in enumerate(
            (
                {"List_Unsubscribe": "<mailto:out@example.net>"},
                {"Precedence": "bulk", "List_Unsubscribe": None},
                {"Precedence": None, "Auto_Submitted": "auto-generated"},
                {"Auto_Submitted": None, "sender": ""},
                {"sender": f"mailbox+noreply-{token}@example.net"},
                {"to": "somebody@example.net"},
            ),
            1,
        ):
            write(grace, **what)
            assert eventually(lambda number=number: len(mailbox("grace", "INBOX", token)) == number)
        # All of them came, with what they would have said. Now one for which there is a reply.
        write(grace)
        assert came()[0]["Auto-Submitted"] == "auto-replied"
        assert len(came()) == 1

    def test_two_who_are_away_do_not_write_to_each_other(self, site, letter, mailbox, token, eventually):
        grace = f"grace@{site.domain}"
        letter["From"], letter["To"] = grace, grace
        site.sendmail(letter, grace, grace)
        assert eventually(lambda: mailbox("grace", "INBOX", token))
        assert "no reply: it is from the account itself" in site.check_output(
            "journalctl --no-pager --output=cat -t courier-mail-deliver"
        )


class TestTheAddress:
    @pytest.fixture
    def shop(self, site):
        """Alice has a folder of that name, for a while."""
        with site.imap(site) as imap:
            imap.login(*site.accounts["alice"])
            imap.create("INBOX.Shop")
            imap.create("INBOX.&ANw-bung")
            yield
            imap.delete("INBOX.Shop")
            imap.delete("INBOX.&ANw-bung")

    def test_names_a_folder(self, site, write, mailbox, token, eventually, shop):
        write(f"alice-shop@{site.domain}")
        assert eventually(lambda: mailbox("alice", "INBOX.Shop", token))
        assert not mailbox("alice", "INBOX", token)

    def test_may_have_a_plus_from_debian_13_on(self, site, write, mailbox, stranger, token, eventually, shop):
        address = f"alice+shop@{site.domain}"
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail("mailbox@example.net")
            code, _text = smtp.rcpt(address)
        assert code == {"trixie": 250, "bookworm": 550}[site.facts["bed_image"]]
        if code == 250:
            write(address)
            assert eventually(lambda: mailbox("alice", "INBOX.Shop", token))

    @pytest.mark.parametrize("name", ["nowhere", "sent", "trash", "a.b", "x-y"])
    def test_makes_no_folder(self, site, write, mailbox, token, eventually, name):
        before = site.check_output("ls -A /srv/vmail/%s/alice/Maildir", site.domain)
        write(f"alice-{name}@{site.domain}")
        assert eventually(lambda: mailbox("alice", "INBOX", token))
        assert site.check_output("ls -A /srv/vmail/%s/alice/Maildir", site.domain) == before

    def test_goes_the_way_of_the_account(self, site, write, token, eventually):
        write(f"carol-{token[:6]}@{site.domain}")
        assert eventually(lambda: all(site.inbox(site.accounts[who], token) for who in ("bob", "carol")))

    def test_of_an_account_is_not_for_the_catch_all(self, site, write, token, eventually):
        write(f"desk@shop.{site.domain}")
        home = f"/srv/vmail/shop.{site.domain}/desk/Maildir/new"
        assert eventually(lambda: site.run("grep -rl %s %s", token, home).stdout)
        assert not site.inbox(site.accounts["bob"], token)


class TestAFullMailbox:
    """Heidi's, which has a limit, and whose mail goes on as well."""

    @pytest.fixture
    def empty(self, site):
        def empty():
            site.empty("heidi")

        yield empty
        empty()

    @pytest.fixture
    def filled(self, site, foreign, empty, letter, token, mailbox, eventually):
        """Nine tenths are used, and a little more."""
        empty()
        filler = EmailMessage()
        # As a mail program writes it: what lacks a field counts against the host that brings it.
        for name, value in letter.items():
            filler[name] = value.replace(token, token[::-1])
        filler["From"], filler["To"] = "mailbox@example.net", f"heidi@{site.domain}"
        filler.set_content("Here are the plans that you asked for.\n")
        attach(filler, 720_000)
        with site.call(foreign, 25) as smtp:
            smtp.send_message(filler, "mailbox@example.net", [f"heidi@{site.domain}"])
        assert eventually(lambda: mailbox("heidi", "INBOX", token[::-1]))

    def test_has_the_sender_hear_of_it_at_once(self, site, filled, write, token, foreign):
        with pytest.raises(smtplib.SMTPDataError) as refused:
            write(f"heidi@{site.domain}", plans=80_000)
        assert refused.value.smtp_code == 552
        assert refused.value.smtp_error.startswith(b"5.2.2 The mailbox is full")
        assert not site.waiting(token)
        # What is small enough finds room.
        write(f"heidi@{site.domain}", body="small")

    def test_keeps_mail_waiting_where_nobody_could_tell_and_loses_and_doubles_nothing(
        self, site, filled, empty, write, came, mailbox, token, eventually
    ):
        site.check_output("systemctl stop courier-mail-room.socket courier-mail-room")
        try:
            write(f"heidi@{site.domain}", plans=80_000)
            assert eventually(lambda: "status: deferred" in site.run(LOCAL, token).stdout)
        finally:
            site.check_output("systemctl start courier-mail-room.socket courier-mail-room")
        site.check_output("courier flush")
        assert eventually(lambda: site.run(LOCAL, token).stdout.count("status: deferred") > 1)
        assert site.waiting(token)
        empty()
        site.check_output("courier flush")
        assert eventually(lambda: mailbox("heidi", "INBOX", token))
        assert eventually(lambda: not site.waiting(token))
        assert len(mailbox("heidi", "INBOX", token)) == 1
        assert len(came()) == 1

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that are for nobody, what is learned from them, and what people teach."""

from __future__ import annotations

import re
import smtplib
from email.policy import SMTP

import pytest

# Who is denied and what is learned, and when, the tests say.
pytestmark = pytest.mark.usefixtures("no_timers")

WRITER = "mailbox@example.net"


@pytest.fixture
def spammer(site, host_named):
    """A host that writes to nobody but in these tests, and that nobody knows before them."""
    host = host_named("acme.example.net")
    pardon = f"courier-mail pardon {host.addresses['ipv4']}"
    site.run(pardon)
    yield host
    site.run(pardon)


@pytest.fixture
def learned(site):
    return site.learned


@pytest.fixture
def write(site, letter, token):
    def write(caller, *names, text=None):
        letter.set_content(text or f"Something to buy: {token}\n")
        with site.smtp(caller, 25) as smtp:
            smtp.send_message(letter, WRITER, [f"{name}@{site.domain}" for name in names])

    return write


def folder(site, who, name, token):
    with site.imap(site) as imap:
        imap.login(*site.accounts[who])
        imap.select(f"INBOX.{name}", readonly=True)
        return imap.search(None, "SUBJECT", token)[1][0].split()


class TestTraps:
    def test_what_comes_is_learned_and_goes_into_junk_of_the_others(
        self, site, spammer, write, learned, token, eventually
    ):
        before, _ham = learned()
        write(spammer, "win.a.million", "dave")
        assert eventually(lambda: folder(site, "dave", "Junk", token))
        assert not site.inbox(site.accounts["dave"], token)
        assert learned()[0] == before + 1
        assert spammer.addresses["ipv4"] in site.check_output("courier-mail traps")
        assert eventually(lambda: not site.waiting(token))

    def test_what_comes_is_reported(self, site, spammer, write, foreign, token, eventually):
        write(spammer, "win.a.million")
        (report,) = eventually(lambda: foreign.received(token))
        assert report["From"].addresses[0].addr_spec == site.accounts["alice"].address
        (reported,) = report.iter_attachments()
        assert token in reported.get_payload(0).get_content()
        assert f" by {site.name} " in " ".join(report.get_all("Received")).replace("\n", " ")

    def test_who_is_trusted_does_not_count(self, site, partner, write, learned):
        before = learned()
        write(partner, "win.a.million")
        assert learned() == before
        assert partner.addresses["ipv4"] not in site.check_output("courier-mail traps")

    def test_the_other_kind_refuses_the_message_for_all(self, site, stranger, write, token, learned):
        before = learned()
        with pytest.raises(smtplib.SMTPDataError) as refused:
            write(stranger, "never", "alice")
        assert refused.value.smtp_code == 550
        assert not site.inbox(site.accounts["alice"], token)
        assert learned() == before

    def test_who_comes_again_and_again_is_refused_for_a_while(self, site, spammer, write, eventually):
        for _visit in range(3):
            write(spammer, "win.a.million")
        assert spammer.addresses["ipv4"] in site.check_output("courier-mail deny")
        assert site.check_output("courier-mail deny") == ""

        def refused():
            with site.smtp(spammer, 25) as smtp:
                smtp.ehlo()
                smtp.mail(WRITER)
                code, text = smtp.rcpt(f"alice@{site.domain}")
                return code == 550 and b"spam" in text

        assert eventually(refused)


class TestBulk:
    """Larger than what spamd reads, with a header as bulk senders write it: 6.5 points, and 8.5 for many recipients."""

    @pytest.fixture
    def write(self, site, spammer, letter):
        """Returns the code of the answer."""
        letter["From"] = WRITER
        letter["Precedence"] = "bulk"
        del letter["Date"], letter["Message-ID"]
        letter.set_content("Something to buy, and a reason to do so today.\n" * 13000)

        def write(*names):
            with site.smtp(spammer, 25) as smtp:
                try:
                    smtp.sendmail(WRITER, [f"{name}@{site.domain}" for name in names], letter.as_bytes(policy=SMTP))
                except smtplib.SMTPDataError as refused:
                    return refused.smtp_code, refused.smtp_error.decode()
            return 250, ""

        return write

    def test_goes_into_junk_unscored_by_spamd(self, site, spammer, write, token, eventually):
        assert write("dave") == (250, "")
        (number,) = eventually(lambda: folder(site, "dave", "Junk", token))
        with site.imap(site) as imap:
            imap.login(*site.accounts["dave"])
            imap.select("INBOX.Junk", readonly=True)
            _rest, ((_size, header), *_end) = imap.fetch(number, "(BODY.PEEK[HEADER])")
        assert [line for line in header.decode().splitlines() if line.startswith("X-Spam-")] == ["X-Spam-Flag: YES"]
        assert not site.inbox(site.accounts["dave"], token)
        row = (
            rf" 0\.50 +1  .*{re.escape(spammer.addresses['ipv4'])}  6\.5 points: no_date, no_message_id, bulk_unsigned$"
        )
        assert re.search(row, site.check_output("courier-mail traps"), re.MULTILINE)

    def test_from_who_goes_on_is_refused_and_then_he_is(self, site, spammer, write, eventually):
        many = [f"dave-{number}" for number in range(20)]
        for _visit in range(3):
            code, text = write(*many)
            assert code == 550
            assert "Bulk mail that is too large to be looked at" in text
        assert spammer.addresses["ipv4"] in site.check_output("courier-mail deny")

        def denied():
            with site.smtp(spammer, 25) as smtp:
                smtp.ehlo()
                smtp.mail(WRITER)
                return smtp.rcpt(f"alice@{site.domain}")[0] == 550

        assert eventually(denied)


@pytest.mark.parametrize("name", ["noreply", "whoever"])
def test_sinks_swallow(site, stranger, letter, token, eventually, name):
    where = site.domain if name == "noreply" else f"void.{site.domain}"
    with site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, f"{token}@example.net", [f"{name}@{where}"])
    # By the name of the program: it ends so soon that the journal may not know any more whose it was.
    said = "journalctl --no-pager --output=cat SYSLOG_IDENTIFIER=courierlocal | grep %s"
    assert eventually(lambda: "success" in site.run(said, token).stdout)
    assert site.run("grep -rl %s /srv/vmail /etc/courier/aliasdir", token).stdout == ""


class TestLearning:
    @pytest.fixture
    def move(self, site):
        """Move a message of Bob's from one folder to another."""

        def move(token, source, target):
            with site.imap(site) as imap:
                imap.login(*site.accounts["bob"])
                imap.create(target)
                imap.select(source)
                (numbers,) = imap.search(None, "SUBJECT", token)[1]
                assert len(numbers.split()) == 1
                assert imap.copy(numbers.decode(), target)[0] == "OK"
                imap.store(numbers.decode(), "+FLAGS", r"(\Deleted)")
                imap.expunge()

        return move

    @pytest.fixture
    def learn(self, site):
        def learn():
            site.check_output("systemctl start courier-mail-learn.service")

        learn()  # what other tests have moved
        return learn

    @pytest.mark.parametrize("target", ["INBOX", "INBOX.NotJunk"])
    def test_what_people_move_into_junk_is_spam_and_out_of_it_ham(
        self, site, stranger, write, learned, token, eventually, move, learn, target
    ):
        write(stranger, "bob")
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
        spam, ham = learned()
        move(token, "INBOX", "INBOX.Junk")
        learn()
        assert learned() == (spam + 1, ham)
        learn()
        assert learned() == (spam + 1, ham)
        move(token, "INBOX.Junk", target)
        learn()
        # It was forgotten as spam.
        assert learned() == (spam, ham + 1)
        assert len(site.inbox(site.accounts["bob"], token)) == 1
        if target != "INBOX":
            assert not folder(site, "bob", "NotJunk", token)

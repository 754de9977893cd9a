# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queue, retries and reports, as side_effect.yml set them."""

from __future__ import annotations

import datetime
import re
import secrets
import socket
import threading
import time
from collections import Counter
from email.message import EmailMessage
from email.utils import parseaddr, parsedate_to_datetime
from typing import NamedTuple

import pytest

# What side_effect.yml says.
WARNTIME = datetime.timedelta(seconds=10)
QUEUETIME = datetime.timedelta(minutes=1)
RESPAWNLO = datetime.timedelta(hours=2)
MAXDELS, MAXHOST, MAXRCPT = 2, 1, 3


@pytest.fixture(scope="module")
def hopeless(sites):
    """A message of Alice's on each site to a host where nobody listens, by its token."""
    tokens = {site.name: secrets.token_hex(12) for site in sites}
    for site in sites:
        letter = EmailMessage()
        letter["Subject"] = "Hopeless"
        site.sendmail(letter, site.accounts["alice"].address, f"{tokens[site.name]}@dead.example.net")
    return tokens


def reports(site, token, subject):
    return [one for one in site.inbox(site.accounts["alice"], token, "TEXT") if one["Subject"] == subject]


def test_the_sender_hears_of_a_delay(site, hopeless, eventually):
    token = hopeless[site.name]
    assert eventually(lambda: reports(site, token, "Your mail is delayed"))
    (notice,) = reports(site, token, "Your mail is delayed")
    text, status, _returned = notice.iter_parts()
    assert "could not be delivered YET" in text.get_content()
    assert "Connection refused" in text.get_content()
    assert "Action: delayed" in status.as_string()
    arrived, until = (
        re.search(rf"{field}: (.*)", status.as_string())[1] for field in ("Arrival-Date", "Will-Retry-Until")
    )
    assert parsedate_to_datetime(notice["Date"]) - parsedate_to_datetime(arrived) >= WARNTIME
    assert abs(parsedate_to_datetime(until) - parsedate_to_datetime(arrived) - QUEUETIME) <= datetime.timedelta(
        seconds=2
    )


class TestStart:
    """What courierd says of itself when it starts."""

    @pytest.fixture
    def log(self, site):
        # Its own lines alone: systemd's come somewhere among them.
        said = site.check_output("journalctl --no-pager -o short-unix -t courierd")
        assert "Loading STATIC transport" in said
        return said.rpartition("Loading STATIC transport")[2]

    def test_names_the_limits_of_its_modules(self, log):
        assert re.search(r"Started ./courieresmtp, pid=\d+, maxdels=2, maxhost=1, maxrcpt=3$", log, re.MULTILINE)
        assert re.search(r"Started ./courierlocal, pid=\d+, maxdels=2, maxhost=1, maxrcpt=1$", log, re.MULTILINE)

    def test_names_the_size_of_the_queue(self, log):
        assert "queuelo=60, queuehi=90" in log

    def test_names_the_time_when_it_may_start_again(self, log):
        # It has none while it delivers something.
        said = re.search(r"^([\d.]+) .*Waiting.  shutdown time=(?!none)([^,]*),", log, re.MULTILINE)
        started, until = said.groups()
        start = datetime.datetime.fromtimestamp(float(started))
        assert abs(datetime.datetime.strptime(until, "%c") - start - RESPAWNLO) < datetime.timedelta(minutes=1)


class Transaction(NamedTuple):
    domain: str
    recipients: int
    begin: float
    end: float


class SlowPeer:
    """A mail server that takes its time for each message, and keeps account of what goes on at once."""

    def __init__(self, listener, seconds):
        self.listener, self.seconds = listener, seconds
        self.transactions = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b"220 slow ESMTP\r\n")
            begin, recipients = 0.0, []
            for line in stream:
                verb = line[:4].upper()
                if verb == b"MAIL":
                    begin, recipients = time.monotonic(), []
                elif verb == b"RCPT":
                    recipients.append(line)
                elif verb == b"DATA":
                    stream.write(b"354 Go on\r\n")
                    while stream.readline() not in (b".\r\n", b""):
                        pass
                    time.sleep(self.seconds)
                    (domain,) = {re.search(rb"@([^>]*)", one)[1] for one in recipients}
                    self.transactions.append(Transaction(domain, len(recipients), begin, time.monotonic()))
                stream.write(b"221 Bye\r\n" if verb == b"QUIT" else b"250 Ok\r\n")


def most_at_once(spans):
    """How many of these spans of time overlap."""
    steps = sorted(step for begin, end in spans for step in ((begin, 1), (end, -1)))
    at_once = most = 0
    for _moment, step in steps:
        at_once += step
        most = max(most, at_once)
    return most


class TestModuleEsmtp:
    @pytest.fixture
    def peer(self, stranger):
        with stranger.inside(lambda: socket.create_server(("", 2525))) as listener:
            yield SlowPeer(listener, 0.8)  # longer than a busy machine takes for the next letter
            listener.shutdown(socket.SHUT_RDWR)  # or accept() would keep the port

    @pytest.fixture
    def alice(self, site, stranger):
        with site.smtp(stranger, 587) as smtp:
            smtp.login(*site.accounts["alice"])
            yield lambda letter, *recipients: smtp.send_message(letter, site.accounts["alice"].address, recipients)

    def test_a_slow_peer_never_has_more_than_the_limits(self, peer, alice, letter, eventually):
        domains = [f"{name}.slow.example.net" for name in "abcd"]
        for number in range(24):
            alice(letter, f"someone@{domains[number % len(domains)]}")
        assert eventually(lambda: len(peer.transactions) == 24, within=60)
        assert most_at_once((one.begin, one.end) for one in peer.transactions) == MAXDELS
        for domain in domains:
            spans = [(one.begin, one.end) for one in peer.transactions if one.domain == domain.encode()]
            assert most_at_once(spans) == MAXHOST

    def test_many_recipients_go_in_several_messages(self, peer, alice, letter, eventually):
        alice(letter, *(f"someone{number}@many.slow.example.net" for number in range(7)))
        assert eventually(lambda: sum(one.recipients for one in peer.transactions) == 7)
        assert Counter(one.recipients for one in peer.transactions) == {3: 2, 1: 1}


def test_module_local_keeps_its_limits(site, stranger, letter, token, eventually):
    sender = f"mailbox+{token}@example.net"
    with site.smtp(stranger, 25) as smtp:
        for name in ("slow", "slower", "slowest") * 4:
            smtp.send_message(letter, sender, [f"{name}@{site.domain}"])

    def deliveries():
        """Each delivery of these messages: the mailbox, and when it began and ended."""
        # By name: of processes that ended at once the journal does not know the unit.
        log = site.check_output("journalctl --no-pager -o short-unix -t courierd -t courierlocal --since=-10min")
        of_mine = rf"from=<{re.escape(sender)}>"
        begun = re.findall(rf"^([\d.]+) .* started,id=([^,]*),{of_mine},module=local,host=([^,]*)", log, re.MULTILINE)
        # Not courierd's "completed", which it says after it has begun the next one.
        ended = re.findall(rf"^([\d.]+) .* id=([^,]*),{of_mine},.*success: Message delivered", log, re.MULTILINE)
        moments = {name: float(moment) for moment, name in ended}
        return [(host, float(moment), moments[name]) for moment, name, host in begun if name in moments]

    assert eventually(lambda: len(deliveries()) == 12, within=60)
    assert most_at_once((begin, end) for _host, begin, end in deliveries()) == MAXDELS
    for mailbox in {host for host, _begin, _end in deliveries()}:
        assert most_at_once((begin, end) for host, begin, end in deliveries() if host == mailbox) == MAXHOST


class TestBackscatter:
    def test_a_stranger_gets_no_report(self, site, stranger, foreign, letter, token, eventually):
        with site.smtp(stranger, 25) as smtp:
            smtp.send_message(letter, f"mailbox+{token}@example.net", [f"nobody-{token}@partner.example.net"])
        dropped = rf"addr=<mailbox\+{token}@example.net>.*Backscatter bounce dropped"
        assert eventually(lambda: site.run("journalctl -t courieresmtp | grep -E %s", dropped).stdout)
        assert not foreign.received(token)

    def test_somebody_who_logged_in_does(self, site, stranger, letter, token, eventually):
        alice = site.accounts["alice"]
        with site.smtp(stranger, 587) as smtp:
            smtp.login(*alice)
            smtp.send_message(letter, alice.address, [f"nobody-{token}@partner.example.net"])
        assert eventually(lambda: site.inbox(alice, token, "TEXT"))
        (notice,) = site.inbox(alice, token, "TEXT")
        assert parseaddr(notice["From"]) == ("Mail Delivery System", f"mailer-daemon@{site.name}")
        assert notice["Subject"] == "Delivery report"
        assert next(notice.iter_parts()).get_content().isascii()


def test_mail_comes_back_when_its_time_is_over(site, hopeless, eventually):
    token = hopeless[site.name]
    assert eventually(lambda: reports(site, token, "Delivery report"), within=120)
    (notice,) = reports(site, token, "Delivery report")
    text, status, _returned = notice.iter_parts()
    assert "could NOT BE DELIVERED" in text.get_content()
    assert "Action: failed" in status.as_string()
    arrived = re.search(r"Arrival-Date: (.*)", status.as_string())[1]
    assert parsedate_to_datetime(notice["Date"]) - parsedate_to_datetime(arrived) >= QUEUETIME
    assert len(reports(site, token, "Your mail is delayed")) == 1

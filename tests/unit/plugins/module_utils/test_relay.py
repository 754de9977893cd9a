"""Who may have mail passed on, by what a server answers to RCPT."""

from __future__ import annotations

import smtplib
import threading
import time

import pytest

from plugins.module_utils import _relay
from plugins.module_utils._relay import RECIPIENTS, SENDERS, Class, Site, ask, lost, wrong

SITE = Site("example.com", "alice@example.com", "victim@example.net", "someone@example.net", "192.0.2.25")
STRANGER = Class("stranger", relays=False)
PERSON = Class("authenticated", relays=True)
ALL = [(sender, recipient) for sender in SENDERS for recipient in RECIPIENTS]


class Server:
    """What a server answers to recipients: 250 to those that are named, 513 to the rest."""

    def __init__(self, *taken, senders=("", SITE.known, SITE.sender), most=100, waits=0.0):
        self.taken, self.senders, self.most, self.waits = taken, senders, most, waits
        self.connections = 0
        self.lock = threading.Lock()

    def dial(self):
        with self.lock:
            self.connections += 1
        return Connection(self)


class Connection:
    def __init__(self, server):
        self.server, self.count = server, 0

    def docmd(self, line):
        word, _colon, rest = line.partition(":")
        address = rest.strip("<>")
        if word == "MAIL FROM":
            self.count = 0
            return (250, b"Ok.") if address in self.server.senders else (517, b"SPF fail\nnot you")
        if word == "RCPT TO":
            self.count += 1
            if self.count > self.server.most:
                return 531, b"Too many recipients."
            if address in self.server.taken:
                return 250, b"Ok."
            time.sleep(self.server.waits)
            return 513, b"Relaying denied."
        if line == "QUIT":
            raise smtplib.SMTPServerDisconnected
        return 250, b"Ok."

    def close(self):
        pass


OPEN = {
    "nothing": ((SITE.known,), STRANGER, set()),
    "everything": (
        (SITE.known, SITE.victim, "nobody-here@example.com"),
        STRANGER,
        # Where every name is somebody's, an unknown name is none.
        {"foreign"},
    ),
    "percent": ((SITE.known, "victim%example.net@example.com"), STRANGER, {"percent"}),
    "quoted": ((SITE.known, '"victim@example.net"@example.com'), STRANGER, {"quoted"}),
    "a source route": ((SITE.known, "@example.com:victim@example.net"), STRANGER, {"source route"}),
    "a bang path": ((SITE.known, "example.net!victim"), STRANGER, {"bang path alone"}),
    "a literal of others": ((SITE.known, "victim@[192.0.2.99]"), STRANGER, {"foreign literal"}),
    "our own literal": ((SITE.known, "postmaster@[192.0.2.25]"), STRANGER, set()),
    "through our literal": ((SITE.known, "victim%example.net@[192.0.2.25]"), STRANGER, {"percent at our literal"}),
    "a catch-all": (
        (SITE.known, "nobody-here@example.com", "victim%example.net@example.com", "victim@example.net@example.com"),
        STRANGER,
        set(),
    ),
    "for people": ((SITE.known, SITE.victim, "@example.com:victim@example.net"), PERSON, set()),
    "for people, a name that there is not": ((SITE.known, SITE.victim, "victim@"), PERSON, {"empty domain"}),
}


@pytest.mark.parametrize(("taken", "who", "found"), OPEN.values(), ids=OPEN)
def test_finds_what_is_open(taken, who, found):
    server = Server(*taken)
    answers = ask(server.dial, SITE)
    assert sorted((answer.sender, answer.recipient) for answer in answers) == sorted(ALL)
    assert {answer.recipient for answer in wrong(answers, who)} == found
    assert len(wrong(answers, who)) == len(SENDERS) * len(found)
    assert server.connections == 1


def test_shows_the_conversation():
    answers = wrong(ask(Server(SITE.known, SITE.victim).dial, SITE), STRANGER)
    assert str(answers[0]) == "MAIL FROM:<> / 250 Ok. / RCPT TO:<victim@example.net> / 250 Ok."


def test_a_sender_that_is_refused_has_nothing_open():
    answers = ask(Server(SITE.victim, SITE.known, senders=[""]).dial, SITE)
    assert len(answers) == len(ALL)
    assert {answer.sender for answer in wrong(answers, STRANGER)} == {"null"}
    assert "MAIL FROM:<alice@example.com> / 517 SPF fail not you" in map(str, answers)


def test_whoever_is_refused_everything_proves_nothing():
    assert {answer.recipient for answer in lost(ask(Server().dial, SITE), STRANGER)} == {"local"}
    assert {answer.recipient for answer in lost(ask(Server(SITE.known).dial, SITE), PERSON)} == {"foreign"}
    assert lost(ask(Server(SITE.known, SITE.victim).dial, SITE), PERSON) == []
    # One of the senders is enough.
    assert lost(ask(Server(SITE.known, senders=[""]).dial, SITE), STRANGER) == []


def test_a_limit_on_recipients_hides_nothing():
    server = Server(SITE.known, "example.net!victim", most=3)
    answers = ask(server.dial, SITE)
    assert sorted((answer.sender, answer.recipient) for answer in answers) == sorted(ALL)
    assert {answer.recipient for answer in wrong(answers, STRANGER)} == {"bang path alone"}
    assert not [answer for answer in answers if answer.code == 531]


def test_a_server_that_makes_us_wait_is_asked_in_many_connections(monkeypatch):
    monkeypatch.setattr(_relay, "SLOW", 0.01)
    server = Server(SITE.known, waits=0.02)
    answers = ask(server.dial, SITE)
    assert sorted((answer.sender, answer.recipient) for answer in answers) == sorted(ALL)
    # One for the first two recipients, and one for each of the rest.
    assert server.connections == len(ALL) - 1

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a mail server to relay, in every way that has ever worked somewhere, and send nothing.

Each conversation ends after RCPT. Whether a server relays, its answer to that says; no message is ever begun.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

# Courier keeps a client that it refused waiting, longer each time (TARPIT). From so many seconds on, each question gets
# a connection of its own, several of them at a time: fewer than the MAXPERIP of the role courier_mta.
SLOW = 3.0
AT_A_TIME = 10

Dial = Callable[[], smtplib.SMTP]


class Site(NamedTuple):
    """What is asked about."""

    domain: str  # of a mailbox here
    known: str  # an address that exists here
    victim: str  # an address elsewhere
    sender: str  # of somebody elsewhere
    address: str  # where the server listens


class Class(NamedTuple):
    """Who asks."""

    name: str
    relays: bool


class Answer(NamedTuple):
    """What came of one combination."""

    sender: str  # one of SENDERS
    recipient: str  # one of RECIPIENTS
    code: int
    said: Sequence[str]  # the conversation, from MAIL on

    @property
    def taken(self) -> bool:
        return 200 <= self.code < 300

    def __str__(self) -> str:
        return " / ".join(self.said)


SENDERS = {"null": "", "local": "{known}", "foreign": "{sender}"}
# What each of them is, and whether it leads elsewhere when it is not a name of ours.
RECIPIENTS = {
    "local": "{known}",
    "local unknown": "nobody-here@{domain}",
    "foreign": "{victim}",
    "percent": "{user}%{host}@{domain}",
    "quoted": '"{victim}"@{domain}',
    "quoted alone": '"{victim}"',
    "source route": "@{domain}:{victim}",
    "two at signs": "{victim}@{domain}",
    "empty domain": "{user}@",
    "our literal": "postmaster@[{literal}]",
    "percent at our literal": "{user}%{host}@[{literal}]",
    "foreign literal": "{user}@[192.0.2.99]",
    "bang path": "{host}!{user}@{domain}",
    "bang path alone": "{host}!{user}",
}
# Taken from everybody, and what a server may take or refuse as it likes: RFC 5321 wants a postmaster at each address.
LOCAL = frozenset({"local"})
FREE = frozenset({"our literal"})
# What whoever may relay can have passed on. All the rest is a name of ours that there is not.
ELSEWHERE = frozenset({"foreign", "source route", "foreign literal"})
# Where a domain takes every name, these are such names.
NAMES = frozenset({"local unknown", "percent", "quoted", "two at signs", "bang path"})


def ask(dial: Dial, site: Site, at_a_time: int = AT_A_TIME) -> list[Answer]:
    """All combinations, in one connection where the server lets us. `dial` makes one that may speak at once."""
    answers: list[Answer] = []
    left: list[tuple[str, str]] = []
    client = dial()
    try:
        for sender in SENDERS:
            found = [] if left else _converse(client, site, sender, list(RECIPIENTS))
            answers += found
            there = {answer.recipient for answer in found}
            left += [(sender, name) for name in RECIPIENTS if name not in there]
    finally:
        _leave(client)
    return answers + _one_by_one(dial, site, left, at_a_time)


def wrong(answers: Iterable[Answer], who: Class) -> list[Answer]:
    """The combinations that are open and must not be."""
    answers = list(answers)
    everybody = {answer.sender for answer in answers if answer.recipient == "local unknown" and answer.taken}
    return [
        answer
        for answer in answers
        if answer.taken
        and answer.recipient not in LOCAL | FREE
        and not (who.relays and answer.recipient in ELSEWHERE)
        # A domain in which every name is somebody's: the message stays there.
        and not (answer.sender in everybody and answer.recipient in NAMES)
    ]


def lost(answers: Iterable[Answer], who: Class) -> list[Answer]:
    """What is refused for all senders, and should not be: who is refused whatever he says proves nothing."""
    answers = list(answers)
    wanted = LOCAL | ({"foreign"} if who.relays else set())
    taken = {answer.recipient for answer in answers if answer.taken}
    return [answer for answer in answers if answer.recipient in wanted - taken]


def _converse(client: smtplib.SMTP, site: Site, sender: str, names: Sequence[str]) -> list[Answer]:
    """One transaction. Ends early when the server makes us wait, or has had enough of us."""
    mail = f"MAIL FROM:<{_filled(SENDERS[sender], site)}>"
    code, said = _say(client, mail)
    opening = [mail, said]
    if not 200 <= code < 300:
        return [Answer(sender, name, code, opening) for name in names]
    answers: list[Answer] = []
    for name in names:
        began = time.monotonic()
        rcpt = f"RCPT TO:<{_filled(RECIPIENTS[name], site)}>"
        code, said = _say(client, rcpt)
        # Courier's limit on the recipients of a message, which says nothing about this one.
        if code in (431, 531) and answers:
            break
        answers.append(Answer(sender, name, code, [*opening, rcpt, said]))
        if code == 421 or time.monotonic() - began > SLOW:
            break
    _say(client, "RSET")
    return answers


def _one_by_one(dial: Dial, site: Site, combinations: Sequence[tuple[str, str]], at_a_time: int) -> list[Answer]:
    refused: dict[str, Answer] = {}

    def single(combination: tuple[str, str]) -> Answer:
        sender, name = combination
        if sender in refused:
            return refused[sender]._replace(recipient=name)
        client = dial()
        try:
            (answer,) = _converse(client, site, sender, [name])
        finally:
            _leave(client)
        if len(answer.said) == 2:  # nobody was asked for
            refused[sender] = answer
        return answer

    if not combinations:
        return []
    with ThreadPoolExecutor(at_a_time) as threads:
        return list(threads.map(single, combinations))


def _say(client: smtplib.SMTP, line: str) -> tuple[int, str]:
    """What the server answers, as a code and one line."""
    try:
        code, text = client.docmd(line)
    except smtplib.SMTPServerDisconnected:
        return 421, "421 the connection was closed"
    return code, f"{code} {' '.join(text.decode(errors='replace').split())}"


def _leave(client: smtplib.SMTP) -> None:
    _say(client, "QUIT")
    client.close()


def _filled(template: str, site: Site) -> str:
    user, _at, host = site.victim.partition("@")
    literal = f"IPv6:{site.address}" if ":" in site.address else site.address
    return template.format(**site._asdict(), user=user, host=host, literal=literal)

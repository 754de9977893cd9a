# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of messages, put together of lines, and said in plain words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ._trace_lines import (
    Completed,
    Connected,
    Event,
    Forwarded,
    Judged,
    Named,
    New,
    Refused,
    Said,
    Started,
    address_of,
    same,
)

_NEAR = 60.0  # seconds between a message and the one that it became
_SOON = 5.0  # and between the verdict and the answer
_OUTCOMES = {"success": "passed", "deferred": "waiting", "failure": "refused"}
_TOOK = re.compile(r"delivered: (\S+)")
_TOLD = re.compile(r"\b[0-9A-F]{16}\.[0-9A-F]{8}\b")
_FETCHED = "127.25."  # where the role fetchmail has its mail come from
HERE = ("", "127.0.0.1", "::1")  # the client of what was made on this host
# What an address of an alias directory stands for, by what its name begins with (_filters/_names.py).
_STANDS_FOR = {
    "forward": "handed to the forwarding service for",
    "program": "handed to the program of",
    "catchall": "handed on by the catch-all of",
    "sink": "thrown away, as is all mail for",
    "trap": "thrown away, as is all mail for",
}
_ESCAPED = re.compile("(?:_[0-9a-f]{2})+")
# Courier's units that listen for mail.
_LISTENERS = {"courier-mta": "port 25", "courier-msa": "port 587", "courier-mta-ssl": "port 465"}


@dataclass
class Attempt:
    """One try to deliver."""

    at: float
    host: str = ""
    outcome: str = ""  # delivered, passed, waiting, refused; nothing yet
    said: str = ""
    peer: str = ""
    ended: float = 0.0


@dataclass
class Recipient:
    """One recipient of a message."""

    address: str
    attempts: list[Attempt] = field(default_factory=list)
    became: list[str] = field(default_factory=list)  # ids of what the forwarding service made of it
    waits_until: float = 0.0
    local: bool = False
    alias: bool = False  # of an alias directory
    extension: str = ""  # of bob-lists@ the lists

    @property
    def open(self) -> bool:
        """Whether a try has begun of which nothing was heard yet."""
        return bool(self.attempts) and not self.attempts[-1].outcome

    @property
    def state(self) -> str:
        return next((one.outcome for one in reversed(self.attempts) if one.outcome), "")

    @property
    def settled(self) -> bool:
        return bool(self.attempts) and self.attempts[-1].outcome in ("delivered", "passed", "refused")


@dataclass
class Letter:
    """One message in this host's queue."""

    id: str
    came: float = 0.0
    sender: str = ""
    client: str = ""
    name: str = ""  # of the client, by DNS
    helo: str = ""
    login: str = ""
    listener: str = ""
    mailbox: str = ""  # elsewhere, from where it was fetched
    file: int = 0  # its number in the queue
    queued: bool | None = None  # whether it is still in the queue; None where that is not known
    judged: Mapping[str, Any] = field(default_factory=dict)
    named: Mapping[str, Any] = field(default_factory=dict)
    recipients: dict[str, Recipient] = field(default_factory=dict)
    reported: list[tuple[float, str, bool]] = field(default_factory=list)  # when, to whom, only that it takes long
    reports: list[str] = field(default_factory=list)  # their ids
    warnings: list[str] = field(default_factory=list)  # those that only say that it takes long
    came_of: str = ""  # the id of the message that it is a copy of, or a report about
    completed: bool = False

    @property
    def moment(self) -> int:
        """The second in which Courier took it; its id begins with it."""
        return int(self.id.partition(".")[0], 16)

    @property
    def refused(self) -> bool:
        return self.judged.get("verdict") in ("refuse", "defer")

    @property
    def settled(self) -> bool:
        """Whether nothing more will be heard of it."""
        if self.refused:
            return True
        return bool(self.came) and self.completed and all(one.settled for one in self.recipients.values())

    @property
    def people(self) -> set[str]:
        """Every address that it has to do with."""
        found = [self.sender, self.login, *self.recipients, *_texts(self.judged.get("to"))]
        for name in ("sender", "recipients", "from", "written", "to"):
            found += _texts(self.named.get(name))
        return {one for one in (*found, *_texts(self.judged.get("written"))) if one}

    @property
    def message_id(self) -> str:
        return _text(self.named.get("message_id"))

    def told_as(self, address: str) -> Recipient:
        """The recipient that a delivery tells by this address.

        A delivery begins under one name and may end under another: a name of an alias directory gets its domain, an
        account its extension, and a domain that is another one's (hosteddomains) becomes what was written.
        """
        name = address.partition("@")[0].lower()
        if not any(same(known, address) for known in self.recipients):
            for known, one in list(self.recipients.items()):
                short = known.partition("@")[0].lower()
                extended = {f"{short}{mark}{one.extension}" for mark in "-+" if one.extension}
                if one.open and one.local and name in {short, *extended}:
                    one.address = address
                    self.recipients[address] = self.recipients.pop(known)
                    break
        return self.recipient(address)

    def recipient(self, address: str) -> Recipient:
        """The recipient with this address."""
        for known, one in self.recipients.items():
            if same(known, address):
                return one
        self.recipients[address] = Recipient(address)
        return self.recipients[address]


class Book:
    """All that lines told."""

    def __init__(self) -> None:
        self.letters: dict[str, Letter] = {}
        self.refusals: list[Refused] = []
        self.forwarded: list[Forwarded] = []
        self._connected: list[Connected] = []
        self._seen: dict[Event, None] = {}

    def add(self, events: Iterable[Event]) -> None:
        """Take lines in, each once, from wherever. They may come in any order: `settle` sorts them."""
        self._seen.update(dict.fromkeys(events))

    def settle(self) -> None:
        """Make letters of the lines."""
        self.letters, self.refusals, self.forwarded, self._connected = {}, [], [], []
        for event in sorted(self._seen, key=lambda one: one.at):
            self._hear(event)
        self._link()

    def _letter(self, id_: str) -> Letter:
        return self.letters.setdefault(id_, Letter(id_))

    def _hear(self, event: Event) -> None:
        if isinstance(event, New):
            self._take(event)
        elif isinstance(event, Judged):
            letter = self._letter(event.id)
            letter.judged = event.entry
            letter.came = letter.came or event.at
            letter.sender = letter.sender or _text(event.entry.get("from"))
            letter.client = letter.client or address_of(_text(event.entry.get("client")))
            letter.login = letter.login or _text(event.entry.get("login"))
        elif isinstance(event, Named):
            self._letter(event.id).named = event.entry
        elif isinstance(event, Started):
            self._start(event)
        elif isinstance(event, Said):
            self._say(event)
        elif isinstance(event, Completed):
            self._letter(event.id).completed = True
        elif isinstance(event, Refused):
            self._refuse(event)
        elif isinstance(event, Forwarded):
            self.forwarded.append(event)
        elif isinstance(event, Connected):
            self._connected.append(event)

    def _take(self, event: New) -> None:
        letter = self._letter(event.id)
        letter.came, letter.file = event.at, event.file
        letter.client, letter.name, letter.helo, letter.login = event.client, event.name, event.helo, event.login

    def listener(self, letter: Letter) -> str:
        """Where it came in. No line says which connection it was: where the client had several, nobody knows."""
        units = {
            one.unit.removesuffix(".service")
            for one in self._connected
            if one.client == letter.client and one.at <= letter.came <= one.at + _NEAR
        }
        return _LISTENERS.get(units.pop(), "") if len(units) == 1 else ""

    def _start(self, event: Started) -> None:
        letter = self._letter(event.id)
        if event.module == "dsn":
            letter.reported.append((event.at, event.recipient, event.host == "deferred"))
            return
        letter.sender, letter.file = event.sender, event.file
        name = event.recipient
        # An address of an alias directory is told by name when it is done.
        if event.host.startswith("alias!"):
            alias = event.host.split("!")[1]
            known = [one for one in letter.recipients if one.partition("@")[0] == alias]
            known += [one for one in _texts(letter.judged.get("to")) if one.partition("@")[0] == alias]
            name = known[0] if known else alias
        one = letter.recipient(name)
        one.local, one.alias = event.module == "local", event.host.startswith("alias!")
        one.extension = event.host.split("!")[1].lower() if one.local and event.host.count("!") > 1 else ""
        one.attempts.append(Attempt(event.at, "" if one.local else event.host))

    def _say(self, event: Said) -> None:
        letter = self._letter(event.id)
        letter.sender = event.sender
        one = letter.told_as(event.recipient)
        if not one.attempts or (one.attempts[-1].outcome and event.at - one.attempts[-1].ended > 1):
            one.attempts.append(Attempt(event.at))
        attempt = one.attempts[-1]
        if event.kind == "text":
            attempt.said = f"{attempt.said} {event.text}".strip()
        elif event.kind == "success":
            took = _TOOK.match(event.text)
            attempt.outcome, attempt.ended = ("passed" if took else "delivered"), event.at
            attempt.peer = took[1] if took else ""
        elif not attempt.outcome:
            attempt.outcome, attempt.ended = _OUTCOMES.get(event.text, ""), event.at

    def _refuse(self, event: Refused) -> None:
        last = self.refusals[-1] if self.refusals else None
        if last and last.reply[3:4] == "-" and _same_reply(last, event):
            self.refusals[-1] = replace(last, reply=f"{event.reply[:3]} {last.reply[4:]} {event.reply[4:]}")
        else:
            self.refusals.append(event)

    def _link(self) -> None:
        """Say which message came of which."""
        letters = sorted(self.letters.values(), key=lambda one: one.moment)
        for letter in letters:
            for at, address, late in letter.reported:
                report = next((one for one in letters if _reports(one, address, at)), None)
                if report:
                    report.came_of = letter.id
                    (letter.warnings if late else letter.reports).append(report.id)
        for event in self.forwarded:
            if event.did == "passed on":
                self._passed_on(event, letters)

    def _passed_on(self, event: Forwarded, letters: Iterable[Letter]) -> None:
        """Say which delivery this line is about, and which message came of it: the nearest of those that fit."""
        deliveries = [
            (not attempt.at <= event.at <= attempt.ended, bool(one.became), attempt.ended, letter.id, one)
            for letter in letters
            for one in letter.recipients.values()
            for attempt in one.attempts
            if attempt.outcome == "delivered"
            and attempt.at - 1 <= event.at <= attempt.ended + 1
            and event.text.startswith((f"{letter.sender or '<>'} as ", f"a report to {one.address} to "))
        ]
        copies = [
            (abs(copy.came - event.at), copy.id, copy)
            for copy in letters
            if not copy.came_of and copy.client in HERE and abs(copy.came - event.at) < _SOON and _is_copy(copy, event)
        ]
        if deliveries and copies:
            *_key, id_, one = min(deliveries, key=lambda it: it[:4])
            copy = min(copies, key=lambda it: it[:2])[2]
            copy.came_of = id_
            one.became.append(copy.id)


def _is_copy(copy: Letter, event: Forwarded) -> bool:
    """Whether the line names its sender and one of its recipients."""
    head, _to, targets = event.text.rpartition(" to ")
    sent = head.endswith(f" as {copy.sender or '<>'}") or (not copy.sender and head.startswith("a report to "))
    return sent and any(name in targets.split(", ") for name in copy.recipients)


def _same_reply(one: Refused, other: Refused) -> bool:
    """Whether two lines are of one reply, but for what they say."""
    return replace(one, at=0, reply="") == replace(other, at=0, reply="")


def _reports(one: Letter, address: str, at: float) -> bool:
    return (
        not one.came_of
        and one.sender == ""
        and one.client in HERE
        and int(at) <= one.moment <= at + _NEAR
        and any(same(name, address) for name in one.recipients)
    )


def _text(value: object) -> str:
    """What is JSON came of bytes that need not have been a text."""
    return "" if value is None else "".join(one if one.isprintable() else "?" for one in str(value))


def _texts(value: object) -> list[str]:
    return [_text(one) for one in value] if isinstance(value, list) else []


# In words.


def clock(at: float) -> str:
    """A time as people here write it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def lasted(seconds: float) -> str:
    """A time span."""
    for unit, size in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{max(seconds, 0):.1f} s"


def how(letter: Letter) -> str:
    """How it came."""
    source = _text(letter.judged.get("source"))
    if letter.came_of:
        return f"made here of {letter.came_of}"
    if source.endswith("dsn"):
        return "made here, a report about another message"
    if letter.client.startswith(_FETCHED):
        return f"fetched by fetchmail from {letter.mailbox or 'a mailbox elsewhere'}"
    if letter.client in HERE:
        return "from a program of this host" if letter.client else "from where is not known"
    login = f", logged in as {letter.login}" if letter.login else ""
    tls = f", over {letter.named['tls']}" if letter.named.get("tls") else ", without TLS" if letter.named else ""
    port = f", to {letter.listener}" if letter.listener else ""
    return f"from {letter.client}, which calls itself {letter.helo or 'nothing that is known'}{port}{tls}{login}"


def verdict(letter: Letter, one: Recipient) -> str:
    """What became of it for one recipient."""
    last = one.attempts[-1] if one.attempts else Attempt(0)
    if not one.attempts:
        return "is in the queue and was not tried yet, as far as the journal goes"
    if not last.outcome:
        before = len(one.attempts) - 1
        since = clock(last.at)
        return f"is being tried again since {since}, after {_tries(before)}" if before else f"in delivery since {since}"
    return _ENDED[last.outcome](letter, one, last)


def _took(letter: Letter, last: Attempt) -> str:
    return f"{clock(last.ended)}{f', {lasted(last.ended - letter.came)} after it came' if letter.came else ''}"


def _delivered(letter: Letter, one: Recipient, last: Attempt) -> str:
    onward = f"; passed on by the forwarding service, where it became {', '.join(one.became)}" if one.became else ""
    return f"{_where(one)} at {_took(letter, last)}{onward}"


def _where(one: Recipient) -> str:
    if one.alias:
        kind, _hyphen, name = one.address.partition("@")[0].partition("-")
        if kind.lower() in _STANDS_FOR:
            # Behind the next hyphen is what a catch-all caught.
            return f"{_STANDS_FOR[kind.lower()]} {_ESCAPED.sub(_unescaped, name.partition('-')[0])}"
        if kind.lower().startswith("srs"):
            return f"handed to the forwarding service, as a report to {one.address}"
        return f"handed on by the alias directory for {one.address}"
    # It may keep nothing.
    return f"{'handed over for' if one.became else 'delivered to the mailbox of'} {one.address}"


def _unescaped(found: re.Match[str]) -> str:
    return _text(bytes.fromhex(found[0].replace("_", "")).decode("utf-8", "replace"))


def _passed(letter: Letter, _one: Recipient, last: Attempt) -> str:
    told = _TOLD.search(last.said)
    said = f": {last.said}" if last.said else ""
    return f"{last.peer} took it at {_took(letter, last)}{said}" + (f"; it is {told[0]} there" if told else "")


def _given_up(letter: Letter, _one: Recipient, last: Attempt) -> str:
    report = f"; report {', '.join(letter.reports)} went to the sender" if letter.reports else ""
    return f"given up at {_took(letter, last)}: {last.said or 'no reason is known'}{report}"


def _waits(letter: Letter, one: Recipient, last: Attempt) -> str:
    who = f"{last.host} answered " if last.host and last.said[:3].isdigit() else ""
    said = f"{who}{last.said or 'no reason is known'}; {_tries(len(one.attempts))}, the last at {clock(last.ended)}"
    if letter.queued is False:
        # Somebody took it out, or the journal lost a line.
        return f"waited, and is not in the queue any more: {said}"
    following = f"next at {clock(one.waits_until)}" if one.waits_until else "when it is tried next is not known"
    return f"still waits: {said}; {following}"


_ENDED = {"delivered": _delivered, "passed": _passed, "refused": _given_up, "waiting": _waits}


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def refusal(letter: Letter) -> str:
    """How the filters refused it."""
    by = [name for name, said in _filters(letter) if said.startswith(("refuse", "defer", "down, defer"))]
    name = f" by filter {by[-1]}" if by else " by the filters"
    reply = _text(letter.judged.get("reply"))
    return f"{_word(reply)} while the sender was on the line: {reply}{name}"


def _word(reply: str) -> str:
    return "put off" if reply.startswith("4") else "refused"


def told_twice(one: Refused, letters: Iterable[Letter]) -> bool:
    """Whether a listener's line is what a client heard of the filters about one of these messages."""
    return any(
        letter.refused
        and (letter.client, letter.sender) == (one.client, one.sender)
        and abs(letter.came - one.at) < _SOON
        and one.reply[:3] == _text(letter.judged.get("reply"))[:3]
        for letter in letters
    )


def _filters(letter: Letter) -> Iterator[tuple[str, str]]:
    said = letter.judged.get("filters")
    if isinstance(said, dict):
        yield from ((_text(name), _text(one)) for name, one in said.items())


def as_data(letter: Letter) -> dict[str, Any]:
    """A message for programs."""
    named = _texts(letter.judged.get("to"))
    given = named if letter.refused else []
    if letter.file and not letter.completed:
        untried = [Recipient(who) for who in named if not any(same(who, known) for known in letter.recipients)]
    else:
        untried = []
    rows = [
        {
            "address": one.address,
            "state": "forwarded" if one.became else one.state,
            "verdict": verdict(letter, one),
            "next": one.waits_until,
            "became": one.became,
            "attempts": [dict(vars(attempt)) for attempt in one.attempts],
        }
        for one in [*letter.recipients.values(), *untried]
    ]
    rows += [
        {"address": one, "state": "refused", "verdict": refusal(letter), "next": 0.0, "became": [], "attempts": []}
        for one in given
    ]
    return {
        "id": letter.id,
        "came": letter.came or float(letter.moment),
        "how": how(letter),
        "sender": letter.sender,
        "message_id": letter.message_id,
        "header_from": _texts(letter.named.get("from")),
        "header_to": _texts(letter.named.get("to")),
        "written": _texts(letter.judged.get("written")),
        "client": letter.client,
        "helo": letter.helo,
        "login": letter.login,
        "listener": letter.listener,
        "tls": _text(letter.named.get("tls")),
        "mailbox": letter.mailbox,
        "size": letter.judged.get("size", 0),
        "filters": dict(_filters(letter)),
        "filtered": bool(letter.judged),
        "recipients": rows,
        "nobody": "" if rows else _nobody(letter),
        "reports": letter.reports,
        "warnings": letter.warnings,
        "came_of": letter.came_of,
    }


def _nobody(letter: Letter) -> str:
    """Why no recipient is named."""
    if letter.judged and not letter.file:
        return "the filters let it in, and Courier never took it: the client went away, or Courier was stopped"
    if letter.judged and not letter.judged.get("to"):
        return "no recipient was left when the filters were done"
    return "the journal names no recipient"


def refused_as_data(one: Refused, asked: str) -> dict[str, Any]:
    """A refusal for programs. Whom a client claimed to be is told to nobody who did not know it."""
    account = asked if one.account and same(one.account, asked) else ""
    place = f", at {one.command}" if one.command else ""
    return {
        "at": one.at,
        "client": one.client,
        "port": one.port,
        "sender": one.sender,
        "recipient": one.recipient,
        "command": one.command,
        "account": account,
        "reply": one.reply,
        "verdict": f"{_word(one.reply)} while the sender was on the line{place}: {one.reply}",
    }


def as_text(found: dict[str, Any]) -> str:
    """All of it for people."""
    lines: list[str] = []
    for one in found["messages"]:
        lines.append(f"{clock(one['came'])}  {one['id']}  from {one['sender'] or '<>'}")
        if one["message_id"]:
            author = ", ".join(one["header_from"]) or "nobody"
            lines.append(f"    names   {one['message_id']} from {author}, by its header")
        lines.append(f"    came    {one['how']}")
        # Clients often claim what it is anyway.
        if written := [who for who in one["written"] if who not in {row["address"] for row in one["recipients"]}]:
            lines.append(f"    to      {', '.join(written)}, as was written")
        if one["filters"]:
            told = [f"{name} {said}" for name, said in one["filters"].items() if said != "pass"]
            silent = len(one["filters"]) - len(told)
            told += [f"{silent} let it pass"] if silent else []
            lines.append(f"    filters {'; '.join(told)}")
        elif not one["filtered"]:
            lines.append("    filters nothing is known of them")
        for row in one["recipients"]:
            lines.append(f"    {row['address']}: {row['verdict']}")
            early = [try_ for try_ in row["attempts"][:-1] if try_["outcome"]]
            lines += [f"        {clock(try_['ended'])}  {try_['outcome']}: {try_['said']}" for try_ in early]
        if one["nobody"]:
            lines.append(f"    {one['nobody']}")
        lines += [f"    report  {id_} went to the sender" for id_ in one["reports"]]
        lines += [f"    warning {id_} went to the sender, that it takes long" for id_ in one["warnings"]]
        lines.append("")
    for one in found["refusals"]:
        who = f"{one['client']} port {one['port']}"
        if one["account"]:
            who += f", as {one['account']}"
        lines.append(f"{clock(one['at'])}  {who}  from {one['sender'] or '?'} to {one['recipient'] or '?'}")
        lines += [f"    {one['verdict']}", ""]
    return "\n".join([*lines, found["said"]]) + "\n"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's lines in the journal: what became of which message, for which recipient.

Knows texts only. Lines are those of `journalctl -o short-unix` for IDENTIFIERS: of processes that end at once the
journal does not know the unit. What a line says the trace's parser knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .._watch._trace_journal import Line
from .._watch._trace_lines import Said, Started
from .._watch._trace_lines import read as event_of

IDENTIFIERS = ("courierd", "courieresmtp", "courierlocal")

_LINE = re.compile(
    r"(?P<at>\d+\.\d+) \S+ (?P<who>courierd|courieresmtp|courierlocal)\[(?P<process>\d+)\]: (?P<said>.*)"
)
_PEER = re.compile(r"delivered: (?P<name>\S+)")
_ACCEPTED = re.compile(r"\b[0-9A-F]{16}\.[0-9A-F]{8}\b")
# All that is said where the other side had closed a connection that was kept for the next message.
CLOSED = "<command failed>"
_OUTCOMES = {"success": "passed", "deferred": "waiting", "failure": "refused"}


class Delivery(NamedTuple):
    """One message for one recipient."""

    id: str  # as the peer was told it
    sender: str
    recipient: str
    outcome: str = ""  # delivered to a mailbox, passed on, waiting, refused; nothing yet
    said: str = ""  # the reply, or the reason
    peer: str = ""  # the host that took it
    at: float = 0.0  # when, in seconds since 1970

    @property
    def moment(self) -> int:
        """The second in which Courier took the message; its id begins with it."""
        return int(self.id.partition(".")[0], 16)

    @property
    def settled(self) -> bool:
        return bool(self.outcome)

    @property
    def next_id(self) -> str:
        """How a Courier that took it calls it, by its reply."""
        return id_told(self.said) if self.outcome == "passed" else ""


def id_told(reply: str) -> str:
    """The id in the reply of a Courier that took a message; empty where there is none."""
    found = _ACCEPTED.search(reply)
    return found[0] if found else ""


def read(lines: Iterable[str]) -> list[Delivery]:
    """The deliveries that these lines tell of, the last word about each."""
    found: dict[tuple[str, str], Delivery] = {}
    for line in lines:
        if not (matched := _LINE.fullmatch(line.rstrip("\n"))):
            continue
        # Each byte a character, as the parser wants it.
        said = matched["said"].encode("utf-8", "replace").decode("latin-1")
        event = event_of(Line(float(matched["at"]), matched["who"], int(matched["process"]), said))
        if isinstance(event, Started):
            # The report about a message is a message of its own, and a catch-all says later who it is.
            if event.module != "dsn" and not event.host.startswith("alias!"):
                # Tried again: it waits no longer.
                found[event.id, event.recipient] = Delivery(event.id, event.sender, event.recipient, at=event.at)
        elif isinstance(event, Said):
            before = found.get((event.id, event.recipient)) or Delivery(event.id, event.sender, event.recipient)
            found[event.id, event.recipient] = _hear(before, event.kind, event.text)._replace(at=event.at)
    return list(found.values())


def _hear(before: Delivery, kind: str, rest: str) -> Delivery:
    if kind == "text":
        # A reply of several lines, or the reason.
        outcome = "waiting" if rest == CLOSED else before.outcome
        return before._replace(said=f"{before.said} {rest}".strip(), outcome=outcome)
    if kind == "success":
        if peer := _PEER.match(rest):
            return before._replace(outcome="passed", peer=peer["name"])
        return before._replace(outcome="delivered", said=rest)
    if before.outcome not in ("", "waiting"):
        return before
    return before._replace(outcome=_OUTCOMES.get(rest, ""))


def sent_by(deliveries: Iterable[Delivery], sender: str, recipient: str, began: float, ended: float) -> str:
    """The id of the message that a program of this host handed in between two moments, or nothing.

    sendmail does not tell it. Where aliases stand for the recipient the log has other names, so the recipient
    decides only among several.
    """
    fitting = [one for one in deliveries if one.sender == sender and int(began) <= one.moment <= int(ended)]
    exact = [one for one in fitting if one.recipient.lower() == recipient.lower()]
    ids = list(dict.fromkeys(one.id for one in exact or fitting))
    return ids[-1] if ids else ""

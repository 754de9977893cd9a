# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a filter thinks of a message."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from ._message import Message


class Verdict(NamedTuple):
    """pass: the next filter may look. accept: those after it need not. refuse and defer: what the client is told."""

    action: str = "pass"  # or accept, refuse, defer
    reply: str = ""  # SMTP reply of a refusal or deferral, such as "554 5.7.1 No programs by mail"
    note: str = ""  # for the log; one line


PASS = Verdict()


def accept(note: str = "") -> Verdict:
    """Let it in without asking the filters that come after."""
    return Verdict("accept", "", note)


def refuse(reply: str, note: str = "") -> Verdict:
    """Refuse it for good. The reply is 5xx, an enhanced code and a text that tells the sender what to do."""
    return Verdict("refuse", reply, note)


def defer(reply: str, note: str = "") -> Verdict:
    """Let the client try again. The reply is 4xx."""
    return Verdict("defer", reply, note)


def replied(text: str, note: str = "") -> Verdict:
    """What one of pythonfilter's own modules answers, as a verdict. Raises ValueError for what is no answer."""
    if text == "":
        return Verdict(note=note)
    action = {"0": "accept", "2": "accept", "4": "defer", "5": "refuse"}[text[0]]
    return Verdict(action, "" if action == "accept" else text, note)


class Down(Exception):
    """The program that a filter asks does not answer. What happens then is the operator's decision (when_down)."""


class Filter(Protocol):
    """A filter, made of its settings when pythonfilter starts.

    It may have `finish`, which is told how it ended, and `seal`, which is asked like `check` when a message is let in
    and no filter changes it any more (_chain).
    """

    def check(self, message: Message) -> Verdict:
        """Look at a message. Raises Down; any other exception counts like it."""


class Judged(NamedTuple):
    """What one filter said, and how long it took."""

    name: str
    verdict: Verdict
    seconds: float
    down: str = ""  # why it could not say anything, if it could not


class Outcome(NamedTuple):
    """What the client is told, and who said what."""

    verdict: Verdict
    judged: list[Judged]

    def as_log(self) -> dict[str, Any]:
        """For a structured log."""
        return {
            "verdict": self.verdict.action if self.verdict.action != "accept" else "pass",
            "reply": self.verdict.reply,
            "filters": {
                one.name: f"down, {one.verdict.action}: {one.down}" if one.down else _said(one.verdict)
                for one in self.judged
            },
            "seconds": round(sum(one.seconds for one in self.judged), 3),
        }


def _said(verdict: Verdict) -> str:
    return f"{verdict.action}: {verdict.note}" if verdict.note else verdict.action

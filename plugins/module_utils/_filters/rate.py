# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much somebody sends within an hour, and what happens when it is more than that.

An account whose password was stolen sends thousands of messages in minutes. Whoever logged in is counted by his login,
a host that relays without one by its address, a program of this machine by its user. Strangers are not counted.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from . import _store
from ._addresses import spelled
from ._message import Message
from ._origin import Origin, is_user, origin
from ._settings import refuse as refuse_setting
from ._store import Limits, Store
from ._verdict import PASS, Outcome, Verdict, defer, refuse

_ACTIONS = ("hold", "refuse")
_SENDMAIL = "/usr/sbin/sendmail"
_SENDMAIL_SECONDS = 120
BY_OPERATOR = "the postmaster wants it so"


@dataclass(frozen=True)
class Settings:
    # Messages, and recipients of all of them together, of one sender within an hour; 0 is without limit.
    messages: int = 200
    recipients: int = 1000
    # The same for each user of this machine. What people's .courier files forward is that of the mailboxes' owner.
    local_messages: int = 1000
    local_recipients: int = 5000
    # What happens above: hold defers all mail of the sender until the operator releases it, refuse lasts until the
    # hour is over.
    action: str = "hold"
    # Other limits for a login, an address of a host, or "local" and the number of a user.
    exceptions: dict[str, dict[str, int]] = field(default_factory=dict)
    # The user that passes mail on, which is not his.
    forwarder: str = "courier-srs"
    # Who is told of a hold; empty: nobody.
    contact: str = ""
    store: str = _store.PATH

    def __post_init__(self) -> None:
        if self.action not in _ACTIONS:
            refuse_setting("action", self.action, " or ".join(_ACTIONS))
        for name in ("messages", "recipients", "local_messages", "local_recipients"):
            if getattr(self, name) < 0:
                refuse_setting(name, getattr(self, name), "0, which is without limit, or more")
        for key, limits in self.exceptions.items():
            if not limits or not limits.keys() <= {"messages", "recipients"} or min(limits.values()) < 0:
                refuse_setting(f"exceptions.{key}", limits, "messages, recipients or both, each 0 or more")
        if self.contact and not re.fullmatch(r"[!-~]+@[!-~]+", self.contact):
            refuse_setting("contact", self.contact, "one address, or nothing")

    def limits(self, who: Origin) -> Limits:
        """The limits of somebody."""
        usual = {"messages": self.messages, "recipients": self.recipients}
        if who.kind == "local":
            usual = {"messages": self.local_messages, "recipients": self.local_recipients}
        return Limits(
            **usual | next((own for key, own in self.exceptions.items() if spelled(key) == spelled(who.key)), {})
        )


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.store)
        self._counted: dict[str, int] = {}  # by message

    def check(self, message: Message) -> Verdict:
        who = origin(message)
        if who.kind in ("stranger", "fetched") or (who.kind == "local" and not message.sender):
            return PASS  # the second: vacation notices, and our own letters to the operator
        return PASS if is_user(who, self._settings.forwarder) else self._count(message, who)

    def _count(self, message: Message, who: Origin) -> Verdict:
        held = self._store.held(who.key)
        if held:
            self._tell(who.key, held.reason)
            return _waits(who.key, held.reason)
        limits, number = self._settings.limits(who), len(message.recipients)
        if 0 < limits.recipients < number:
            return refuse(
                f"550 5.5.3 {number} recipients are too many; one sender may have {limits.recipients} within an hour",
                f"{who.key}: {number} recipients",
            )
        counted = self._store.spend(who.key, number, limits)
        if counted is not None:
            self._counted[message.text] = counted
            return PASS
        said = f"more than {_said(limits)} within an hour"
        if self._settings.action == "refuse":
            free = time.strftime("%H:%M", time.localtime(self._store.again(who.key)))
            return refuse(
                f"550 5.7.1 {who.key} has sent {said}; it may send again from {free} on", f"{who.key}: {said}"
            )
        self._store.hold(who.key, said)
        self._tell(who.key, said)
        return _waits(who.key, said)

    def finish(self, message: Message, outcome: Outcome) -> None:
        """What is deferred comes again, and counts then."""
        counted = self._counted.pop(message.text, None)
        if counted is not None and outcome.verdict.action == "defer":
            self._store.give_back(counted)

    def _tell(self, key: str, said: str) -> None:
        if self._settings.contact and self._store.tell(key):
            # The letter comes through these filters, too: the client must not wait for it.
            threading.Thread(target=self._send, args=(key, said), daemon=True).start()

    def _send(self, key: str, said: str) -> None:
        try:
            send(self._settings.contact, f"Mail of {key} waits", letter(key, said))
        except (OSError, subprocess.SubprocessError) as error:
            self._store.untold(key)
            sys.stderr.write(f"rate: {self._settings.contact} could not be told of the hold of {key}: {error}\n")


def letter(key: str, said: str) -> str:
    """What the operator reads."""
    return (
        f"{key} has sent {said}. Its mail is deferred from now on, and stays where it is.\n\n"
        "If the password was stolen, change it first, and throw away what waits in the queue:\n\n"
        f"    courier-mail purge --dry-run '{key}'\n"
        f"    courier-mail purge '{key}'\n\n"
        "Then, or if the mail is right, let it send again:\n\n"
        f"    courier-mail release '{key}'\n\n"
        "Who sends how much:\n\n"
        "    courier-mail rate\n"
    )


def send(to: str, subject: str, text: str) -> None:
    """Send a letter that nobody answers: without a sender, so that nothing comes back and no limit counts it.

    Raises OSError or SubprocessError.
    """
    head = (
        f"From: postmaster\nTo: {to}\nSubject: {subject}\nAuto-Submitted: auto-generated\n"
        "Content-Type: text/plain; charset=utf-8\n"
    )
    subprocess.run(  # noqa: S603 -- arguments are ours
        [_SENDMAIL, "-f", "", to],
        input=f"{head}\n{text}".encode("utf-8", "replace"),
        timeout=_SENDMAIL_SECONDS,
        check=True,
        capture_output=True,
    )


def _waits(key: str, reason: str) -> Verdict:
    why = reason if reason == BY_OPERATOR else "it sent too much within an hour"
    return defer(f"451 4.7.1 The mail of {key} waits: {why}. Tell the postmaster, who can let it go", f"{key} is held")


def _said(limits: Limits) -> str:
    named = {"messages": limits.messages, "recipients": limits.recipients}
    return " or ".join(f"{number} {name}" for name, number in named.items() if number)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse mail of hosts that are on a list in DNS, unless another list knows them as good.

couriertcpd looks into lists as well (-block), one after the other before the client is greeted, and takes every answer
for a listing unless it is told one that counts. Here all lists are asked at once, what counts is said for each, and a
list that is silent, broken or gone refuses nobody. Comes after the whitelists.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from . import _lists
from ._dnslist import Entry, parse, question
from ._message import Message, Recipient
from ._origin import is_trusted, origin
from ._resolve import Temporary
from ._settings import networks
from ._settings import refuse as refuse_setting
from ._verdict import PASS, Verdict, refuse

_THREADS = 32
_MARGIN = 0.5  # seconds for a thread to begin


def _postmasters() -> list[str]:
    # Whoever is listed by mistake must be able to say so.
    return ["postmaster@", "abuse@"]


@dataclass(frozen=True)
class Settings:
    # The lists, each with zone, answers (what means a listing), and if wanted reason, url, server and port.
    blocklists: list[dict[str, str | int | list[str]]] = field(default_factory=list)
    # Lists of good hosts: whoever is on one is not looked for in the others.
    allowlists: list[dict[str, str | int | list[str]]] = field(default_factory=list)
    # Networks that are not looked for.
    never: list[str] = field(default_factory=list)
    # Recipients who get mail of hosts that are listed, if it is for nobody else: alice@example.com, @example.com,
    # postmaster@.
    recipients: list[str] = field(default_factory=_postmasters)
    # Seconds for the answers of all lists together.
    timeout: float = 5.0
    # Seconds for which a list that was silent is not asked.
    pause: float = 30.0
    # Who hears that a list is broken.
    contact: str = ""
    state: str = _lists.STATE

    def __post_init__(self) -> None:
        for entry in parse("mail_allowlists", self.allowlists, allows=True):
            if entry.zone in {other.zone for other in parse("mail_blocklists", self.blocklists)}:
                refuse_setting("mail_allowlists", entry.zone, "it here or into mail_blocklists, where it is too")
        parse("mail_blocklists", self.blocklists)
        networks("never", self.never)
        for who in self.recipients:
            if "@" not in who or who == "@":
                refuse_setting("recipients", who, "an address, @example.com, or postmaster@ for a name everywhere")
        if self.timeout <= 0 or self.pause < 0:
            refuse_setting("timeout", self.timeout, "seconds, more than 0, and pause likewise")

    def entries(self) -> list[Entry]:
        """All lists, those of good hosts first."""
        return [
            *parse("mail_allowlists", self.allowlists, allows=True),
            *parse("mail_blocklists", self.blocklists),
        ]


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._entries = settings.entries()
        self._never = networks("never", settings.never)
        self._exempt = {who.lower() for who in settings.recipients}
        self._broken = _lists.Broken(settings.state)
        self._silent: dict[str, float] = {}  # until when
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_THREADS, "dnsbl")
        self.lookup: Callable[[Entry, str], list[str]] = self._lookup

    def check(self, message: Message) -> Verdict:
        kind, client = origin(message)
        if not self._entries or kind != "stranger" or not client or self._is_known(client):
            return PASS
        if message.recipients and all(map(self._is_exempt, message.recipients)):
            return Verdict(note="not looked for: the recipients do not want it")
        listed, without = self._listed(client)
        note = ", ".join(
            [f"on {entry.zone} ({answer})" for entry, answer in listed] + [f"without {zone}" for zone in without]
        )
        if not listed or any(entry.allows for entry, _answer in listed):
            return Verdict(note=note)
        domain = message.recipients[0].address.rpartition("@")[2] if message.recipients else ""
        return refuse(_reply(client, listed[0][0], domain), note)

    def _is_known(self, client: str) -> bool:
        address = ipaddress.ip_address(client)
        return any(address in network for network in self._never) or is_trusted(client)

    def _is_exempt(self, recipient: Recipient) -> bool:
        for address in filter(None, (recipient.address, recipient.original)):
            local_part, _at, domain = address.lower().rpartition("@")
            if self._exempt & {f"{local_part}@{domain}", f"@{domain}", f"{local_part}@"}:
                return True
        return False

    def _listed(self, client: str) -> tuple[list[tuple[Entry, str]], list[str]]:
        """The lists that the client is on, with what they said, and those that could not be asked."""
        broken, now = self._broken(), time.monotonic()
        with self._lock:
            asked = [
                entry
                for entry in self._entries
                if entry.zone not in broken and self._silent.get(entry.zone, 0.0) <= now
            ]
        without = [entry.zone for entry in self._entries if entry not in asked]
        answers = {self._pool.submit(self.lookup, entry, client): entry for entry in asked}
        wait(answers, self._settings.timeout + _MARGIN)
        found = []
        for answer, entry in answers.items():
            said = _answered(answer)
            if said is None:
                without.append(entry.zone)
                if not answer.cancel():  # it was asked, and not only waiting for a thread
                    with self._lock:
                        self._silent[entry.zone] = time.monotonic() + self._settings.pause
                continue
            found += [(entry, one) for one in said if entry.means(one)][:1]
        return found, without

    def _lookup(self, entry: Entry, client: str) -> list[str]:
        return entry.resolver(self._settings.timeout)(question(entry.zone, client), "A")


def _answered(answer: Future[list[str]]) -> Sequence[str] | None:
    """What a list said, or None where it said nothing in time."""
    try:
        return answer.result(0) if answer.done() else None
    except Temporary:
        return None


def _reply(client: str, entry: Entry, domain: str) -> str:
    reason = f" ({entry.reason})" if entry.reason else ""
    where = entry.url.replace("{address}", client) or f"ask who runs {entry.zone}"
    whom = f"postmaster@{domain}" if domain.isascii() and domain else "the postmaster"
    return f"550 5.7.1 {client} is listed in {entry.zone}{reason}. To be taken off: {where}. {whom} reads mail from you"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is too large for spamd to read: bulk senders make their mail that large on purpose.

It is scored by its header and by where it comes from. Comes after the whitelists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from . import _addresses, _store
from ._junk import to_junk
from ._message import Message
from ._origin import origin, site
from ._settings import refuse as refuse_setting
from ._store import DAY, Store
from ._verdict import PASS, Verdict, accept, refuse

_POINTS = {
    "no_date": 2.0,
    "no_message_id": 2.0,
    "no_from": 2.0,
    "no_ptr": 2.5,
    "bulk_unsigned": 2.5,
    "many_recipients": 2.0,
    "repeated": 2.0,
}
# courier's `f`: dns; HELO (NAME [ADDRESS]), without a name where DNS knows none that leads back.
_NAMED = re.compile(r"\((\S+) \[")


@dataclass(frozen=True)
class Settings:
    # In bytes: the max_size of spamd. What is not larger is spamd's.
    min_size: int = 512000
    # What each finding adds; yours win: no_date, no_message_id, no_from, no_ptr (DNS has no name of the client that
    # leads back to it), bulk_unsigned (Precedence or List-Unsubscribe, no DKIM signature), many_recipients, repeated.
    points: dict[str, float] = field(default_factory=dict)
    # Words of Precedence that say bulk.
    bulk: list[str] = field(default_factory=lambda: ["bulk", "junk", "list"])
    # Recipients of one message, and large messages of one source within a day, that are many.
    many_recipients: int = 20
    many_messages: int = 20
    # From how many points on a message is marked as spam and put into Junk, and refused; 0 is never.
    tag: float = 4.0
    reject: float = 8.0
    # Whether the source of what is marked or refused is counted for the deny list.
    count: bool = True
    store: str = _store.PATH
    known: str = _addresses.PATH

    def __post_init__(self) -> None:
        if unknown := sorted(self.points.keys() - _POINTS.keys()):
            refuse_setting("points", unknown[0], f"some of {', '.join(_POINTS)}")
        for name in ("min_size", "many_recipients", "many_messages"):
            if getattr(self, name) < 1:
                refuse_setting(name, getattr(self, name), "a number of at least 1")
        for name in ("tag", "reject"):
            if getattr(self, name) < 0:
                refuse_setting(name, getattr(self, name), "0, which is never, or more")
        if 0 < self.reject <= self.tag:
            refuse_setting("reject", self.reject, f"more than tag, which is {self.tag}, or 0")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._points = _POINTS | settings.points
        self._store = Store(settings.store)
        self._mailboxes = _addresses.Read(settings.known)

    def check(self, message: Message) -> Verdict:
        if message.size <= self._settings.min_size:
            return PASS
        kind, client = origin(message)
        if kind != "stranger":
            return PASS
        source = site(client)
        found = list(self._findings(message, source))
        score = sum(self._points[name] for name in found)
        note = f"{score:g} points: {', '.join(found) or 'nothing'}"
        rejected, tagged = (0 < limit <= score for limit in (self._settings.reject, self._settings.tag))
        if self._settings.count:
            # The deny list adds up the amounts.
            self._store.add("big", source, 1.0 if rejected else 0.5 if tagged else 0.0, note)
        if rejected:
            return refuse("550 5.7.1 Bulk mail that is too large to be looked at; send it smaller and signed", note)
        if tagged:
            to_junk(message, self._mailboxes(), f"Large and bulk, {note}")
            return accept(note)
        return Verdict(note=note)

    def _findings(self, message: Message, source: str) -> Iterator[str]:
        for name, header in (("no_date", "date"), ("no_message_id", "message-id"), ("no_from", "from")):
            if not message.values(header):
                yield name
        if not _NAMED.search(message.record("f") or ""):
            yield "no_ptr"
        precedence = {value.lower() for value in message.values("precedence")}
        bulk = precedence & set(map(str.lower, self._settings.bulk)) or message.values("list-unsubscribe")
        if bulk and not message.values("dkim-signature"):
            yield "bulk_unsigned"
        if len(message.recipients) >= self._settings.many_recipients:
            yield "many_recipients"
        if self._store.count("big", source, DAY) >= self._settings.many_messages:
            yield "repeated"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that nobody has ever given to anybody: whoever writes to them took them from a list.

What arrives is spam, spamd learns it, and its source is counted for the deny list. Comes after the whitelists, so that
no server of ours and nobody whom we trust is counted.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from . import _addresses, _store, _tell
from ._junk import to_junk
from ._message import Message
from ._names import TRAP, stands_for
from ._origin import origin, site
from ._settings import refuse as refuse_setting
from ._store import Store
from ._verdict import PASS, Verdict, accept, refuse

_OTHERS = ("junk", "refuse", "accept")


@dataclass(frozen=True)
class Settings:
    # The traps, as mail_traps has them. The role makes them aliases to names that nobody reads.
    addresses: list[str] = field(default_factory=list)
    # Whether spamd learns what arrives.
    learn: bool = True
    # Whether spamd also tells those whom SpamAssassin's settings name, such as spamcop_to_address.
    report: bool = False
    # Whether the source is counted for the deny list.
    count: bool = True
    # What happens to a message that has other recipients too: junk (marked as spam, into their Junk folders), refuse
    # (nobody gets it), accept (as if there were no trap).
    others: str = "junk"
    # What is larger is not learned: spam that is sent to traps is small.
    learn_max_size: int = 512000
    socket: str = _tell.SOCKET
    store: str = _store.PATH
    known: str = _addresses.PATH

    def __post_init__(self) -> None:
        if self.others not in _OTHERS:
            refuse_setting("others", self.others, ", ".join(_OTHERS))
        for address in self.addresses:
            local_part, at, domain = address.rpartition("@")
            if not (local_part and at and domain):
                refuse_setting("addresses", address, "addresses such as trap@example.com")
        if self.report and not self.learn:
            refuse_setting("report", self.report, "false, or learn: true, since what is reported is learned")
        if self.learn_max_size < 1:
            refuse_setting("learn_max_size", self.learn_max_size, "a number of bytes")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store = Store(settings.store)
        self._mailboxes = _addresses.Read(settings.known)

    def check(self, message: Message) -> Verdict:
        trapped = {
            recipient: trap
            for recipient in message.recipients
            for trap in self._settings.addresses
            if stands_for(TRAP, recipient.address, trap) or recipient.address.lower() == trap.lower()
        }
        kind, client = origin(message)
        if not trapped or kind != "stranger" or not message.sender:
            return PASS  # an answer to a sender that somebody forged is no spam
        said = f"spam trap {', '.join(sorted(set(trapped.values())))}"
        if self._settings.count and client:
            self._store.add("trap", site(client), 1.0, said)
        others = len(message.recipients) > len(trapped)
        if others and self._settings.others == "refuse":
            self._learn(message)
            return refuse("550 5.7.1 Spam: one of the recipients has never written to anybody", said)
        known = self._mailboxes() if others and self._settings.others == "junk" else None
        for recipient in trapped:
            message.drop(recipient, f"Swallowed by the {said}")
        if known:
            to_junk(message, known, f"Sent to the {said} too")
        self._learn(message)
        return PASS if others and not known else accept(said)

    def _learn(self, message: Message) -> None:
        if not self._settings.learn or message.size > self._settings.learn_max_size:
            return
        with message.open() as stream:
            text = stream.read()
        if not self._settings.report:
            _tell.learn(text, "spam", self._settings.socket)
        elif not _tell.report(text, self._settings.socket):
            sys.stderr.write(f"spamtrap: nobody took a report of {message.id}; the journal of spamd says why\n")

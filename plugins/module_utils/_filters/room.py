# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail for whom there is no room: refused while the sender is on the line.

Courier would take it and try for a week, and the report about it would not reach a stranger. Mailboxes are closed to
filters, so a service that has the rights of the mail user is asked (role courier_auth).
"""

from __future__ import annotations

from dataclasses import dataclass

from . import _addresses, _forward
from ._message import Message
from ._settings import refuse as refuse_setting
from ._verdict import PASS, Down, Verdict, refuse


@dataclass(frozen=True)
class Settings:
    # Where the service listens.
    socket: str = "/run/courier-mail-room/socket"
    # Seconds for its answer.
    timeout: int = 10
    # Who has a mailbox.
    known: str = _addresses.PATH

    def __post_init__(self) -> None:
        if self.timeout < 1:
            refuse_setting("timeout", self.timeout, "a number of seconds")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known = _addresses.Read(settings.known)

    def check(self, message: Message) -> Verdict:
        known = self._known()
        full = [
            one.address
            for one in message.recipients
            if known.is_mailbox(one.address) and self._is_full(one.address, message.size)
        ]
        if not full:
            return PASS
        note = f"no room: {', '.join(full)}"
        if len(full) < len(message.recipients):
            return Verdict(note=note)  # the others get it; Courier tries the rest again and again
        return refuse("552 5.2.2 The mailbox is full; write again when its owner has made room", note)

    def _is_full(self, address: str, size: int) -> bool:
        """Raises Down."""
        code, text = _forward.ask(self._settings.socket, [address, str(size)], self._settings.timeout)
        if code not in (0, 1):
            raise Down(f"{self._settings.socket} said {code} {text}")
        return code == 1

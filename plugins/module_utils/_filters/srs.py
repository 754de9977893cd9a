# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounces of what we passed on: let in if we made the address that they are for, and nothing else is.

Without this, a forged one would be taken in and found out when it is delivered, when there is nobody to tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import _forward
from ._addresses import spelled
from ._message import Message, Recipient
from ._names import SRS
from ._settings import refuse as refuse_setting
from ._srs import TAGGED
from ._verdict import PASS, Verdict, refuse


@dataclass(frozen=True)
class Settings:
    # Domains of the senders that we make: that of SRS, and the names of this host.
    domains: list[str] = field(default_factory=list)
    # Where the forwarding service listens, which has the secret.
    socket: str = _forward.SOCKET
    # Seconds for its answer.
    timeout: int = 20

    def __post_init__(self) -> None:
        if self.timeout < 1:
            refuse_setting("timeout", self.timeout, "a number of seconds")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._domains = set(map(spelled, settings.domains))

    def check(self, message: Message) -> Verdict:
        recipients = message.recipients
        bad: dict[Recipient, str] = {}
        for recipient in recipients:
            if self._is_ours(recipient.address) and (reason := self._wrong(message, recipient.address)):
                bad[recipient] = reason
        if not bad:
            return PASS
        recipient, reason = next(iter(bad.items()))
        if len(bad) == len(recipients):
            return refuse(_ascii(f"550 5.7.1 {recipient.address} {reason}"), f"SRS: {recipient.address} {reason}")
        for recipient, reason in bad.items():
            message.drop(recipient, f"Dropped: {recipient.address} {reason}")
        return PASS

    def _is_ours(self, address: str) -> bool:
        local_part, _at, domain = address.rpartition("@")
        named = TAGGED.fullmatch(local_part) or local_part.lower().startswith(f"{SRS}-")
        return bool(named) and spelled(domain) in self._domains

    def _wrong(self, message: Message, address: str) -> str:
        """Why an address gets nothing of this message, or nothing. Raises Down."""
        if message.sender:
            return "takes only reports of undelivered mail; write to the person"
        return _forward.reversed_by_service(self._settings.socket, address, self._settings.timeout)


def _ascii(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text)[:480]

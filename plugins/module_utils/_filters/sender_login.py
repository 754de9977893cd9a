# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever logged in sends as himself, and our other servers as the domains that are theirs.

The envelope's sender is checked, and the addresses in From, which is what people read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import _addresses
from ._message import Message
from ._origin import origin
from ._settings import refuse as refuse_setting
from ._verdict import PASS, Verdict, refuse

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ADDRESS = re.compile(r"""[^\s<>",;:()\[\]]+@[^\s<>",;:()]+""")
_SHOWN = 5  # allowed addresses in a reply


@dataclass(frozen=True)
class Settings:
    # Whether the addresses in From are checked too.
    header: bool = True
    # Whether the envelope may have no sender, as vacation notices and receipts do. From is checked all the same.
    empty: bool = True
    # Logins that may send as anybody: a webmail, a list manager.
    exempt: list[str] = field(default_factory=list)
    known: str = _addresses.PATH

    def __post_init__(self) -> None:
        if not self.known.startswith("/"):
            refuse_setting("known", self.known, f"an absolute path such as {_addresses.PATH}")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._exempt = set(map(_addresses.spelled, settings.exempt))
        self._read = _addresses.Read(settings.known)

    def check(self, message: Message) -> Verdict:
        kind, key = origin(message)
        if kind not in ("account", "relay") or _addresses.spelled(key) in self._exempt:
            return PASS
        known = self._read()
        allowed = known.of_login(key) if kind == "account" else known.of_host(key)
        if allowed is None:
            if kind == "relay":
                return PASS  # may relay by smtpaccess and is no server of ours: the operator's word
            return refuse(f"550 5.7.1 No address of {_ascii(key)} is known here; tell the postmaster")
        return self._first_foreign(message, key, known, allowed)

    def _first_foreign(
        self, message: Message, key: str, known: _addresses.Addresses, allowed: Sequence[str]
    ) -> Verdict:
        if not message.sender and not self._settings.empty:
            return _refused(key, "nobody", allowed)
        claimed = [message.sender] if message.sender else []
        if self._settings.header:
            for value in message.values("from"):
                found = written(value)
                if not found:
                    return refuse("550 5.6.0 No address can be read in From; write one", f"{key}: From {value!r}")
                claimed += found
        for address in claimed:
            if not known.may(allowed, address):
                return _refused(key, address, allowed)
        return PASS


def written(value: str) -> list[str]:
    """Whatever looks like an address in a From, but for names in quotes.

    More than RFC 5322 calls an address: a name such as boss@example.net before one's own is what people would read.
    """
    # Bytes beyond ASCII are UTF-8 (SMTPUTF8), or nobody's address.
    text = value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    return [match.rstrip(".") for match in _ADDRESS.findall(_QUOTED.sub(" ", text))]


def _refused(key: str, claimed: str, allowed: Sequence[str]) -> Verdict:
    shown = ", ".join([*allowed[:_SHOWN], *(["..."] if len(allowed) > _SHOWN else [])]) or "nobody"
    reply = f"550 5.7.1 {key} may not send as {claimed}, only as {shown}"
    return refuse(_ascii(reply)[:480], f"{key} as {claimed}")


def _ascii(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text)

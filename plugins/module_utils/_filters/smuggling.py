# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse what the next server could read as two messages: a CR that ends no line. And NUL, which mail may not have.

Courier ends a message at CRLF.CRLF only. It makes line ends of LF, also of those that came alone, and puts a second
dot before a line that begins with one, so nothing is smuggled past it with LF. A CR alone goes on as it came (1.0.16,
1.4.1). The text here has LF at its line ends, so each CR in it was one too many; before a LF it is harmless, and
programs of the host write so.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass, field

from ._message import Message
from ._settings import refuse as refuse_setting
from ._verdict import PASS, Verdict, refuse

_KINDS = {
    "cr": (re.compile(rb"\r(?!\n)"), "has a CR that ends no line (RFC 5321, 2.3.8)"),
    "nul": (re.compile(rb"\0"), "has a NUL (RFC 5322, 3.5)"),
}


@dataclass(frozen=True)
class Settings:
    # What a message is refused for: cr, nul.
    refused: list[str] = field(default_factory=lambda: list(_KINDS))

    def __post_init__(self) -> None:
        if unknown := [kind for kind in self.refused if kind not in _KINDS]:
            refuse_setting("refused", unknown[0], f"some of {', '.join(_KINDS)}")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._kinds = {kind: _KINDS[kind] for kind in settings.refused}

    def check(self, message: Message) -> Verdict:
        if not message.size:
            return PASS  # nothing can be mapped
        with message.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for kind, (pattern, said) in self._kinds.items():
                # A match would keep the map open.
                place = next((found.start() for found in pattern.finditer(text)), None)
                if place is not None:
                    return refuse(f"550 5.6.0 The message {said}; send it as text or encoded", f"{kind} at {place}")
        return PASS

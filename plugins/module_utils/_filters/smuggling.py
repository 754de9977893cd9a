# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse what the next server could read as two messages: a CR that ends no line.

Courier ends a message at CRLF.CRLF only. It makes line ends of LF, also of those that came alone, and puts a second
dot before a line that begins with one, so nothing is smuggled past it with LF. A CR alone goes on as it came (1.0.16,
1.4.1). The text here has LF at its line ends, so each CR in it was one too many; before a LF it is harmless, and
programs of the host write so. A NUL never gets here: Courier drops it, with what follows on its line.
"""

from __future__ import annotations

import mmap
import re
from dataclasses import dataclass

from ._message import Message
from ._verdict import PASS, Verdict, refuse

_CR = re.compile(rb"\r(?!\n)")


@dataclass(frozen=True)
class Settings:
    """There are none."""


class Filter:
    """See the module."""

    def __init__(self, _settings: Settings) -> None:
        """Nothing is to be kept."""

    def check(self, message: Message) -> Verdict:
        if not message.size:
            return PASS  # nothing can be mapped
        with message.open() as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            # A match would keep the map open.
            place = next((found.start() for found in _CR.finditer(text)), None)
        if place is None:
            return PASS
        return refuse(
            "550 5.6.0 The message has a CR that ends no line (RFC 5321, 2.3.8); send it as text or encoded",
            f"CR at {place}",
        )

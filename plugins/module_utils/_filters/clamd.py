# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask clamd whether a message holds a virus.

The message goes through clamd's socket, in pieces, so clamd needs no right to read Courier's spool. What clamd does not
look at to the end is not scanned, and counts as if clamd were down.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from ._connection import Connection
from ._message import Message
from ._settings import refuse
from ._verdict import PASS, Down, Verdict
from ._verdict import refuse as refused

_CHUNK = 1 << 17
_ANSWER = 4096  # bytes; clamd's answer is one line


@dataclass(frozen=True)
class Settings:
    """Where clamd is and what it is given."""

    socket: str = "/run/clamav/clamd.ctl"
    timeout: float = 120  # seconds for one message, all in all
    # In bytes: not above StreamMaxLength of the role clamav, and more than the sizelimit of the role courier_mta.
    max_size: int = 27262976

    def __post_init__(self) -> None:
        if not self.socket.startswith("/"):
            refuse("socket", self.socket, "the path of clamd's socket, such as /run/clamav/clamd.ctl")
        if not 0 < self.timeout <= 600:
            refuse("timeout", self.timeout, "seconds, at most 600: clients do not wait any longer")
        if not 0 < self.max_size < 1 << 32:
            refuse("max_size", self.max_size, "a number of bytes, such as 27262976 and below 4 GiB")


class Filter:
    """Refuses mail with a virus."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, message: Message) -> Verdict:
        if message.size > self._settings.max_size:
            raise Down(f"too large to be scanned: {message.size} bytes, max_size is {self._settings.max_size}")
        with Connection(self._settings.socket, self._settings.timeout) as clamd:
            whole = clamd.send(_stream(message))
            try:
                answer = clamd.receive(_ANSWER)
            except Down:
                if whole:
                    raise
                answer = b""
        return understood(answer, whole)


def _stream(message: Message) -> Iterator[bytes]:
    yield b"zINSTREAM\0"
    with message.open() as text:
        for chunk in iter(partial(text.read, _CHUNK), b""):
            yield struct.pack("!I", len(chunk)) + chunk
    yield struct.pack("!I", 0)


def understood(answer: bytes, whole: bool) -> Verdict:
    """clamd's answer to INSTREAM, which it may give before it has the whole message. Raises Down for what is none."""
    text, end, _rest = answer.partition(b"\0")
    said = re.sub(r"[^ -~]", "?", text.decode("ascii", "replace")).strip()
    # A signature may be found before clamd has seen everything.
    if end and (found := re.fullmatch(r"stream: (.+) FOUND", said)):
        return refused(f"554 5.7.1 This mail was not accepted, it holds a virus: {found[1][:200]}", found[1])
    if end and whole and said == "stream: OK":
        return PASS
    if said and end:
        raise Down(f"clamd says: {said}")
    raise Down(
        "clamd broke off" if whole else "clamd did not take the whole message (is StreamMaxLength below max_size?)"
    )

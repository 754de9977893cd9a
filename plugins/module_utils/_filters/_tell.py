# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Teach spamd: TELL of its protocol, over its socket. spamd must run with --allow-tell."""

from __future__ import annotations

import re

from ._connection import Connection
from ._verdict import Down

SOCKET = "/run/spamd/spamd.sock"
_ANSWER = re.compile(rb"SPAMD/\S+ (\d+) ([^\r\n]*)")
_DONE = re.compile(rb"^DidSet: *([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_SECONDS = 60.0
_MOST = 1 << 16  # of an answer


def learn(text: bytes, kind: str, path: str = SOCKET, seconds: float = _SECONDS) -> bool:
    """Teach it that a message is spam or ham. Says whether that was new to it. Raises Down."""
    return "local" in _tell(text, kind, "local", path, seconds)


def report(text: bytes, path: str = SOCKET, seconds: float = _SECONDS) -> bool:
    """Teach it that a message is spam, and have it reported to whom its settings name. Says whether one took it.

    Raises Down.
    """
    return "remote" in _tell(text, "spam", "local, remote", path, seconds)


def _tell(text: bytes, kind: str, where: str, path: str, seconds: float) -> list[str]:
    """Where it has been set."""
    head = f"TELL SPAMC/1.5\r\nMessage-class: {kind}\r\nSet: {where}\r\nContent-length: {len(text)}\r\n\r\n"
    with Connection(path, seconds) as spamd:
        if spamd.send([head.encode(), text]):
            spamd.finish()
        answer = spamd.receive(_MOST)
    said = _ANSWER.match(answer)
    if not said or said[1] != b"0":
        raise Down(f"spamd at {path} does not learn: {(said[2] if said else answer[:80]).decode('ascii', 'replace')}")
    done = _DONE.search(answer)
    return re.split(r"[,\s]+", done[1].decode("ascii", "replace").strip()) if done else []

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a message that Courier delivers to the watch, and gives it to the part that its word names.

Courier's programs run as the user courier, who has no business in what the watch keeps. So the program that it runs
(hand.py of the role) gives the message to a socket, behind which systemd starts this for each one, as the watch's user
and with few rights. Standard input is the connection:

    WORD NUL RECIPIENT NUL SENDER NUL LENGTH newline, the message; then back: CODE blank TEXT newline

The code is the one that Courier is told: 0, or 75 for what must come again. Half a message is none.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import BinaryIO

from ._exit import TEMPORARY

# Word: module of this package, whose main() gets the word, with the message on standard input.
WORDS = {"arrived": "proofs", "take": "reports"}
_HEAD = 8192
_CHUNK = 1 << 16
_LARGEST = 256 << 20
_SECONDS = 120  # for the message to come


class Refused(Exception):
    """Why a message is not taken now."""


def main(_arguments: Sequence[str]) -> int:
    """Serve the connection on standard input."""
    with socket.socket(fileno=os.dup(0)) as connection:
        serve(connection)
    return 0  # the code is the client's


def serve(connection: socket.socket) -> None:
    """Answer one client."""
    try:
        word, message = _asked(connection)
        code, text = _run(word, message), ""
    except (Refused, OSError, ValueError) as error:
        code, text = TEMPORARY, f"the watch cannot take it now: {error}"
        sys.stderr.write(f"courier-mail-watch: {text}\n")
    try:
        connection.sendall(f"{code} {' '.join(text.split())}\n".encode("utf-8", "replace"))
        connection.shutdown(socket.SHUT_WR)
    except OSError as error:  # whoever waited has gone, and comes again
        sys.stderr.write(f"courier-mail-watch: nobody heard the answer {code}: {error}\n")


def _asked(connection: socket.socket) -> tuple[str, bytes]:
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(_SECONDS)
    try:
        with connection.makefile("rb") as stream:
            head = stream.readline(_HEAD)
            said = head.rstrip(b"\n").decode("utf-8", "surrogateescape").split("\0")
            if not head.endswith(b"\n") or len(said) != 4:
                raise Refused("the first line makes no sense")
            word, recipient, sender, length = said
            if not length.isascii() or not length.isdigit() or int(length[:12]) > _LARGEST:
                raise Refused(f"a message of {length!r} bytes")
            message = stream.read(int(length))
        if len(message) != int(length):
            raise Refused(f"{len(message)} of {length} bytes came")
        # Not before: who still writes would not hear it.
        if word not in WORDS:
            raise Refused(f"there is no word {word!r}; there are {', '.join(WORDS)}")
    finally:
        signal.alarm(0)
    os.environ["RECIPIENT"], os.environ["SENDER"] = recipient, sender
    return word, message


def _run(word: str, message: bytes) -> int:
    sys.stdin = io.TextIOWrapper(io.BytesIO(message), "utf-8", "surrogateescape")
    part = importlib.import_module(f"{__package__}.{WORDS[word]}")
    try:
        code = int(part.main([word]))
    except Exception as error:  # a part's mistake is no reason to lose mail
        raise Refused(f"{word}: {type(error).__name__}: {error}") from error
    return code


def _too_late(_number: int, _frame: object) -> None:
    raise Refused(f"the message did not come within {_SECONDS} s")


def receive(stream: BinaryIO, most: int) -> bytes | None:
    """The message, or None where it is larger than this. Reads to the end, or who writes would fail."""
    found = bytearray()
    large = False
    while piece := stream.read(_CHUNK):
        if not large:
            found += piece
        if len(found) > most:
            large = True
            found.clear()
    return None if large else bytes(found)

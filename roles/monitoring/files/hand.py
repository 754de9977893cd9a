# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a message that Courier delivers to the watch, and ends with the code that it is told.

    hand WORD   the word of courier-mail-watch that reads such messages

It runs once for each message, so it imports little: socket and collections would double its time.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket

SOCKET = "/run/courier-mail-watch-mail/socket"
TEMPORARY = 75  # Courier keeps the message and comes again
# Reports take long to read. After that, whoever answers still must not have the message twice.
SECONDS = 900


def main(arguments: list[str], environment: dict[str, str], path: str = SOCKET) -> int:
    """Returns the code. What is written to the output, the sender may read."""
    try:
        (word,) = arguments
        head = [word, environment["RECIPIENT"], environment["SENDER"]]
    except (KeyError, ValueError) as error:
        print(f"Courier does not say what it has to: {error}")
        return TEMPORARY
    # All of it first: the other side must know how much there is, or half a message would look like a whole one.
    parts = []
    while chunk := os.read(0, 1 << 18):
        parts.append(chunk)
    message = b"".join(parts)
    try:
        connection = socket(AF_UNIX, SOCK_STREAM)
        connection.settimeout(SECONDS)
        connection.connect(path)
        connection.sendall("\0".join([*head, str(len(message))]).encode("utf-8", "surrogateescape") + b"\n")
        connection.sendall(message)
        connection.shutdown(SHUT_WR)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
    except OSError as error:
        print(f"The watch does not answer: {error}")
        return TEMPORARY
    code, _blank, text = answer.decode("utf-8", "replace").strip().partition(" ")
    if not code.isdigit() or int(code) > 255:
        print("The watch gave no answer")
        return TEMPORARY
    if code != "0":
        print(text or "The watch could not take it")
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], dict(os.environ)))

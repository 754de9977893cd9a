# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives a message that Courier delivers to the service courier-forward, and ends with the code that it is told.

    forward NAME TARGET...   the message is for NAME, and goes on to the targets
    forward --back           the message is a bounce to an address of SRS

Of NAME, @example.com is whatever address there it was sent to. It runs once for each message, so it imports little:
socket and collections would double its time.
"""

from __future__ import annotations

import os
import sys
from _socket import AF_UNIX, SHUT_WR, SOCK_STREAM, socket

SOCKET = "/run/courier-forward/socket"
TEMPORARY = 75  # Courier keeps the message and comes again
# The service looks up names and waits for filters. After that, whoever answers still must not have the message twice.
SECONDS = 1200


def main(arguments: list[str], environment: dict[str, str], path: str = SOCKET) -> int:
    """Returns the code. What is written to the output, the sender may read."""
    try:
        head = said(arguments, environment)
    except KeyError as missing:
        print(f"Courier says no {missing}")
        return TEMPORARY
    try:
        connection = socket(AF_UNIX, SOCK_STREAM)
        connection.settimeout(SECONDS)
        connection.connect(path)
        connection.sendall("\0".join(head).encode("utf-8", "surrogateescape") + b"\n")
        while chunk := os.read(0, 1 << 18):
            connection.sendall(chunk)
        connection.shutdown(SHUT_WR)
        answer = b""
        while chunk := connection.recv(1 << 16):
            answer += chunk
    except OSError as error:
        print(f"The forwarding service does not answer: {error}")
        return TEMPORARY
    code, _blank, text = answer.decode("utf-8", "replace").strip().partition(" ")
    if not code.isdigit() or int(code) > 255:
        print("The forwarding service gave no answer")
        return TEMPORARY
    if code != "0":
        print(text)
    return int(code)


def said(arguments: list[str], environment: dict[str, str]) -> list[str]:
    """The fields of what is asked. Raises KeyError."""
    if arguments == ["--back"]:
        return ["back", environment["RECIPIENT"], environment["SENDER"]]
    name, *targets = arguments
    if name.startswith("@"):
        name = environment["DEFAULT"] + name
    return ["forward", name, environment["SENDER"], *targets]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], dict(os.environ)))

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a name server whether it serves a list of addresses: the test points of RFC 5782, over UDP.

Written out by hand: the host need not have a library for DNS, and two questions need none.
"""

from __future__ import annotations

import secrets
import socket
import struct

_LISTED, _NOT_LISTED = "2.0.0.127", "1.0.0.127"  # reversed, as they are asked for
_NXDOMAIN = 3


class NotServed(Exception):
    """What came instead, as the second half of a sentence."""


def prove_list(address: str, port: int, zone: str, patience: float) -> str:
    """Return what was proved. Raises NotServed and OSError."""
    code, answers = _ask(address, port, f"{_LISTED}.{zone}", patience)
    if code != 0 or answers == 0:
        raise NotServed(f"127.0.0.2 should be listed in {zone}, and there came {_said(code, answers)}")
    code, answers = _ask(address, port, f"{_NOT_LISTED}.{zone}", patience)
    if code not in (0, _NXDOMAIN) or answers:
        raise NotServed(f"127.0.0.1 should not be listed in {zone}, and there came {_said(code, answers)}")
    return f"{zone} with its test points"


def _ask(address: str, port: int, name: str, patience: float) -> tuple[int, int]:
    """The code of the answer, and how many records it has."""
    number = secrets.randbits(16)
    labels = b"".join(bytes([len(label)]) + label.encode("ascii") for label in name.split("."))
    query = struct.pack(">6H", number, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as connection:
        connection.settimeout(patience)
        connection.connect((address, port))
        connection.send(query)
        answer = connection.recv(4096)
    if len(answer) < 12 or answer[:2] != query[:2]:
        raise NotServed(f"{name} was answered with what is no answer")
    _number, flags, _questions, answers = struct.unpack(">4H", answer[:8])
    return flags & 15, answers


def _said(code: int, answers: int) -> str:
    return f"{answers} answers" if code == 0 else f"the code {code}"

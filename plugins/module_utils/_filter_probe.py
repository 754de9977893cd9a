# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a filter of Courier as submit does: hand it messages that it must refuse, and one that it must not.

That a socket answers says little: a filter that looks at nothing answers too. Each message is a file with the text and
one with the envelope, as a stranger's would be, and both are removed again.
"""

from __future__ import annotations

import os
import pathlib
import pwd
import socket
import tempfile
from collections.abc import Sequence

# Seconds. A scanner may load its rules or signatures first.
PATIENCE = 60.0
QUEUE = "/var/lib/courier/tmp"

# Patterns that scanners agree on, in halves, so that nobody's scanner takes this file for them.
EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}" + "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*" + "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
_PROGRAM = (
    'Content-Type: application/octet-stream; name="probe.exe"\n'
    'Content-Disposition: attachment; filename="probe.exe"\n\nNothing.\n'
)
TEXTS = {"virus": f"\n{EICAR}\n", "program": _PROGRAM, "spam": f"\n{GTUBE}\n"}

_HEADER = (
    "From: probe@localhost\nTo: postmaster@localhost\nSubject: courier.mail asks its filters\n"
    "Date: Thu, 01 Jan 2026 00:00:00 +0000\nMessage-ID: <probe@localhost>\n"
)
_HARMLESS = f"{_HEADER}\nNothing is wrong with this.\n"
RECIPIENT = "probe@localhost"
_ENVELOPE = (
    f"sprobe@localhost\nfdns; localhost (localhost [192.0.2.1])\ne\nt\nMprobe\nr{RECIPIENT}\nR\nN\n"
    "OTCPREMOTEIP=192.0.2.1\nusmtp\n"
)
_OWN = "sprobe@localhost\nfdns; localhost (localhost [127.0.0.1])\ne\nt\nMprobe\nrprobe@localhost\nR\nN\nulocal\n"
_SIGNATURE = b"DKIM-Signature:"


class NotRefused(Exception):
    """What came through, or why nobody answered, as the second half of a sentence."""


def prove(path: str, patterns: Sequence[str], *, signs: bool = False, defers: bool = False) -> str:
    """Hand over what must be refused and what must not, and say what that proved. Raises NotRefused and OSError.

    A filter that defers may put off each of them: a scanner has no signatures yet, or strangers are to come again.
    """

    def is_put_off(reply: str) -> bool:
        return defers and reply.startswith("4")

    proved = []
    for pattern in patterns:
        reply = ask(path, letter(pattern))
        if not reply.startswith("5") and not is_put_off(reply):
            raise NotRefused(f"a test pattern ({pattern}) should be refused, and the answer was {reply or 'nothing'!r}")
        proved.append(f"{pattern} {'put off' if is_put_off(reply) else 'refused'}")
    reply = greet(path)
    if not reply.startswith("2") and not is_put_off(reply):
        raise NotRefused(f"a harmless message should be let in, and the answer was {reply or 'nothing'!r}")
    proved.append(f"harmless mail {'put off' if is_put_off(reply) else 'let in'}")
    if signs:
        reply, text = hand(path, _HARMLESS.encode("ascii"), _OWN)
        is_signed = reply.startswith("2") and text.startswith(_SIGNATURE)
        if not is_signed and not is_put_off(reply):
            came = "it was not" if reply.startswith("2") else f"the answer was {reply or 'nothing'!r}"
            raise NotRefused(f"a message of this host's own should be signed, and {came}")
        proved.append(f"own mail {'signed' if is_signed else 'put off'}")
    return ", ".join(proved)


def letter(pattern: str) -> str:
    """A message with one of the TEXTS."""
    return _HEADER + TEXTS[pattern]


def greet(path: str) -> str:
    """What the filter that listens there says to a harmless message: 2xx, or 4xx where a scanner of its is down."""
    return ask(path, _HARMLESS)


def ask(path: str, text: str, queue: str = QUEUE) -> str:
    """What the filter that listens there says to a message of a stranger."""
    return hand(path, text.encode("ascii"), _ENVELOPE, queue)[0]


def hand(path: str, text: bytes, envelope: str, queue: str = QUEUE) -> tuple[str, bytes]:
    """What the filter that listens there says to a message, and what it made of the text."""
    owner = pwd.getpwuid(os.stat(queue).st_uid)
    with tempfile.TemporaryDirectory(prefix="probe.", dir=queue) as directory:
        files = [pathlib.Path(directory, name) for name in ("D", "C")]
        for file, content in zip(files, (text, envelope.encode("ascii")), strict=True):
            file.write_bytes(content)
            os.chown(file, owner.pw_uid, owner.pw_gid)
        os.chown(directory, owner.pw_uid, owner.pw_gid)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE)
            connection.connect(path)
            connection.sendall("".join(f"{file}\n" for file in files).encode() + b"\n")
            with connection.makefile("rb") as answer:
                reply = answer.readline().decode(errors="replace").strip()
        return reply, files[0].read_bytes()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that Courier has just received, as a filter sees it: a file with the text, and files with the envelope.

Everything is bytes. What goes on is byte for byte what came, but for the header fields that were added or removed, so
that signatures stay valid. Control records are those of courier/libs/comctlfile.h.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_CHUNK = 1 << 20
_HEADER_BYTES = 1 << 20  # of a header that is looked at; what is longer has no end for us


class MessageError(ValueError):
    """A message or an envelope that cannot be read."""


class Recipient(NamedTuple):
    """One recipient, after aliases were expanded."""

    address: str
    original: str  # what was written before aliases, or what the client claims (ORCPT, RFC 3461), or nothing
    notify: str  # when it wants to hear of it, in Courier's letters
    file: str  # the control file it is in
    number: int  # and its place there


class Field(NamedTuple):
    """One field of the header, with its line end."""

    name: str  # in lower case
    raw: bytes

    @property
    def value(self) -> str:
        """The text after the colon, unfolded. Bytes beyond ASCII become surrogates."""
        text = self.raw.partition(b":")[2].decode("ascii", "surrogateescape")
        return re.sub(r"\r?\n[ \t]+", " ", text).strip()


class Message:
    """One message. Reading is lazy; changes are collected, and made by `commit` in one go."""

    def __init__(self, text: str, controls: Sequence[str]) -> None:
        self.text = text
        self.controls = list(controls)
        self.size = os.stat(text).st_size
        self._records = list(_records(self.controls))
        self._fields: list[Field] | None = None
        self._body = 0  # where the body begins, with the empty line before it
        self._added: list[bytes] = []
        self._removed: set[str] = set()
        self._replaced: dict[int, bytes] = {}

    # The envelope.

    def record(self, key: str) -> str | None:
        """The first control record with this letter."""
        return next((value for letter, value, _file in self._records if letter == key), None)

    @property
    def id(self) -> str:
        """What Courier's log calls the message."""
        return self.record("M") or ""

    @property
    def sender(self) -> str:
        """The envelope's sender; nothing for a notice."""
        return self.record("s") or ""

    @property
    def login(self) -> str | None:
        """Who logged in to send this, if anybody did."""
        return self.record("i")

    @property
    def source(self) -> str:
        """How it came: smtp, authsmtp (may relay), local ... (submit's -src)."""
        return self.record("u") or ""

    @property
    def client(self) -> str | None:
        """The address of the host that sent it, without ::ffff:, or None where it is from this machine's sendmail."""
        said = self.option("TCPREMOTEIP")
        if said is None:
            return None
        address = ipaddress.ip_address(said)
        return str(getattr(address, "ipv4_mapped", None) or address)

    def option(self, name: str) -> str | None:
        """What the listener, smtpaccess or bofh say of the client, such as RELAYCLIENT, or None where they do not."""
        for letter, value, _file in self._records:
            option, _equals, said = value.partition("=")
            if letter == "O" and option == name:
                return said
        return None

    @property
    def recipients(self) -> list[Recipient]:
        """Those who are still to get it."""
        found: list[Recipient] = []
        numbers: Counter[str] = Counter()  # of those in each file
        done: set[tuple[str, int]] = set()
        address = original = ""
        for letter, value, file in self._records:
            if letter == "r":
                address = value
            elif letter == "R":
                original = value
            elif letter == "N":
                found.append(Recipient(address, original, value, file, numbers[file]))
                numbers[file] += 1
                address = original = ""
            elif letter in "SF" and value.split(" ")[0].isdigit():
                done.add((file, int(value.split(" ")[0])))
        return [recipient for recipient in found if (recipient.file, recipient.number) not in done]

    def drop(self, recipient: Recipient, reason: str) -> None:
        """Call a recipient delivered. The reason is what Courier logs."""
        self._append(recipient.file, f"I{recipient.number} R 250 {reason}", f"S{recipient.number} {int(time.time())}")

    def redirect(self, recipient: Recipient, address: str, reason: str) -> None:
        """Give the message to another address instead."""
        self.drop(recipient, reason)
        self._append(recipient.file, f"r{address}", f"R{recipient.original}", f"N{recipient.notify}")

    def _append(self, file: str, *lines: str) -> None:
        # A line break within would be a record of its own.
        lines = tuple(re.sub(r"[\x00-\x1f\x7f]", " ", line) for line in lines)
        with open(file, "a", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
        self._records += [(line[0], line[1:], file) for line in lines]

    # The text.

    def open(self) -> BinaryIO:
        """The text as it came, for reading."""
        return open(self.text, "rb")

    @property
    def fields(self) -> list[Field]:
        """The header as it came, from the top."""
        if self._fields is None:
            with self.open() as stream:
                self._fields, self._body = _header(stream)
        return self._fields

    @property
    def body(self) -> int:
        """Where the body begins, with the empty line before it."""
        _read = self.fields
        return self._body

    def values(self, name: str) -> list[str]:
        """The values of all fields with this name."""
        return [field.value for field in self.fields if field.name == name.lower()]

    def add(self, name: str, value: str) -> None:
        """Put a field on top. The value is one line of ASCII, and is folded at blanks where it is long."""
        line = f"{name}: {value}"
        if re.search(r"[^ -~]", line):
            raise MessageError(f"{line!r} is not a line of a header")
        self._added.append(_folded(line).encode() + b"\n")

    def put(self, raw: bytes) -> None:
        """Put a field on top as it is, with its line end."""
        self._added.append(raw)

    def remove(self, *names: str) -> None:
        """Take away every field with one of these names that came with the message. X-Spam-* is all that begin so."""
        self._removed |= {name.lower() for name in names}

    def replace(self, number: int, raw: bytes) -> None:
        """Put another text, with its line end, in the place of a field. The number is its place in `fields`."""
        self._replaced[number] = raw

    def commit(self) -> bool:
        """Make the changes to the header, and say whether there were any."""
        prefixes = tuple(name[:-1] for name in self._removed if name.endswith("*"))
        kept = [
            self._replaced.get(number, field.raw)
            for number, field in enumerate(self.fields)
            if field.name not in self._removed and not field.name.startswith(prefixes)
        ]
        if not self._added and not self._replaced and len(kept) == len(self.fields):
            return False
        header = b"".join([*reversed(self._added), *kept])
        # submit holds the file open: its text changes, and the file stays the same.
        with open(self.text, "r+b") as stream, tempfile.TemporaryFile(dir=os.path.dirname(self.text)) as rest:
            stream.seek(self._body)
            shutil.copyfileobj(stream, rest, _CHUNK)
            rest.seek(0)
            stream.seek(0)
            stream.write(header)
            shutil.copyfileobj(rest, stream, _CHUNK)
            stream.truncate()
        self._fields, self._added, self._removed, self._replaced = None, [], set(), {}
        self.size = os.stat(self.text).st_size
        return True


def _records(controls: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for file in controls:
        with open(file, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
            for line in stream:
                if line.strip():
                    yield line[0], line[1:].rstrip("\n"), file


def _header(stream: BinaryIO) -> tuple[list[Field], int]:
    """The fields, and where they end."""
    raw: list[bytes] = []
    end = 0
    while end < _HEADER_BYTES:
        line = stream.readline(_HEADER_BYTES)
        if line[:1] in (b" ", b"\t") and raw:
            raw[-1] += line
        elif _FIELD.match(line):
            raw.append(line)
        else:  # an empty line, the end, or a body that follows without one
            break
        end += len(line)
    return [Field(one.partition(b":")[0].rstrip().decode().lower(), one) for one in raw], end


def _folded(line: str) -> str:
    folded, rest = "", line
    while len(rest) > 78 and (blank := rest.rfind(" ", 1, 78)) > 0:
        folded, rest = f"{folded}{rest[:blank]}\n", rest[blank:]
    return folded + rest

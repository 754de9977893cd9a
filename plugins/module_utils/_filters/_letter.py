# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message in memory whose header is changed before it goes on. What is not changed stays byte for byte."""

from __future__ import annotations

import io
import re
from collections.abc import Callable

from ._message import Field, MessageError, header


class Letter:
    """A message."""

    def __init__(self, text: bytes) -> None:
        self.fields, end = header(io.BytesIO(text))
        self._rest = text[end:]

    def __bytes__(self) -> bytes:
        return b"".join([*(field.raw for field in self.fields), self._rest])

    def values(self, name: str) -> list[str]:
        """The values of all fields with this name."""
        return [field.value for field in self.fields if field.name == name.lower()]

    def put(self, name: str, value: str) -> None:
        """Put a field on top."""
        self.put_raw(name, f" {value}".encode("utf-8", "surrogateescape") + b"\n")

    def put_raw(self, name: str, after: bytes) -> None:
        """Put a field on top: what stands after the colon, folded as it is, with its line end."""
        if re.search(rb"[\x00\r]|\n(?![ \t]|\Z)", after):
            raise MessageError(f"{after!r} is no value of {name}")
        self.fields.insert(0, Field(name.lower(), name.encode() + b":" + after))

    def remove(self, name: str, matches: Callable[[Field], bool] = lambda _field: True) -> None:
        """Take away the fields with this name that match."""
        self.fields = [field for field in self.fields if field.name != name.lower() or not matches(field)]

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which accounts got or sent large messages: a report for the operator, who pays for the disk."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from typing import NamedTuple

from . import _maildirs
from ._store import DAY

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_HEADER_BYTES = 1 << 16
_SHOWN = 20  # messages of one account


class Large(NamedTuple):
    """A message."""

    at: float
    size: int
    folder: str
    sender: str


def size(text: str) -> int:
    """A number of bytes from 4M or the like. Raises ValueError."""
    match = re.fullmatch(r"([0-9]+)([KMG]?)", text.upper())
    if not match:
        raise ValueError(f"{text!r} is no size; write a number of bytes, or one with K, M or G, such as 4M")
    return int(match[1]) * _UNITS[match[2]]


def find(root: str, days: float, limit: int, now: float) -> Iterator[tuple[str, list[Large]]]:
    """The accounts that have messages above the limit of the last days, and these, largest first."""
    for account, maildir in _maildirs.maildirs(root):
        found = [
            Large(file.seen.st_mtime, file.seen.st_size, folder or "INBOX", _sender(file.path))
            for folder in _maildirs.folders(maildir)
            for file in _maildirs.messages(maildir, folder)
            if file.seen.st_size > limit and file.seen.st_mtime > now - days * DAY
        ]
        if found:
            yield account, sorted(found, key=lambda large: -large.size)


def report(root: str, days: float, limit: int, now: float) -> str:
    """The text, or nothing where there is nothing to say."""
    lines = []
    for account, found in find(root, days, limit, now):
        lines.append(f"\n{account}: {len(found)} messages, {_megabytes(sum(large.size for large in found))}\n")
        lines += [
            f"  {time.strftime('%Y-%m-%d %H:%M', time.localtime(large.at))} {_megabytes(large.size):>10} "
            f"{large.folder} from {large.sender}\n"
            for large in found[:_SHOWN]
        ]
        if len(found) > _SHOWN:
            lines.append(f"  and {len(found) - _SHOWN} more\n")
    head = f"Messages above {_megabytes(limit)} of the last {days:g} days:\n"
    return "".join([head, *lines]) if lines else ""


def _sender(path: str) -> str:
    try:
        text = _maildirs.read(path, _HEADER_BYTES)
    except OSError:
        return "?"
    said = str(BytesHeaderParser().parsebytes(text).get("From", "?"))
    return re.sub(r"[^ -~]+", " ", said)[:100]


def _megabytes(number: int) -> str:
    return f"{number / (1 << 20):.1f} MiB"

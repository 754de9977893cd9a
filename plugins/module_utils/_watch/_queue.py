# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's queue: how many messages wait, for how long, and whether they were tried. From its control files, as root.

`mailq -batch` would sort all messages and look into each of their texts. Letters of records are those of
courier/libs/comctlfile.h.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

DIRECTORY = "/var/lib/courier/msgs"
STATES = ("waiting", "deferred", "cancelled")
# Up to how many seconds, and what it is called.
AGES = ((300, "5m"), (3600, "1h"), (14400, "4h"), (86400, "1d"), (259200, "3d"))
OLDER = "older"
_MOST = 20_000  # control files that are read; of what is beyond, only the number is known
_LONGEST = 1 << 20  # bytes of one
_ID = re.compile(rb"^M[0-9A-F]+\.([0-9A-F]{1,16})\.", re.MULTILINE)
_RECORD = re.compile(rb"^([NSFD])(\d*)", re.MULTILINE)
_CANCELLED = re.compile(rb"^X", re.MULTILINE)


def look(now: float, directory: str = DIRECTORY, most: int = _MOST) -> dict[str, Any]:
    """Numbers by state and by age, the age of the oldest, and how many were not read."""
    states = dict.fromkeys(STATES, 0)
    ages = dict.fromkeys((*(name for _limit, name in AGES), OLDER), 0)
    oldest, unread = 0.0, 0
    for number, path in enumerate(_controls(directory)):
        if number >= most:
            unread += 1
            continue
        found = _message(path)
        if found is None:
            continue
        state, came = found
        age = max(0.0, now - came)
        states[state] += 1
        ages[next((name for limit, name in AGES if age <= limit), OLDER)] += 1
        oldest = max(oldest, age)
    return {"states": states, "ages": ages, "oldest": oldest, "unread": unread}


def _controls(directory: str) -> Iterator[str]:
    for below in os.scandir(directory):
        if below.is_dir(follow_symlinks=False):
            try:
                yield from (one.path for one in os.scandir(below.path) if one.name.startswith("C"))
            except FileNotFoundError:  # Courier takes away what is empty
                continue


def _message(path: str) -> tuple[str, float] | None:
    """Its state and when it came; None where nobody waits for it any more."""
    try:
        with open(path, "rb") as stream:
            text = stream.read(_LONGEST)
            changed = os.fstat(stream.fileno()).st_mtime
    except OSError:  # delivered meanwhile
        return None
    recipients, done, deferred = 0, set(), False
    for letter, number in _RECORD.findall(text):
        if letter == b"N":
            recipients += 1
        elif letter == b"D":
            deferred = True
        elif number:
            done.add(int(number))
    if len(done) >= recipients:
        return None
    moment = _ID.search(text)
    came = float(int(moment[1], 16)) if moment else changed
    if _CANCELLED.search(text):
        return "cancelled", came
    return ("deferred" if deferred else "waiting"), came

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's queue: copied while Courier works on it, and given back to it.

A message is two files. D is the message; it is whole before C appears, and never changes. C says who sent it and to
whom, and gets a line more for each attempt. Both are named after the inode of C, so a copy cannot be put back where it
was. But Courier takes over whatever pair it finds in its directory of new mail and names it anew, so a copy goes there.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Container
from typing import NamedTuple

from ._manifest import digest

# Records of C, by their first letter (comctlfile.h).
_ID, _NEXT, _DELAY = "M", "A", "L"
_HELD = 10 * 365 * 86400
_SLOT = 10000  # seconds of one directory of the queue
_TRIGGER = b"\n"  # there is new mail
NEW = "tmp"  # where Courier has new mail


class Waiting(NamedTuple):
    """A message of the queue."""

    name: str  # C and D of the copy are called so
    id: str  # as the journal has it, without the first part, which is the inode
    size: int  # of C
    source: str  # C

    def moved_on(self) -> bool:
        """Whether Courier has done something about it since."""
        try:
            return os.stat(self.source).st_size != self.size
        except FileNotFoundError:
            return True


def copy(courier: str, target: str) -> list[Waiting]:
    """Copy the queue into an empty directory. What is delivered meanwhile is passed over."""
    taken: dict[str, Waiting] = {}
    # New mail first: what Courier takes over meanwhile is then found a second time, and not missed.
    for control in [*_new(f"{courier}/{NEW}"), *_queued(f"{courier}/msgs")]:
        name = f"{len(taken):06d}"
        with contextlib.suppress(FileNotFoundError):
            with open(control, "rb") as stream:
                text = stream.read()
            number = _number(text)
            if not number or number in taken:
                continue
            directory, _slash, own = control.rpartition("/")
            shutil.copyfile(f"{directory}/D{own[1:]}", f"{target}/D{name}", follow_symlinks=False)
            with open(f"{target}/C{name}", "wb") as stream:
                stream.write(text)
            taken[number] = Waiting(name, number, len(text), control)
    return list(taken.values())


def identities(directory: str) -> dict[str, str]:
    """The messages of a copy, by their ids, and the digest of each."""
    found = {}
    for entry in sorted(os.listdir(directory)) if os.path.isdir(directory) else []:
        if entry.startswith("C"):
            with open(f"{directory}/{entry}", "rb") as stream:
                number = _number(stream.read())
            if number:
                found[number] = digest(f"{directory}/D{entry[1:]}")
    return found


def alive(courier: str) -> dict[str, str]:
    """The same of the queue itself."""
    found = {}
    for control in [*_new(f"{courier}/{NEW}"), *_queued(f"{courier}/msgs")]:
        with contextlib.suppress(FileNotFoundError):
            with open(control, "rb") as stream:
                number = _number(stream.read())
            directory, _slash, own = control.rpartition("/")
            if number:
                found[number] = digest(f"{directory}/D{own[1:]}")
    return found


def give(source: str, courier: str, owner: tuple[int, int], *, hold: bool, without: Container[str] = ()) -> list[str]:
    """Give the messages of a copy to Courier, and return their ids. Those that it has already are left alone.

    Held, they are not tried for ten years.
    """
    moment = int(time.time())
    there = alive(courier)
    # Courier's own directories of new mail are named so, by time.
    directory = f"{courier}/{NEW}/{moment // _SLOT}"
    given = []
    if hold:
        _have_slots(f"{courier}/msgq", owner, moment + _HELD)
    for position, entry in enumerate(sorted(os.listdir(source)) if os.path.isdir(source) else []):
        if not entry.startswith("C"):
            continue
        with open(f"{source}/{entry}", "rb") as stream:
            text = stream.read()
        number = _number(text)
        if not number or number in there or number in without:
            continue
        if not os.path.isdir(directory):
            os.mkdir(directory, 0o755)
            os.chown(directory, *owner)
        # A name with a point would mean that there are several for one message.
        name = f"{moment}{position:06d}"
        shutil.copyfile(f"{source}/D{entry[1:]}", f"{directory}/D{name}")
        hidden = f"{directory}/restored{name}"
        with open(hidden, "wb") as stream:
            inode = os.fstat(stream.fileno()).st_ino
            stream.write(_control(text, inode, hold=hold))
        for path in (f"{directory}/D{name}", hidden):
            os.chmod(path, 0o660)
            os.chown(path, *owner)
        os.rename(hidden, f"{directory}/C{name}")
        given.append(number)
    if given:
        _trigger(f"{courier}/{NEW}/trigger")
    return given


def _have_slots(queue: str, owner: tuple[int, int], moment: int) -> None:
    """Have the directories of the queue for what is next tried at a moment or soon after.

    Courier makes that of the present alone, and ends where another is missing (cdmsgq.C). When it starts, it removes
    those that are empty; files that it does not know it passes over.
    """
    for slot in (moment // _SLOT, moment // _SLOT + 1):
        directory = f"{queue}/{slot}"
        os.makedirs(directory, 0o755, exist_ok=True)
        with open(f"{directory}/held", "wb"):
            pass
        for path in (queue, directory, f"{directory}/held"):
            os.chown(path, *owner)


def _control(text: bytes, inode: int, *, hold: bool) -> bytes:
    """C as new mail: with the inode that it has now, and no time for the next attempt."""
    lines = text.split(b"\n")
    kept = []
    for line in lines[:-1]:  # what has no end was being written
        letter = line[:1].decode("latin-1")
        if letter in (_NEXT, _DELAY):
            continue
        if letter == _ID:
            line = f"{_ID}{inode:016X}.".encode() + line[1:].partition(b".")[2]  # noqa: PLW2901
        kept.append(line)
        if letter == _ID and hold:
            kept.append(f"{_DELAY}{_HELD}".encode())
    return b"\n".join(kept) + b"\n"


def _number(text: bytes) -> str:
    """The id, without the inode; empty for a file that is none of C."""
    found = re.search(rb"^M[0-9A-Fa-f]+\.([0-9A-Fa-f]+\.[0-9A-Fa-f]+)$", text, re.MULTILINE)
    return found[1].decode() if found else ""


def _queued(directory: str) -> list[str]:
    return [path for below in _numbered(directory) for path in _named(below, r"C\d+")]


def _new(directory: str) -> list[str]:
    """What Courier would take over now, by its own rule: of several for one message, all when the first has gone."""
    found = []
    for below in _numbered(directory):
        for path in _named(below, r"C.+"):
            head, point, _end = path.rpartition(".")
            first = f"{head}.1"
            if point and "/" not in _end and (path == first or os.path.exists(first)):
                continue
            found.append(path)
    return found


def _numbered(directory: str) -> list[str]:
    return [f"{directory}/{name}" for name in _listed(directory) if name.isdigit()]


def _named(directory: str, pattern: str) -> list[str]:
    return [f"{directory}/{name}" for name in _listed(directory) if re.fullmatch(pattern, name)]


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _trigger(path: str) -> None:
    """Let Courier look. Where it does not run, it looks when it starts."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        try:
            os.write(descriptor, _TRIGGER)
        finally:
            os.close(descriptor)

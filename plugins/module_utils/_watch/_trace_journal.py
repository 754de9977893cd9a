# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal, where it is long and few lines of it are wanted.

journalctl takes many seconds to look for a text in a million lines. So the bytes of its files are searched, and what
was found is read from there. The layout of the files is systemd's JOURNAL_FILE_FORMAT. An entry counts only if the
file's own list of entries has it: a field may hold bytes that look like an entry. Files that are laid out in another
way are left to journalctl. Lines of 512 bytes and more are compressed, and nothing is found in them; `read` has them.
"""

from __future__ import annotations

import glob
import json
import mmap
import os
import pwd
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from struct import unpack_from
from typing import Any, NamedTuple

# Who has something to say of mail, and as which users. Anybody may call himself courierd; the number of the user is the
# kernel's word. Lines of processes that end at once have no unit.
SAYS = {
    "courierd": ("root", "courier"),
    "courierdsn": ("root", "courier"),
    "courieresmtp": ("root", "courier"),
    "courieresmtpd": ("root", "courier"),
    "courierlocal": ("root", "courier"),
    "courier-forward": ("root", "courier-srs"),
    "pythonfilter": ("root", "courier"),
}
DIRECTORIES = ("/var/log/journal", "/run/log/journal")
MACHINE = "/etc/machine-id"

_SIGNATURE = b"LPKSHHRH"
_COMPACT = 1 << 4
_FLAGS_KNOWN = (1 << 5) - 1  # XZ, LZ4, keyed hashes, ZSTD, compact
_HEADER = 208
_LIST, _TIMES = 176, 184  # in the header: where the list of entries begins; the times of the first and of the last
_DATA, _ENTRY, _ENTRY_ARRAY = 1, 3, 6  # kinds of objects
_FIELD = b"MESSAGE="
_LONGEST = 1 << 10  # bytes of a line that is not compressed, with room
_FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_UID", "_PID", "_SYSTEMD_UNIT")
_WANTED = tuple(f"{name}=".encode() for name in _FIELDS[1:])


class JournalError(Exception):
    """Why nothing can be said."""


class Line(NamedTuple):
    """One entry."""

    at: float  # in seconds since 1970
    identifier: str
    pid: int
    text: str  # each byte a character
    unit: str = ""


class Lines(NamedTuple):
    """The newest lines with a text, the newest first."""

    found: list[Line]
    more: bool  # there are older ones


def users() -> dict[str, frozenset[int]] | None:
    """The numbers of the users that count for each identifier; None on a host without Courier's user."""
    numbers = {}
    for name in {name for names in SAYS.values() for name in names}:
        with suppress(KeyError):
            numbers[name] = pwd.getpwnam(name).pw_uid
    if "courier" not in numbers:
        return None
    return {said: frozenset(numbers[name] for name in names if name in numbers) for said, names in SAYS.items()}


class Journal:
    """The journal of this host, or that of a directory."""

    def __init__(self, directory: str = "", believed: Mapping[str, frozenset[int]] | None = None) -> None:
        """Without numbers of users whoever calls himself courierd is believed."""
        self._directory = directory
        self._believed = believed

    def begins(self) -> float | None:
        """The time of the first entry; None where there is none."""
        times = [span[0] for path in self._files() if (span := _span(path)) and span[0]]
        return min(times) if times else None

    def lines(self, texts: Iterable[bytes], since: float, until: float, most: int = 1000) -> Lines:
        """The newest lines about mail that have one of these texts, but for long ones."""
        wanted = list(dict.fromkeys(texts))
        found: dict[Line, None] = {}
        more = False
        for path in sorted(self._within(since, until), key=_newest, reverse=True):
            if len(found) >= most:
                more = True
                break
            try:
                lines = self._search(path, wanted, since, until, most)
                more = more or len(lines) > most
            except FileNotFoundError:  # rotated away meanwhile
                continue
            except (ValueError, OSError):
                pattern = "|".join(re.escape(one.decode("latin-1")) for one in wanted)
                lines = list(self._ask([path], since, until, f"--grep={pattern}", "--case-sensitive"))
            found.update(dict.fromkeys(lines))
        newest = sorted(found, key=lambda one: one.at, reverse=True)
        return Lines(newest[:most], more or len(newest) > most)

    def read(self, since: float, until: float) -> Iterator[Line]:
        """All lines about mail between two moments."""
        files = self._within(since, until)
        if files:
            yield from self._ask(files, since, until)

    def _search(self, path: str, texts: Sequence[bytes], since: float, until: float, most: int) -> list[Line]:
        """One more than the most, where there are more. Raises ValueError for a file of another layout."""
        with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as memory:
            file = _File(memory)
            lines = []
            for data in sorted(file.data_with(texts), reverse=True):
                for at, entry in file.entries(data):
                    if since <= at <= until and (line := self._line(file, at, entry, data)):
                        lines.append(line)
                if len(lines) > most:
                    break
            return lines

    def _line(self, file: _File, at: float, entry: int, data: int) -> Line | None:
        fields = file.fields(entry, data)
        if fields is None:
            return None
        text = file.payload(data)[len(_FIELD) :].decode("latin-1")
        return self._believe(at, text, {name: value.decode("latin-1") for name, value in fields.items()})

    def _believe(self, at: float, text: str, fields: Mapping[str, str]) -> Line | None:
        identifier = fields.get("SYSLOG_IDENTIFIER", "")
        if identifier not in SAYS:
            return None
        user = fields.get("_UID", "")
        if self._believed is not None and not (user.isdigit() and int(user) in self._believed[identifier]):
            return None
        pid = fields.get("_PID", "")
        return Line(at, identifier, int(pid) if pid.isdigit() else 0, text, fields.get("_SYSTEMD_UNIT", ""))

    def _ask(self, files: Sequence[str], since: float, until: float, *arguments: str) -> Iterator[Line]:
        names = [argument for identifier in SAYS for argument in ("-t", identifier)]
        span = [f"--since=@{max(since, 0):.6f}"] + ([f"--until=@{until:.6f}"] if until < float("inf") else [])
        # --all: what is not printable would be left out. As JSON no text can look like another entry.
        how = ["--no-pager", "--quiet", "--all", "--output=json", f"--output-fields={','.join(_FIELDS)}"]
        command = ["journalctl", *how, *(f"--file={path}" for path in files), *span, *names, *arguments]
        try:
            done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 -- no shell
        except OSError as error:
            raise JournalError(f"journalctl: {error}") from error
        # It ends with 1 where it found nothing.
        if done.returncode and done.stderr.strip() and any(map(os.path.exists, files)):
            raise JournalError(f"journalctl: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
        for raw in done.stdout.splitlines():
            entry = json.loads(raw)
            fields = {name: value for name, value in entry.items() if isinstance(value, str)}
            line = self._believe(float(entry["__REALTIME_TIMESTAMP"]) / 1e6, _text(entry.get("MESSAGE")), fields)
            if line:
                yield line

    def _within(self, since: float, until: float) -> list[str]:
        """The files with entries between two moments."""
        found = []
        for path in self._files():
            span = _span(path)
            # What cannot be read, or is being made, journalctl shall say something of.
            if span is None or (span[0] <= until and span[1] >= since):
                found.append(path)
        return found

    def _files(self) -> list[str]:
        directories = [self._directory, os.path.join(self._directory, "*")] if self._directory else []
        if not directories:
            with suppress(OSError), open(MACHINE, encoding="ascii") as stream:
                # Those of other hosts may be beside it.
                machine = stream.read().strip()
                directories = [os.path.join(directory, machine) for directory in DIRECTORIES]
        found = {path for directory in directories for path in glob.glob(os.path.join(directory, "*.journal"))}
        # Those of people have nothing of daemons in them.
        return sorted(path for path in found if not os.path.basename(path).startswith("user-"))


def _text(said: Any) -> str:
    """A message, of which journalctl makes a list of numbers where it is no UTF-8."""
    if isinstance(said, list) and all(isinstance(one, int) for one in said):
        return bytes(said).decode("latin-1")
    return said.encode("utf-8", "replace").decode("latin-1") if isinstance(said, str) else ""


def _span(path: str) -> tuple[float, float] | None:
    with suppress(OSError):
        with open(path, "rb") as stream:
            header = stream.read(_HEADER)
        if header.startswith(_SIGNATURE) and len(header) == _HEADER:
            first, last = unpack_from("<QQ", header, _TIMES)
            return first / 1e6, last / 1e6
    return None


def _newest(path: str) -> float:
    span = _span(path)
    return span[1] if span else float("inf")


def _alike(texts: Sequence[bytes]) -> list[list[bytes]]:
    """Those together that begin alike."""
    groups: list[list[bytes]] = []
    for text in sorted(texts):
        if groups and len(_beginning([*groups[-1], text])) >= 4:
            groups[-1].append(text)
        else:
            groups.append([text])
    return groups


def _beginning(texts: Sequence[bytes]) -> bytes:
    first, last = min(texts), max(texts)
    differs = (at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1])
    return first[: next(differs, len(first))]


def _pattern(texts: Sequence[bytes]) -> bytes:
    """What finds these at once: a search for a beginning is as fast as one for a single text."""
    common = _beginning(texts)
    return re.escape(common) + b"(?:%s)" % b"|".join(re.escape(one[len(common) :]) for one in texts)


class _File:
    """One file. Numbers are places in it."""

    def __init__(self, memory: mmap.mmap) -> None:
        """Raises ValueError for another layout."""
        if len(memory) < _HEADER or memory[:8] != _SIGNATURE:
            raise ValueError("no journal")
        (flags,) = unpack_from("<I", memory, 12)
        if flags & ~_FLAGS_KNOWN:
            raise ValueError("another layout")
        self._memory = memory
        compact = bool(flags & _COMPACT)
        self._text = 72 if compact else 64  # in an object with data
        self._step, self._number = (4, "<I") if compact else (8, "<Q")  # in a list of entries
        self._item = 4 if compact else 16  # in an entry
        (first,) = unpack_from("<Q", memory, _LIST)
        self._lists = list(self._chain(first))

    def data_with(self, texts: Sequence[bytes]) -> set[int]:
        """The objects with a message that has one of the texts."""
        patterns = map(_pattern, _alike(texts))
        places = (found.start() for one in patterns for found in re.finditer(one, self._memory))
        return {data for place in places if (data := self._around(place)) is not None}

    def payload(self, data: int) -> bytes:
        (size,) = unpack_from("<Q", self._memory, data + 8)
        return self._memory[data + self._text : data + size]

    def entries(self, data: int) -> Iterator[tuple[float, int]]:
        """When entries with this object were written, and where they are."""
        entry, array, count = unpack_from("<QQQ", self._memory, data + 40)
        yield from self._entry(entry)
        count -= 1
        for place, number in self._chain(array):
            for index in range(min(number, count)):
                yield from self._entry(self._at(place, index))
            count -= number

    def fields(self, entry: int, data: int) -> dict[str, bytes] | None:
        """Who wrote an entry; None where it does not have the object, or is not in the file's list."""
        (size,) = unpack_from("<Q", self._memory, entry + 8)
        places = [
            unpack_from(self._number, self._memory, place)[0]
            for place in range(entry + 64, min(entry + size, len(self._memory) - 8), self._item)
        ]
        if data not in places or not self._listed(entry):
            return None
        found = {}
        for place in places:
            if self._is(place, _DATA) and not self._memory[place + 1]:
                start = place + self._text
                if self._memory[start : start + 20].startswith(_WANTED):
                    name, _equals, value = self.payload(place).partition(b"=")
                    found[name.decode()] = value
        return found

    def _around(self, place: int) -> int | None:
        """The object with the message that has this byte."""
        least = max(0, place - _LONGEST)
        begin = self._memory.rfind(_FIELD, least, place)
        while begin >= 0:
            start = begin - self._text
            if start > 0 and start % 8 == 0 and self._is(start, _DATA) and not self._memory[start + 1]:
                (size,) = unpack_from("<Q", self._memory, start + 8)
                if place < start + size <= len(self._memory):
                    return start
            # A line may have these letters in it.
            begin = self._memory.rfind(_FIELD, least, begin)
        return None

    def _entry(self, place: int) -> Iterator[tuple[float, int]]:
        if self._is(place, _ENTRY):
            yield float(unpack_from("<Q", self._memory, place + 24)[0]) / 1e6, place

    def _is(self, place: int, kind: int) -> bool:
        return 0 < place <= len(self._memory) - 80 and self._memory[place] == kind

    def _chain(self, place: int) -> Iterator[tuple[int, int]]:
        """The parts of a list of entries, and how many entries each has room for."""
        while 0 < place <= len(self._memory) - 24 and self._memory[place] == _ENTRY_ARRAY:
            size, following = unpack_from("<QQ", self._memory, place + 8)
            yield place, (min(size, len(self._memory) - place) - 24) // self._step
            if following <= place:
                break
            place = following

    def _at(self, place: int, index: int) -> int:
        return int(unpack_from(self._number, self._memory, place + 24 + index * self._step)[0])

    def _listed(self, entry: int) -> bool:
        """Whether the file's list has an entry. It is sorted, and ends with zeros."""
        for place, number in self._lists:
            if number and 0 < self._at(place, 0) <= entry:
                low, high = 0, number - 1
                while low < high:
                    middle = (low + high + 1) // 2
                    if 0 < self._at(place, middle) <= entry:
                        low = middle
                    else:
                        high = middle - 1
                if self._at(place, low) == entry:
                    return True
        return False

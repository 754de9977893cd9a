# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal, where it is long and few lines of it are wanted.

journalctl takes many seconds for a million lines. So the bytes of its files are searched for a text, which only says
when there was such a line; journalctl is then asked for those moments, and what it says counts. The layout of the files
is systemd's JOURNAL_FILE_FORMAT. Files that are laid out in another way are left to journalctl alone. Lines of
512 bytes and more are compressed, and nothing is found in them: only the line of the filters is that long, so
journalctl is asked for these.
"""

from __future__ import annotations

import glob
import mmap
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from struct import unpack_from
from typing import NamedTuple

# Who has something to say of mail.
IDENTIFIERS = (
    "courierd",
    "courierdsn",
    "courieresmtp",
    "courieresmtpd",
    "courierlocal",
    "courier-forward",
    "pythonfilter",
)
FILTERS = "pythonfilter"
DIRECTORIES = ("/var/log/journal", "/run/log/journal")

_SIGNATURE = b"LPKSHHRH"
_COMPACT = 1 << 4
_FLAGS_KNOWN = (1 << 5) - 1  # XZ, LZ4, keyed hashes, ZSTD, compact
_TIMES = 184  # in the header: of the first entry and of the last
_DATA, _ENTRY, _ENTRY_ARRAY = 1, 3, 6  # kinds of objects
_FIELD = b"MESSAGE="
_LONGEST = 1 << 16  # bytes of a line
_MOST = 200_000  # moments of one text
_LINE = re.compile(rb"(\d+\.\d+) \S+ ([\w.-]+?)(?:\[(\d+)\])?: (.*)")


class JournalError(Exception):
    """Why nothing can be said."""


class Line(NamedTuple):
    """One entry."""

    at: float  # in seconds since 1970
    identifier: str
    pid: int
    text: str  # each byte a character


class Journal:
    """The journal of this host, or that of a directory."""

    def __init__(self, directory: str = "", users: Sequence[int] = ()) -> None:
        self._directory = directory
        # Anybody may call himself courierd; the number of the user is the kernel's word.
        self._users = [f"_UID={user}" for user in users]

    def begins(self) -> float | None:
        """The time of the first entry; None where there is none."""
        times = [one for one in map(_first, self._files()) if one]
        return min(times) if times else None

    def moments(self, texts: Iterable[bytes], since: float, until: float) -> set[float]:
        """When there were lines with one of these texts, in seconds since 1970."""
        wanted = list(dict.fromkeys(texts))
        found: set[float] = set()
        left = []
        for path in self._files():
            try:
                found.update(one for one in _moments(path, wanted, since, until) if since <= one <= until)
            except FileNotFoundError:  # rotated away meanwhile
                continue
            except (ValueError, OSError):
                left.append(path)
        if left:
            pattern = "|".join(re.escape(one.decode("latin-1")) for one in wanted)
            for path in left:
                found.update(_times(self._ask(since, until, f"--file={path}", f"--grep={pattern}", "--case-sensitive")))
        return found

    def start_grep(self, text: str, since: float, until: float) -> subprocess.Popen[bytes]:
        """Look for a text in the lines of the filters; `grepped` has the moments when it is done."""
        return subprocess.Popen(  # noqa: S603 -- no shell, and nothing of it is an option
            self._command(since, until, f"--grep={re.escape(text)}", "--case-sensitive=false", identifiers=(FILTERS,)),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    @staticmethod
    def grepped(process: subprocess.Popen[bytes]) -> set[float]:
        """The moments."""
        return set(_times(process.communicate()[0]))

    def read(self, since: float, until: float) -> Iterator[Line]:
        """The lines about mail between two moments."""
        for raw in self._ask(since, until, identifiers=IDENTIFIERS).split(b"\n"):
            # What has line ends in it goes on with blanks, and is no line of its own.
            if found := _LINE.fullmatch(raw):
                at, identifier, pid, text = found.groups()
                yield Line(float(at), identifier.decode(), int(pid or 0), text.decode("latin-1"))

    def _ask(self, since: float, until: float, *arguments: str, identifiers: Sequence[str] = IDENTIFIERS) -> bytes:
        try:
            done = subprocess.run(  # noqa: S603 -- no shell, and nothing of it is an option
                self._command(since, until, *arguments, identifiers=identifiers), capture_output=True, check=False
            )
        except OSError as error:
            raise JournalError(f"journalctl: {error}") from error
        # It ends with 1 where it found nothing.
        if done.returncode and done.stderr.strip():
            raise JournalError(f"journalctl: {done.stderr.decode(errors='replace').strip().splitlines()[-1]}")
        return done.stdout

    def _command(self, since: float, until: float, *arguments: str, identifiers: Sequence[str]) -> list[str]:
        names = [argument for identifier in identifiers for argument in ("-t", identifier)]
        place = [f"--directory={self._directory}"] if self._directory and not _names_file(arguments) else []
        span = [f"--since=@{max(since, 0):.6f}"] + ([f"--until=@{until:.6f}"] if until < float("inf") else [])
        # --all: what is not printable would be "blob data".
        quiet = ["journalctl", "--no-pager", "--quiet", "--all", "--output=short-unix"]
        return [*quiet, *place, *span, *names, *arguments, *self._users]

    def _files(self) -> list[str]:
        directories = [self._directory] if self._directory else DIRECTORIES
        found = {
            path
            for directory in directories
            for pattern in ("*.journal", "*/*.journal")
            for path in glob.glob(os.path.join(glob.escape(directory), pattern))
        }
        # Those of people have nothing of daemons in them.
        return sorted(path for path in found if not os.path.basename(path).startswith("user-"))


def _names_file(arguments: Iterable[str]) -> bool:
    return any(one.startswith("--file=") for one in arguments)


def _times(said: bytes) -> Iterator[float]:
    for raw in said.split(b"\n"):
        if found := _LINE.fullmatch(raw):
            yield float(found[1])


def _first(path: str) -> float | None:
    with suppress(OSError):
        with open(path, "rb") as stream:
            header = stream.read(_TIMES + 16)
        if header.startswith(_SIGNATURE) and len(header) == _TIMES + 16:
            return float(unpack_from("<Q", header, _TIMES)[0]) / 1e6 or None
    return None


def _moments(path: str, texts: Sequence[bytes], since: float, until: float) -> Iterator[float]:
    """Raises ValueError for a file of another layout."""
    with open(path, "rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as file:
        if len(file) < _TIMES + 16 or file[:8] != _SIGNATURE:
            raise ValueError(path)
        (flags,) = unpack_from("<I", file, 12)
        if flags & ~_FLAGS_KNOWN:
            raise ValueError(path)
        first, last = (one / 1e6 for one in unpack_from("<QQ", file, _TIMES))
        online = file[16] == 1  # it is being written, and the header may lag behind
        if first > until or (last < since and not online):
            return
        compact = bool(flags & _COMPACT)
        for place in _places(file, texts):
            if (data := _data_around(file, place, compact)) is not None:
                yield from _entries(file, data, compact)


def _places(file: mmap.mmap, texts: Sequence[bytes]) -> Iterator[int]:
    """Where the texts are. Several are looked for at once by what all of them begin with."""
    common = os.path.commonprefix(list(texts))
    if len(texts) == 1 or len(common) < 4:
        for text in texts:
            place = file.find(text)
            while place >= 0:
                yield place
                place = file.find(text, place + len(text))
        return
    ends = re.compile(b"|".join(re.escape(text) for text in texts))
    place = file.find(common)
    while place >= 0:
        if ends.match(file, place):
            yield place
        place = file.find(common, place + 1)


def _data_around(file: mmap.mmap, place: int, compact: bool) -> int | None:
    """The object with the message that has this byte."""
    begin = file.rfind(_FIELD, max(0, place - _LONGEST), place)
    start = begin - (72 if compact else 64)
    if begin < 0 or start < 0 or start % 8 or file[start] != _DATA or file[start + 1]:
        return None
    (size,) = unpack_from("<Q", file, start + 8)
    return start if place < start + size <= len(file) else None


def _entries(file: mmap.mmap, data: int, compact: bool) -> Iterator[float]:
    """When the entries were written that have this object."""
    entry, array, count = unpack_from("<QQQ", file, data + 40)
    yield from _written(file, entry)
    count = min(count, _MOST) - 1
    step, kind = (4, "<I") if compact else (8, "<Q")
    while count > 0 and 0 < array <= len(file) - 24 and file[array] == _ENTRY_ARRAY:
        size, following = unpack_from("<QQ", file, array + 8)
        for place in range(array + 24, min(array + size, len(file) - step + 1), step):
            (entry,) = unpack_from(kind, file, place)
            if not entry or count <= 0:
                break
            yield from _written(file, entry)
            count -= 1
        array = following if following > array else 0


def _written(file: mmap.mmap, entry: int) -> Iterator[float]:
    if 0 < entry <= len(file) - 32 and file[entry] == _ENTRY:
        yield float(unpack_from("<Q", file, entry + 24)[0]) / 1e6

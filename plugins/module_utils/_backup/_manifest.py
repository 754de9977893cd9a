# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message with its flags and a digest: what a backup has to hold, and a restore to bring.

The name of a file in a Maildir has two parts. The first stays the same for as long as the message is there. After
":2," come the flags, which a mail program changes by giving the file another name. A message is known by the first
part and its digest, and its flags and folder are where it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_PARTS = ("cur", "new")
_CHUNK = 1 << 20
_ESCAPED = re.compile(r"\\(n|t|\\)")
_PLAIN = {"n": "\n", "t": "\t", "\\": "\\"}


class Message(NamedTuple):
    """A message in a mailbox."""

    path: str  # below the mail root
    size: int
    digest: str = ""  # SHA-256

    @property
    def unique(self) -> str:
        return self.path.rpartition("/")[2].partition(":")[0]

    @property
    def home(self) -> str:
        """What it never leaves: the Maildir, of which folders are directories that begin with a dot."""
        parts = self.path.split("/")[:-2]
        if parts and parts[-1].startswith("."):
            parts.pop()
        return "/".join(parts)

    @property
    def key(self) -> tuple[str, str]:
        return self.home, self.unique


class Difference(NamedTuple):
    """Messages of a list, as they are found elsewhere."""

    equal: int
    moved: list[str]  # the same message, with other flags or in another folder
    changed: list[str]  # a message of this name, with another text
    missing: list[str]
    more: int  # messages that the list does not have


class Digests:
    """The digests of messages that were read before, since their texts never change."""

    def __init__(self, path: str) -> None:
        self._path = path
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{path}.new")
        self._new = sqlite3.connect(f"{path}.new", isolation_level=None)
        self._new.execute("PRAGMA synchronous = OFF")  # it is only a cache
        self._new.execute("CREATE TABLE digests (key TEXT PRIMARY KEY, size INT, mtime INT, digest TEXT) WITHOUT ROWID")
        self._new.execute("BEGIN")
        try:
            self._new.execute("ATTACH ? AS old", (path if os.path.exists(path) else ":memory:",))
            self._new.execute(
                "CREATE TABLE IF NOT EXISTS old.digests (key TEXT PRIMARY KEY, size INT, mtime INT, digest TEXT)"
            )
        except sqlite3.DatabaseError:  # it is damaged; everything is read once more
            self._new.execute("ATTACH ':memory:' AS fresh")

    def of(self, file: str, key: str, found: os.stat_result) -> str:
        """The digest of a file. Raises OSError where it is gone."""
        name = key.encode("utf-8", "surrogateescape")
        for table in ("main", "old"):
            with contextlib.suppress(sqlite3.DatabaseError):
                row = self._new.execute(
                    f"SELECT size, mtime, digest FROM {table}.digests WHERE key = ?",  # noqa: S608
                    (name,),
                ).fetchone()
                if row and row[:2] == (found.st_size, found.st_mtime_ns):
                    if table == "old":
                        self._keep(name, found, row[2])
                    return str(row[2])
        fresh = digest(file)
        self._keep(name, found, fresh)
        return fresh

    def _keep(self, name: bytes, found: os.stat_result, known: str) -> None:
        self._new.execute(
            "INSERT OR REPLACE INTO main.digests VALUES (?, ?, ?, ?)", (name, found.st_size, found.st_mtime_ns, known)
        )

    def close(self) -> None:
        """Keep what is there now, and forget the rest."""
        if self._new.in_transaction:
            self._new.execute("COMMIT")
        self._new.close()
        os.replace(f"{self._path}.new", self._path)


def digest(path: str) -> str:
    """SHA-256 of a file that is no link."""
    done = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        while chunk := stream.read(_CHUNK):
            done.update(chunk)
    return done.hexdigest()


def messages(root: str, digests: Digests | None = None, skip: Iterable[str] = ()) -> Iterator[Message]:
    """The messages below a mail root, in the order of their paths. What goes away meanwhile is passed over."""
    skipped = frozenset(skip)
    for directory, is_mail in _directories(root, skipped):
        if not is_mail:
            continue
        for part in _PARTS:
            for entry in _entries(f"{directory}/{part}"):
                with contextlib.suppress(FileNotFoundError):
                    if not entry.is_file(follow_symlinks=False):
                        continue
                    found = entry.stat(follow_symlinks=False)
                    path = os.path.relpath(entry.path, root)
                    message = Message(path, found.st_size)
                    known = digests.of(entry.path, "/".join(message.key), found) if digests else digest(entry.path)
                    yield message._replace(digest=known)


def has_messages(root: str) -> bool:
    """Whether there is a single one."""
    for directory, is_mail in _directories(root, frozenset()):
        if is_mail:
            for part in _PARTS:
                if any(entry.is_file(follow_symlinks=False) for entry in _entries(f"{directory}/{part}")):
                    return True
    return False


def _directories(root: str, skipped: frozenset[str]) -> Iterator[tuple[str, bool]]:
    """Directories below a root, and whether each is a Maildir or a folder of one."""
    waiting = [root]
    while waiting:
        directory = waiting.pop()
        below = [entry for entry in _entries(directory) if entry.is_dir(follow_symlinks=False)]
        names = {entry.name for entry in below}
        is_mail = {"cur", "new", "tmp"} <= names
        yield directory, is_mail
        kept = [entry for entry in below if not (is_mail and entry.name in ("cur", "new", "tmp"))]
        waiting.extend(entry.path for entry in reversed(kept) if not (directory == root and entry.name in skipped))


def _entries(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def write(path: str, listed: Iterable[Message]) -> tuple[int, int]:
    """Write a list, and return how many messages and bytes it has."""
    count = total = 0
    with open(path, "w", encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for message in listed:
            stream.write(f"{message.digest}\t{message.size}\t{_escape(message.path)}\n")
            count, total = count + 1, total + message.size
    return count, total


def read(path: str) -> Iterator[Message]:
    """What `write` wrote. Raises ValueError for what it did not."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        for line in stream:
            known, size, name = line.rstrip("\n").split("\t")
            yield Message(_ESCAPED.sub(lambda found: _PLAIN[found[1]], name), int(size), known)


def _escape(path: str) -> str:
    return path.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


def compare(wanted: Iterable[Message], found: Iterable[Message]) -> Difference:
    """How the messages of a list are found elsewhere."""
    there: dict[tuple[str, str], list[Message]] = {}
    more = 0
    for message in found:
        there.setdefault(message.key, []).append(message)
        more += 1
    equal = 0
    moved: list[str] = []
    changed: list[str] = []
    missing: list[str] = []
    for message in wanted:
        copies = there.get(message.key, [])
        same = [copy for copy in copies if copy.digest == message.digest]
        if any(copy.path == message.path for copy in same):
            equal += 1
        elif same:
            moved.append(message.path)
        else:
            (changed if copies else missing).append(message.path)
        more -= bool(copies)
    return Difference(equal, moved, changed, missing, more)


def doubled(found: Iterable[Message], wanted: Iterable[Message]) -> list[str]:
    """Paths that a snapshot has beside others of the same message, since it was renamed while it was read.

    The one that the list has stays; where it has none of them, the one with more flags.
    """
    there: dict[tuple[tuple[str, str], str], list[str]] = {}
    for message in found:
        there.setdefault((message.key, message.digest), []).append(message.path)
    twice = {key: paths for key, paths in there.items() if len(paths) > 1}
    if not twice:
        return []
    known = {message.path for message in wanted}
    gone = []
    for paths in twice.values():
        kept = max(
            paths, key=lambda path: (path in known, len(path.rpartition(":2,")[2]) if ":2," in path else 0, path)
        )
        gone += [path for path in paths if path != kept]
    return gone

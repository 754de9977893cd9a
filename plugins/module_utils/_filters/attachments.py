# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse files of certain kinds by their names, in archives too.

The names come from every part of the message (_parts.py), and from the archives among the parts: zip, tar, and what
compresses one file; 7z, rar, cab, iso and others where python3-libarchive-c is there. An encrypted zip shows its names.
Archives in archives are opened as well, down to a depth. The number of files and the bytes that are unpacked on the
way have limits, so that a small mail cannot keep the host busy. An archive beyond them counts as one that cannot be
read.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import re
import struct
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, BinaryIO, cast

from ._message import Message
from ._names import is_for_reports
from ._parts import Part, Text, TooManyParts, content, encoded, mapped, parts
from ._settings import pattern, refuse
from ._verdict import PASS, Verdict
from ._verdict import refuse as refused

# Of 7z, rar and others. Debian's python3-libarchive-c; without it they cannot be read.
try:
    _libarchive: Any = importlib.import_module("libarchive")
except Exception:  # no library, or one that does not load
    _libarchive = None

_PROGRAMS = (
    "ade adp bat chm cmd com cpl dll exe hta inf ins isp jar js jse lib lnk mde msc msp mst pif reg scf scr sct shb "
    "shs sys url xxe vb vbe vbs vxd wsc wsf wsh"
)
_COMPRESSED = {
    "gz": "",
    "bz2": "",
    "xz": "",
    "zst": "",
    "z": "",
    "tgz": "tar",
    "tbz": "tar",
    "tbz2": "tar",
    "txz": "tar",
}
_ARCHIVES = {"zip", "tar", "7z", "rar", "cab", "iso", "img", "lzh", "lha", "arj", "cpio", "xar", *_COMPRESSED}
_MAGIC = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PK\x07\x08": "zip",
    b"\x1f\x8b": "gz",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"MSCF": "cab",
    b"\x28\xb5\x2f\xfd": "zst",
}
# The header of a file, with the length of its name, or an entry of the list.
_ZIP_HEADER = re.compile(rb"PK\x03\x04.{22}(..)..|PK\x01\x02", re.DOTALL)
_PEEK = 512
_CHUNK = 1 << 18
_IN_MEMORY = 1 << 20
_NESTED_MESSAGES = 5
_LONGEST = 1024  # characters of a name that patterns see; the end, where the extension is


@dataclass(frozen=True)
class Settings:
    """Which names are refused, and how far archives are looked into."""

    extensions: list[str] = field(default_factory=_PROGRAMS.split)  # without a dot; the last one of a name counts
    patterns: list[str] = field(default_factory=list)  # regular expressions that are searched in names
    archives: bool = True  # look into archives
    depth: int = 2  # archives in archives; 1 looks into those only that are in the mail itself
    max_entries: int = 10000  # files in all archives of one mail
    max_unpacked: int = 100 << 20  # bytes that are unpacked for one mail
    # What becomes of mail with an archive that is damaged, beyond a limit or of a kind that nobody here can read.
    unreadable_archive: str = "accept"

    def __post_init__(self) -> None:
        for extension in self.extensions:
            if not re.fullmatch(r"[^\s./\\]+", extension):
                refuse("extensions", extension, "an extension without dot and blanks, such as exe")
        for one in self.patterns:
            pattern("patterns", one)
        if not 1 <= self.depth <= 10:
            refuse("depth", self.depth, "a number from 1 to 10; `archives: false` looks into none")
        if self.max_entries < 1:
            refuse("max_entries", self.max_entries, "a number of at least 1")
        if self.max_unpacked < 1:
            refuse("max_unpacked", self.max_unpacked, "a number of bytes, such as 104857600")
        if self.unreadable_archive not in ("accept", "refuse"):
            refuse("unreadable_archive", self.unreadable_archive, "accept or refuse")


class Refused(Exception):
    """A file that is not wanted. The text is its name, and what it is in."""


class Unreadable(Exception):
    """An archive that cannot be looked into."""


class Filter:
    """Refuses mail with files of certain kinds."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, message: Message) -> Verdict:
        # Reports come packed, and who reads them looks for bombs by himself. Programs are refused there as well.
        reports = bool(message.recipients) and all(is_for_reports(one.address) for one in message.recipients)
        search = Search(replace(self._settings, patterns=[]) if reports else self._settings)
        try:
            with message.open() as stream:
                search.message(mapped(stream.fileno(), message.size))
        except Refused as found:
            shown = re.sub(r"[^ -~]", "?", str(found))[:200]
            return refused(f"554 5.7.1 Files of this kind are not accepted here: {shown}", shown)
        except TooManyParts:
            return refused("554 5.6.0 This mail has more parts than can be looked at", "too many parts")
        if not search.unreadable:
            return PASS
        shown = re.sub(r"[^ -~]", "?", search.unreadable[0])[:200]
        if self._settings.unreadable_archive == "refuse" and not reports:
            return refused(f"554 5.7.1 Archives that cannot be looked into are not accepted here: {shown}", shown)
        return Verdict(note=f"not looked into: {shown}")


class Search:
    """The search through one message, with what is left of its limits."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._extensions = frozenset(one.casefold() for one in settings.extensions)
        self._patterns = [pattern("patterns", one) for one in settings.patterns]
        self._entries = settings.max_entries
        self._bytes = settings.max_unpacked
        self.unreadable: list[str] = []

    def message(self, text: Text, depth: int = 0) -> None:
        """Look at every part. Raises Refused and TooManyParts."""
        for part in parts(text):
            for name in part.names:
                self._name(name, [])
            nested = any(kind.startswith(("message/", "multipart/")) for kind in part.kinds)
            is_file = any(name.lower().endswith(".eml") for name in part.names)
            # A message that is encoded is not allowed, and read by some all the same.
            if (nested and encoded(part)) or (is_file and not nested):
                if depth < _NESTED_MESSAGES:
                    self.message(b"".join(content(text, part)), depth + 1)
                else:
                    self.unreadable.append("messages in messages")
            if self._settings.archives:
                self._part(text, part)

    def _part(self, text: Text, part: Part) -> None:
        pieces = content(text, part)
        head = b""
        while len(head) < _PEEK and (piece := next(pieces, None)) is not None:
            head += piece
        name = part.names[-1] if part.names else "an attachment"
        kind = _kind(head, part.names)
        if kind:
            with self._stored([head], pieces, limited=False) as stream:
                self._archive(stream, kind, [name], 1)

    def _archive(self, stream: BinaryIO, kind: str, path: list[str], depth: int) -> None:
        """Look into an archive that is in this many archives, itself included."""
        if depth > self._settings.depth:
            self.unreadable.append(_shown(path))
            return
        try:
            if kind == "zip":
                self._zip(stream, path, depth)
            elif kind in _OPENERS:
                if kind == "gz" and (name := _gzip_name(stream)):
                    self._name(name, path)
                self._compressed(_OPENERS[kind](stream), path, depth)
            elif kind == "tar":
                self._tar(Counted(self._spend, stream), path, depth)
            else:
                self._other(stream, path, depth)
        except (Refused, TooManyParts):
            raise
        except Exception:  # these libraries have dozens of ways to say that something is broken
            self.unreadable.append(_shown(path))

    def _zip(self, stream: BinaryIO, path: list[str], depth: int) -> None:
        # The list at the end is what most programs go by, and what zipfile reads. Some go by the header of each file.
        for name in self._local_names(stream):
            self._name(name, path)
        stream.seek(0)
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                names = [info.orig_filename, *_unicode_path(info.extra)]
                for name in names:
                    self._name(name, path)
                if _archive_kind(names) and not info.is_dir():
                    # One is encrypted. Others are unpacked by zipfile without a limit.
                    if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                        self.unreadable.append(_shown([*path, names[-1]]))
                        continue
                    with archive.open(info) as member:
                        self._nested(iter(partial(member.read, _CHUNK), b""), names, path, depth)

    def _local_names(self, stream: BinaryIO) -> Iterator[str]:
        """Names from the headers of the files. Counts what zipfile would read at once, before it does."""
        listed = 0
        stream.seek(0)
        chunk = stream.read(_CHUNK)
        while chunk:
            following = stream.read(_CHUNK)
            window = chunk + following[: 2 * _LONGEST]
            for match in _ZIP_HEADER.finditer(window):
                if match.start() >= len(chunk):
                    break
                if match[1]:
                    self._count()
                    yield window[match.end() :][: min(struct.unpack("<H", match[1])[0], _LONGEST)].decode(
                        "utf-8", "replace"
                    )
                else:
                    listed += 1
                    if listed > self._settings.max_entries:
                        raise Unreadable
            chunk = following

    def _tar(self, stream: Counted, path: list[str], depth: int) -> None:
        # As a stream: what is skipped is read as well, and counted.
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r|") as archive:
            for info in archive:
                self._count()
                if info.isdir():
                    continue
                self._name(info.name, path)
                if _archive_kind([info.name]) and (member := archive.extractfile(info)):
                    self._nested(iter(partial(member.read, _CHUNK), b""), [info.name], path, depth)

    def _compressed(self, stream: Any, path: list[str], depth: int) -> None:
        """What holds one file: a tar, another archive, or something whose name is that of the archive, shortened."""
        self._count()
        inner = _shortened(path[-1])
        self._name(inner, path)
        counted = Counted(self._spend, stream)
        counted.head = counted.read(_PEEK)
        kind = _kind(counted.head, [inner])
        if kind == "tar":
            # Together they are one archive to everybody.
            self._tar(counted, path, depth)
        elif kind:
            with self._stored([], iter(partial(counted.read, _CHUNK), b""), limited=False) as unpacked:
                self._archive(unpacked, kind, [*path, inner], depth + 1)

    def _other(self, stream: BinaryIO, path: list[str], depth: int) -> None:
        if _libarchive is None:
            raise Unreadable
        stream.seek(0)
        with _libarchive.stream_reader(stream) as archive:
            for entry in archive:
                self._count()
                if entry.isdir:
                    continue
                self._name(entry.pathname or "", path)
                # What is not taken out is unpacked all the same, on the way to the next.
                self._spend(entry.size or 0)
                if _archive_kind([entry.pathname or ""]):
                    self._nested(entry.get_blocks(), [entry.pathname], path, depth)

    def _nested(self, pieces: Iterable[bytes], names: list[str], path: list[str], depth: int) -> None:
        with self._stored([], pieces) as stream:
            kind = _kind(stream.read(_PEEK), names)
            self._archive(stream, kind, [*path, names[-1]], depth + 1)

    def _stored(self, head: Iterable[bytes], pieces: Iterable[bytes], *, limited: bool = True) -> BinaryIO:
        """A file that one can go back in. On disk, when it is large."""
        stream = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 -- the caller closes it
        for some in (head, pieces):
            for piece in some:
                if limited:
                    self._spend(len(piece))
                stream.write(piece)
        stream.seek(0)
        return stream  # type: ignore[return-value]

    def _count(self) -> None:
        self._entries -= 1
        if self._entries < 0:
            raise Unreadable

    def _spend(self, count: int) -> None:
        self._bytes -= count
        if self._bytes < 0:
            raise Unreadable

    def _name(self, name: str, path: list[str]) -> None:
        for one in variants(name):
            extension = one.rpartition(".")[2].strip() if "." in one else ""
            if extension in self._extensions or any(one_of.search(one[-_LONGEST:]) for one_of in self._patterns):
                raise Refused(_shown([*path, one]))


class Counted:
    """A stream whose bytes are counted as they are unpacked."""

    def __init__(self, spend: Callable[[int], None], stream: Any) -> None:
        self.head = b""  # what was read already and shall be read again
        self._spend = spend
        self._stream = stream

    def read(self, size: int) -> bytes:
        if self.head:
            head, self.head = self.head[:size], self.head[size:]
            return head
        data: bytes = self._stream.read(min(size, _CHUNK))
        self._spend(len(data))
        return data


def variants(name: str) -> list[str]:
    """A name as the recipient's system would save it: without a path, and without what it drops at the end."""
    found = []
    # NUL ends a name for some, ":" begins a stream of the file for Windows.
    for text in dict.fromkeys([name, name.partition("\0")[0], name.partition(":")[0]]):
        visible = "".join(
            letter for letter in unicodedata.normalize("NFKC", text) if unicodedata.category(letter) not in ("Cc", "Cf")
        )
        last = re.split(r"[/\\]", visible)[-1]
        found.append(last.rstrip(". \t\"'").casefold())
    return found


def _kind(head: bytes, names: Iterable[str]) -> str:
    """The kind of archive by its first bytes, or by what it is called."""
    if head[257:262] == b"ustar":
        return "tar"
    return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "") or _archive_kind(names)


def _archive_kind(names: Iterable[str]) -> str:
    for name in names:
        for one in variants(name):
            extension = one.rpartition(".")[2]
            if "." in one and extension in _ARCHIVES:
                return {"tgz": "gz", "tbz": "bz2", "tbz2": "bz2", "txz": "xz"}.get(extension, extension)
    return ""


def _shortened(name: str) -> str:
    stem, _dot, extension = name.rstrip(". ").rpartition(".")
    inner = _COMPRESSED.get(extension.casefold())
    return name if inner is None else f"{stem}.{inner}" if inner else stem


def _gzip_name(stream: BinaryIO) -> str:
    """What the file was called, if the header says so (RFC 1952)."""
    head = stream.read(1 << 16)
    stream.seek(0)
    if len(head) < 12 or not head[3] & 8:
        return ""
    start = 12 + struct.unpack("<H", head[10:12])[0] if head[3] & 4 else 10
    return head[start : start + _LONGEST].partition(b"\0")[0].decode("latin-1")


def _unicode_path(extra: bytes) -> list[str]:
    """The name in UTF-8 that Info-ZIP puts beside one in an old charset."""
    found = []
    while len(extra) >= 4:
        kind, length = struct.unpack("<HH", extra[:4])
        if kind == 0x7075:
            found.append(extra[9 : 4 + length].decode("utf-8", "replace"))
        extra = extra[4 + length :]
    return found


def _shown(path: list[str]) -> str:
    return " in ".join(name[-80:] for name in reversed(path))


_OPENERS: dict[str, Any] = {
    "gz": lambda stream: gzip.GzipFile(fileobj=stream, mode="rb"),
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}

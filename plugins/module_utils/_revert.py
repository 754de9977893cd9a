# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration of a host as it was, in a file that only root reads, and the way back to it.

What is kept are files, directories and links below some paths, with owners and modes, and which units ran. Compiled
databases of Courier lie beside their texts, and come back with them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import glob
import hashlib
import io
import json
import os
import pathlib
import re
import shutil
import stat
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SUFFIX = ".tar.gz"
_MANIFEST = "manifest.json"
_PENDING = "pending"  # a link to what was kept before a run that has not proved itself
_NAME = re.compile(r"\d{8}T\d{6}Z(-\d{3})?")
_DATABASE = ".dat"
_CHUNK = 1 << 20

# Which letters show that a change works: beginnings of directions as the role verify calls them. What is not here may
# change any of them. () is what no letter passes; there the proof of the role itself has to do.
ROADS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"/etc/courier/(esmtproutes|esmtpauthclient)", ("out: ", "in: satellite")),
    (r"/etc/courier/(imapd|pop3d|imapaccess|shared)", ("in: authenticated", "read: ")),
    (r"/etc/courier/userdb", ("in: ", "read: ")),
    (r"/etc/courier/esmtpd-(msa|ssl)", ("in: authenticated",)),
    (r"/etc/(fail2ban|nginx|horde|courier-horde|fetchmail|courier-mail-watch)(/|$)", ()),
    (r"/etc/(courier-autoconfig|courier-tarbaby)", ()),
    (r"/etc/systemd/system/(fail2ban|nginx|fetchmail|courier-(fetch|horde|tarbaby|rbldnsd|autoconfig|mail-watch))", ()),
    (r"/usr/local/lib/courier-(autoconfig|fetch|tarbaby|mail-bans|mail-watch)", ()),
)
ALL = ("",)


Units = dict[str, list[str]]  # which ran, and the patterns by which they were looked for


class RevertError(Exception):
    """Why the configuration cannot be kept, or not be brought back."""


@dataclass(frozen=True)
class Entry:
    """One thing on the disk."""

    kind: str  # file, directory, link
    mode: int
    uid: int
    gid: int
    what: str = ""  # SHA-256 of a file, target of a link
    size: int = 0


@dataclass(frozen=True)
class Changes:
    """What is not as it was kept."""

    written: list[str]
    made: list[str]
    gone: list[str]

    def __bool__(self) -> bool:
        return bool(self.written or self.made or self.gone)

    @property
    def paths(self) -> list[str]:
        return sorted([*self.written, *self.made, *self.gone])


def scan(patterns: Iterable[str], root: str = "") -> dict[str, Entry]:
    """What is there below these paths, which may be patterns as the shell has them. Nothing is followed."""
    found: dict[str, Entry] = {}
    for pattern in patterns:
        for path in glob.glob(f"{root}{pattern}"):
            for one in _below(path):
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    if entry := _entry(one):
                        found[one.removeprefix(root)] = entry
    return dict(sorted(found.items()))


def differences(before: Mapping[str, Entry], now: Mapping[str, Entry]) -> Changes:
    """What has changed."""
    return Changes(
        written=[path for path, entry in now.items() if path in before and before[path] != entry],
        made=[path for path in now if path not in before],
        gone=[path for path in before if path not in now],
    )


def directions(paths: Iterable[str]) -> list[str]:
    """Beginnings of the directions of mail that these files may have changed; an empty one is all of them."""
    wanted: set[str] = set()
    for path in paths:
        # The directory above, whose time is not looked at, says nothing.
        wanted |= set(next((found for pattern, found in ROADS if re.match(pattern, path)), ALL))
    return [""] if "" in wanted else sorted(wanted)


class Keep:
    """The directory in which configurations are kept."""

    def __init__(self, directory: str, root: str = "") -> None:
        self._directory, self._root = directory, root

    @property
    def pending(self) -> str:
        """The name of what was kept before a run that has not proved itself; empty where there is none."""
        link = f"{self._directory}/{_PENDING}"
        if not os.path.islink(link):
            return ""
        name = os.path.basename(os.readlink(link)).removesuffix(SUFFIX)
        return name if os.path.isfile(self._path(name)) else ""

    @property
    def names(self) -> list[str]:
        """All that is kept, the newest last."""
        if not os.path.isdir(self._directory):
            return []
        found = (one.removesuffix(SUFFIX) for one in os.listdir(self._directory) if one.endswith(SUFFIX))
        return sorted(name for name in found if _NAME.fullmatch(name))

    def keep(self, patterns: Sequence[str], units: Units, most: int, *, dry: bool = False) -> tuple[str, bool]:
        """Keep what is there now, and say under which name, and whether it is new.

        Where a run before has not proved itself, what was kept then stays what to go back to.
        """
        if pending := self.pending:
            return pending, False
        now = scan(patterns, self._root)
        size = sum(entry.size for entry in now.values())
        if size > most:
            largest = max(now, key=lambda path: now[path].size)
            raise RevertError(
                f"the configuration has {size >> 20} MiB, and {most >> 20} MiB are kept at most; the largest file is "
                f"{largest}. Leave its directory out of revert_paths, or raise revert_megabytes"
            )
        for name in self.names[-1:]:
            known, ran = self.read(name)
            if known == now and ran == units:
                if not dry:
                    self._point(name)
                return name, False
        name = self._new_name()
        if not dry:
            self._write(name, now, patterns, units)
            self._point(name)
        return name, True

    def read(self, name: str) -> tuple[dict[str, Entry], Units]:
        """What was kept under a name, and which units ran."""
        manifest = self._manifest(name)
        return {path: Entry(*fields) for path, fields in manifest["entries"].items()}, manifest["units"]

    def changes(self, name: str) -> Changes:
        """What has changed since it was kept."""
        manifest = self._manifest(name)
        return differences(self.read(name)[0], scan(manifest["patterns"], self._root))

    def restore(self, name: str) -> Changes:
        """Bring back what was kept. What was not there then goes."""
        before, _units = self.read(name)
        changes = self.changes(name)
        with tarfile.open(self._path(name), "r:gz") as archive:
            # Directories first; texts before what is compiled of them, which must be the younger.
            wanted = sorted(
                [*changes.written, *changes.gone],
                key=lambda path: (before[path].kind != "directory", path.endswith(_DATABASE), path),
            )
            # What is in the way of another kind goes first.
            for path in changes.written:
                if _kind(f"{self._root}{path}") != before[path].kind:
                    _remove(f"{self._root}{path}")
            for path in wanted:
                self._put(archive, path, before[path])
        for path in sorted(changes.made, reverse=True):
            with contextlib.suppress(FileNotFoundError):  # with the directory that it was in
                _remove(f"{self._root}{path}")
        return changes

    def proved(self, most: int) -> None:
        """The run has proved itself: there is nothing to go back to but what is kept for people."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self._directory}/{_PENDING}")
        for name in self.names[: -most or None]:
            os.unlink(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._directory}/{name}{SUFFIX}"

    def _new_name(self) -> str:
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        last = next((one for one in reversed(self.names) if one.startswith(name)), None)
        return name if last is None else f"{name}-{int(last[len(name) + 1 :] or 0) + 1:03}"

    def _point(self, name: str) -> None:
        temporary = f"{self._directory}/.{_PENDING}"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.symlink(f"{name}{SUFFIX}", temporary)
        os.replace(temporary, f"{self._directory}/{_PENDING}")

    def _manifest(self, name: str) -> dict[str, Any]:
        if not _NAME.fullmatch(name) or not os.path.isfile(self._path(name)):
            raise RevertError(f"nothing is kept under {name!r}; there is {', '.join(self.names) or 'nothing'}")
        try:
            with tarfile.open(self._path(name), "r:gz") as archive:
                stream = archive.extractfile(_MANIFEST)
                found: dict[str, Any] = json.load(stream) if stream else {}
        except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
            raise RevertError(f"{self._path(name)} is damaged: {error}") from error
        return found

    def _write(self, name: str, now: Mapping[str, Entry], patterns: Sequence[str], units: Units) -> None:
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        os.chmod(self._directory, 0o700)
        manifest = {
            "patterns": list(patterns),
            "units": units,
            "entries": {path: dataclasses.astuple(entry) for path, entry in now.items()},
        }
        text = json.dumps(manifest).encode("utf-8", "surrogateescape")
        descriptor, temporary = tempfile.mkstemp(prefix=".", dir=self._directory)  # born 0600
        try:
            with os.fdopen(descriptor, "wb") as stream:
                with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=3) as archive:
                    _add(archive, _MANIFEST, text)
                    for path, entry in now.items():
                        if entry.kind == "file":
                            _add(archive, path[1:], _same(f"{self._root}{path}", entry))
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, self._path(name))
        except BaseException:
            os.unlink(temporary)
            raise

    def _put(self, archive: tarfile.TarFile, path: str, entry: Entry) -> None:
        place = f"{self._root}{path}"
        if entry.kind == "directory":
            os.makedirs(place, exist_ok=True)
        elif entry.kind == "link":
            directory, name = os.path.split(place)
            temporary = os.path.join(directory, f".{name}~")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            os.symlink(entry.what, temporary)
            os.lchown(temporary, entry.uid, entry.gid)
            os.replace(temporary, place)
            return
        else:
            stream = archive.extractfile(path[1:])
            if stream is None:
                raise RevertError(f"{path} is not in what was kept")
            _write_file(place, stream.read(), entry)
            return
        os.chown(place, entry.uid, entry.gid)
        os.chmod(place, entry.mode)


def _below(path: str) -> Iterator[str]:
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        # Python leaves what it compiled, whenever it runs.
        for one in sorted(set(os.listdir(path)) - {"__pycache__"}):
            yield from _below(f"{path}/{one}")


def _kind(path: str) -> str:
    mode = os.lstat(path).st_mode
    return "link" if stat.S_ISLNK(mode) else "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else ""


def _entry(path: str) -> Entry | None:
    seen, kind = os.lstat(path), _kind(path)
    if kind == "link":
        return Entry(kind, 0o777, seen.st_uid, seen.st_gid, os.readlink(path))
    mode = stat.S_IMODE(seen.st_mode)
    if kind == "directory":
        return Entry(kind, mode, seen.st_uid, seen.st_gid)
    # A socket belongs to who listens there.
    return Entry(kind, mode, seen.st_uid, seen.st_gid, _digest(path), seen.st_size) if kind else None


def _digest(path: str) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _same(path: str, entry: Entry) -> bytes:
    text = pathlib.Path(path).read_bytes()
    if hashlib.sha256(text).hexdigest() != entry.what:
        raise RevertError(f"{path} changes while it is kept; run again when nobody else writes there")
    return text


def _add(archive: tarfile.TarFile, name: str, text: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(text), 0o600
    archive.addfile(member, io.BytesIO(text))


def _write_file(path: str, text: bytes, entry: Entry) -> None:
    directory, name = os.path.split(path)
    # Hidden, and with a tilde: Courier's compilers read whole directories and pass over either.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix="~", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchown(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode)
            stream.write(text)
            stream.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _remove(path: str) -> None:
    if _kind(path) == "directory":
        shutil.rmtree(path)
    else:
        os.unlink(path)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup, in a state that restores, while mail comes in and people read theirs.

Nothing is stopped: who stops Courier's queue stops its listeners as well. Instead the queue is copied first and then
the mail is read, so that a message which is delivered meanwhile is there twice rather than never. Then everything that
moved meanwhile is looked for. If something did, there is another round, which only takes what has changed.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import fcntl
import glob
import grp
import json
import os
import pwd
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from . import _manifest, _queue, _state
from ._configuration import STATE, Settings, inside
from ._restic import INCOMPLETE, TAG, UNFINISHED, NoRepositoryError, Restic, ResticError

FORMAT = 1
_MIB = 1 << 20
_DAY = 86400
_LOCK = "lock"
SA_LEARN = "/usr/bin/sa-learn"
# What SQLite has beside a database, which it copies itself.
_SQLITE_TAILS = ("", "-wal", "-shm", "-journal")


class TakeError(Exception):
    """Why there is no backup, in one sentence."""


class Round(NamedTuple):
    """What moved between the list of messages and their copy."""

    snapshot: str
    moved: int  # has other flags, or is in another folder
    missed: list[str]  # is on the host, and not in the copy
    gone: int  # was deleted meanwhile
    progressed: int  # was delivered meanwhile, out of the queue
    unread: str  # what restic could not read, beside what went away

    @property
    def is_still(self) -> bool:
        return not (self.moved or self.missed or self.gone or self.progressed or self.unread)


@contextlib.contextmanager
def alone(directory: str = STATE) -> Iterator[None]:
    """One run at a time. A run that was cut off holds nothing."""
    with open(os.path.join(directory, _LOCK), "a", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TakeError("another backup of this host runs; see: systemctl status courier-mail-backup") from None
        yield


def say(text: str) -> None:
    """A line for the journal, or for whoever runs it by hand."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Take:
    """One backup."""

    def __init__(
        self,
        settings: Settings,
        restic: Restic,
        directory: str = STATE,
        say: Callable[[str], None] = say,
        between: Callable[[], None] = lambda: None,  # for the tests: what happens while mail is read
    ) -> None:
        self.settings, self.restic, self.directory, self._say, self._between = settings, restic, directory, say, between
        self.stage = f"{directory}/stage"

    def prepare(self) -> bool:
        """See that the target is there and ours, and make the repository where there never was one.

        Returns whether that was to be done.
        """
        self._room()
        if self.restic.exists():
            return False
        known = _state.read(self.directory)
        if known.snapshot:
            raise TakeError(
                f"there is no repository at {self.restic.target}, where this host has kept backups before; "
                "mount or repair it. If it shall begin anew there, remove " + f"{self.directory}/{_state.NAME}"
            )
        self.restic.run("init")
        return True

    def run(self) -> _state.State:
        """Take everything. The state tells of a failure too, which is raised as TakeError or ResticError."""
        began = time.time()
        state = _state.read(self.directory)
        try:
            taken = self._run(began, state)
        except (TakeError, ResticError, OSError, sqlite3.Error) as error:
            told = f"{error.filename or self.directory}: {error.strerror}" if isinstance(error, OSError) else str(error)
            _state.write(
                dataclasses.replace(_state.read(self.directory), error=told, failed=time.time()), self.directory
            )
            # What is in there in clear is nobody's business, and the next run begins anew.
            with contextlib.suppress(OSError):
                _empty(self.stage)
            raise TakeError(told) from error
        _state.write(taken, self.directory)
        return taken

    def check(self, state: _state.State) -> _state.State:
        """Read a part of the data in the repository, and believe none of it before it has proved itself."""
        try:
            self.restic.run("check", f"--read-data-subset={self.settings.check_percent}%")
        except ResticError as error:
            if not str(error).startswith("restic ended with"):
                raise
            raise ResticError(
                f'{self.restic.target} is damaged: {error}. What to do is in docs/backup.md, "A damaged repository"'
            ) from error
        return dataclasses.replace(state, checked=time.time())

    def _run(self, began: float, state: _state.State) -> _state.State:
        self._room()
        try:
            # Clears away the locks of runs that were cut off, and no others.
            self.restic.run("unlock")
        except NoRepositoryError as error:
            raise TakeError(f"{error}. Is it mounted? A new one is made by: courier-mail-backup prepare") from error
        last = self._round(1)
        for number in range(2, self.settings.rounds + 1):
            if last.is_still:
                break
            last = self._round(number)
        if last.missed or last.unread:
            raise TakeError(
                f"after {self.settings.rounds} rounds not everything is in the backup: "
                + (last.unread or f"{len(last.missed)} messages, such as {last.missed[0]}")
            )
        snapshot = self._finish(last.snapshot)
        self._forget()
        with open(f"{self.stage}/manifest.json", encoding="utf-8") as stream:
            manifest = json.load(stream)
        _empty(self.stage)
        now = time.time()
        state = dataclasses.replace(
            state,
            finished=now,
            snapshot=snapshot,
            bytes=manifest["bytes"],
            messages=manifest["messages"],
            minutes=round((now - began) / 60, 2),
            error="",
        )
        _state.write(state, self.directory)
        if now - state.checked >= self.settings.check_days * _DAY:
            state = self.check(state)
        return state

    def _room(self) -> None:
        """Refuse to begin what could not end."""
        places = {"the host": self.directory}
        if self.settings.repository.startswith("/"):
            place = self.settings.repository
            if not os.path.isdir(os.path.dirname(place.rstrip("/"))):
                raise TakeError(
                    f"backup_repository: {os.path.dirname(place.rstrip('/'))} is not there; mount it, or make it"
                )
            while not os.path.isdir(place):
                place = os.path.dirname(place)
            places["backup_repository"] = place
        for name, place in places.items():
            found = os.statvfs(place)
            free = found.f_bavail * found.f_frsize // _MIB
            if free < self.settings.room:
                raise TakeError(
                    f"{name}: {place} has {free} MiB left, and {self.settings.room} are needed (backup_room); make room"
                )

    def _round(self, number: int) -> Round:
        os.makedirs(self.stage, 0o700, exist_ok=True)
        _empty(self.stage)
        waiting = self._stage(number)
        began = time.time()
        self._between()
        done = self.restic.run(
            "backup",
            "--json",
            f"--host={self.settings.host}",
            f"--tag={UNFINISHED}",
            *self._excluded(),
            "--",
            *self._taken(),
            also=(INCOMPLETE,),
        )
        snapshot = _summary(done.out)
        unread = _unread(done.err) if done.code == INCOMPLETE else ""
        result = self._moved(snapshot, waiting, unread)
        self._say(
            f"round {number}: {time.time() - began:.0f} s, snapshot {snapshot[:8]}; "
            f"meanwhile moved {result.moved}, deleted {result.gone}, delivered {result.progressed}, "
            f"missed {len(result.missed)}"
        )
        return result

    def _stage(self, number: int) -> list[_queue.Waiting]:
        """Put together what cannot be read where it is. The queue comes first, and the list of messages last."""
        settings, stage = self.settings, self.stage
        waiting: list[_queue.Waiting] = []
        if settings.courier and os.path.isdir(f"{settings.courier}/msgs"):
            os.mkdir(f"{stage}/queue")
            waiting = _queue.copy(settings.courier, f"{stage}/queue")
        databases = copy_databases(self._databases(), f"{stage}/databases")
        bayes = dump_bayes(settings, f"{stage}/bayes.txt")
        accounts = dump_accounts(settings.accounts, f"{stage}/accounts.csv")
        packages = _packages(f"{stage}/packages.tsv")
        files = list(_files(settings.paths, self._databases()))
        with open(f"{stage}/files.json", "w", encoding="utf-8", errors="surrogateescape") as stream:
            json.dump(files, stream, indent=0)
        digests = _manifest.Digests(f"{self.directory}/digests.sqlite")
        try:
            count, total = _manifest.write(
                f"{stage}/messages.tsv", _manifest.messages(settings.mail_root, digests, ASIDE)
            )
        finally:
            digests.close()
        manifest = {
            "format": FORMAT,
            "host": settings.host,
            "round": number,
            "taken": time.time(),
            "mail_root": settings.mail_root,
            "mail_user": settings.mail_user,
            "messages": count,
            "bytes": total + sum(one["size"] for one in files),
            "queue": len(waiting),
            "databases": databases,
            "bayes": bayes,
            "accounts": accounts,
            "packages": packages,
            "names": [*account_names(), *names_in(f"{stage}/accounts.csv")],
            "paths": settings.paths,
            "owners": _owners(settings, files, databases),
        }
        with open(f"{stage}/manifest.json", "w", encoding="utf-8", errors="surrogateescape") as stream:
            json.dump(manifest, stream, indent=1)
        return waiting

    def _databases(self) -> list[str]:
        return sorted(
            {path for pattern in self.settings.databases for path in glob.glob(pattern) if os.path.isfile(path)}
        )

    def _excluded(self) -> list[str]:
        root = self.settings.mail_root
        # Of a Maildir and of its folders; somebody may be called tmp.
        patterns = [f"{root}/**/Maildir/tmp/*", f"{root}/**/.*/tmp/*", *(f"{root}/{name}" for name in ASIDE)]
        patterns += [path + tail for path in self._databases() for tail in _SQLITE_TAILS]
        return [f"--exclude={pattern}" for pattern in patterns]

    def _taken(self) -> list[str]:
        settings = self.settings
        wanted = dict.fromkeys([settings.mail_root, *settings.paths, *settings.reference, self.stage])
        there = [path for path in wanted if os.path.lexists(path)]
        return [path for path in there if not any(other != path and inside(path, other) for other in there)]

    def _moved(self, snapshot: str, waiting: list[_queue.Waiting], unread: str) -> Round:
        root = self.settings.mail_root
        # By hashes: there may be millions, and two that agree would have to be of the same size as well.
        sizes: dict[int, int] = {}
        uniques: set[int] = set()
        for node in self.restic.lines("ls", "--json", snapshot):
            path = str(node.get("path", ""))
            if node.get("type") == "file" and path.startswith(f"{root}/"):
                message = _manifest.Message(path[len(root) + 1 :], int(node.get("size", 0)))
                if message.path.split("/")[-2:-1] in (["cur"], ["new"]):
                    sizes[hash(message.path)] = message.size
                    uniques.add(hash(message.key))
        moved = gone = 0
        missed: list[str] = []
        lost = []
        for message in _manifest.read(f"{self.stage}/messages.tsv"):
            shown = message._replace(path=_replaced(message.path))
            if sizes.get(hash(shown.path)) == message.size:
                continue
            if hash(shown.key) in uniques:
                moved += 1
            else:
                lost.append(message)
        if lost:
            there = {one.key for one in _listed(root)}
            missed = [one.path for one in lost if one.key in there]
            gone = len(lost) - len(missed)
        progressed = sum(one.moved_on() for one in waiting)
        return Round(snapshot, moved, missed, gone, progressed, unread)

    def _finish(self, snapshot: str) -> str:
        """Let the snapshot count, which restic gives another name for that, and take away those that do not."""
        self.restic.run("tag", "--set", TAG, snapshot)
        found = self.restic.snapshots(self.settings.host, "")
        rest = [str(one["id"]) for one in found if UNFINISHED in one.get("tags", ())]
        if rest:
            self.restic.run("forget", *rest)
        new = [str(one["id"]) for one in found if str(one.get("original", "")).startswith(snapshot)]
        return new[-1] if new else snapshot

    def _forget(self) -> None:
        policy = [f"--keep-{name}={number}" for name, number in sorted(self.settings.keep.items())]
        self.restic.run("forget", f"--host={self.settings.host}", f"--tag={TAG}", "--group-by=host", *policy, "--prune")


# What a restore has put aside in a mail root, and what it is putting together there.
ASIDE = (".courier-mail-restore", ".courier-mail-before")


def copy_databases(paths: list[str], target: str) -> dict[str, str]:
    """Copies by SQLite itself, which are whole whatever is being written. Returns where each is: copy and origin."""
    os.mkdir(target)
    taken = {}
    for number, path in enumerate(paths):
        name = f"{number:03d}.sqlite"
        source = sqlite3.connect(path, timeout=60)
        try:
            copy = sqlite3.connect(f"{target}/{name}")
            try:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                (verdict,) = copy.execute("PRAGMA quick_check").fetchone()
            finally:
                copy.close()
        except sqlite3.Error as error:
            raise TakeError(f"the database {path} cannot be copied: {error}") from error
        finally:
            source.close()
        if verdict != "ok":
            raise TakeError(f"the database {path} is damaged: {verdict}")
        taken[name] = path
    return taken


def dump_bayes(settings: Settings, target: str) -> str:
    """What SpamAssassin has learned, as a text for any of its versions. Returns its digest; empty for nothing."""
    if not settings.bayes or not glob.glob(f"{settings.bayes}*_toks"):
        return ""
    with open(target, "wb") as stream:
        done = subprocess.run(  # noqa: S603
            [SA_LEARN, "--dbpath", settings.bayes, "--backup"],
            stdout=stream,
            stderr=subprocess.PIPE,
            check=False,
            cwd="/",
            **as_user(settings.bayes_user),
        )
    if done.returncode:
        raise TakeError(
            f"sa-learn --backup ended with {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )
    return _manifest.digest(target)


def dump_accounts(path: str, target: str) -> int:
    """The table of accounts in PostgreSQL, read as Courier reads it. Returns how many there are."""
    if not path or not os.path.exists(path):
        return 0
    import psycopg2  # noqa: PLC0415 # only hosts with such accounts have it

    with open(path, encoding="utf-8") as stream:
        said = dict(
            line.rstrip("\n").split(None, 1) for line in stream if line.startswith("PGSQL_") and " " in line.strip()
        )
    try:
        link = psycopg2.connect(said["PGSQL_CONNECTION"])
        try:
            with link.cursor() as cursor, open(target, "w", encoding="utf-8") as stream:
                table = said["PGSQL_USER_TABLE"]  # from our own file
                cursor.copy_expert(
                    f"COPY (SELECT * FROM {table} ORDER BY address) TO STDOUT CSV HEADER",  # noqa: S608
                    stream,
                )
                return int(cursor.rowcount)
        finally:
            link.close()
    except (psycopg2.Error, KeyError) as error:
        raise TakeError(f"the accounts in PostgreSQL cannot be read: {' '.join(str(error).split())}") from error


def account_names(path: str = "/etc/courier/userdb") -> list[str]:
    """Who can log in, by userdb."""
    texts = []
    for file in sorted(glob.glob(f"{path}/*")) if os.path.isdir(path) else [path]:
        with contextlib.suppress(OSError), open(file, encoding="utf-8", errors="replace") as stream:
            texts.append(stream.read())
    return sorted(
        {line.split("\t")[0] for text in texts for line in text.splitlines() if "\t" in line and line[0] != "#"}
    )


def names_in(path: str) -> list[str]:
    """Who can log in, by what dump_accounts has written."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8", newline="") as stream:
        return [row["address"] for row in csv.DictReader(stream)]


def as_user(name: str) -> Mapping[str, Any]:
    """How a program is run as somebody else."""
    if os.geteuid() != 0:
        return {}
    found = pwd.getpwnam(name)
    return {
        "user": found.pw_uid,
        "group": found.pw_gid,
        "extra_groups": [],
        "env": {"PATH": "/usr/bin:/bin", "HOME": found.pw_dir},
    }


def _files(paths: list[str], databases: list[str]) -> Iterator[dict[str, Any]]:
    """Files and links that go back to their place, with owner, mode and digest."""
    left_out = {path + tail for path in databases for tail in _SQLITE_TAILS}
    for path in dict.fromkeys(paths):
        for one in _below(path):
            if one in left_out:
                continue
            with contextlib.suppress(FileNotFoundError, KeyError):
                found = os.lstat(one)
                described: dict[str, Any] = {
                    "path": one,
                    "mode": stat.S_IMODE(found.st_mode),
                    "user": _user(found.st_uid),
                    "group": _group(found.st_gid),
                    "size": 0,
                }
                if stat.S_ISREG(found.st_mode):
                    yield described | {"size": found.st_size, "digest": _manifest.digest(one)}
                elif stat.S_ISLNK(found.st_mode):
                    yield described | {"link": os.readlink(one)}
                elif stat.S_ISDIR(found.st_mode):
                    yield described | {"directory": True}


def _below(path: str) -> Iterator[str]:
    if not os.path.lexists(path):
        return
    yield path
    if os.path.isdir(path) and not os.path.islink(path):
        for directory, names, files in os.walk(path):
            for name in sorted([*names, *files]):
                yield os.path.join(directory, name)


def _owners(settings: Settings, files: list[dict[str, Any]], databases: Mapping[str, str]) -> dict[str, Any]:
    """The users and groups of what goes back, as they are here. Their numbers may differ where it goes."""
    users = {one["user"] for one in files} | {settings.mail_user, "courier"}
    groups = {one["group"] for one in files}
    for path in databases.values():
        found = os.stat(path)
        users.add(_user(found.st_uid))
        groups.add(_group(found.st_gid))
    known: dict[str, Any] = {"users": {}, "groups": {}, "databases": {}}
    for name in sorted(users):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            groups.add(_group(entry.pw_gid))
            known["users"][name] = {
                "uid": entry.pw_uid,
                "group": _group(entry.pw_gid),
                "home": entry.pw_dir,
                "shell": entry.pw_shell,
                "groups": [one.gr_name for one in grp.getgrall() if name in one.gr_mem],
            }
    for name in sorted(groups | {one for user in known["users"].values() for one in user["groups"]}):
        with contextlib.suppress(KeyError):
            known["groups"][name] = grp.getgrnam(name).gr_gid
    for path in databases.values():
        found = os.stat(path)
        known["databases"][path] = {
            "user": _user(found.st_uid),
            "group": _group(found.st_gid),
            "mode": stat.S_IMODE(found.st_mode),
        }
    return known


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "root"  # nobody's


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return "root"


def _packages(target: str) -> int:
    """What is installed, and in which version."""
    done = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${db:Status-Abbrev}\t${Package}\t${Version}\n"],  # noqa: S607
        capture_output=True,
        check=False,
        text=True,
    )
    lines = [line.split("\t", 1)[1] for line in done.stdout.splitlines() if line.startswith("ii")]
    with open(target, "w", encoding="utf-8") as stream:
        stream.write("".join(f"{line}\n" for line in lines))
    return len(lines)


def _empty(directory: str) -> None:
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _listed(root: str) -> Iterator[_manifest.Message]:
    """The messages below a root, unread."""
    for directory, is_mail in _manifest._directories(root, frozenset(ASIDE)):
        for part in ("cur", "new") if is_mail else ():
            for entry in _manifest._entries(f"{directory}/{part}"):
                yield _manifest.Message(os.path.relpath(entry.path, root), 0)


def _replaced(path: str) -> str:
    """A path as restic prints it: what is not UTF-8 is replaced."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _summary(out: str) -> str:
    for line in reversed(out.splitlines()):
        if line.startswith("{"):
            found = json.loads(line)
            if found.get("message_type") == "summary" and found.get("snapshot_id"):
                return str(found["snapshot_id"])
    raise ResticError("restic made no snapshot, and did not say why")


def _unread(err: str) -> str:
    """What restic could not read, but for what went away while it looked."""
    for line in err.splitlines():
        said = line.strip()
        if said.startswith("{"):
            with contextlib.suppress(ValueError):
                found = json.loads(said)
                error = found.get("error")
                said = f"{found.get('item', '')}: {error.get('message', error) if isinstance(error, dict) else error}"
        tells = any(word in said for word in ("error", "denied", "input/output"))
        if tells and "no such file or directory" not in said and not said.startswith(("Warning: at least one", "{")):
            return said[:300]
    return ""

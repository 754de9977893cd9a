# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore: what was taken goes back to its place before the first service starts, and is compared.

All of it is put together beside its place first, where nothing reads it. A mailbox then appears whole, by one rename,
and what stands in its place is put aside, never removed. What the inventory makes (Courier's files) stays in the copy:
a run makes it anew.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import _manifest, _queue
from ._configuration import STATE, Settings
from ._restic import NoRepositoryError, Restic, ResticError
from ._take import ASIDE, FORMAT, SA_LEARN, TakeError, account_names, as_user, dump_accounts, dump_bayes, names_in

_MIB = 1 << 20
_STAGE, _BEFORE = ASIDE


class BringError(Exception):
    """Why nothing is restored, in one sentence."""


class Bring:
    """One restore. The steps are look, place and finish; each may be repeated."""

    def __init__(
        self,
        settings: Settings,
        restic: Restic,
        directory: str = STATE,
        base: str = "/",  # for the tests, as is the next
        taken_in: str = STATE,
    ) -> None:
        self.settings, self.restic, self.directory, self._base = settings, restic, directory, base.rstrip("/")
        self.copy = f"{directory}/restored"
        self.mail = f"{settings.mail_root}/{_STAGE}"
        self.stage = f"{self.copy}{taken_in}/stage"

    def look(self, wanted: str = "latest", *, over: bool = False) -> dict[str, Any]:
        """Refuse what must not be, and say what would be restored."""
        if not over:
            self._refuse_mail()
        try:
            found = self.restic.snapshots(self.settings.host)
        except NoRepositoryError as error:
            raise BringError(f"{error}; look at mail_backup.repository") from error
        if not found:
            raise BringError(
                f"{self.restic.target} has no finished backup of {self.settings.host}. backup_host is the name that "
                "is looked for; see all of them with: restic snapshots"
            )
        chosen = [one for one in found if wanted == "latest" or one["id"].startswith(wanted)]
        if not chosen:
            raise BringError(
                f"{self.restic.target} has no backup {wanted} of {self.settings.host}; it has "
                + ", ".join(f"{one['id'][:8]} of {one['time'][:16]}" for one in found[-5:])
            )
        one = chosen[-1]
        # restic answers with a number in bytes; the mail is on its own disk, and everything else is small.
        size = int(
            json.loads(self.restic.run("stats", "--json", "--no-lock", "--mode=restore-size", one["id"]).out)[
                "total_size"
            ]
        )
        place = self.settings.mail_root
        while not os.path.isdir(place):
            place = os.path.dirname(place)
        free = os.statvfs(place)
        if free.f_bavail * free.f_frsize < size + (self.settings.room * _MIB):
            raise BringError(
                f"{place} has {free.f_bavail * free.f_frsize // _MIB} MiB left, and the backup needs {size // _MIB} "
                f"and {self.settings.room} more; give it a larger disk"
            )
        return {"snapshot": one["id"], "time": one["time"], "bytes": size}

    def place(self, snapshot: str) -> dict[str, Any]:
        """Put everything but the queue into its place. Returns what was done."""
        began = time.time()
        manifest = self._fetch(snapshot)
        made = self._people(manifest["owners"])
        mail = self._place_mail(manifest)
        files = self._place_files()
        databases = self._place_databases(manifest)
        self._note("placed", {"snapshot": snapshot, "mail": mail, "made": made})
        return {
            "users": made,
            "files": files,
            "databases": databases,
            "minutes": round((time.time() - began) / 60, 2),
            **mail,
        }

    def finish(self, *, hold: bool) -> dict[str, Any]:
        """When the services run: give the queue back, teach SpamAssassin, and compare everything with the list."""
        if not os.path.exists(f"{self.stage}/manifest.json"):
            raise BringError(
                f"nothing was placed: {self.stage}/manifest.json is not there; run the restore from its beginning"
            )
        manifest = self._manifest()
        bayes = self._bayes(manifest)
        queue = _queue.identities(f"{self.stage}/queue")
        given = self._give(manifest, hold=hold)
        wanted = manifest["messages"]
        rows = [_row("messages, as they were placed", wanted, [])]
        # Where people are back, they have read and sorted some by now. All was compared before it came into its place.
        if hold:
            found = _manifest.messages(self.settings.mail_root, skip=ASIDE)
            difference = _manifest.compare(_manifest.read(f"{self.stage}/messages.tsv"), found)
            rows = [
                _row("messages", wanted, [*difference.missing, *difference.changed]),
                _row("flags and folders", wanted, difference.moved),
            ]
        rows += [
            self._compare_files(),
            self._compare_databases(manifest),
            _row("queue", len(queue), self._lost(queue) if hold else []),
            _row("accounts", len(manifest["names"]), sorted(set(manifest["names"]) - set(self._known()))),
            _row("Bayes", int(bool(manifest["bayes"])), [bayes] if bayes not in ("", "learned") else []),
        ]
        return {"rows": rows, "given": given, "proved": all(row["is_equal"] for row in rows)}

    def clear(self) -> bool:
        """Remove the copy, once everything is where it belongs."""
        there = [path for path in (self.copy, self.mail) if os.path.isdir(path)]
        for path in there:
            shutil.rmtree(path)
        return bool(there)

    def _refuse_mail(self) -> None:
        if os.path.isdir(self.settings.mail_root) and _manifest.has_messages(self.settings.mail_root):
            raise BringError(
                f"{self.settings.mail_root} has mail already. A restore is for an empty host. To put that mail aside "
                f"and restore all the same, write: -e backup_restore_over={self.settings.host}"
            )
        if self.settings.courier and _queue.alive(self.settings.courier):
            raise BringError(
                "Courier has messages in its queue already. To restore all the same, write: "
                f"-e backup_restore_over={self.settings.host}"
            )

    def _fetch(self, snapshot: str) -> dict[str, Any]:
        root = self.settings.mail_root
        os.makedirs(root, 0o751, exist_ok=True)
        # In a directory of the mail user, whose processes do not run: a host is empty, or its services were stopped.
        for target, what in ((self.copy, f"--exclude={root}"), (self.mail, f"--include={root}")):
            if os.path.isdir(target):
                shutil.rmtree(target)
            os.makedirs(target, 0o700)
            self.restic.run("restore", snapshot, f"--target={target}", what)
        manifest = self._manifest()
        if manifest.get("format") != FORMAT:
            raise BringError(
                f"the backup has format {manifest.get('format')}, and this is for {FORMAT}; use the release it is from"
            )
        if manifest["mail_root"] != root:
            raise BringError(
                f"the backup's mail was in {manifest['mail_root']}, and this host has it in {root}; set mail_root so"
            )
        return manifest

    def _manifest(self) -> dict[str, Any]:
        try:
            with open(f"{self.stage}/manifest.json", encoding="utf-8", errors="surrogateescape") as stream:
                found: dict[str, Any] = json.load(stream)
        except (OSError, ValueError) as error:
            raise BringError(
                f"the backup has no list of what is in it ({error}); is it one of courier.mail?"
            ) from error
        return found

    def _people(self, owners: Mapping[str, Any]) -> list[str]:
        """Users and groups that own something, as packages would make them. Those that are here keep their numbers.

        The owner of the mailboxes is here already: the inventory has his number.
        """
        if os.geteuid() == 0 and not _has(pwd.getpwnam, self.settings.mail_user):
            raise BringError(
                f"there is no user {self.settings.mail_user} yet; run courier.mail.restore, which makes it"
            )
        made: list[str] = []
        if os.geteuid() != 0:
            return made
        for name in owners["groups"]:
            if not _has(grp.getgrnam, name):
                _ask("groupadd", "--system", name)
                made.append(name)
        for name, user in owners["users"].items():
            if not _has(pwd.getpwnam, name):
                more = ["--groups", ",".join(user["groups"])] if user["groups"] else []
                of = ["--gid", user["group"], "--home-dir", user["home"], "--shell", user["shell"]]
                _ask("useradd", "--system", "--no-create-home", *of, *more, name)
                made.append(name)
        return made

    def _place_mail(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        root = self.settings.mail_root
        staged = f"{self.mail}{root}"
        if not os.path.isdir(staged):
            if manifest["messages"]:
                raise BringError(f"the backup has no mail of {root}, and its list has {manifest['messages']} messages")
            return {"messages": 0, "doubled": 0, "aside": []}
        _own_mail(staged, manifest)
        listed = list(_manifest.read(f"{self.stage}/messages.tsv"))
        found = list(_manifest.messages(staged))
        twice = _manifest.doubled(found, listed)
        for path in twice:
            os.unlink(f"{staged}/{path}")
        difference = _manifest.compare(listed, _manifest.messages(staged) if twice else found)
        if difference.missing or difference.changed:
            lost = [*difference.missing, *difference.changed]
            raise BringError(
                f"{len(lost)} messages are not as they were taken, such as {lost[0]}; no mail was put into its place"
            )
        aside = []
        before = f"{root}/{_BEFORE}/{time.strftime('%Y%m%dT%H%M%S')}"
        for entry in sorted(os.listdir(staged)):
            if entry in ASIDE:
                continue
            if os.path.lexists(f"{root}/{entry}"):
                os.makedirs(before, 0o700, exist_ok=True)
                os.rename(f"{root}/{entry}", f"{before}/{entry}")
                aside.append(f"{before}/{entry}")
            os.rename(f"{staged}/{entry}", f"{root}/{entry}")
        shutil.rmtree(self.mail)
        return {"messages": len(found) - len(twice), "doubled": len(twice), "aside": aside}

    def _place_files(self) -> int:
        count = 0
        for one in self._listed_files():
            source, target = f"{self.copy}{one['path']}", f"{self._base}{one['path']}"
            if one.get("directory"):
                if not os.path.isdir(target):
                    os.makedirs(target, 0o700)
            elif os.path.lexists(source):
                os.makedirs(os.path.dirname(target), exist_ok=True)
                new = f"{target}.restored"
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(new)
                if "link" in one:
                    os.symlink(one["link"], new)
                else:
                    # Nobody reads a key before it has its owner.
                    with (
                        open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream,
                        open(source, "rb") as found,
                    ):
                        shutil.copyfileobj(found, stream)
                _own(new, one["user"], one["group"], None if "link" in one else one["mode"])
                if os.path.isdir(target) and not os.path.islink(target):
                    raise BringError(f"{target} is a directory, and was a file; move it away")
                os.replace(new, target)
                count += 1
                continue
            else:
                continue
            _own(target, one["user"], one["group"], one["mode"])
        return count

    def _place_databases(self, manifest: Mapping[str, Any]) -> int:
        for name, path in manifest["databases"].items():
            target = f"{self._base}{path}"
            owner = manifest["owners"]["databases"][path]
            os.makedirs(os.path.dirname(target), exist_ok=True)
            for tail in ("-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(target + tail)
            new = f"{target}.restored"
            shutil.copyfile(f"{self.stage}/databases/{name}", new)
            _own(new, owner["user"], owner["group"], owner["mode"])
            os.replace(new, target)
        return len(manifest["databases"])

    def _listed_files(self) -> list[dict[str, Any]]:
        with open(f"{self.stage}/files.json", encoding="utf-8", errors="surrogateescape") as stream:
            found: list[dict[str, Any]] = json.load(stream)
        return found

    def _bayes(self, manifest: Mapping[str, Any]) -> str:
        """Returns what became of it; empty where there is nothing to do."""
        known, note = manifest["bayes"], f"{self.directory}/learned"
        if not known:
            return ""
        if not self.settings.bayes or not os.path.exists(SA_LEARN):
            return "there is no SpamAssassin here"
        if os.path.exists(note) and _text(note) == known:
            return "learned"
        # Whoever learns must be able to open it, and cannot look into the copy.
        text = f"{self.directory}/bayes.txt"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(text)
        with (
            open(os.open(text, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream,
            open(f"{self.stage}/bayes.txt", "rb") as found,
        ):
            shutil.copyfileobj(found, stream)
        try:
            os.chown(text, *_ids(self.settings.bayes_user))
            done = subprocess.run(  # noqa: S603
                [SA_LEARN, "--dbpath", self.settings.bayes, "--restore", text],
                capture_output=True,
                check=False,
                cwd="/",
                **as_user(self.settings.bayes_user),
            )
        finally:
            os.unlink(text)
        if done.returncode:
            return done.stderr.decode(errors="replace").strip() or f"sa-learn ended with {done.returncode}"
        now = f"{self.stage}/bayes-now.txt"
        dump_bayes(self.settings, now)
        wanted, there = _learned(f"{self.stage}/bayes.txt"), _learned(now)
        if lost := [name for name, count in wanted.items() if there.get(name, 0) < count]:
            return f"{len(lost)} of {len(wanted)} tokens and numbers did not come back"
        with open(note, "w", encoding="utf-8") as stream_:
            stream_.write(known)
        return "learned"

    def _compare_files(self) -> dict[str, Any]:
        """Keys and certificates, to the last byte. State that is written all the time need only be there."""
        wanted = [one for one in self._listed_files() if "digest" in one]
        differing = []
        for one in wanted:
            path = f"{self._base}{one['path']}"
            try:
                same = _manifest.digest(path) == one["digest"] or not _is_secret(one["path"])
            except OSError:
                same = False
            if not same:
                differing.append(one["path"])
        return _row("keys and other files", len(wanted), differing)

    def _compare_databases(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        bad = []
        for path in manifest["databases"].values():
            try:
                database = sqlite3.connect(f"file:{self._base}{path}?mode=ro", uri=True)
                try:
                    (verdict,) = database.execute("PRAGMA quick_check").fetchone()
                finally:
                    database.close()
            except sqlite3.Error as error:
                verdict = str(error)
            if verdict != "ok":
                bad.append(f"{path}: {verdict}")
        return _row("databases", len(manifest["databases"]), bad)

    def _give(self, manifest: Mapping[str, Any], *, hold: bool) -> list[str]:
        """Give the queue back, once: what Courier has delivered since must not come a second time."""
        courier, note = self.settings.courier, f"{self.directory}/given.json"
        if not courier or not os.path.isdir(f"{courier}/{_queue.NEW}"):
            return []
        run = f"{manifest['host']} {manifest['taken']}"
        before: dict[str, list[str]] = json.loads(_text(note)) if os.path.exists(note) else {}
        given = _queue.give(
            f"{self.stage}/queue", courier, _ids("courier"), hold=hold, without=frozenset(before.get(run, []))
        )
        with open(note, "w", encoding="utf-8") as stream:
            json.dump({run: [*before.get(run, []), *given]}, stream)
        return given

    def _known(self) -> list[str]:
        """Who can log in here."""
        table = f"{self.stage}/accounts-now.csv"
        dump_accounts(self.settings.accounts, table)
        return [*account_names(), *names_in(table)]

    def _lost(self, queue: Mapping[str, str]) -> list[str]:
        """Messages of the queue that Courier does not have, or not as they were."""
        there = _queue.alive(self.settings.courier)
        return [number for number, known in queue.items() if there.get(number) != known]

    def _note(self, name: str, what: Mapping[str, Any]) -> None:
        with open(f"{self.directory}/{name}.json", "w", encoding="utf-8") as stream:
            json.dump(what, stream, indent=1)


# What must be the same to the last byte. Other state changes as soon as the services run, and so does a certificate
# that has ended.
_SECRETS = (
    "/etc/courier/dkim/",
    "/etc/courier/srs-secrets",
    "/etc/courier-horde/secret",
    "/etc/letsencrypt/accounts/",
    "/etc/letsencrypt/archive/",
)


def _is_secret(path: str) -> bool:
    return path.startswith(_SECRETS) and not path.endswith("/signing.json")


def _learned(path: str) -> dict[str, int]:
    """How often SpamAssassin has seen spam and ham, and each token in either, from what it writes down."""
    found = {}
    with open(path, encoding="utf-8", errors="surrogateescape") as stream:
        for kind, *fields in (line.rstrip("\n").split("\t") for line in stream):
            if kind == "v" and fields[1] in ("num_spam", "num_nonspam"):
                found[fields[1]] = int(fields[0])
            elif kind == "t":
                found[fields[3]] = int(fields[0]) + int(fields[1])
    return found


def _row(what: str, wanted: int, differing: list[str]) -> dict[str, Any]:
    return {
        "what": what,
        "wanted": wanted,
        "equal": wanted - len(differing),
        "is_equal": not differing,
        "differing": differing[:20],
    }


def _ids(name: str) -> tuple[int, int]:
    if os.geteuid() != 0:
        return os.getuid(), os.getgid()
    found = pwd.getpwnam(name)
    return found.pw_uid, found.pw_gid


def _own_mail(staged: str, manifest: Mapping[str, Any]) -> None:
    """Let mail belong to whom it belongs to here; the number of that user may have been another."""
    name = manifest["mail_user"]
    before = manifest["owners"]["users"].get(name, {}).get("uid")
    if os.geteuid() != 0 or not _has(pwd.getpwnam, name):
        return
    user = pwd.getpwnam(name)
    if before == user.pw_uid:
        return
    for directory, names, files in os.walk(staged):
        for one in [directory, *(os.path.join(directory, entry) for entry in [*names, *files])]:
            found = os.lstat(one)
            if found.st_uid == before:
                os.chown(one, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _own(path: str, user: str, group: str, mode: int | None) -> None:
    if os.geteuid() == 0:
        os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid, follow_symlinks=False)
    if mode is not None:
        os.chmod(path, mode)


def _has(ask: Callable[[str], object], name: str) -> bool:
    try:
        ask(name)
    except KeyError:
        return False
    return True


def _ask(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603
    if done.returncode:
        raise BringError(f"{command[0]} {command[-1]}: {done.stderr.strip()}")


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as stream:
        return stream.read()


TROUBLE = (BringError, TakeError, ResticError, OSError, sqlite3.Error)

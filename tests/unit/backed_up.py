"""A mail host on disk, small and made of files only, that restic backs up."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils._backup import _bring, _take
from plugins.module_utils._backup._configuration import Settings
from plugins.module_utils._backup._restic import TAG, UNFINISHED, Done, NoRepositoryError, Restic

PASSWORD = "three ships in the harbour of Kiel"
needs_restic = pytest.mark.skipif(shutil.which("restic") is None, reason="restic is not here")


class Host:
    """What is backed up, where it goes, and what comes back."""

    def __init__(self, place: Path, **more):
        self.place = place
        self.root = place / "vmail"
        self.courier = place / "courier"
        self.keys = place / "keys"
        self.secrets = place / "etc"
        self.state = place / "state"
        self.repository = place / "backups" / "mx1"
        for directory in (self.root, self.keys, self.secrets, self.state, self.repository.parent):
            directory.mkdir(parents=True)
        for below in ("msgs", "msgq", "tmp"):
            (self.courier / below).mkdir(parents=True)
        (self.secrets / "password").write_text(PASSWORD)
        self.database = place / "state.sqlite"
        with sqlite3.connect(self.database) as database:
            database.execute("CREATE TABLE counts (key TEXT, number INT)")
            database.execute("INSERT INTO counts VALUES ('spam', 7)")
        database.close()
        self.settings = Settings(
            **{
                "repository": str(self.repository),
                "host": "mx1.example.com",
                "keep": {"last": 2},
                "mail_root": str(self.root),
                "courier": str(self.courier),
                "paths": [str(self.keys)],
                "databases": [str(place / "*.sqlite")],
                "room": 1,
                **more,
            }
        )
        self.said: list[str] = []
        self.copies = Copies()

    def tell(self, **settings):
        self.settings = dataclasses.replace(self.settings, **settings)

    @property
    def restic(self):
        return self.copies or Restic(self.settings, {}, str(self.secrets), str(self.place / "cache"))

    def take(self, between=lambda: None):
        return _take.Take(self.settings, self.restic, str(self.state), self.said.append, between)

    def bring(self):
        return _bring.Bring(self.settings, self.restic, str(self.state), taken_in=str(self.state))

    def letter(self, name, text="Subject: one\n\nhello\n", home="example.com/alice", folder="", part="cur"):
        """Put a message into a mailbox."""
        maildir = self.root / home / "Maildir" / folder
        for below in ("cur", "new", "tmp"):
            (maildir / below).mkdir(parents=True, exist_ok=True)
        path = maildir / part / name
        path.write_text(text)
        return path

    def queued(self, number, text="Subject: waiting\n\nhello\n", records=""):
        """Put a message into Courier's queue, as Courier has it there."""
        directory = self.courier / "msgs" / str(number % 100)
        directory.mkdir(exist_ok=True)
        (directory / f"D{number}").write_text(text)
        control = directory / f"C{number}"
        control.write_text(
            f"salice@example.com\nfdns; me\ne\nt\nM{number:016X}.{number:016X}.00000001\n"
            f"rbob@example.net\nR\nN\nA1\n{records}"
        )
        later = self.courier / "msgq" / "1"
        later.mkdir(exist_ok=True)
        os.link(control, later / f"C{number}.1")
        return control

    def deliver(self, number):
        """Take it out of the queue, as Courier does at the end."""
        for path in (self.courier / "msgs" / str(number % 100)).glob(f"?{number}"):
            path.unlink()
        (self.courier / f"msgq/1/C{number}.1").unlink()

    def lose(self):
        """The machine burns down; what is elsewhere stays."""
        for path in (self.root, self.courier, self.keys):
            shutil.rmtree(path)
        self.database.unlink()
        for below in ("msgs", "msgq", "tmp"):
            (self.courier / below).mkdir(parents=True)

    def files(self):
        """Every message, and what it says."""
        return {
            str(path.relative_to(self.root)): path.read_text()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.parent.name in ("cur", "new") and ".courier-mail" not in str(path)
        }


class Copies:
    """Stands in for restic where it is not restic that is asked for: seconds less for each call."""

    target = "/backups"

    def __init__(self):
        self.kept: list[dict[str, Any]] = []
        self.calls: list[tuple[str, ...]] = []
        self.there = True

    def run(self, word, *arguments, also=()):
        self.calls.append((word, *arguments))
        if not self.there and word != "init":
            raise NoRepositoryError("there is no repository at /backups")
        out = getattr(self, f"_{word}", lambda _arguments: "")(arguments)
        return Done(0, out or "", "")

    def exists(self):
        return self.there

    def snapshots(self, host, tag=TAG):
        return [one for one in self.kept if not tag or tag in one["tags"]]

    def lines(self, _word, _json, snapshot):
        for path, content in self._files(snapshot).items():
            if isinstance(content, bytes):
                yield {"type": "file", "path": path, "size": len(content)}

    def _init(self, _arguments):
        self.there = True

    def _backup(self, arguments):
        excluded = [_pattern(one.partition("=")[2]) for one in arguments if one.startswith("--exclude=")]
        files = {}
        for place in arguments[arguments.index("--") + 1 :]:
            for path in [Path(place), *Path(place).rglob("*")]:
                below = [str(path), *map(str, path.parents)]
                if any(pattern.fullmatch(one) for one in below for pattern in excluded):
                    continue
                is_plain = path.is_file() and not path.is_symlink()
                files[str(path)] = (
                    path.read_bytes()
                    if is_plain
                    else None
                    if path.is_dir() and not path.is_symlink()
                    else path.readlink()
                )
        name = f"{len(self.calls):08x}"
        self.kept.append({"id": name, "time": str(len(self.calls)), "tags": [UNFINISHED], "files": files})
        return json.dumps({"message_type": "summary", "snapshot_id": name})

    def _tag(self, arguments):
        for one in self.kept:
            if one["id"] == arguments[-1]:
                one.update(tags=[TAG], original=one["id"])

    def _forget(self, arguments):
        self.kept = [one for one in self.kept if one["id"] not in arguments]

    def _stats(self, _arguments):
        return json.dumps({"total_size": 1})

    def _restore(self, arguments):
        snapshot, target, what = arguments[0], arguments[1].partition("=")[2], arguments[2]
        kind, _sign, root = what.partition("=")
        for path, content in self._files(snapshot).items():
            if path.startswith(f"{root}/") == (kind == "--include"):
                there = Path(f"{target}{path}")
                there.parent.mkdir(parents=True, exist_ok=True)
                if content is None:
                    there.mkdir(exist_ok=True)
                elif isinstance(content, bytes):
                    there.write_bytes(content)
                else:
                    there.symlink_to(content)

    def _files(self, snapshot):
        return next(one["files"] for one in self.kept if one["id"] == snapshot)


def _pattern(text):
    """What restic excludes by a pattern with an absolute path."""
    parts = {"**/": "(.*/)?", "*": "[^/]*"}
    return re.compile(re.sub(r"\*\*/|\*|[^*]+", lambda found: parts.get(found[0], re.escape(found[0])), text))

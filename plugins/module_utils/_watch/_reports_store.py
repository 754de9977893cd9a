# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where reports are kept: a small SQLite database. What a message brings is one transaction, so it comes in once."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ._sqlite import born, reading, transaction

DAY = 86400.0
VERSION = 1
_BUSY_SECONDS = 20.0
_AHEAD = DAY  # a clock may be wrong
_LONGEST = 32 * DAY  # of what a report is about
_KEPT_REJECTIONS = 500  # different ones a day; the rest is counted by reason alone
_SCHEMA = """
CREATE TABLE reports (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, reporter TEXT NOT NULL, org TEXT NOT NULL, name TEXT NOT NULL,
  domain TEXT NOT NULL, begin REAL NOT NULL, "end" REAL NOT NULL, day TEXT NOT NULL, taken REAL NOT NULL,
  policy TEXT NOT NULL, skipped INTEGER NOT NULL, UNIQUE (kind, reporter, name, domain)
);
CREATE INDEX reports_by_end ON reports ("end");
CREATE INDEX reports_by_day ON reports (kind, day, domain);
CREATE TABLE dmarc (
  report INTEGER NOT NULL REFERENCES reports ON DELETE CASCADE, source TEXT NOT NULL, author TEXT NOT NULL,
  disposition TEXT NOT NULL, dkim TEXT NOT NULL, spf TEXT NOT NULL, override TEXT NOT NULL, signed TEXT NOT NULL,
  sent TEXT NOT NULL, count INTEGER NOT NULL
);
CREATE INDEX dmarc_by_report ON dmarc (report);
CREATE TABLE tls_sessions (
  report INTEGER NOT NULL REFERENCES reports ON DELETE CASCADE, policy TEXT NOT NULL, good INTEGER NOT NULL,
  bad INTEGER NOT NULL
);
CREATE INDEX tls_sessions_by_report ON tls_sessions (report);
CREATE TABLE tls_failures (
  report INTEGER NOT NULL REFERENCES reports ON DELETE CASCADE, policy TEXT NOT NULL, mx TEXT NOT NULL,
  type TEXT NOT NULL, sender TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL
);
CREATE INDEX tls_failures_by_report ON tls_failures (report);
CREATE TABLE complaints (
  reporter TEXT NOT NULL, key TEXT NOT NULL, day TEXT NOT NULL, at REAL NOT NULL, type TEXT NOT NULL,
  account TEXT NOT NULL, evidence TEXT NOT NULL, list TEXT NOT NULL, domain TEXT NOT NULL, message TEXT NOT NULL,
  source TEXT NOT NULL, "to" TEXT NOT NULL, incidents INTEGER NOT NULL, PRIMARY KEY (reporter, key)
);
CREATE INDEX complaints_by_day ON complaints (day);
CREATE TABLE rejections (
  day TEXT NOT NULL, kind TEXT NOT NULL, reason TEXT NOT NULL, reporter TEXT NOT NULL, said TEXT NOT NULL,
  count INTEGER NOT NULL, last REAL NOT NULL, PRIMARY KEY (day, kind, reason, reporter)
);
CREATE TABLE spent (
  day TEXT NOT NULL, reporter TEXT NOT NULL, rows INTEGER NOT NULL, PRIMARY KEY (day, reporter)
);
"""


class StoreError(Exception):
    """The store cannot be used; the message must wait."""


class Limits(NamedTuple):
    """What is kept."""

    days: int
    reporter_rows: int  # on a day
    day_rows: int


class Rejected(Exception):
    """What is not kept: the reason, and what is wrong."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said


class Store:
    """The database."""

    def __init__(self, path: str, limits: Limits, readonly: bool = False) -> None:
        self._limits = limits
        try:
            if readonly and not os.path.exists(path):
                self.database = sqlite3.connect(":memory:", isolation_level=None)  # nothing has come yet
                self._make()
                return
            if readonly:
                self.database = reading(path, _BUSY_SECONDS)
                self._expect(VERSION)
                return
            born(path)
            self.database = sqlite3.connect(path, _BUSY_SECONDS, isolation_level=None)
            self.database.execute("PRAGMA journal_mode = WAL")
            self.database.execute("PRAGMA foreign_keys = ON")
            with transaction(self.database):
                if self._version() == 0:
                    self._make()
            self._expect(VERSION)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        self.database.close()

    @contextlib.contextmanager
    def taking(self) -> Iterator[Taking]:
        """Take what one message brings: all of it, or nothing."""
        try:
            with transaction(self.database):
                now = time.time()
                self._prune(now)
                yield Taking(self.database, self._limits, now)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def prune(self) -> None:
        """Forget what is too old, also where nobody writes any more."""
        try:
            with transaction(self.database):
                self._prune(time.time())
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def _make(self) -> None:
        for statement in _SCHEMA.split(";\n"):
            self.database.execute(statement)
        self.database.execute(f"PRAGMA user_version = {VERSION}")

    def _version(self) -> int:
        return int(self.database.execute("PRAGMA user_version").fetchone()[0])

    def _expect(self, version: int) -> None:
        if (found := self._version()) != version:
            raise StoreError(f"the store has version {found} of its tables, and this program knows {version}")

    def _prune(self, now: float) -> None:
        oldest = now - self._limits.days * DAY
        self.database.execute('DELETE FROM reports WHERE "end" < ?', (oldest,))
        for table in ("complaints", "rejections"):
            self.database.execute(f"DELETE FROM {table} WHERE day < ?", (day(oldest),))  # noqa: S608 -- ours
        self.database.execute("DELETE FROM spent WHERE day < ?", (day(now),))


class Taking:
    """A transaction. What raises Rejected leaves nothing behind."""

    def __init__(self, database: sqlite3.Connection, limits: Limits, now: float) -> None:
        self._database, self._limits, self._now = database, limits, now

    def dmarc(self, reporter: str, about: Mapping[str, Any], rows: Sequence[Sequence[Any]]) -> None:
        """Keep a report of DMARC."""
        number = self._report("dmarc", reporter, about, len(rows))
        self._database.executemany(
            "INSERT INTO dmarc VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", ((number, *row) for row in rows)
        )

    def tls(self, reporter: str, about: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a report about TLS says of one domain."""
        rows = sum(1 + len(one["failures"]) for one in policies)
        number = self._report("tls", reporter, about, rows)
        for one in policies:
            self._database.execute(
                "INSERT INTO tls_sessions VALUES (?, ?, ?, ?)", (number, one["type"], one["good"], one["bad"])
            )
            self._database.executemany(
                "INSERT INTO tls_failures VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((number, one["type"], *failure) for failure in one["failures"]),
            )

    def complaint(self, reporter: str, one: Mapping[str, Any]) -> None:
        """Keep a complaint."""
        at = one["at"] or self._now
        self._sane(at, at)
        if self._database.execute(
            "SELECT 1 FROM complaints WHERE reporter = ? AND key = ?", (reporter, one["key"])
        ).fetchone():
            raise Rejected("duplicate", one["key"])
        self._spend(reporter, 1)
        names = ("account", "evidence", "list", "domain", "message", "source", "to", "incidents")
        self._database.execute(
            "INSERT INTO complaints VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (reporter, one["key"], day(at), at, one["type"], *(one[name] for name in names)),
        )

    def reject(self, kind: str, reason: str, reporter: str, said: str) -> None:
        """Count what was not taken."""
        today = day(self._now)
        (different,) = self._database.execute("SELECT count(*) FROM rejections WHERE day = ?", (today,)).fetchone()
        if different >= _KEPT_REJECTIONS:
            kind, reporter, said = "", "", ""  # somebody makes up names
        self._database.execute(
            "INSERT INTO rejections VALUES (?, ?, ?, ?, ?, 1, ?) ON CONFLICT DO UPDATE"
            " SET count = count + 1, said = excluded.said, last = excluded.last",
            (today, kind, reason, reporter, said, self._now),
        )

    def _report(self, kind: str, reporter: str, about: Mapping[str, Any], rows: int) -> int:
        begin, end = about["begin"], about["end"]
        self._sane(begin, end)
        who = (kind, reporter, about["id"], about["domain"])
        if self._database.execute(
            "SELECT 1 FROM reports WHERE (kind, reporter, name, domain) = (?, ?, ?, ?)", who
        ).fetchone():
            raise Rejected("duplicate", f"{about['id']} of {about['domain']}")
        self._spend(reporter, rows + 1)
        done = self._database.execute(
            "INSERT INTO reports VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                kind,
                reporter,
                about["org"],
                about["id"],
                about["domain"],
                begin,
                end,
                # Most of it was then, also where the reporter's day is not that of UTC.
                day((begin + end) / 2),
                self._now,
                json.dumps(about.get("policy", {}), sort_keys=True),
                about["skipped"],
            ),
        )
        return int(done.lastrowid or 0)

    def _sane(self, begin: float, end: float) -> None:
        if end > self._now + _AHEAD:
            raise Rejected("dates", "it ends in the future")
        if begin > end or end - begin > _LONGEST:
            raise Rejected("dates", "it ends before it begins, or is about more than a month")
        if end < self._now - self._limits.days * DAY:
            raise Rejected("dates", f"it is older than the {self._limits.days} days that are kept")

    def _spend(self, reporter: str, rows: int) -> None:
        today = day(self._now)
        for who, most in ((reporter, self._limits.reporter_rows), ("", self._limits.day_rows)):
            found = self._database.execute(
                "SELECT rows FROM spent WHERE day = ? AND reporter = ?", (today, who)
            ).fetchone()
            if (found[0] if found else 0) + rows > most:
                raise Rejected("daily limit", f"{who or 'all together'}: more than {most} rows today")
        self._database.executemany(
            "INSERT INTO spent VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET rows = rows + excluded.rows",
            [(today, reporter, rows), (today, "", rows)],
        )


def day(at: float) -> str:
    """The day of a time, of UTC."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d")


def days(rows: Iterable[Sequence[Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with names."""
    return [dict(zip(names, row, strict=True)) for row in rows]

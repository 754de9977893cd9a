# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filters remember from one message to the next, and share with the command line: a small SQLite database.

Transactions are short and take the lock at once (BEGIN IMMEDIATE), so that two of them never wait for each other.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

PATH = "/var/lib/pythonfilter/courier_mail.sqlite"
HOUR = 3600.0
DAY = 86400.0
# How long an event is remembered, by kind. Whoever decays them has forgotten them long before.
_KEPT = {"sent": DAY, "trap": 180 * DAY, "big": 180 * DAY, "auth": 180 * DAY, "tarbaby": 180 * DAY}
_KEPT_SEEN = 365 * DAY
_IPV6_SITE = 64  # what one customer has at least
_KEPT_RESULTS = 7 * DAY
_BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, at REAL NOT NULL, amount REAL NOT NULL,
  note TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_key ON events (kind, key, at);
CREATE INDEX IF NOT EXISTS events_by_time ON events (kind, at);
CREATE TABLE IF NOT EXISTS holds (key TEXT PRIMARY KEY, since REAL NOT NULL, reason TEXT NOT NULL, told REAL);
CREATE TABLE IF NOT EXISTS seen (
  place TEXT NOT NULL, name TEXT NOT NULL, key TEXT NOT NULL, state TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (place, name)
);
CREATE TABLE IF NOT EXISTS results (
  id INTEGER PRIMARY KEY, domain TEXT NOT NULL, source TEXT NOT NULL, at REAL NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS results_by_domain ON results (domain, at);
CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, at REAL NOT NULL);
"""


class Limits(NamedTuple):
    """How much within an hour; 0 is without limit."""

    messages: int
    recipients: int


class Sent(NamedTuple):
    """What somebody sent within the last hour."""

    key: str
    messages: int
    recipients: int


class Hold(NamedTuple):
    """Somebody whose mail waits."""

    key: str
    since: float
    reason: str
    told: float | None  # when the operator was told


class Event(NamedTuple):
    """Something that is counted."""

    key: str
    at: float
    amount: float
    note: str


class Seen(NamedTuple):
    """A message in a folder."""

    key: str  # what stays the same wherever the message is
    state: str


class Result(NamedTuple):
    """What DMARC found of a message."""

    domain: str  # whose policy it was
    source: str  # the client
    at: float
    data: dict[str, Any]


def site(address: str) -> str:
    """What is counted as one source: an IPv4 address, or the network of a site of IPv6."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, _IPV6_SITE), strict=False))


class Store:
    """The database. Every method is a transaction of its own."""

    def __init__(self, path: str = PATH) -> None:
        self._lock = threading.Lock()
        self._pruned = 0.0
        _born(path)
        self._database = sqlite3.connect(path, _BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A crash of the machine may take the last counts with it, not the database.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    # Events.

    def add(self, kind: str, key: str, amount: float = 1.0, note: str = "", at: float | None = None) -> None:
        """Count something that happened now, or at another time."""
        with self._transaction() as now:
            self._insert(kind, key, now if at is None else at, amount, note)

    def count(self, kind: str, key: str, seconds: float) -> int:
        """How often it was counted within the last seconds."""
        with self._transaction() as now:
            (found,) = self._database.execute(
                "SELECT count(*) FROM events WHERE kind = ? AND key = ? AND at > ?", (kind, key, now - seconds)
            ).fetchone()
        return int(found)

    def events(self, kinds: Iterable[str]) -> list[Event]:
        """All events of these kinds, oldest first."""
        wanted = list(kinds)
        marks = ", ".join("?" * len(wanted))
        with self._transaction():
            rows = self._database.execute(
                f"SELECT key, at, amount, note FROM events WHERE kind IN ({marks}) ORDER BY at",  # noqa: S608 -- marks
                wanted,
            ).fetchall()
        return [Event(*row) for row in rows]

    def pardon(self, kinds: Iterable[str], key: str) -> int:
        """Forget the events of a source, and say how many there were."""
        with self._transaction():
            return sum(
                self._database.execute("DELETE FROM events WHERE kind = ? AND key = ?", (kind, key)).rowcount
                for kind in kinds
            )

    # Limits of senders.

    def spend(self, key: str, recipients: int, limits: Limits) -> int | None:
        """Count a message, and return its number; or count nothing and return None where it is more than the limits."""
        with self._transaction() as now:
            messages, total = self._sent(key, now)
            if 0 < limits.messages <= messages or 0 < limits.recipients < total + recipients:
                return None
            return self._insert("sent", key, now, recipients, "")

    def give_back(self, number: int) -> None:
        """Forget a message that spend counted."""
        with self._transaction():
            self._database.execute("DELETE FROM events WHERE id = ?", (number,))

    def sent(self) -> list[Sent]:
        """Who sent what within the last hour, most first."""
        with self._transaction() as now:
            rows = self._database.execute(
                "SELECT key, count(*), sum(amount) FROM events WHERE kind = 'sent' AND at > ?"
                " GROUP BY key ORDER BY 3 DESC, 1",
                (now - HOUR,),
            ).fetchall()
        return [Sent(key, messages, int(recipients)) for key, messages, recipients in rows]

    def again(self, key: str) -> float:
        """When the first message of the last hour no longer counts."""
        with self._transaction() as now:
            (first,) = self._database.execute(
                "SELECT min(at) FROM events WHERE kind = 'sent' AND key = ? AND at > ?", (key, now - HOUR)
            ).fetchone()
        return (now if first is None else float(first)) + HOUR

    def hold(self, key: str, reason: str) -> None:
        """Let somebody's mail wait from now on."""
        with self._transaction() as now:
            self._database.execute("INSERT OR IGNORE INTO holds VALUES (?, ?, ?, NULL)", (key, now, reason))

    def held(self, key: str) -> Hold | None:
        """The hold of somebody, if there is one."""
        with self._transaction():
            row = self._database.execute("SELECT * FROM holds WHERE key = ?", (key,)).fetchone()
        return Hold(*row) if row else None

    def holds(self) -> list[Hold]:
        """All holds, oldest first."""
        with self._transaction():
            rows = self._database.execute("SELECT * FROM holds ORDER BY since, key").fetchall()
        return [Hold(*row) for row in rows]

    def tell(self, key: str) -> bool:
        """Whether it is up to the caller to tell the operator of a hold. Nobody else is told to meanwhile."""
        with self._transaction() as now:
            changed = self._database.execute("UPDATE holds SET told = ? WHERE key = ? AND told IS NULL", (now, key))
        return changed.rowcount == 1

    def untold(self, key: str) -> None:
        """The operator could not be told."""
        with self._transaction():
            self._database.execute("UPDATE holds SET told = NULL WHERE key = ?", (key,))

    def release(self, key: str) -> bool:
        """End a hold, and begin to count anew. Says whether there was one."""
        with self._transaction():
            gone = self._database.execute("DELETE FROM holds WHERE key = ?", (key,)).rowcount
            self._database.execute("DELETE FROM events WHERE kind = 'sent' AND key = ?", (key,))
        return gone == 1

    # Messages that were looked at.

    def seen(self, place: str) -> dict[str, Seen]:
        """What is known of the messages of a place, by file name."""
        with self._transaction():
            rows = self._database.execute("SELECT name, key, state FROM seen WHERE place = ?", (place,)).fetchall()
        return {name: Seen(key, state) for name, key, state in rows}

    def see(self, place: str, name: str, message: Seen) -> None:
        """Remember a message."""
        with self._transaction() as now:
            self._database.execute(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", (place, name, message.key, message.state, now)
            )

    def still(self, place: str) -> None:
        """The messages of a place are there still."""
        with self._transaction() as now:
            self._database.execute("UPDATE seen SET at = ? WHERE place = ?", (now, place))

    def forget(self, place: str, name: str) -> None:
        """A message is gone."""
        with self._transaction():
            self._database.execute("DELETE FROM seen WHERE place = ? AND name = ?", (place, name))

    # What DMARC found, until it is reported.

    def keep_result(self, domain: str, source: str, data: Mapping[str, Any]) -> None:
        """Keep what was found of a message, for the domain whose policy it was."""
        with self._transaction() as now:
            self._database.execute(
                "INSERT INTO results (domain, source, at, data) VALUES (?, ?, ?, ?)",
                (domain, source, now, json.dumps(data)),
            )

    def results(self, until: float) -> list[Result]:
        """Everything that was found before a time, by domain, oldest first."""
        with self._transaction():
            rows = self._database.execute(
                "SELECT domain, source, at, data FROM results WHERE at < ? ORDER BY domain, at, id", (until,)
            ).fetchall()
        return [Result(domain, source, at, json.loads(data)) for domain, source, at, data in rows]

    def forget_results(self, domain: str, until: float) -> None:
        """What was found for a domain is reported, or nobody wants to know."""
        with self._transaction():
            self._database.execute("DELETE FROM results WHERE domain = ? AND at < ?", (domain, until))

    def mark(self, name: str, at: float) -> None:
        """Remember a time."""
        with self._transaction():
            self._database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, at))

    def marked(self, name: str) -> float:
        """The time that was remembered; 0 for none."""
        with self._transaction():
            row = self._database.execute("SELECT at FROM marks WHERE name = ?", (name,)).fetchone()
        return float(row[0]) if row else 0.0

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[float]:
        """Everything or nothing, and the time."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                now = time.time()
                if now - self._pruned > HOUR:
                    self._prune(now)
                yield now
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _prune(self, now: float) -> None:
        for kind, kept in _KEPT.items():
            self._database.execute("DELETE FROM events WHERE kind = ? AND at < ?", (kind, now - kept))
        self._database.execute("DELETE FROM seen WHERE at < ?", (now - _KEPT_SEEN,))
        self._database.execute("DELETE FROM results WHERE at < ?", (now - _KEPT_RESULTS,))
        self._pruned = now

    def _insert(self, kind: str, key: str, now: float, amount: float, note: str) -> int:
        cursor = self._database.execute(
            "INSERT INTO events (kind, key, at, amount, note) VALUES (?, ?, ?, ?, ?)", (kind, key, now, amount, note)
        )
        return int(cursor.lastrowid or 0)

    def _sent(self, key: str, now: float) -> tuple[int, int]:
        messages, recipients = self._database.execute(
            "SELECT count(*), coalesce(sum(amount), 0) FROM events WHERE kind = 'sent' AND key = ? AND at > ?",
            (key, now - HOUR),
        ).fetchone()
        return messages, int(recipients)


def _born(path: str) -> None:
    """Make the file, for the owner of the directory and his group, whoever comes first. SQLite's other files follow."""
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o660)
    except FileExistsError:
        return
    try:
        os.fchmod(descriptor, 0o660)
        if os.geteuid() == 0:
            owner = os.stat(os.path.dirname(path))
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
    finally:
        os.close(descriptor)

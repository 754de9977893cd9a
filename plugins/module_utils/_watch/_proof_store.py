# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of letters that prove something: a small SQLite database."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ._sqlite import reading, transaction

DAY = 86400.0
HOUR = 3600.0
VERSION = 1
# Different letters that other hosts have, together. Whoever knows a key could invent as many as he likes.
MOST_ARRIVALS = 1000
_BUSY_SECONDS = 20.0
_SCHEMA = """
CREATE TABLE sent (
  nonce TEXT PRIMARY KEY, direction TEXT NOT NULL, way TEXT NOT NULL, "to" TEXT NOT NULL, mac TEXT NOT NULL,
  at REAL NOT NULL, state TEXT NOT NULL, done REAL, seconds REAL, tls TEXT NOT NULL DEFAULT '',
  path TEXT NOT NULL DEFAULT '', said TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sent_by_direction ON sent (direction, at);
CREATE TABLE seen (nonce TEXT NOT NULL, what TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (nonce, what));
CREATE TABLE arrivals (
  site TEXT NOT NULL, host TEXT NOT NULL, direction TEXT NOT NULL, sent REAL, arrived REAL, seconds REAL,
  tls TEXT NOT NULL DEFAULT '', path TEXT NOT NULL DEFAULT '', count INTEGER NOT NULL DEFAULT 0,
  trouble TEXT NOT NULL DEFAULT '', troubled REAL, expected REAL, PRIMARY KEY (site, host, direction)
);
CREATE TABLE answers (
  nonce TEXT PRIMARY KEY, "to" TEXT NOT NULL, letter TEXT NOT NULL, text TEXT NOT NULL, at REAL NOT NULL
);
CREATE TABLE totals (
  direction TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (direction, what)
);
CREATE TABLE rejected (reason TEXT PRIMARY KEY, count INTEGER NOT NULL, last REAL NOT NULL, said TEXT NOT NULL);
"""

# What a letter of ours is: on its way, proved, given up, come back, not handed over, or somebody else's to look for.
WAITING, PROVED, LOST, BACK, FAILED, GONE = "waiting", "proved", "lost", "back", "failed", "gone"


class StoreError(Exception):
    """The store cannot be used now."""


class Sent(NamedTuple):
    """A letter of ours."""

    nonce: str
    direction: str
    way: str
    to: str
    mac: str
    at: float
    state: str
    done: float | None = None
    seconds: float | None = None
    tls: str = ""
    path: str = ""
    said: str = ""


class Arrival(NamedTuple):
    """The last letter of another host in a direction, and what came back of one since."""

    site: str
    host: str
    direction: str
    sent: float | None = None
    arrived: float | None = None
    seconds: float | None = None
    tls: str = ""
    path: str = ""
    number: int = 0
    trouble: str = ""
    troubled: float | None = None
    expected: float | None = None  # since when


class Answer(NamedTuple):
    """An answer that is still to be sent: to whom, the mark of the letter, and the text of the field."""

    nonce: str
    to: str
    letter: str
    text: str
    at: float


class Store:
    """The database. What changes it is one transaction."""

    def __init__(self, path: str, readonly: bool = False) -> None:
        try:
            if readonly:
                os.stat(path)
                self.database = reading(path, _BUSY_SECONDS)
            else:
                self.database = sqlite3.connect(path, _BUSY_SECONDS, isolation_level=None)
                self.database.execute("PRAGMA journal_mode = WAL")
                with self.changing():
                    if self._version() == 0:
                        for statement in _SCHEMA.split(";\n"):
                            self.database.execute(statement)
                        self.database.execute(f"PRAGMA user_version = {VERSION}")
            if (found := self._version()) != VERSION:
                raise StoreError(f"{path} has version {found} of its tables, and this program knows {VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        self.database.close()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """All of it, or nothing."""
        try:
            with transaction(self.database):
                yield
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    # --- letters of ours ---

    def send(self, letter: Sent) -> None:
        """A letter that is about to be handed over."""
        self.database.execute(
            'INSERT INTO sent (nonce, direction, way, "to", mac, at, state) VALUES (?, ?, ?, ?, ?, ?, ?)', letter[:7]
        )
        self._count(letter.direction, "sent")

    def letter(self, nonce: str) -> Sent | None:
        row = self.database.execute("SELECT * FROM sent WHERE nonce = ?", (nonce,)).fetchone()
        return Sent(*row) if row else None

    def letters(self, direction: str) -> list[Sent]:
        """Those of a direction, the last first."""
        rows = self.database.execute("SELECT * FROM sent WHERE direction = ? ORDER BY at DESC", (direction,))
        return [Sent(*row) for row in rows]

    def become(self, letter: Sent, now: float) -> None:
        """What a letter is now: its state, and what is known of how it came to that."""
        seconds = max(0.0, now - letter.at) if letter.state == PROVED else None
        self.database.execute(
            "UPDATE sent SET state = ?, done = ?, seconds = ?, tls = ?, path = ?, said = ? WHERE nonce = ?",
            (letter.state, now, seconds, letter.tls, letter.path, letter.said, letter.nonce),
        )
        if letter.state in (PROVED, LOST, BACK, FAILED):
            self._count(letter.direction, letter.state)

    def note(self, letter: Sent, said: str) -> None:
        """Something that was heard of a letter, which stays what it is."""
        self.database.execute("UPDATE sent SET said = ? WHERE nonce = ?", (said, letter.nonce))

    def totals(self) -> dict[tuple[str, str], int]:
        """How many letters of a direction became what."""
        rows = self.database.execute("SELECT direction, what, count FROM totals")
        return {(direction, what): count for direction, what, count in rows}

    # --- those of others ---

    def first(self, nonce: str, what: str, now: float) -> bool:
        """Whether this has not been seen before."""
        done = self.database.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (nonce, what, now))
        return done.rowcount == 1

    def seen_since(self, what: str, since: float) -> int:
        row = self.database.execute("SELECT count(*) FROM seen WHERE what = ? AND at > ?", (what, since)).fetchone()
        return int(row[0])

    def arrived(self, one: Arrival) -> bool:
        """A letter of another host is here. False where there are too many of them."""
        if not self._known(one):
            return False
        self.database.execute(
            "UPDATE arrivals SET sent = ?, arrived = ?, seconds = ?, tls = ?, path = ?, count = count + 1 "
            "WHERE (site, host, direction) = (?, ?, ?)",
            (one.sent, one.arrived, one.seconds, one.tls, one.path, *one[:3]),
        )
        return True

    def troubled(self, site: str, host: str, direction: str, said: str, now: float) -> bool:
        """A letter of another host came back."""
        one = Arrival(site, host, direction)
        if not self._known(one):
            return False
        self.database.execute(
            "UPDATE arrivals SET trouble = ?, troubled = ? WHERE (site, host, direction) = (?, ?, ?)",
            (said, now, *one[:3]),
        )
        return True

    def expect(self, wanted: set[tuple[str, str, str]], now: float) -> None:
        """Know since when letters are expected, and forget those that are not any more."""
        for one in wanted:
            self.database.execute("INSERT OR IGNORE INTO arrivals (site, host, direction) VALUES (?, ?, ?)", one)
            self.database.execute(
                "UPDATE arrivals SET expected = ? WHERE (site, host, direction) = (?, ?, ?) AND expected IS NULL",
                (now, *one),
            )
        for arrival in self.arrivals():
            if arrival.expected is not None and arrival[:3] not in wanted:
                self.database.execute(
                    "UPDATE arrivals SET expected = NULL WHERE (site, host, direction) = (?, ?, ?)", arrival[:3]
                )

    def arrivals(self) -> list[Arrival]:
        rows = self.database.execute("SELECT * FROM arrivals ORDER BY site, host, direction")
        return [Arrival(*row) for row in rows]

    # --- answers ---

    def answer(self, one: Answer) -> None:
        self.database.execute("INSERT OR IGNORE INTO answers VALUES (?, ?, ?, ?, ?)", one)

    def answers(self) -> list[Answer]:
        """Those that are still to be sent, the oldest first."""
        return [Answer(*row) for row in self.database.execute("SELECT * FROM answers ORDER BY at")]

    def answered(self, one: Answer) -> None:
        self.database.execute("DELETE FROM answers WHERE nonce = ?", (one.nonce,))

    # --- what was no good ---

    def reject(self, reason: str, said: str, now: float) -> None:
        self.database.execute(
            "INSERT INTO rejected VALUES (?, 1, ?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + 1, "
            "last = excluded.last, said = excluded.said",
            (reason, now, said),
        )

    def rejected(self) -> list[tuple[str, int, float, str]]:
        """Reason, how often, when last, and what that was."""
        return list(self.database.execute("SELECT reason, count, last, said FROM rejected ORDER BY reason"))

    def prune(self, now: float, days: int, lost: float) -> None:
        """Forget what is old. `lost` are the seconds after which a letter is refused for its age."""
        oldest = now - days * DAY
        self.database.execute("DELETE FROM sent WHERE at < ?", (min(oldest, now - lost),))
        self.database.execute("DELETE FROM seen WHERE at < ?", (now - 2 * max(lost, HOUR),))
        self.database.execute("DELETE FROM answers WHERE at < ?", (now - lost,))
        self.database.execute(
            "DELETE FROM arrivals WHERE expected IS NULL AND max(coalesce(arrived, 0), coalesce(troubled, 0)) < ?",
            (oldest,),
        )

    def _known(self, one: Arrival) -> bool:
        row = "SELECT 1 FROM arrivals WHERE (site, host, direction) = (?, ?, ?)"
        if not self.database.execute(row, one[:3]).fetchone():
            if self.database.execute("SELECT count(*) FROM arrivals").fetchone()[0] >= MOST_ARRIVALS:
                return False
            self.database.execute("INSERT INTO arrivals (site, host, direction) VALUES (?, ?, ?)", one[:3])
        return True

    def _count(self, direction: str, what: str) -> None:
        self.database.execute(
            "INSERT INTO totals VALUES (?, ?, 1) ON CONFLICT (direction, what) DO UPDATE SET count = count + 1",
            (direction, what),
        )

    def _version(self) -> int:
        return int(self.database.execute("PRAGMA user_version").fetchone()[0])

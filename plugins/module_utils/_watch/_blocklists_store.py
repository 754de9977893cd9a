# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who of us was on which list from when to when, and which lists could be asked: a small SQLite database."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from ._blocklists_ask import CLEAR, LISTED, Answer, Asked
from ._blocklists_settings import Settings
from ._sqlite import born, reading, transaction

VERSION = 1
_BUSY_SECONDS = 20.0
_DAY = 86400.0
_SCHEMA = """
CREATE TABLE lists (zone TEXT PRIMARY KEY, broken TEXT NOT NULL, since REAL NOT NULL, asked REAL NOT NULL);
CREATE TABLE pairs (
  zone TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, said TEXT NOT NULL, known REAL, asked REAL NOT NULL,
  PRIMARY KEY (zone, subject)
);
CREATE TABLE listings (
  zone TEXT NOT NULL, subject TEXT NOT NULL, answer TEXT NOT NULL, reason TEXT NOT NULL, first REAL NOT NULL,
  last REAL NOT NULL, ended REAL, PRIMARY KEY (zone, subject, first)
);
"""


class StoreError(Exception):
    """The store cannot be used."""


class ListState(NamedTuple):
    """How a list was when it was last tested."""

    zone: str
    broken: str
    since: float  # when it became so
    asked: float


class PairState(NamedTuple):
    """What a list said last of somebody."""

    zone: str
    subject: str
    state: str  # the last that was known: listed, clear, or nothing
    said: str  # why there was no answer the last time, or nothing
    known: float | None  # when it was known
    asked: float


class Listing(NamedTuple):
    """Somebody of ours on a list."""

    zone: str
    subject: str
    answer: str
    reason: str
    first: float
    last: float
    ended: float | None


class Found(NamedTuple):
    """All that is kept."""

    lists: list[ListState]
    pairs: list[PairState]
    listings: list[Listing]


class Store:
    """The database."""

    def __init__(self, path: str, readonly: bool = False) -> None:
        try:
            if readonly:
                self._database = reading(path, _BUSY_SECONDS)
            else:
                born(path)
                self._database = sqlite3.connect(path, _BUSY_SECONDS, isolation_level=None)
                with transaction(self._database):
                    if self._version() == 0:
                        for statement in _SCHEMA.split(";\n"):
                            self._database.execute(statement)
                        self._database.execute(f"PRAGMA user_version = {VERSION}")
            if (found := self._version()) != VERSION:
                raise StoreError(f"{path} has version {found} of its tables, and this program knows {VERSION}")
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        self._database.close()

    def keep(self, asked: Asked, settings: Settings, now: float) -> None:
        """Keep what was found out, and forget who is not asked for any more."""
        try:
            with transaction(self._database):
                for zone, broken in asked.broken.items():
                    self._list(zone, broken, now)
                for (zone, subject), answer in asked.answers.items():
                    self._pair(zone, subject, answer, now)
                self._forget(settings, now)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def found(self) -> Found:
        """All of it. Listings that are over are in it too, the latest first."""
        try:
            ask = self._database.execute
            return Found(
                [ListState(*row) for row in ask("SELECT zone, broken, since, asked FROM lists ORDER BY zone")],
                [PairState(*row) for row in ask("SELECT * FROM pairs ORDER BY subject, zone")],
                [Listing(*row) for row in ask("SELECT * FROM listings ORDER BY first DESC, subject, zone")],
            )
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def _list(self, zone: str, broken: str, now: float) -> None:
        old = self._database.execute("SELECT broken, since FROM lists WHERE zone = ?", (zone,)).fetchone()
        since = old[1] if old and bool(old[0]) == bool(broken) else now
        self._database.execute("INSERT OR REPLACE INTO lists VALUES (?, ?, ?, ?)", (zone, broken, since, now))

    def _pair(self, zone: str, subject: str, answer: Answer, now: float) -> None:
        who = (zone, subject)
        if answer.state not in (LISTED, CLEAR):
            # What was known before stays known, and gets old.
            self._database.execute(
                "INSERT INTO pairs VALUES (?, ?, '', ?, NULL, ?) ON CONFLICT DO UPDATE"
                " SET said = excluded.said, asked = excluded.asked",
                (*who, answer.said, now),
            )
            return
        self._database.execute(
            "INSERT OR REPLACE INTO pairs VALUES (?, ?, ?, '', ?, ?)", (*who, answer.state, now, now)
        )
        if answer.state == CLEAR:
            self._database.execute(
                "UPDATE listings SET ended = ? WHERE zone = ? AND subject = ? AND ended IS NULL", (now, *who)
            )
            return
        again = self._database.execute(
            "UPDATE listings SET answer = ?, reason = ?, last = ? WHERE zone = ? AND subject = ? AND ended IS NULL",
            (answer.answer, answer.said, now, *who),
        )
        if again.rowcount == 0:
            self._database.execute(
                "INSERT OR REPLACE INTO listings VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (*who, answer.answer, answer.said, now, now),
            )

    def _forget(self, settings: Settings, now: float) -> None:
        zones = {entry.zone for entry in settings.entries()}
        wanted = {(pair.entry.zone, pair.subject) for pair in settings.pairs()}
        for (zone,) in self._database.execute("SELECT zone FROM lists").fetchall():
            if zone not in zones:
                self._database.execute("DELETE FROM lists WHERE zone = ?", (zone,))
        for who in self._database.execute("SELECT zone, subject FROM pairs").fetchall():
            if who not in wanted:
                self._database.execute("DELETE FROM pairs WHERE zone = ? AND subject = ?", who)
                self._database.execute("DELETE FROM listings WHERE zone = ? AND subject = ?", who)
        self._database.execute("DELETE FROM listings WHERE ended < ?", (now - settings.days * _DAY,))

    def _version(self) -> int:
        return int(self._database.execute("PRAGMA user_version").fetchone()[0])

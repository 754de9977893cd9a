# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was counted so far, and up to which place of the journal: a small SQLite database.

Place and totals are written together, so that no line counts twice and none is left out.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from ._found import Sample
from ._sqlite import born, transaction

# Seconds. The last is longer than any message waits.
BUCKETS = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0)
_KEPT = 8 * 86400.0
_MOST = 5000  # different samples; what strangers write must not fill the disk
_BUSY_SECONDS = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS totals (
  name TEXT NOT NULL, labels TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (name, labels)
);
CREATE TABLE IF NOT EXISTS messages (id TEXT PRIMARY KEY, came REAL NOT NULL, direction TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS place (one INTEGER PRIMARY KEY CHECK (one = 1), cursor TEXT NOT NULL, at REAL NOT NULL);
"""


_ADD = "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT (name, labels) DO UPDATE SET value = value + excluded.value"
_SET = "INSERT INTO totals VALUES (?, ?, ?) ON CONFLICT (name, labels) DO UPDATE SET value = excluded.value"
_Key = tuple[str, tuple[tuple[str, str], ...]]


class Place(NamedTuple):
    """How far the journal was read."""

    cursor: str
    at: float


class Totals:
    """The database. Nothing is kept but within `transaction`."""

    def __init__(self, path: str) -> None:
        born(path)
        self._database = sqlite3.connect(path, _BUSY_SECONDS, isolation_level=None)
        self._database.executescript(_SCHEMA)
        # What was counted since the transaction began.
        self._added: dict[_Key, float] = {}
        self._set: dict[_Key, float] = {}

    def close(self) -> None:
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything or nothing."""
        with transaction(self._database):
            try:
                yield
                self._flush()
            except BaseException:
                self._added.clear()
                self._set.clear()
                raise

    def place(self) -> Place | None:
        """How far it was read; None before the first time."""
        row = self._database.execute("SELECT cursor, at FROM place").fetchone()
        return Place(*row) if row else None

    def go(self, place: Place) -> None:
        """It was read up to here."""
        self._database.execute("INSERT OR REPLACE INTO place VALUES (1, ?, ?)", place)

    def add(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Count."""
        key = name, tuple(sorted(labels.items()))
        self._added[key] = self._added.get(key, 0.0) + amount

    def set(self, name: str, value: float, **labels: str) -> None:
        """The last value."""
        self._set[name, tuple(sorted(labels.items()))] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Count a value into a histogram."""
        for limit in BUCKETS:
            self.add(f"{name}_bucket", float(value <= limit), le=f"{limit:g}", **labels)
        self.add(f"{name}_bucket", 1.0, le="+Inf", **labels)
        self.add(f"{name}_sum", value, **labels)
        self.add(f"{name}_count", 1.0, **labels)

    def came(self, number: str, at: float, direction: str) -> None:
        """Remember when a message came, until it is delivered."""
        self._database.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", (number, at, direction))

    def arrival(self, number: str) -> float | None:
        """When a message came."""
        row = self._database.execute("SELECT came FROM messages WHERE id = ?", (number,)).fetchone()
        return float(row[0]) if row else None

    def forget(self, now: float) -> None:
        """Messages that nobody can still wait for."""
        self._database.execute("DELETE FROM messages WHERE came < ?", (now - _KEPT,))

    def samples(self) -> list[Sample]:
        """All totals."""
        rows = self._database.execute("SELECT name, labels, value FROM totals ORDER BY name, labels").fetchall()
        return [Sample(name, value, json.loads(labels)) for name, labels, value in rows]

    def value(self, name: str, **labels: str) -> float:
        """One of them; 0 for none."""
        row = self._database.execute(
            "SELECT value FROM totals WHERE name = ? AND labels = ?", (name, json.dumps(labels, sort_keys=True))
        ).fetchone()
        return float(row[0]) if row else 0.0

    def _flush(self) -> None:
        (number,) = self._database.execute("SELECT count(*) FROM totals").fetchone()
        for values, statement in ((self._added, _ADD), (self._set, _SET)):
            rows = [(name, json.dumps(dict(labels)), value) for (name, labels), value in values.items()]
            if number + len(rows) > _MOST:
                known = set(self._database.execute("SELECT name, labels FROM totals"))
                rows = [row for row in rows if row[:2] in known]
            self._database.executemany(statement, rows)
            values.clear()

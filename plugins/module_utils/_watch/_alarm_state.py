# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is bad since when, and what is still to be told to whom: a small SQLite database.

A thing changes when it was seen changed in several looks in a row. Each time that it becomes bad within some hours it
takes twice as many to be well again, so that what comes and goes is one alarm.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ._alarm_settings import Settings
from ._found import Finding, State
from ._sqlite import born, transaction

FLAPPING = 6 * 3600.0  # seconds for which it is remembered that a thing became bad
_MOST_DOUBLED = 6
_KEPT = 3 * 86400.0  # seconds after which what could not be told is given up
_BUSY_SECONDS = 10.0
_RANK = (State.WELL, State.UNKNOWN, State.SOON, State.BAD)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
  key TEXT PRIMARY KEY, part TEXT NOT NULL, subject TEXT NOT NULL, state TEXT NOT NULL, since REAL NOT NULL,
  said TEXT NOT NULL, other TEXT NOT NULL, looks INTEGER NOT NULL, first REAL NOT NULL, told REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS worse (key TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS worse_by_key ON worse (key, at);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY, way TEXT NOT NULL, at REAL NOT NULL, event TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS ways (
  way TEXT PRIMARY KEY, since REAL NOT NULL, error TEXT NOT NULL, sent INTEGER NOT NULL, failed INTEGER NOT NULL
);
"""


class Thing(NamedTuple):
    """What is known of a thing that is watched."""

    part: str
    subject: str
    state: State
    since: float
    said: str
    other: State  # what it looks like lately, where that is not its state
    looks: int  # how many in a row
    first: float  # and since when
    told: float  # when somebody was told last

    @property
    def key(self) -> str:
        return f"{self.part}: {self.subject}"


class Event(NamedTuple):
    """What somebody is told."""

    key: str
    part: str
    subject: str
    event: str  # bad, soon, unknown; well; or still, where it is told again
    state: str
    since: float
    said: str


class Way(NamedTuple):
    """How one can be told, and whether that works."""

    name: str
    since: float
    error: str  # nothing where it worked the last time
    sent: int
    failed: int


class Memory:
    """The database. Every method is a transaction of its own."""

    def __init__(self, path: str) -> None:
        born(path)
        self._database = sqlite3.connect(path, _BUSY_SECONDS, isolation_level=None)
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    def things(self) -> list[Thing]:
        """Everything that is watched, the worst first."""
        rows = self._database.execute(
            "SELECT part, subject, state, since, said, other, looks, first, told FROM things ORDER BY part, subject"
        ).fetchall()
        found = [Thing(*row)._replace(state=State(row[2]), other=State(row[5])) for row in rows]
        return sorted(found, key=lambda one: -_RANK.index(one.state))

    def look(self, findings: Iterable[Finding], ways: Iterable[str], settings: Settings, now: float) -> list[Event]:
        """Take in what was found, and put what is to be told into the outbox of each way."""
        with transaction(self._database):
            known = {one.key: one for one in self.things()}
            worse = dict(
                self._database.execute(
                    "SELECT key, count(*) FROM worse WHERE at > ? GROUP BY key", (now - FLAPPING,)
                ).fetchall()
            )
            events = []
            for key, finding in _all(findings, known).items():
                thing, event = judge(known.get(key), finding, settings, worse.get(key, 0), now)
                if thing is None:
                    self._database.execute("DELETE FROM things WHERE key = ?", (key,))
                else:
                    self._keep(thing)
                if event:
                    events.append(event)
                    if event.event not in ("well", "still"):
                        self._database.execute("INSERT INTO worse VALUES (?, ?)", (key, now))
            self._database.execute("DELETE FROM worse WHERE at <= ?", (now - FLAPPING,))
            told = [event for event in events if event.key not in settings.silent]
            for way in ways:
                # What cannot be heard on this way, since it is about it, is for the others.
                for event in told:
                    if event.key != f"alarm: {way}":
                        self._put(way, now, event)
        return events

    def waiting(self, way: str) -> list[tuple[int, Event]]:
        """What is to be told on a way, the oldest first."""
        rows = self._database.execute("SELECT id, event FROM outbox WHERE way = ? ORDER BY id", (way,)).fetchall()
        return [(number, Event(**json.loads(event))) for number, event in rows]

    def sent(self, way: str, numbers: Iterable[int], now: float) -> None:
        """It was told."""
        with transaction(self._database):
            self._database.executemany("DELETE FROM outbox WHERE id = ?", [(number,) for number in numbers])
            self._way(way, "", now)

    def failed(self, way: str, error: str, now: float) -> None:
        """It could not be told; the next run tries again."""
        with transaction(self._database):
            self._way(way, error, now)

    def ways(self) -> list[Way]:
        rows = self._database.execute("SELECT way, since, error, sent, failed FROM ways ORDER BY way").fetchall()
        return [Way(*row) for row in rows]

    def forget(self, ways: Iterable[str], now: float) -> None:
        """Ways that are no more, and what is too old to be news."""
        kept = set(ways)
        with transaction(self._database):
            for way in self.ways():
                if way.name not in kept:
                    self._database.execute("DELETE FROM ways WHERE way = ?", (way.name,))
            self._database.execute("DELETE FROM outbox WHERE at < ?", (now - _KEPT,))
            for (way,) in self._database.execute("SELECT DISTINCT way FROM outbox").fetchall():
                if way not in kept:
                    self._database.execute("DELETE FROM outbox WHERE way = ?", (way,))

    def _keep(self, thing: Thing) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO things VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (thing.key, *thing[:2], thing.state.value, *thing[3:5], thing.other.value, *thing[6:]),
        )

    def _put(self, way: str, now: float, event: Event) -> None:
        self._database.execute(
            "INSERT INTO outbox (way, at, event) VALUES (?, ?, ?)", (way, now, json.dumps(event._asdict()))
        )

    def _way(self, way: str, error: str, now: float) -> None:
        self._database.execute("INSERT OR IGNORE INTO ways VALUES (?, ?, '', 0, 0)", (way, now))
        self._database.execute(
            "UPDATE ways SET since = CASE WHEN (error = '') = (? = '') THEN since ELSE ? END, error = ?,"
            " sent = sent + ?, failed = failed + ? WHERE way = ?",
            (error, now, error, int(not error), int(bool(error)), way),
        )


def judge(
    thing: Thing | None, finding: Finding | None, settings: Settings, worse: int, now: float
) -> tuple[Thing | None, Event | None]:
    """What becomes of a thing, and what is to be told of that. Without a finding it is watched no more."""
    if finding is None:
        if thing is None or thing.state is State.WELL:
            return None, None
        gone = thing._replace(state=State.WELL, since=now, said="it is watched no more")
        return None, _event(gone, "well")
    seen = _heard(finding.state, settings)
    if thing is None:
        thing = Thing(finding.part, finding.subject, State.WELL, now, "", State.WELL, 0, now, 0.0)
    thing = thing._replace(said=finding.said)
    if seen is thing.state:
        thing = thing._replace(other=seen, looks=0, first=now)
        return _again(thing, settings, now)
    looks, first = (thing.looks + 1, thing.first) if seen is thing.other else (1, finding.since or now)
    thing = thing._replace(other=seen, looks=looks, first=min(first, now))
    if looks < _needed(thing.state, seen, settings, worse):
        return thing, None
    better = _RANK.index(seen) < _RANK.index(thing.state)
    told = thing._replace(state=seen, since=thing.first, looks=0, told=now)
    if better and seen is not State.WELL:
        # From bad to soon is no news for whoever works on it.
        return told, None
    return told, _event(told, "well" if seen is State.WELL else seen.value)


def _again(thing: Thing, settings: Settings, now: float) -> tuple[Thing, Event | None]:
    late = settings.repeat_hours and now - thing.told >= settings.repeat_hours * 3600
    if thing.state is State.WELL or not late:
        return thing, None
    return thing._replace(told=now), _event(thing, "still")


def _heard(state: State, settings: Settings) -> State:
    return State.WELL if state is State.SOON and not settings.soon else state


def _needed(state: State, seen: State, settings: Settings, worse: int) -> int:
    if seen is State.UNKNOWN:
        return settings.unknown_after
    if _RANK.index(seen) > _RANK.index(state):
        return settings.bad_after
    return settings.well_after << min(max(worse - 1, 0), _MOST_DOUBLED)


def _event(thing: Thing, event: str) -> Event:
    return Event(thing.key, thing.part, thing.subject, event, thing.state.value, thing.since, thing.said)


def _all(findings: Iterable[Finding], known: Mapping[str, Thing]) -> dict[str, Finding | None]:
    """The worst finding of each thing, and nothing for those of which there is none any more.

    What a part said before it failed stands until it can look again.
    """
    found: dict[str, Finding | None] = {}
    for finding in findings:
        before = found.get(finding.key)
        if before is None or _RANK.index(finding.state) > _RANK.index(before.state):
            found[finding.key] = finding
    failed = {one.part for one in found.values() if one and one.subject == "watch" and one.state is not State.WELL}
    for key, thing in known.items():
        if key not in found and thing.part not in failed:
            found[key] = None
    return found


def as_data(thing: Thing) -> dict[str, Any]:
    """For JSON."""
    return {
        "part": thing.part,
        "subject": thing.subject,
        "state": thing.state.value,
        "since": thing.since,
        "said": thing.said,
        "told": thing.told or None,
    }

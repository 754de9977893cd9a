# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch count: the mail that flowed, counted from the journal, each line once."""

from __future__ import annotations

import ipaddress
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from . import _follow, _places
from ._exit import CONFIGURATION, TEMPORARY, UNAVAILABLE, fail
from ._flow_settings import Settings
from ._flow_totals import Place, Totals
from ._found import Finding, Sample, State
from ._settings import SettingsError
from ._trace_journal import Journal, JournalError, Line, users
from ._trace_lines import Forwarded, Judged, New, Refused, Said, read

PART = "flow"
FILE = "flow.sqlite"
_EACH = 20_000  # lines, after which the place is written down
_MOST = 1_000_000  # lines of a run; the next goes on
_LATE = 600.0  # seconds
_DAY = 86400.0
_MODULES = {"courierlocal": "local", "courieresmtp": "smtp", "courierdsn": "report"}
_RESULTS = {"deferred": "deferred", "failure": "failed"}
_FILTER = re.compile("[a-z][a-z0-9_]{0,39}")
_ACTIONS = ("pass", "accept", "refuse", "defer", "down")
# Replies of Courier and of the filters, by what they are about. The first that fits counts.
_REASONS = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("authentication", r"^535[ -]|authentication (failed|rejected|required)"),
        ("relaying", r"^513[ -]|relaying denied"),
        ("unknown recipient", r"user .*unknown|unknown user|no such (user|mailbox)|^550 5\.1\.1 "),
        ("virus", r"virus"),
        ("attachment", r"files of this kind|programs by mail"),
        ("spam score", r"which is spam here|scores [0-9.]+"),
        ("deny list", r"your host sends spam|^511 |blacklist|is listed|is on the list"),
        ("sender policy", r"^517[ -]|\bspf\b|dmarc|sender (domain|address|rejected)"),
        ("size", r"^523 |too big|size|quota|mailbox (is )?full"),
        ("rate", r"too (many|much)|rate|later than"),
        ("tls", r"\btls\b|starttls"),
        ("syntax", r"^50[0-4] |syntax"),
    )
)


def main(_arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    if not _places.has(PART):
        return 0
    try:
        settings = _places.settings(PART, Settings)
        totals = Totals(os.path.join(_places.STATE, FILE))
    except SettingsError as error:
        return fail(CONFIGURATION, str(error))
    except (OSError, sqlite3.Error) as error:
        return fail(UNAVAILABLE, str(error))
    try:
        now = time.time()
        begin(totals, Journal().begins(), _follow.end, now)
        count(settings, totals, lambda cursor: _follow.after(cursor, users()), now)
    except (JournalError, sqlite3.Error) as error:
        return fail(TEMPORARY, str(error))
    finally:
        totals.close()
    return 0


def findings() -> Iterator[Finding]:
    """Whether mail passes unfiltered, a filter is down, and the journal is read."""
    settings = _places.settings(PART, Settings)
    totals = Totals(os.path.join(_places.STATE, FILE))
    try:
        yield from judged(settings, totals, time.time())
    finally:
        totals.close()


def samples() -> list[Sample]:
    """What was counted."""
    totals = Totals(os.path.join(_places.STATE, FILE))
    try:
        return totals.samples()
    finally:
        totals.close()


def judged(settings: Settings, totals: Totals, now: float) -> Iterator[Finding]:
    """Findings of what was counted."""
    read_at = totals.value("courier_mail_journal_read_timestamp_seconds")
    if now - read_at > _LATE:
        said = "the journal is not read any more; see journalctl -u courier-mail-watch-metrics"
        yield Finding(PART, "journal", State.BAD, said, read_at or None)
    else:
        yield Finding(PART, "journal", State.WELL, "it is read")
    seconds = settings.filter_minutes * 60.0
    came = totals.value("courier_mail_last_timestamp_seconds", of="strangers")
    looked = totals.value("courier_mail_last_timestamp_seconds", of="filters")
    if settings.filtered:
        passed = came - looked > seconds
        said = "mail of strangers came in, and no filter said a word of it; see systemctl status courier-pythonfilter"
        state = State.BAD if passed else State.WELL
        yield Finding(PART, "mail without filters", state, said if passed else "the filters see it")
    for one in totals.samples():
        if one.name == "courier_mail_filter_down_timestamp_seconds":
            name, down = one.labels["filter"], now - one.value < seconds
            said = f"it could not look at mail; journalctl -u courier-pythonfilter -g {name} says why"
            yield Finding(
                PART, f"filter {name}", State.BAD if down else State.WELL, said if down else "it looks at mail"
            )


def begin(totals: Totals, first: float | None, end: Callable[[], tuple[str, float] | None], now: float) -> None:
    """Know where to go on, and say where lines were lost: then counting goes on at the end, and totals stay."""
    place = totals.place()
    if place is not None and (first is None or first <= place.at):
        return
    if place is not None:
        sys.stderr.write("courier-mail-watch: the journal has lost lines that were not counted yet\n")
    last = end()
    with totals.transaction():
        totals.add("courier_mail_journal_lost_total", float(place is not None))
        if last:
            totals.go(Place(last[0], now))
        totals.set("courier_mail_journal_read_timestamp_seconds", now)


def count(
    settings: Settings, totals: Totals, after: Callable[[str], Iterable[_follow.Read]], now: float, most: int = _MOST
) -> int:
    """Count what came since the last time, and say how many lines that were."""
    place = totals.place()
    if place is None:
        return 0
    counter = Counter(settings, totals)
    lines = iter(after(place.cursor))
    number, batch = 0, -1
    # A number of lines at a time, so that a run that is cut off has not been for nothing.
    while batch and number < most:
        batch = 0
        with totals.transaction():
            for one in _some(lines, min(_EACH, most - number)):
                batch += 1
                if one.line:
                    counter.add(one.line)
                place = Place(one.cursor, one.at)
            number += batch
            # Up to now there was nothing else, where everything was read.
            totals.go(place if batch else place._replace(at=now))
            totals.add("courier_mail_journal_lines_total", batch)
            totals.set("courier_mail_journal_read_timestamp_seconds", now)
            totals.forget(now)
    return number


class Counter:
    """Counts lines."""

    def __init__(self, settings: Settings, totals: Totals) -> None:
        self._totals = totals
        self._satellites = settings.networks("satellites")
        self._fetched = settings.networks("fetched")
        self._filtered = settings.filtered

    def add(self, line: Line) -> None:
        """One line."""
        event = read(line)
        if isinstance(event, New):
            self._new(event)
        elif isinstance(event, Said):
            self._said(event, line.identifier)
        elif isinstance(event, Judged):
            self._judged(event)
        elif isinstance(event, Refused):
            self._totals.add("courier_mail_refused_total", reason=reason(event.reply))
        elif isinstance(event, Forwarded):
            did = {"passed on": "passed on", "waits": "deferred"}.get(event.did, "refused")
            self._totals.add("courier_mail_forwarded_total", result=did)

    def direction(self, event: New) -> str:
        """From where a message comes."""
        if event.login:
            return "authenticated"
        try:
            client = ipaddress.ip_address(event.client)
        except ValueError:
            return "local"
        if any(client in network for network in self._fetched):
            return "fetched"
        if client.is_loopback:
            return "local"
        if any(client in network for network in self._satellites):
            return "satellite"
        return "foreign"

    def _new(self, event: New) -> None:
        direction = self.direction(event)
        self._totals.add("courier_mail_received_total", direction=direction)
        self._totals.came(event.id, event.at, direction)
        self._totals.set("courier_mail_last_timestamp_seconds", event.at, of=f"received {direction}")
        if self._filtered and direction in ("foreign", "fetched"):
            self._totals.set("courier_mail_last_timestamp_seconds", event.at, of="strangers")

    def _said(self, event: Said, identifier: str) -> None:
        direction = _MODULES.get(identifier, "other")
        if event.kind == "success":
            self._totals.add("courier_mail_deliveries_total", direction=direction, result="delivered")
            self._totals.set("courier_mail_last_timestamp_seconds", event.at, of=f"delivered {direction}")
            came = self._totals.arrival(event.id)
            if came is not None:
                self._totals.observe("courier_mail_delivery_seconds", max(0.0, event.at - came), direction=direction)
        elif event.kind == "status" and event.text in _RESULTS:
            self._totals.add("courier_mail_deliveries_total", direction=direction, result=_RESULTS[event.text])

    def _judged(self, event: Judged) -> None:
        verdict = str(event.entry.get("verdict"))
        self._totals.add("courier_mail_filtered_total", verdict=verdict if verdict in _ACTIONS else "other")
        self._totals.set("courier_mail_last_timestamp_seconds", event.at, of="filters")
        seconds = event.entry.get("seconds")
        if isinstance(seconds, int | float) and 0 <= seconds < _DAY:
            self._totals.add("courier_mail_filter_seconds_total", float(seconds))
        filters = event.entry.get("filters")
        for name, said in filters.items() if isinstance(filters, dict) else ():
            if _FILTER.fullmatch(name):
                action = re.split("[:,]", str(said))[0]
                counted = action if action in _ACTIONS else "other"
                self._totals.add("courier_mail_filter_verdicts_total", filter=name, verdict=counted)
                if counted == "down":
                    self._totals.set("courier_mail_filter_down_timestamp_seconds", event.at, filter=name)


def reason(reply: str) -> str:
    """What a refusal is about, by its words; for a graph, not for a judge."""
    for name, pattern in _REASONS:
        if pattern.search(reply):
            return name
    return "temporary" if reply.startswith("4") else "other"


def _some(lines: Iterator[_follow.Read], most: int) -> Iterator[_follow.Read]:
    for _number in range(most):
        one = next(lines, None)
        if one is None:
            return
        yield one

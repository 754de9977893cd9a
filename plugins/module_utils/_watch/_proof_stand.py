# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the ways that mail takes stand, from what became of the letters: for people, alarms and metrics."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ._found import Finding, Sample, State
from ._proof_settings import PART, Direction, Expected, Settings
from ._proof_store import BACK, FAILED, GONE, LOST, PROVED, WAITING, Arrival, Sent, Store

# What Courier last said of a delivery: sender, recipient, since when.
Say = Callable[[str, str, float], str]

_HOUR = 3600.0
_SLACK = 900.0  # of a timer
_TIMER = "systemctl status courier-mail-watch-prove.timer"


def findings(settings: Settings, store: Store | None, now: float, say: Say) -> Iterator[Finding]:
    """One for each direction, and for each way on which letters of another host must come."""
    for one in settings.ways():
        sent = store.letters(one.name) if store else []
        state, said, since = _own(settings, one, sent, now, say)
        yield Finding(PART, f"{settings.host}: {one.name}", state, said, since)
    arrivals = {arrival[:3]: arrival for arrival in store.arrivals()} if store else {}
    for wanted in settings.awaited():
        arrival = arrivals.get((wanted.site, wanted.host, wanted.direction))
        state, said, since = _others(wanted, arrival, now)
        yield Finding(PART, f"{wanted.host}: {wanted.direction}", state, said, since)


def samples(settings: Settings, store: Store, now: float) -> Iterator[Sample]:
    """The same as numbers."""
    totals = store.totals()
    states = {one.subject: one.state for one in findings(settings, store, now, lambda *_all: "")}
    for one in settings.ways():
        labels = {"site": settings.site, "host": settings.host, "direction": one.name}
        sent = store.letters(one.name)
        if proved := next((letter for letter in sent if letter.state == PROVED), None):
            yield Sample("courier_mail_proof_last_timestamp_seconds", proved.done or 0.0, labels)
            yield Sample("courier_mail_proof_latency_seconds", proved.seconds or 0.0, labels)
        for what in ("sent", PROVED, LOST, BACK, FAILED):
            yield Sample(f"courier_mail_proof_{what}_total", totals.get((one.name, what), 0), labels)
        yield Sample("courier_mail_proof_waiting", sum(letter.state == WAITING for letter in sent), labels)
        yield Sample("courier_mail_proof_late", float(states[f"{settings.host}: {one.name}"] == State.BAD), labels)
    for wanted in settings.awaited():
        labels = {"site": wanted.site, "host": wanted.host, "direction": wanted.direction}
        for arrival in store.arrivals():
            if arrival[:3] == (wanted.site, wanted.host, wanted.direction) and arrival.arrived is not None:
                yield Sample("courier_mail_proof_last_timestamp_seconds", arrival.arrived, labels)
                yield Sample("courier_mail_proof_latency_seconds", arrival.seconds or 0.0, labels)
                yield Sample("courier_mail_proof_proved_total", arrival.number, labels)
        yield Sample(
            "courier_mail_proof_late", float(states[f"{wanted.host}: {wanted.direction}"] == State.BAD), labels
        )
    for reason, count, _last, _said in store.rejected():
        yield Sample("courier_mail_proof_rejected_total", count, {"reason": reason})
    yield Sample("courier_mail_proof_answers_waiting", len(store.answers()))


def data(settings: Settings, store: Store | None, found: list[Finding]) -> dict[str, Any]:
    """Everything, for people and JSON."""
    last: dict[str, Mapping[str, Any]] = {}
    for one in settings.ways():
        for letter in store.letters(one.name) if store else []:
            if letter.state == PROVED:
                last[f"{settings.host}: {one.name}"] = {
                    "at": letter.done,
                    "seconds": letter.seconds,
                    "tls": letter.tls,
                    "path": letter.path,
                }
                break
    for arrival in store.arrivals() if store else []:
        if arrival.arrived is not None:
            last[f"{arrival.host}: {arrival.direction}"] = {
                "at": arrival.arrived,
                "seconds": arrival.seconds,
                "tls": arrival.tls,
                "path": arrival.path,
            }
    return {
        "site": settings.site,
        "host": settings.host,
        "ways": [
            {
                "host": one.subject.partition(": ")[0],
                "direction": one.subject.partition(": ")[2],
                "state": str(one.state),
                "said": one.said,
                "since": one.since,
                "proved": last.get(one.subject),
            }
            for one in found
        ],
        "rejected": [
            {"reason": reason, "count": count, "last": at, "said": said}
            for reason, count, at, said in (store.rejected() if store else [])
        ],
    }


def written(found: Mapping[str, Any]) -> str:
    """The same as a table."""
    rows = [("state", "host", "direction", "proved", "seconds", "over", "what")]
    for one in found["ways"]:
        proved = one["proved"] or {}
        rows.append(
            (
                one["state"],
                one["host"],
                one["direction"],
                moment(proved["at"]) if proved else "",
                f"{proved['seconds']:.1f}" if proved else "",
                proved.get("tls", ""),
                one["said"],
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    if not found["ways"]:
        lines = ["Nothing is sent from here, and nothing is expected."]
    for one in found["rejected"]:
        lines.append(f"no proof, {one['reason']}: {one['count']}, last {moment(one['last'])}: {one['said']}")
    return "".join(f"{line}\n" for line in lines)


def moment(at: float) -> str:
    """A time, for people."""
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


_Stands = tuple[State, str, float | None]  # pylint: disable=unsupported-binary-operation


def _own(settings: Settings, one: Direction, sent: list[Sent], now: float, say: Say) -> _Stands:
    if not sent:
        return State.UNKNOWN, f"nothing was sent yet; the timer does so: {_TIMER}", None
    proved = next((letter for letter in sent if letter.state in (PROVED, GONE)), None)
    # What was sent before the last proof is told of below.
    since = [letter for letter in sent if proved is None or letter.at > proved.at]
    bad = [letter for letter in since if _is_bad(letter, one, now)]
    if bad:
        return _broken(settings, one, bad, now, say)
    if now - sent[0].at > 2 * one.every * 60 + _SLACK:
        return State.BAD, f"nothing was sent since {moment(sent[0].at)}; see {_TIMER}", sent[0].at
    return _unbroken(settings, one, sent, proved, now)


def _unbroken(settings: Settings, one: Direction, sent: list[Sent], proved: Sent | None, now: float) -> _Stands:
    if proved is None:
        return State.UNKNOWN, f"the first letter, of {moment(sent[0].at)}, is on its way", None
    recent = now - settings.lost * _HOUR - 86400.0
    if lost := [letter for letter in sent if letter.state == LOST and letter.at > recent]:
        said = f"the letter to {one.to} of {moment(lost[0].at)} never came, though a later one did; look where it is"
        return State.SOON, said, lost[0].at
    if proved.state == GONE:
        return State.WELL, f"sent to {one.to} at {moment(proved.at)}; whether it came, is known there", None
    if (proved.seconds or 0.0) > one.within * 60:
        said = f"the letter to {one.to} of {moment(proved.at)} took {_span(proved.seconds or 0.0)}"
        return State.SOON, said, proved.at
    return State.WELL, f"proved at {moment(proved.done or proved.at)}", None


def _is_bad(letter: Sent, one: Direction, now: float) -> bool:
    late = letter.state == WAITING and now - letter.at > one.within * 60
    return late or letter.state in (LOST, BACK, FAILED)


def _broken(settings: Settings, one: Direction, bad: list[Sent], now: float, say: Say) -> _Stands:
    first, last = bad[-1], bad[0]
    sender = one.sender or one.login or settings.address
    known = next((letter for letter in bad if letter.state in (BACK, FAILED)), None)
    if known and known.state == FAILED:
        said = f"the letter to {one.to} of {moment(known.at)} could not be handed over: {known.said}"
    elif known:
        said = f"the letter to {one.to} of {moment(known.at)} came back: {known.said}"
    else:
        said = f"the letter from {sender} to {one.to} of {moment(first.at)} is not proved by {_proof(one)}"
        said += f" after {_span(now - first.at)}"
        said += f"; heard: {last.said}" if last.said else ""
        heard = say(sender, one.to, first.at)
        said += f"; Courier said last: {heard}" if heard else "; Courier's journal has nothing of it"
    return State.BAD, said, first.at


def _others(wanted: Expected, arrival: Arrival | None, now: float) -> _Stands:
    if arrival is None or arrival.expected is None:
        return State.UNKNOWN, f"it is expected from the next look on: {_TIMER}", None
    patience = (wanted.every + wanted.within) * 60 + _SLACK
    last = arrival.arrived
    start = max(last or 0.0, arrival.expected)
    if arrival.troubled is not None and arrival.troubled > (last or 0.0):
        return State.BAD, f"a letter of it came back at {moment(arrival.troubled)}: {arrival.trouble}", start
    if now - start > patience:
        came = f"the last letter came at {moment(last)}" if last else "no letter ever came"
        said = f"{came}, and one is expected every {_span(wanted.every * 60)}; look at its queue (mailq) and its timer"
        return State.BAD, said, start
    if last is None:
        return State.UNKNOWN, "no letter came yet", None
    if (arrival.seconds or 0.0) > wanted.within * 60:
        return State.SOON, f"the last letter took {_span(arrival.seconds or 0.0)}", last
    return State.WELL, f"proved at {moment(last)}", None


def _proof(one: Direction) -> str:
    return {"answer": "an answer", "report": "a report", "return": "its return"}.get(one.way, one.way)


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{round(minutes / 60)} hours"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs a human, of all that hosts told. Where the watch of a host has looked at a thing, its word counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Host = Mapping[str, Any]
Need = dict[str, str]

DAY, HOUR = 86400, 3600
STATES = ("bad", "soon", "unknown")  # the worst first


@dataclass(frozen=True)
class Limits:
    """From when on somebody must act."""

    certificate_days: int = 14
    backup_hours: int = 26
    drill_days: int = 31
    queue_hours: int = 4
    queue_messages: int = 100
    fetched_hours: int = 24
    place_percent: int = 85


def needs(hosts: Sequence[Host], limits: Limits, now: float) -> list[Need]:
    """One for each thing, the worst first."""
    found = [one for host in hosts for one in _of_host(host, limits, now)]
    return sorted(found, key=lambda one: (STATES.index(one["state"]), one["host"], one["part"], one["subject"]))


def _of_host(host: Host, limits: Limits, now: float) -> Iterator[Need]:
    name = str(host["name"])
    report = host.get("report")
    if not report:
        yield _need(name, "bad", "host", name, "nothing could be asked there; see what the playbook said of it")
        return
    watched = [one for one in report.get("findings") or [] if str(one.get("state")) in STATES]
    for one in watched:
        yield _need(name, str(one["state"]), str(one["part"]), str(one["subject"]), str(one["said"]))
    parts = {str(one["part"]) for one in report.get("findings") or []}
    known = {rule for part in parts for rule in _WATCHED.get(part, ())}
    for part, look in _RULES.items():
        # Once is enough.
        if part not in known:
            for state, subject, said in look(host, limits, now):
                yield _need(name, state, part, subject, said)
    for part, said in (host.get("troubles") or {}).items():
        yield _need(name, "unknown", str(part), str(part), f"could not be found out: {said}")


def _need(host: str, state: str, part: str, subject: str, said: str) -> Need:
    return {"state": state, "host": host, "part": part, "subject": subject, "said": said}


_Found = Iterator[tuple[str, str, str]]


def _units(host: Host, _limits: Limits, _now: float) -> _Found:
    seen = host["report"].get("units") or {}
    for unit in seen.get("failed", []):
        yield "bad", unit, f"has failed; journalctl -u {unit} says why, systemctl reset-failed {unit} forgets it"
    for unit in seen.get("stopped", []):
        yield "bad", unit, f"starts at boot and does not run; systemctl start {unit}"


def _filters(host: Host, _limits: Limits, _now: float) -> _Found:
    for one in host["report"].get("filters") or []:
        if not one["ok"]:
            yield "bad", one["name"], f"does not let harmless mail in: {one['said'] or 'no answer'}"
    journal = host["report"].get("journal") or {}
    for name, words in (journal.get("filters") or {}).items():
        if words.get("down"):
            yield "soon", name, f"was down for {words['down']} messages of the time of this report"


def _certificates(host: Host, limits: Limits, now: float) -> _Found:
    for one in host["report"].get("certificates") or []:
        if one["until"] is None:
            yield "bad", one["path"], f"cannot be read: {one['said']}"
            continue
        days = int((one["until"] - now) // DAY)
        if days < 0:
            yield "bad", one["path"], f"expired {-days} days ago"
        elif days < limits.certificate_days:
            yield "soon", one["path"], f"expires in {days} days, and nothing has renewed it"


def _queue(host: Host, limits: Limits, _now: float) -> _Found:
    seen = host["report"].get("queue")
    if not seen:
        return
    if seen["messages"] >= limits.queue_messages:
        yield "soon", "queue", f"has {seen['messages']} messages; mailq lists all"
    if seen["oldest"] >= limits.queue_hours * HOUR:
        yield "soon", "oldest message", f"waits for {span(seen['oldest'])}; mailq lists all"


def _backup(host: Host, limits: Limits, now: float) -> _Found:
    seen = host["report"].get("backup")
    if seen is None:
        if host.get("domains"):
            yield "soon", "backup", "there is none of this host; see docs/backup.md"
        return
    if seen["error"]:
        yield "bad", "backup", seen["error"]
    finished, proved = seen.get("finished"), seen.get("proved")
    if not finished:
        yield "bad", "backup", "has never been finished"
    elif now - finished > limits.backup_hours * HOUR:
        yield "bad", "backup", f"is {span(now - finished)} old"
    if finished and not proved:
        yield "soon", "restore", "has never been proved; courier.mail.restore_drill does"
    elif proved and now - proved > limits.drill_days * DAY:
        yield "soon", "restore", f"was proved {span(now - proved)} ago"


def _fetched(host: Host, limits: Limits, now: float) -> _Found:
    for one in host["report"].get("fetched") or []:
        if one["state"] not in ("active", "activating"):
            yield "bad", one["name"], f"is not fetched any more; journalctl -u fetchmail@{one['name']} says why"
        elif one["reached"] is None:
            yield "soon", one["name"], "has not been reached yet"
        elif now - one["reached"] > limits.fetched_hours * HOUR:
            yield "bad", one["name"], f"was reached {span(now - one['reached'])} ago"


def _lists(host: Host, _limits: Limits, _now: float) -> _Found:
    for one in host["report"].get("lists") or []:
        if one["ok"] is False:
            yield "soon", one["zone"], f"{one['said']}; if it has ended, take it out of the inventory"


def _bans(host: Host, _limits: Limits, _now: float) -> _Found:
    seen = host["report"].get("bans") or {}
    if seen.get("error"):
        yield "bad", "bans", seen["error"]


def _places(host: Host, limits: Limits, _now: float) -> _Found:
    for one in host["report"].get("places") or []:
        for kind, used in (("full", one["used"]), ("out of inodes", one["inodes"])):
            if used * 100 >= limits.place_percent:
                yield "bad" if used >= 0.95 else "soon", one["path"], f"is {used * 100:.0f} % {kind}"


def _journal(host: Host, _limits: Limits, _now: float) -> _Found:
    seen = host["report"].get("journal")
    if seen and not seen["complete"]:
        yield "unknown", "journal", f"has more than {seen['lines']} lines; what came later is not counted"


_RULES = {
    "units": _units,
    "filters": _filters,
    "certificates": _certificates,
    "queue": _queue,
    "backup": _backup,
    "fetched": _fetched,
    "lists": _lists,
    "bans": _bans,
    "places": _places,
    "journal": _journal,
}

# What a part of the watch looks at, too.
_WATCHED = {"host": ("units", "certificates", "queue", "backup", "fetched", "lists", "places")}


def span(seconds: float) -> str:
    """A time in words, as exactly as people say it: not 1 day where it is 40 hours."""
    for size, name in ((DAY, "day"), (HOUR, "hour"), (60, "minute")):
        if seconds >= 2 * size or seconds == size:
            number = int(seconds // size)
            return f"{number} {name}{'s' if number != 1 else ''}"
    return f"{seconds:.0f} s"

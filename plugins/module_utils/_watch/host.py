# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `look` saw of this host: what of it is bad, and the numbers."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from . import _places
from ._found import Finding, Sample, State
from ._host_settings import Settings
from .look import PART, SEEN

_OLD = 600.0  # seconds after which it says nothing of now
_BACKLOG = 10  # that wait at a socket
_HOUR, _DAY = 3600.0, 86400.0
_STAGES = ("begun", "upgraded")  # between which and the end a host is neither the old nor the new one
_UPGRADE = 3 * _HOUR


class Unseen(Exception):
    """Nobody has looked lately."""


def findings() -> Iterator[Finding]:
    """What is bad."""
    yield from judged(_places.settings(PART, Settings), _seen(SEEN), time.time())


def samples() -> Iterator[Sample]:
    """The numbers."""
    yield from counted(_seen(SEEN))


def judged(settings: Settings, seen: Mapping[str, Any], now: float) -> Iterator[Finding]:
    """Findings of what was seen."""
    if now - seen["at"] > _OLD:
        raise Unseen(f"nobody has looked since {_time(seen['at'])}; see journalctl -u courier-mail-watch-look")
    for what, error in seen["errors"].items():
        yield Finding(PART, f"look at {what}", State.BAD, f"it cannot be seen: {error}")
    if seen["queue"]:
        yield from _queue(settings, seen["queue"])
    yield from _units(settings, seen["units"] or {}, seen["failed"] or [])
    for name, answers in (seen["sockets"] or {}).items():
        said = "it answers" if answers else f"it does not answer at its socket; systemctl status {name} says why"
        yield Finding(PART, f"socket of {name}", State.WELL if answers else State.BAD, said)
    for name, number in (seen["backlogs"] or {}).items():
        said = f"{number} wait for an answer" + ("" if number < _BACKLOG else "; restart what should answer")
        yield Finding(PART, f"socket of {name}", State.BAD if number >= _BACKLOG else State.WELL, said)
    for path, ends in (seen["certificates"] or {}).items():
        yield _certificate(settings, path, (ends - now) / _DAY)
    for path, room in (seen["room"] or {}).items():
        yield _room(settings, path, "space", room["free"], room["size"])
        yield _room(settings, path, "inodes", room["free_inodes"], room["inodes"])
    if seen["held"] is not None:
        said = f"the mail of {seen['held']} waits, since there was too much of it; courier-mail rate says whose"
        yield Finding(PART, "held senders", State.SOON if seen["held"] else State.WELL, said)
    yield from _lists(seen["lists"] or {})
    for name, reached in (seen["fetched"] or {}).items():
        late = now - reached > settings.fetched_hours * _HOUR
        said = f"it was reached last at {_time(reached)}" + (f"; journalctl -u fetchmail@{name}" if late else "")
        yield Finding(PART, f"mailbox elsewhere {name}", State.BAD if late else State.WELL, said)
    if seen["backup"]:
        yield from _backup(settings, seen["backup"], now)
    if seen["upgrade"]:
        cut = seen["upgrade"]["stage"] in _STAGES and now - seen["upgrade"]["at"] > _UPGRADE
        said = "an upgrade of Debian was cut off; run courier.mail.upgrade again" if cut else "there is none on its way"
        yield Finding(PART, "upgrade", State.BAD if cut else State.WELL, said)


def counted(seen: Mapping[str, Any]) -> Iterator[Sample]:
    """Samples of what was seen."""
    yield Sample("courier_mail_look_timestamp_seconds", seen["at"])
    if seen["queue"]:
        yield from _queued(seen["queue"])
    for unit, about in (seen["units"] or {}).items():
        yield Sample("courier_mail_unit_up", float(about["state"] == "active"), {"unit": unit})
        if unit.endswith(".service"):
            yield Sample("courier_mail_unit_restarts", about["restarts"], {"unit": unit})
    yield from _number("courier_mail_units_failed", None if seen["failed"] is None else len(seen["failed"]))
    for path, room in (seen["room"] or {}).items():
        for name, what in _ROOM.items():
            yield Sample(name, room[what], {"directory": path})
    for zone, state in (seen["lists"] or {}).items():
        yield Sample("courier_mail_dnsbl_usable", float(not state["broken"]), {"zone": zone})
    yield from _number("courier_mail_held_senders", seen["held"])
    yield from _number("courier_mail_denied_sources", seen["denied"])
    for name, (what, label) in _EACH.items():
        for key, value in (seen[what] or {}).items():
            yield Sample(name, float(value), {label: key})
    if seen["backup"]:
        yield from _backed_up(seen["backup"])


# Name of the metric: what was seen, and by what label its numbers differ.
_EACH = {
    "courier_mail_socket_up": ("sockets", "socket"),
    "courier_mail_socket_backlog": ("backlogs", "socket"),
    "courier_mail_certificate_expiry_timestamp_seconds": ("certificates", "file"),
    "courier_mail_own_list_entries": ("own_lists", "list"),
    "courier_mail_bans": ("bans", "jail"),
    "courier_mail_fetched_timestamp_seconds": ("fetched", "mailbox"),
}
_ROOM = {
    "courier_mail_room_size_bytes": "size",
    "courier_mail_room_free_bytes": "free",
    "courier_mail_room_inodes": "inodes",
    "courier_mail_room_free_inodes": "free_inodes",
}


def _queued(queue: Mapping[str, Any]) -> Iterator[Sample]:
    for state, number in {**queue["states"], "unread": queue["unread"]}.items():
        yield Sample("courier_mail_queue_messages", number, {"state": state})
    for age, number in queue["ages"].items():
        yield Sample("courier_mail_queue_age_messages", number, {"age": age})
    yield Sample("courier_mail_queue_oldest_seconds", queue["oldest"])


def _backed_up(backup: Mapping[str, Any]) -> Iterator[Sample]:
    for what in ("finished", "checked", "proved"):
        yield from _number(f"courier_mail_backup_{what}_timestamp_seconds", _figure(backup, what))
    yield from _number("courier_mail_backup_size_bytes", _figure(backup, "bytes"))
    minutes = _figure(backup, "restore_minutes")
    yield from _number("courier_mail_backup_restore_seconds", None if minutes is None else minutes * 60)
    yield Sample("courier_mail_backup_failed", float(bool(backup.get("error"))))


def _seen(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as stream:
            seen: dict[str, Any] = json.load(stream)
    except FileNotFoundError as error:
        raise Unseen("nobody has looked yet; see journalctl -u courier-mail-watch-look") from error
    return seen


def _queue(settings: Settings, queue: Mapping[str, Any]) -> Iterator[Finding]:
    hours, number = queue["oldest"] / _HOUR, sum(queue["states"].values()) + queue["unread"]
    late = hours > settings.queue_hours
    said = f"the oldest message waits for {hours:.1f} hours{'; mailq says why' if late else ''}"
    yield Finding(PART, "oldest message in the queue", State.BAD if late else State.WELL, said)
    many = number > settings.queue_messages
    said = f"{number} messages wait"
    told = f"{said}; mailq says for whom, and courier-mail rate who sends much"
    yield Finding(PART, "messages in the queue", State.BAD if many else State.WELL, told if many else said)


def _units(settings: Settings, units: Mapping[str, Any], failed: list[str]) -> Iterator[Finding]:
    for unit, about in units.items():
        down = about["state"] not in ("active", "activating", "reloading")
        if unit not in failed:
            said = f"it starts at boot and is {about['state']}; systemctl status {unit} says why" if down else "it runs"
            yield Finding(PART, f"unit {unit}", State.BAD if down else State.WELL, said)
    for unit in failed:
        if unit not in settings.may_fail:
            yield Finding(PART, f"unit {unit}", State.BAD, f"it has failed; journalctl -u {unit} says why")


def _certificate(settings: Settings, path: str, days: float) -> Finding:
    state = State.WELL
    if days <= settings.certificate_soon_days:
        state = State.BAD if days <= settings.certificate_bad_days else State.SOON
    said = f"it ends in {days:.0f} days" if days > 0 else f"it ended {-days:.0f} days ago"
    more = "" if state is State.WELL else "; whoever renews it has not done so: run site.yml --tags certificates"
    return Finding(PART, f"certificate {path}", state, said + more)


def _room(settings: Settings, path: str, what: str, free: int, size: int) -> Finding:
    percent = 100 * free / size if size else 100.0  # some file systems have no number of inodes
    state = State.WELL
    if percent < settings.room_soon_percent:
        state = State.BAD if percent < settings.room_bad_percent else State.SOON
    more = "" if state is State.WELL else "; make room, or mail will wait"
    return Finding(PART, f"{what} in {path}", state, f"{percent:.0f} percent are free{more}")


def _lists(lists: Mapping[str, Any]) -> Iterator[Finding]:
    for zone, about in lists.items():
        said = f"it is not believed: {about['broken']}" if about["broken"] else "it passes its test"
        since = about["since"] if about["broken"] else None
        yield Finding(PART, f"list {zone}", State.SOON if about["broken"] else State.WELL, said, since)


def _backup(settings: Settings, backup: Mapping[str, Any], now: float) -> Iterator[Finding]:
    error, finished, proved = backup.get("error"), _figure(backup, "finished"), _figure(backup, "proved")
    late = finished is None or now - finished > settings.backup_hours * _HOUR
    said = "there was none yet" if finished is None else f"the last one was finished at {_time(finished)}"
    if error:
        said = f"the last run failed: {str(error)[:300]}; {said}"
    yield Finding(PART, "backup", State.BAD if late or error else State.WELL, said)
    old = proved is None or now - proved > settings.proved_days * _DAY
    said = "none was restored yet to prove it" if proved is None else f"one was restored at {_time(proved)}"
    more = "; run restore_drill.yml" if old else ""
    yield Finding(PART, "backup proved by a restore", State.SOON if old else State.WELL, said + more)


def _figure(data: Mapping[str, Any], name: str) -> float | None:
    value = data.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _number(name: str, value: float | None) -> Iterator[Sample]:
    if value is not None:
        yield Sample(name, value)


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch alarm: tell once what is bad, and once that it is well again."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

from . import _alarm_send as send
from . import _alarm_state as memory
from . import _parts, _places
from ._alarm_settings import Settings
from ._exit import CONFIGURATION, UNAVAILABLE, fail
from ._found import Finding, Sample, State
from ._settings import SettingsError

PART = "alarm"
FILE = "alarm.sqlite"
_LEVELS = {State.BAD.value: "<3>", State.SOON.value: "<4>", State.UNKNOWN.value: "<4>", "still": "<4>"}


def main(arguments: Sequence[str]) -> int:
    """Run the command. Returns its exit code."""
    given = _parser().parse_args(arguments)
    try:
        settings = _places.settings(PART, Settings)
        known = memory.Memory(os.path.join(_places.STATE, FILE))
    except SettingsError as error:
        return fail(CONFIGURATION, str(error))
    except (OSError, sqlite3.Error) as error:
        return fail(UNAVAILABLE, str(error))
    try:
        if given.list:
            _list(known.things(), as_json=given.json)
            return 0
        return _test(settings) if given.test else run(settings, known, _parts.findings(), time.time())
    finally:
        known.close()


def findings() -> Iterable[Finding]:
    """Whether somebody would be told."""
    settings = _places.settings(PART, Settings)
    known = memory.Memory(os.path.join(_places.STATE, FILE))
    try:
        failed = {way.name: way for way in known.ways() if way.error}
    finally:
        known.close()
    for way in _ways(settings):
        if way in failed:
            said = f"nobody is told on this way: {failed[way].error}; what is to be told waits"
            yield Finding(PART, way, State.BAD, said, failed[way].since)
        else:
            yield Finding(PART, way, State.WELL, "it took what it was told")


def samples() -> Iterable[Sample]:
    """How many alarms there are, and whether they can be told."""
    settings = _places.settings(PART, Settings)
    known = memory.Memory(os.path.join(_places.STATE, FILE))
    try:
        things, ways = known.things(), {way.name: way for way in known.ways()}
    finally:
        known.close()
    for state in (State.BAD, State.SOON, State.UNKNOWN):
        number = sum(one.state is state and one.key not in settings.silent for one in things)
        yield Sample("courier_mail_alarms", number, {"state": state.value})
    for name in _ways(settings):
        way = ways.get(name, memory.Way(name, 0.0, "", 0, 0))
        yield Sample("courier_mail_alarm_way_up", float(not way.error), {"way": name})
        yield Sample("courier_mail_alarm_messages_total", way.sent, {"way": name, "result": "told"})
        yield Sample("courier_mail_alarm_messages_total", way.failed, {"way": name, "result": "failed"})


def run(settings: Settings, known: memory.Memory, found: Iterable[Finding], now: float) -> int:
    """Look, and tell on every way what is to be told."""
    ways = _ways(settings)
    known.forget(ways, now)
    for event in known.look(found, ways, settings, now):
        level = _LEVELS.get(event.event, "<5>") if "JOURNAL_STREAM" in os.environ else ""
        sys.stderr.write(f"{level}{send.line(f'{event.event}: {event.key}: {event.said}')}\n")
    waiting = {way: some for way in ways if (some := known.waiting(way))}
    errors = _tell(settings, {way: [event for _number, event in some] for way, some in waiting.items()}, now)
    for way, some in waiting.items():
        if way in errors:
            sys.stderr.write(f"courier-mail-watch: {way} could not be told: {errors[way]}\n")
            known.failed(way, errors[way], now)
        else:
            known.sent(way, [number for number, _event in some], now)
    return 0


def _tell(
    settings: Settings, waiting: Mapping[str, Sequence[memory.Event]], now: float, *, test: bool = False
) -> dict[str, str]:
    """Tell all of them at the same time, and say who could not be told, and why. Nobody waits for another."""
    errors: dict[str, str] = {}
    done: set[str] = set()

    def tell(way: str) -> None:
        try:
            if way == "mail":
                send.mail(settings, waiting[way], now)
            else:
                text = send.body(settings, waiting[way], now, test=test)
                send.webhook(settings, way.removeprefix("webhook "), text, now)
        except send.Untold as error:
            errors[way] = str(error)
        except Exception as error:
            errors[way] = type(error).__name__
        done.add(way)

    threads = [threading.Thread(target=tell, args=(way,), daemon=True) for way in waiting]
    # One that sends a byte now and then would never come to its timeout.
    deadline = time.monotonic() + max(2 * settings.timeout, 70 if "mail" in waiting else 0)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = {way: "it did not come to an end" for way in waiting if way not in done}
    return {**errors, **late}


def _test(settings: Settings) -> int:
    """Send one alarm on every way that is a test, and remember nothing of it."""
    now = time.time()
    ways = _ways(settings)
    if not ways:
        return fail(CONFIGURATION, "nobody would be told; give the host mail_contact or mail_alarm_webhooks")
    event = memory.Event("alarm: test", PART, "test", "bad", "bad", now, "this is a test, and nothing is wrong")
    errors = _tell(settings, {way: [event] for way in ways}, now, test=True)
    for way in ways:
        sys.stdout.write(f"{way}: {errors.get(way, 'told')}\n")
    return UNAVAILABLE if errors else 0


def _ways(settings: Settings) -> list[str]:
    return [*(["mail"] if settings.mail else []), *(f"webhook {name}" for name in settings.webhooks)]


def _list(things: Sequence[memory.Thing], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([memory.as_data(one) for one in things], indent=2) + "\n")
        return
    for one in things:
        since = datetime.datetime.fromtimestamp(one.since).strftime("%Y-%m-%d %H:%M")
        sys.stdout.write(f"{one.state:<7} {since}  {one.key}: {one.said}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="courier-mail-watch", description="What is bad, and who is told.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("alarm", help="look, and tell what has become bad or well")
    what = one.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="how things stand, the worst first")
    what.add_argument("--test", action="store_true", help="send a test on every way")
    one.add_argument("--json", action="store_true", help="with --list: as JSON")
    return parser

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reports that come in say: take one, forget old ones, say what they say and what is due, and who must hear of it.

A message that cannot be kept now must come again, and one that is no good must not. So whatever is wrong with the
message ends with 0, and whatever is wrong with this host with 75 (sysexits.h), for which Courier keeps it in its queue.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Sequence

from . import _registrations
from . import _reports_findings as hearing
from . import _reports_mail as mail
from . import _reports_summary as summary
from . import _reports_take as reader
from ._exit import CONFIGURATION, TEMPORARY, UNAVAILABLE, fail
from ._found import Finding, Sample
from ._hand import receive
from ._reports_settings import PATH, Settings, read
from ._reports_store import Limits, Store, StoreError
from ._settings import SettingsError

_SECONDS = 300  # for a whole message, of which the reading of it is a part


class Unfit(Exception):
    """This host cannot take reports now."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code."""
    given = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = given.command
    return command(given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="courier-mail-watch", description="Reports of others about our mail.")
    parser.add_argument("--configuration", default=PATH, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("take", help="keep the report in the message on standard input")
    one.set_defaults(command=_take)

    one = commands.add_parser("reports", help="what others report of our mail")
    one.add_argument("what", nargs="?", choices=["list", "prune"], default="list", help="say it, or forget what is old")
    one.add_argument("--days", type=_number, default=7, help="how far to look back (%(default)s)")
    one.add_argument("--domain", default="", help="only about this domain")
    one.add_argument("--top", type=_number, default=summary.TOP, help="how many lines each (%(default)s)")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(command=_reports)

    one = commands.add_parser("registrations", help="where we are registered, and what is to be done about it")
    one.add_argument("what", nargs="?", choices=["list", "due"], default="list", help="all, or what is to be done")
    one.add_argument("--within", type=_number, default=_registrations.SOON, help="in so many days (%(default)s)")
    one.add_argument("--json", action="store_true", help="as JSON")
    one.set_defaults(command=_registered)
    return parser


def _take(given: argparse.Namespace) -> int:
    # Half a message in a pipe that stays open would wait for ever.
    signal.signal(signal.SIGALRM, _too_late)
    signal.alarm(_SECONDS)
    try:
        settings = read(given.configuration)
        mail.prepare()
        _become(os.path.dirname(settings.store))
        raw = receive(sys.stdin.buffer, settings.message_bytes)
        store = Store(settings.store, _limits(settings))
        try:
            done = reader.take(raw, settings, store)
        finally:
            store.close()
    # Everything that is not foreseen is this host's mistake, and may be put right before the message is too old.
    except Exception as error:
        return fail(TEMPORARY, f"cannot take reports now: {type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
    for one in done:
        said = f"not taken, {one['reason']}: {one['said']}" if one["reason"] else "taken"
        sys.stderr.write(f"courier-mail-watch: {one['kind'] or 'message'} of {one['reporter'] or 'somebody'}: {said}\n")
    return 0


def _too_late(_number: int, _frame: object) -> None:
    raise Unfit(f"the message did not end within {_SECONDS} s")


def _become(directory: str) -> None:
    """Never read what strangers write as root: be the owner of the store."""
    if os.geteuid() != 0:
        return
    owner = os.stat(directory)
    if owner.st_uid == 0:
        raise Unfit(f"{directory} belongs to root; give it to the user who takes reports")
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)


def findings(settings: Settings | None = None, now: float | None = None) -> list[Finding]:
    """What somebody must hear of."""
    wanted, at = settings or read(), time.time() if now is None else now
    found = list(hearing.registered(wanted, _day(at)))
    with contextlib.closing(Store(wanted.store, _limits(wanted), readonly=True)) as store:
        return found + list(hearing.heard(store, wanted, at))


def samples(settings: Settings | None = None, now: float | None = None) -> list[Sample]:
    """What can be counted."""
    wanted, at = settings or read(), time.time() if now is None else now
    found = list(hearing.registrations(wanted, _day(at)))
    with contextlib.closing(Store(wanted.store, _limits(wanted), readonly=True)) as store:
        return found + summary.samples(store, at)


def _day(at: float) -> datetime.date:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).date()


def _reports(given: argparse.Namespace) -> int:
    try:
        settings = read(given.configuration)
        if given.what == "prune":
            with contextlib.closing(Store(settings.store, _limits(settings))) as kept:
                kept.prune()
            return 0
        store = Store(settings.store, _limits(settings), readonly=True)
        try:
            found = summary.everything(store, summary.since(time.time(), given.days), given.domain, given.top)
        finally:
            store.close()
    except SettingsError as error:
        return fail(CONFIGURATION, str(error))
    except (OSError, StoreError, sqlite3.Error) as error:
        return fail(UNAVAILABLE, str(error))
    _say(_json(found) if given.json else summary.written(found))
    return 0


def _registered(given: argparse.Namespace) -> int:
    """Ends with 1 where something is late."""
    today = datetime.datetime.now(datetime.UTC).date()
    try:
        known = _registrations.read(read(given.configuration).registrations, today)
    except (SettingsError, _registrations.RegistrationError) as error:
        return fail(CONFIGURATION, str(error))
    except OSError as error:
        return fail(UNAVAILABLE, str(error))
    found = _registrations.due(known, today, given.within)
    late = any(one.state == "late" for one in found)
    if given.what == "due":
        found = [one for one in found if one.state != "well"]
    if given.json:
        _say(_json(_registrations.data(found)))
    elif not found:
        _say("Nothing is due.\n" if known else "There are no registrations.\n")
    for one in [] if given.json else found:
        _say(f"{one.state:<5} {one.registration.name} ({', '.join(one.registration.subjects)}): {one.said}\n")
    return int(late)


def _limits(settings: Settings) -> Limits:
    return Limits(settings.days, settings.reporter_rows, settings.day_rows)


def _number(said: str) -> int:
    if not said.isdigit() or not 1 <= int(said[:9]) <= 3650:
        raise argparse.ArgumentTypeError("write a number from 1 to 3650")
    return int(said[:9])


def _json(found: object) -> str:
    return f"{json.dumps(found, indent=2, sort_keys=True)}\n"


def _say(text: str) -> None:
    sys.stdout.write(text)


if __name__ == "__main__":
    raise SystemExit(main())

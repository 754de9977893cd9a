# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail: what the filters know, and what the operator decides."""

from __future__ import annotations

import argparse
import datetime
import grp
import ipaddress
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from . import (
    _bigmail,
    _configuration,
    _dmarc_report,
    _lists,
    _maildirs,
    _queue,
    _tell,
    _zones,
    authenticate,
    deny,
    dnsbl,
    learn,
    rate,
)
from ._origin import site
from ._resolve import Resolver
from ._settings import SettingsError, build
from ._store import Store
from ._verdict import Down

# sysexits.h
UNAVAILABLE, TEMPORARY, CONFIGURATION = 69, 75, 78

_Settings = TypeVar("_Settings")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code."""
    given = _parser().parse_args(arguments)
    try:
        command: Callable[[argparse.Namespace], int] = given.command
        return command(given)
    except (SettingsError, KeyError, SyntaxError) as error:
        return _fail(CONFIGURATION, f"the configuration makes no sense: {error}")
    except Down as error:
        return _fail(TEMPORARY, str(error))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        said = getattr(error, "stderr", None)
        return _fail(UNAVAILABLE, f"{error}{': ' + said.decode(errors='replace').strip() if said else ''}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="courier-mail", description=__doc__)
    parser.add_argument("--configuration", default=_configuration.PATH, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("rate", help="who sent how much within the last hour, and whose mail waits")
    one.add_argument("what", nargs="?", choices=["list"], default="list")
    one.set_defaults(command=_rate)

    one = commands.add_parser("release", help="let the mail of an account go that waits")
    one.add_argument("account", help="the login, the address of a host, or 'local' and the number of a user")
    one.set_defaults(command=_release)

    one = commands.add_parser("hold", help="let no mail of an account go out from now on")
    one.add_argument("account", help="as for release")
    one.set_defaults(command=_hold)

    one = commands.add_parser("purge", help="throw away what an account sent and is not delivered yet")
    one.add_argument("account", help="as for release")
    one.add_argument("--dry-run", action="store_true", help="only say what waits")
    one.set_defaults(command=_purge)

    one = commands.add_parser(
        "traps", help="which hosts wrote to traps, sent large bulk mail or guessed passwords, and what that is worth"
    )
    one.set_defaults(command=_traps)

    one = commands.add_parser("deny", help="bring the deny list up to date")
    one.add_argument("--dry-run", action="store_true", help="only say what would change")
    one.add_argument("--end", action="store_true", help="refuse nobody any more: remove the list")
    one.set_defaults(command=_deny)

    one = commands.add_parser("pardon", help="forget what a host did, and let it in again")
    one.add_argument("source", help="the address, or for IPv6 the /64, as courier-mail traps has it")
    one.set_defaults(command=_pardon)

    one = commands.add_parser("attacked", help="count an attack of a host, such as a ban")
    one.add_argument("address", help="of the host")
    one.add_argument("--note", default="", help="what it did")
    one.set_defaults(command=_attacked)

    one = commands.add_parser("lists", help="the lists in DNS that we look into, and which of them are broken")
    one.add_argument("--test", action="store_true", help="test them now, and leave out those that are broken")
    one.set_defaults(command=_list)

    one = commands.add_parser("zones", help="write the zones of our own lists")
    one.add_argument("directory", help="where rbldnsd reads them")
    one.set_defaults(command=_zone)

    one = commands.add_parser("learn", help="learn from where people put their mail")
    one.set_defaults(command=_learn)

    one = commands.add_parser("bigmail", help="report large messages")
    one.add_argument("--days", type=float, default=1.0, help="how far to look back (%(default)s)")
    one.add_argument("--size", type=_bigmail.size, default="4M", help="above which size (%(default)s)")
    one.add_argument("--to", default="", help="send it to this address, if there is something to say")
    one.set_defaults(command=_big)

    one = commands.add_parser(
        "dmarc-report", help="tell domains what was found of mail in their name, if they want to know"
    )
    one.add_argument("--dry-run", action="store_true", help="only say who would hear of it")
    one.set_defaults(command=_dmarc)
    return parser


def _rate(given: argparse.Namespace) -> int:
    settings = _settings(given, "rate", rate.Settings)
    store = _store(settings.store)
    holds = {hold.key: hold for hold in store.holds()}
    sent = store.sent()
    rows = [("messages", "recipients", "who", "")]
    rows += [(str(one.messages), str(one.recipients), one.key, _held(holds.pop(one.key, None))) for one in sent]
    rows += [("0", "0", hold.key, _held(hold)) for hold in holds.values()]
    if len(rows) == 1:
        _say("Nobody has sent anything within the last hour, and nobody's mail waits.")
        return 0
    for messages, recipients, who, held in rows:
        _say(f"{messages:>8} {recipients:>10}  {who}{held}")
    return 0


def _release(given: argparse.Namespace) -> int:
    settings = _settings(given, "rate", rate.Settings)
    if not _store(settings.store).release(given.account.lower()):
        return _fail(1, f"the mail of {given.account} does not wait; courier-mail rate says whose does")
    _say(f"The mail of {given.account} goes on. Clients that were told to wait try again by themselves.")
    return 0


def _hold(given: argparse.Namespace) -> int:
    settings = _settings(given, "rate", rate.Settings)
    store, who = _store(settings.store), given.account.lower()
    store.hold(who, rate.BY_OPERATOR)
    store.tell(who)  # he knows
    _say(f"The mail of {who} is deferred until courier-mail release '{who}'.")
    return 0


def _purge(given: argparse.Namespace) -> int:
    who = given.account.lower()
    waiting = _queue.sent_by(who)
    if not waiting:
        _say(f"Nothing of {who} waits.")
        return 0
    later = 0
    for one in waiting:
        names = f"{', '.join(one.recipients[:5])}{' ...' if len(one.recipients) > 5 else ''}"
        if given.dry_run:
            _say(f"{one.id} for {names} waits")
        elif _queue.cancel(one.id, "Thrown away by the postmaster"):
            _say(f"{one.id} for {names} is thrown away")
        else:
            later = _fail(TEMPORARY, f"{one.id} for {names} is on its way right now; try again")
    return later


def _traps(given: argparse.Namespace) -> int:
    settings = _settings(given, "deny", deny.Settings)
    found = deny.scores(_store(settings.store).events(deny.KINDS), settings.half_life, time.time())
    if not found:
        _say("Nobody has written to a trap, sent large bulk mail or guessed passwords.")
        return 0
    _say(f"   worth  hits  last              source (refused from {settings.threshold:g} on, until {settings.until:g})")
    for one in found:
        _say(f"{one.worth:>8.2f} {one.hits:>5}  {_time(one.last)}  {one.source}  {one.note}")
    return 0


def _deny(given: argparse.Namespace) -> int:
    if given.end:
        deny.end()
        return 0
    done = deny.run(_settings(given, "deny", deny.Settings), dry=given.dry_run)
    # Whoever is spared is so at every run, which is for those who ask.
    spared = done.passed if given.dry_run else []
    for word, sources in (("refused from now on", done.added), ("let in again", done.removed), ("spared", spared)):
        for source in sources:
            _say(f"{source} is {word}{' (not really: --dry-run)' if given.dry_run else ''}")
    return 0


def _pardon(given: argparse.Namespace) -> int:
    settings = _settings(given, "deny", deny.Settings)
    if not _store(settings.store).pardon(deny.KINDS, given.source):
        return _fail(1, f"{given.source} has done nothing; courier-mail traps says who has")
    deny.run(settings)
    _say(f"{given.source} is forgiven, and not refused.")
    return 0


def _attacked(given: argparse.Namespace) -> int:
    """Whoever attacks may come before anybody who sends mail, so the store is made if it is not there."""
    settings = _settings(given, "deny", deny.Settings)
    store = Store(settings.store)
    try:
        store.add("auth", site(str(ipaddress.ip_address(given.address))), 1.0, given.note)
    finally:
        store.close()
    return 0


def _list(given: argparse.Namespace) -> int:
    settings = _settings(given, "dnsbl", dnsbl.Settings)
    entries = settings.entries()

    def tell(zone: str, state: _lists.State) -> bool:
        # <3> is an error in the journal (sd-daemon(3)).
        sys.stderr.write(f"<3>courier-mail: the list {zone} is broken and refuses nobody: {state.broken}\n")
        if settings.contact:
            rate.send(settings.contact, f"The list {zone} is broken", _broken(zone, state.broken))
        return True

    found = _lists.retest(entries, tell, settings.state) if given.test else _lists.read(settings.state)
    if not entries:
        _say("There are no lists; mail_blocklists has them.")
    for entry in entries:
        state = found.get(entry.zone)
        broken = f"broken since {_time(state.since)}: {state.broken}" if state and state.broken else "well"
        _say(f"{entry.zone} ({'good hosts' if entry.allows else 'bad hosts'}): {broken if state else 'not tested yet'}")
    return int(any(state.broken for zone, state in found.items() if zone in {entry.zone for entry in entries}))


def _broken(zone: str, why: str) -> str:
    return (
        f"{zone} does not pass the test that every list passes:\n\n  {why}\n\n"
        "Until it does, which is tried each hour, nobody is refused or let in because of it. If it has ended, take it\n"
        "out of mail_blocklists or mail_allowlists.\n"
    )


def _zone(given: argparse.Namespace) -> int:
    for name in _zones.run(_settings(given, "deny", deny.Settings), given.directory):
        _say(f"{name} has changed")
    return 0


def _learn(given: argparse.Namespace) -> int:
    settings = _settings(given, "learn", learn.Settings)
    directory = os.path.dirname(settings.store)
    if os.geteuid() == 0:
        _own(directory, settings.user)
        # The group of spamd's socket.
        _maildirs.become(settings.user, [grp.getgrnam("courier").gr_gid])
    store = Store(settings.store)
    try:
        done = learn.run(settings, store, lambda text, kind: _tell.learn(text, kind, settings.socket), time.time())
    finally:
        store.close()
    if any(done):
        _say(f"Learned {done.spam} as spam and {done.ham} as ham; {done.moved} went back into inboxes.")
    return 0


def _big(given: argparse.Namespace) -> int:
    settings = _settings(given, "learn", learn.Settings)
    if os.geteuid() == 0:
        _maildirs.become(settings.user)
    text = _bigmail.report(settings.root, given.days, given.size, time.time())
    if text and given.to:
        rate.send(given.to, "Large messages", text)
    elif not given.to:
        _say(text or "There are none.")
    return 0


def _dmarc(given: argparse.Namespace) -> int:
    settings = _settings(given, "authenticate", authenticate.Settings)
    if not settings.reports:
        return _fail(1, "nothing is kept for reports; mail_dmarc_reports: true does")
    domain = settings.domains[0] if settings.domains else settings.host
    who = _dmarc_report.Reporter(settings.host, f"postmaster@{domain}", settings.domains)
    code = 0
    for done in _dmarc_report.run(
        _store(settings.store), who, Resolver(all_seconds=3600), _dmarc_report.sendmail, given.dry_run
    ):
        if done.addresses:
            _say(f"{done.domain}: {'would be ' if given.dry_run else ''}reported to {', '.join(done.addresses)}")
        elif done.said.startswith("later: "):
            code = _fail(TEMPORARY, f"{done.domain}: {done.said}")
        else:
            _say(f"{done.domain}: not reported, {done.said}")
    return code


def _settings(given: argparse.Namespace, name: str, kind: type[_Settings]) -> _Settings:
    _order, _when_down, settings = _configuration.read(given.configuration)
    said: dict[str, Any] = settings.get(name, {})
    return build(kind, said)


def _store(path: str) -> Store:
    """The filters' store; it is theirs to make."""
    if not os.path.exists(path):
        raise FileNotFoundError(f"{path} is not there: no filter has counted anything yet")
    return Store(path)


def _own(directory: str, user: str) -> None:
    """The learner's directory, which is the mail user's."""
    os.makedirs(directory, 0o750, exist_ok=True)
    if os.stat(directory).st_uid == 0:
        shutil.chown(directory, user)


def _held(hold: Any) -> str:
    return f"  waits since {_time(hold.since)}: {hold.reason}" if hold else ""


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _fail(code: int, text: str) -> int:
    sys.stderr.write(f"courier-mail: {text}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who went to the last exchanger in DNS (_tarbaby) without having tried the real one, which mail servers do not do.

The last one has no right to the store, nor to anything else of Courier's. Whoever compiles the deny list asks it, as
its own user where it is on this host, by SMTP where it has a host of its own, and believes nothing that has another
form.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import re
import smtplib
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ._store import HOUR, Event, Store, site
from ._tarbaby import KIND, LOGIN, domain, printable

COMMAND = "/usr/local/sbin/courier-tarbaby"
_MANY = 100000
_SECONDS = 60
# courieresmtpd's first line of each connection, as `journalctl --output=short-unix` has it.
_STARTED = re.compile(r"(\d+\.\d+) \S+ \S+ started,ip=\[([0-9A-Fa-f:.]+)\]")


@dataclass(frozen=True)
class Taken:
    """What a visit is worth, and who has last exchangers on hosts of their own."""

    worth: float
    grace: float  # seconds for which the real exchanger must have been open
    exchangers: Sequence[str] = ()
    domains: Collection[str] = ()  # ours; those exchangers have others' visitors as well


def collect(store: Store, taken: Taken, listed: Collection[str], protected: Callable[[str], bool]) -> None:
    """Take over what is new. Who is listed already had to go elsewhere.

    Where nobody answers, that is said, and the next time does it.
    """
    sources: dict[str, Callable[[float], list[str]]] = {}
    if os.path.exists(COMMAND):
        sources[KIND] = _local
    sources |= {f"{KIND} {host}": functools.partial(_remote, host) for host in taken.exchangers}
    asked = {mark: visits for mark, ask in sources.items() if (visits := _asked(mark, ask, store.marked(mark)))}
    if not asked:
        return
    try:
        up, called = _up(), _called(min(visits[0].at for visits in asked.values()) - HOUR)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"who came to the real exchanger is not known: {error}\n")
        return
    for mark, visits in asked.items():
        for visit in visits:
            if mark != KIND and not _concerns(visit, taken.domains):
                continue
            why = excuse(visit, up, called, taken.grace)
            if not why and visit.key in listed:
                why = "the real exchanger refuses it"
            elif not why and protected(visit.key):
                why = "is ours, or a peer"
            amount = 0.0 if why else visit.amount * taken.worth
            store.add(KIND, visit.key, amount, f"{visit.note}{f' ({why})' if why else ''}", visit.at)
        store.mark(mark, visits[-1].at)


def _asked(mark: str, ask: Callable[[float], list[str]], since: float) -> list[Event]:
    try:
        return parse(ask(since)[:_MANY], since, time.time())
    except (OSError, subprocess.SubprocessError, smtplib.SMTPException) as error:
        sys.stderr.write(f"who came to the last exchanger{mark.removeprefix(KIND)} is not known: {error}\n")
        return []


def parse(lines: Iterable[str], since: float, now: float) -> list[Event]:
    """The visits between two times, in their order. What has another form is passed over."""
    found = []
    for line in lines:
        try:
            key, at, amount, note = json.loads(line)
            network = ipaddress.ip_network(key)
            visit = Event(str(network.network_address), float(at), float(amount), printable(str(note)))
        except (ValueError, TypeError):
            continue
        if since < visit.at <= now and visit.amount in (0.0, 1.0):
            found.append(visit._replace(key=site(visit.key)))
    return sorted(found, key=lambda visit: visit.at)


def _concerns(visit: Event, domains: Collection[str]) -> bool:
    """Whether a visit was about one of these domains. Whoever tries to log in concerns everybody."""
    return visit.note == LOGIN or (visit.amount > 0 and domain(visit.note) in domains)


def excuse(visit: Event, up: float | None, called: Mapping[str, Sequence[float]], grace: float) -> str:
    """Why a visit speaks against nobody; nothing where it does."""
    if visit.amount == 0:
        return "no domain with another exchanger"
    if up is None or visit.at - up < grace:
        return "the real exchanger was not open"
    if any(visit.at - HOUR <= at <= visit.at for at in called.get(visit.key, ())):
        return "tried the real exchanger first"
    return ""


def calls(lines: Iterable[str]) -> dict[str, list[float]]:
    """When each source called the real exchanger, by Courier's journal."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in lines:
        if match := _STARTED.match(line):
            address = match[2].lower().removeprefix("::ffff:")
            found[site(address)].append(float(match[1]))
    return found


def _local(since: float) -> list[str]:
    return _run(COMMAND, "events", "--after", repr(since)).splitlines()


def _remote(host: str, since: float) -> list[str]:
    with smtplib.SMTP(host, timeout=_SECONDS) as exchanger:
        code, said = exchanger.docmd("XVISITS", repr(since))
    if code != 250:
        raise smtplib.SMTPResponseException(code, said)
    return said.decode(errors="replace").splitlines()


def _called(since: float) -> dict[str, list[float]]:
    # By the name of the program: it ends so soon that the journal may not know any more whose it was.
    arguments = ("--no-pager", "--quiet", "--output=short-unix", f"--since=@{int(since)}")
    return calls(_run("journalctl", *arguments, "SYSLOG_IDENTIFIER=courieresmtpd").splitlines())


def _up() -> float | None:
    """Since when the real exchanger is open, or nothing where it is not."""
    said = _run(
        "systemctl", "show", "--timestamp=unix", "--property=ActiveState,ActiveEnterTimestamp", "courier-mta.service"
    )
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    entered = values.get("ActiveEnterTimestamp", "").removeprefix("@")
    return float(entered) if values.get("ActiveState") == "active" and entered.isdigit() else None


def _run(*command: str) -> str:
    done = subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)  # noqa: S603 -- these above
    return done.stdout.decode(errors="replace")

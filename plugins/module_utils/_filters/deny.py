# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse mail of hosts that send spam to traps or large bulk mail, or guess passwords, until that has faded.

Each hit counts less by the day. The list is a file of its own beside what the role courier_mta writes into smtpaccess,
which wins: what is named there in any way is the operator's decision, and never listed here.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import subprocess
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from . import _addresses, _replace, _store, _visits
from ._settings import networks
from ._settings import refuse as refuse_setting
from ._store import DAY, Event, Store

KINDS = ("trap", "big", "auth", "tarbaby")
DIRECTORY = "/etc/courier"
NAME = "filtered"  # in smtpaccess
_HEADER = (
    "# Written by courier-mail deny. What you write here is lost; courier-mail traps says why an entry is there.\n"
)
_MANY = 20000


@dataclass(frozen=True)
class Settings:
    # After so many days a hit counts half.
    half_life: float = 7.0
    # A source is refused when its hits add up to this, and until they are worth less than that.
    threshold: float = 2.5
    until: float = 1.0
    # What it counts when somebody asks the last exchanger, and has not asked the real one; for so many seconds
    # that one must have been open before. 0 counts nothing.
    tarbaby: float = 0.25
    tarbaby_grace: float = 600.0
    # Last exchangers on hosts of their own, which are asked who came for one of these domains.
    exchangers: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    # Networks that are never refused, beside our own addresses, managed peers, and all that smtpaccess names otherwise.
    never: list[str] = field(default_factory=list)
    # What a client reads that is refused; who logs in is not. Empty: the connection is closed before the greeting.
    reply: str = "550 5.7.1 Your host sends spam; this ends some days after the last of it"
    store: str = _store.PATH
    known: str = _addresses.PATH

    def __post_init__(self) -> None:
        if self.half_life <= 0:
            refuse_setting("half_life", self.half_life, "a number of days above 0")
        if not 0 < self.until <= self.threshold:
            refuse_setting("until", self.until, f"more than 0, and not more than threshold, which is {self.threshold}")
        if not 0 <= self.tarbaby <= self.threshold:
            refuse_setting(
                "tarbaby", self.tarbaby, f"0 or more, and not more than threshold, which is {self.threshold}"
            )
        if self.tarbaby_grace < 0:
            refuse_setting("tarbaby_grace", self.tarbaby_grace, "a number of seconds")
        networks("never", self.never)
        if self.reply and not re.fullmatch(r"5[0-9]{2} [ !#-&(-~]*[!#-&(-~]", self.reply):
            refuse_setting("reply", self.reply, "a code and a text of ASCII without quotes, such as 550 5.7.1 Go away")


class Score(NamedTuple):
    """What the hits of a source are worth now."""

    source: str
    worth: float
    hits: int
    last: float
    note: str  # of the last one


class Done(NamedTuple):
    """What became of the list."""

    entries: list[str]
    added: list[str]
    removed: list[str]
    passed: list[str]  # worth it, and protected


def scores(events: Iterable[Event], half_life: float, now: float) -> list[Score]:
    """What each source is worth, most first. half_life is in days."""
    hits: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.amount > 0:
            hits[event.key].append(event)
    found = [
        Score(
            source,
            sum(one.amount * 0.5 ** (max(now - one.at, 0.0) / DAY / half_life) for one in its),
            len(its),
            its[-1].at,
            its[-1].note,
        )
        for source, its in hits.items()
    ]
    return sorted(found, key=lambda score: (-score.worth, score.source))


def wanted(found: Iterable[Score], listed: Collection[str], settings: Settings) -> list[str]:
    """The sources that are refused: new ones above the threshold, and those that are there and have not faded."""
    return [
        score.source
        for score in found
        if score.worth >= (settings.until if score.source in listed else settings.threshold)
    ][:_MANY]


def key(source: str) -> str:
    """A source as Courier looks it up: whole groups."""
    network = ipaddress.ip_network(source)
    if network.version == 4:
        return str(network.network_address)
    groups = network.network_address.exploded.split(":")[: network.prefixlen // 16]
    return "".join(f":{group}" for group in groups)


def render(sources: Iterable[str], reply: str) -> str:
    """The text of the list."""
    action = f'allow,BLOCK="{reply}"' if reply else "deny"
    return _HEADER + "".join(f"{key(source)}\t{action}\n" for source in sorted(sources))


def parse(text: str) -> list[str]:
    """The sources in the list."""
    found = []
    for line in text.split("\n"):
        name, tab, _action = line.partition("\t")
        if tab and not name.startswith("#"):
            found.append(_source(name))
    return found


def run(settings: Settings, directory: str = DIRECTORY, *, dry: bool = False) -> Done:
    """Write the list and compile it, if it is another than before. Raises OSError or SubprocessError."""
    path = f"{directory}/smtpaccess/{NAME}"
    before = _text(path)
    listed = parse(before or "")
    named = _named(f"{directory}/smtpaccess")
    ranges = [name for name in named if "/" in name]  # makedat expands them itself
    never = [ipaddress.ip_network(one) for one in (*settings.never, *_addresses.networks(settings.known), *ranges)]
    store = Store(settings.store)
    try:
        if not dry:
            taken = _visits.Taken(
                settings.tarbaby, settings.tarbaby_grace, settings.exchangers, [one.lower() for one in settings.domains]
            )
            _visits.collect(store, taken, listed, lambda source: _protected(source, named, never))
        sources = wanted(scores(store.events(KINDS), settings.half_life, time.time()), listed, settings)
    finally:
        store.close()
    passed = [source for source in sources if _protected(source, named, never)]
    refused = sorted(set(sources) - set(passed))
    text = render(refused, settings.reply)
    if not dry:
        _put(path, None if before is None and not refused else text, before, f"{directory}/smtpaccess.dat")
    return Done(refused, sorted(set(refused) - set(listed)), sorted(set(listed) - set(refused)), passed)


def end(directory: str = DIRECTORY) -> None:
    """Refuse nobody any more. Raises OSError or SubprocessError."""
    os.unlink(f"{directory}/smtpaccess/{NAME}")
    subprocess.run(["/usr/sbin/makesmtpaccess"], check=True, capture_output=True)


def entries(directory: str) -> list[tuple[str, str]]:
    """What the other files of smtpaccess say: keys, and what they are let do."""
    found: list[tuple[str, str]] = []
    for name in sorted(os.listdir(directory)):
        if name != NAME and not name.startswith(".") and not name.endswith("~"):
            for line in (_text(f"{directory}/{name}") or "").split("\n"):
                if line.split() and not line.startswith("#"):
                    word, *rest = line.split(None, 1)
                    found.append((word, rest[0] if rest else ""))
    return found


def network(key_: str) -> _addresses.Network:
    """The network of a key in smtpaccess. Raises ValueError for what is none."""
    if key_.startswith(":") or "/" in key_:
        return ipaddress.ip_network(_source(key_), strict=False)
    octets = key_.split(".")
    return ipaddress.ip_network(f"{'.'.join([*octets, '0', '0', '0'][:4])}/{8 * len(octets)}")


def _source(name: str) -> str:
    if name.startswith(":"):
        groups = name[1:].split(":")
        whole = [*groups, *["0"] * (8 - len(groups))]
        return str(ipaddress.ip_network(f"{ipaddress.ip_address(':'.join(whole))}/{16 * len(groups)}"))
    return name


def _named(directory: str) -> set[str]:
    """The keys of the other files. makesmtpaccess compiles all together, and refuses a key that is there twice."""
    return {word for word, _action in entries(directory)}


def _protected(source: str, named: Collection[str], never: Iterable[_addresses.Network]) -> bool:
    own = key(source)
    mark = ":" if own.startswith(":") else "."
    above = [own[:place] for place in range(1, len(own)) if own[place] == mark] + [own]
    network = ipaddress.ip_network(source)
    return (
        any(name in named for name in above)
        or any(name.startswith(f"{own}{mark}") for name in named)
        or any(one.version == network.version and one.overlaps(network) for one in never)
        or _is_ours(str(network.network_address))
    )


def _is_ours(address: str) -> bool:
    """Only an address of this host can be bound."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _put(path: str, text: str | None, before: str | None, database: str) -> None:
    """Write and compile; where the compiler refuses, the list is as it was."""
    if text is None:
        return
    group = os.stat(os.path.dirname(database)).st_gid
    if text != before:
        _replace.write(path, text, 0o640, group)
    elif _time(path) <= _time(database):
        return
    try:
        subprocess.run(["/usr/sbin/makesmtpaccess"], check=True, capture_output=True)
    except (OSError, subprocess.SubprocessError):
        if text != before and before is not None:
            _replace.write(path, before, 0o640, group)
        elif text != before:
            os.unlink(path)
        raise


def _text(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def _time(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0

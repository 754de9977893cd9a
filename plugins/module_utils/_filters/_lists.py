# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of addresses in DNS (RFC 5782): what their answers mean, and whether they are well.

A list says with an address in 127.0.0.0/8 that a client is on it, and in which way. Nothing else is a listing: lists
say 127.255.255.0/24 to whom they do not serve, and a domain that somebody else has bought says whatever he likes.
"""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from . import _replace
from ._reread import Missing, Reread
from ._resolve import Ask, Resolver, Temporary
from ._settings import SettingsError

STATE = "/var/lib/pythonfilter/lists.json"
PORT = 53
# RFC 5782, 5: the first is on every list of addresses, the second on none.
LISTED, NOT_LISTED = "127.0.0.2", "127.0.0.1"

Given = Mapping[str, object]

_KEYS = ("zone", "answers", "reason", "url", "server", "port")
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}", re.IGNORECASE)
_OCTETS = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_TEXT = re.compile(r"[ !#-&(-~]*")  # in a reply, which quotes would not survive
_ERRORS = ((127, 127), (255, 255), (255, 255), (0, 255))


class Entry(NamedTuple):
    """A list."""

    zone: str
    answers: Sequence[str]
    allows: bool = False  # a list of hosts that are known as good
    reason: str = ""  # what is on it
    url: str = ""  # where it is said how to be taken off
    server: str = ""  # who is asked, where it is not the host's own resolver
    port: int = PORT

    def means(self, answer: str) -> bool:
        """Whether an answer is one that counts."""
        try:
            octets = ipaddress.IPv4Address(answer).packed
        except ValueError:
            return False
        return any(
            all(low <= octet <= high for octet, (low, high) in zip(octets, _ranges(said), strict=True))
            for said in self.answers
        )

    def resolver(self, seconds: float) -> Ask:
        """Who is asked."""
        return Resolver(seconds, seconds, self.server, self.port)


class State(NamedTuple):
    """What the last test of a list found."""

    broken: str  # what was wrong, or nothing
    since: float
    told: bool = False  # whether the operator knows


def parse(option: str, given: Iterable[Given], *, allows: bool = False) -> list[Entry]:
    """The lists of a setting, or SettingsError."""
    found: dict[str, Entry] = {}
    for one in given:
        entry = _entry(option, one, allows)
        if entry.zone in found:
            raise SettingsError(f"{option} has {entry.zone} twice; write it once, with all its answers")
        found[entry.zone] = entry
    return list(found.values())


def question(zone: str, address: str) -> str:
    """The name to ask for."""
    return f"{ipaddress.ip_address(address).reverse_pointer.rpartition('.')[0].rpartition('.')[0]}.{zone}"


def trouble(entry: Entry, ask: Ask) -> str:
    """Why a list cannot be believed, or nothing. Whom a list of good hosts knows, it may know in a way that is nothing
    to us."""
    try:
        listed = ask(question(entry.zone, LISTED), "A")
        others = ask(question(entry.zone, NOT_LISTED), "A")
    except Temporary as error:
        return str(error)
    known = listed if not entry.allows else [one for one in listed if _is_listing(one)]
    if not (known if entry.allows else any(map(entry.means, listed))):
        return f"{LISTED} must be listed with {' or '.join(entry.answers)}, and the answer is {_said(listed)}"
    if others:
        return f"{NOT_LISTED} must not be listed, and the answer is {_said(others)}: it lists everybody"
    return ""


def read(path: str = STATE) -> dict[str, State]:
    """What the last test found, by zone."""
    try:
        with open(path, encoding="utf-8") as stream:
            return {zone: State(**one) for zone, one in json.load(stream).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # nobody has tested them yet, or a test will find it all again


def retest(
    entries: Iterable[Entry],
    tell: Callable[[str, State], bool],
    path: str = STATE,
    tested: Callable[[Entry], str] | None = None,
) -> dict[str, State]:
    """Test the lists and write down what was found. tell is asked once for each list that breaks, until it could."""
    before = read(path)
    now = time.time()
    found = {}
    for entry in entries:
        broken = (tested or _tested)(entry)
        old = before.get(entry.zone, State("", now))
        state = State(broken, old.since if bool(broken) == bool(old.broken) else now, bool(broken) and old.told)
        if broken and not state.told:
            state = state._replace(told=tell(entry.zone, state))
        found[entry.zone] = state
    _write(path, found)
    return found


class Broken:
    """The zones that do not count at the moment."""

    def __init__(self, path: str = STATE) -> None:
        self._read = Reread(path, lambda data: frozenset(zone for zone, one in data.items() if one["broken"]))

    def __call__(self) -> frozenset[str]:
        try:
            return self._read()
        except Missing:
            return frozenset()  # nobody has tested them since they were switched on


def _tested(entry: Entry) -> str:
    said = ""
    for _attempt in range(3):  # a packet is lost now and then, and nobody is to be told of that
        said = trouble(entry, entry.resolver(5.0))
        if "no answer" not in said:
            break
    return said


def _entry(option: str, given: Given, allows: bool) -> Entry:
    zone = given.get("zone")
    if not isinstance(zone, str) or len(zone) > 180 or not _ZONE.fullmatch(zone) or zone.rpartition(".")[2].isdigit():
        raise SettingsError(f"{option}: the zone {zone!r} is no name in DNS; write one such as bl.example.org")
    if unknown := sorted(given.keys() - set(_KEYS)):
        raise SettingsError(f"{option}: {zone} has {unknown[0]}; write some of {', '.join(_KEYS)}")
    answers = given.get("answers")
    if not isinstance(answers, list) or not answers:
        raise SettingsError(
            f"{option}: {zone} has no answers, and its error codes would count; write those that mean a listing, as "
            "its operator documents them, such as answers: [127.0.0.2]"
        )
    for answer in answers:
        _check(option, zone, str(answer))
    server, port = str(given.get("server", "")), str(given.get("port", PORT))
    try:
        server = server and str(ipaddress.ip_address(server))
    except ValueError:
        raise SettingsError(f"{option}: the server of {zone} is {server!r}; write an address") from None
    if not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise SettingsError(f"{option}: the port of {zone} is {port!r}; write a number from 1 to 65535")
    for name in ("reason", "url"):
        if not _TEXT.fullmatch(str(given.get(name, ""))):
            raise SettingsError(f"{option}: {name} of {zone} goes into the reply; write ASCII without quotes")
    return Entry(
        zone.lower(), answers, allows, str(given.get("reason", "")), str(given.get("url", "")), server, int(port)
    )


def _check(option: str, zone: str, answer: str) -> None:
    try:
        ranges = _ranges(answer)
    except ValueError:
        ranges = ((0, 0),)
    if ranges[0] != (127, 127):
        raise SettingsError(
            f"{option}: {zone} cannot mean anything by {answer!r}; write addresses in 127.0.0.0/8, with ranges where "
            "they help, such as 127.0.0.2, 127.0.0.10-11 or 127.0.2-20.1-3"
        )
    if all(low <= bottom and top <= high for (low, high), (bottom, top) in zip(ranges[:3], _ERRORS[:3], strict=True)):
        raise SettingsError(
            f"{option}: {zone} would say {answer} to refuse an answer, and that is no listing (127.255.255.0/24 are "
            "error codes); leave it out"
        )


def _ranges(said: str) -> tuple[tuple[int, int], ...]:
    parts = [_OCTETS.fullmatch(part) for part in said.split(".")]
    found = tuple((int(part[1]), int(part[2] or part[1])) for part in parts if part)
    if len(parts) != 4 or len(found) != 4 or any(not low <= high <= 255 for low, high in found):
        raise ValueError(f"{said!r} is no address")
    return found


def _is_listing(answer: str) -> bool:
    return answer.startswith("127.") and not answer.startswith("127.255.255.")


def _said(answers: Sequence[str]) -> str:
    return " and ".join(answers) or "that it is not"


def _write(path: str, found: Mapping[str, State]) -> None:
    data: dict[str, dict[str, Any]] = {zone: state._asdict() for zone, state in found.items()}
    # For monitoring. It tells nothing of anybody.
    _replace.write(path, json.dumps(data, indent=1, sort_keys=True), 0o644)

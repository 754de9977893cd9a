# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A list in DNS of addresses or domains (RFC 5782): how it is asked, what its answers mean, and whether it is well.

A list says with an address in 127.0.0.0/8 that somebody is on it, and in which way. Nothing else is a listing: lists
say 127.255.255.0/24 to whom they do not serve, and a domain that somebody else has bought says whatever he likes.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from ._resolve import Ask, Resolver, Temporary
from ._settings import SettingsError

PORT = 53
# RFC 5782, 5: the first is on every list of addresses, or of domains, and the second on none.
POINTS, DOMAIN_POINTS = ("127.0.0.2", "127.0.0.1"), ("test", "invalid")
_ATTEMPTS, _SECONDS = 3, 5.0  # of a test

Given = Mapping[str, object]

_KEYS = ("zone", "answers", "reason", "url", "server", "port")
_DOMAIN_KEYS = (*_KEYS, "listed", "not_listed")
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_ZONE = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}", re.IGNORECASE)
_OCTETS = re.compile(r"(\d{1,3})(?:-(\d{1,3}))?")
_TEXT = re.compile(r"[ !#-&(-~]*")  # in a reply, which quotes would not survive
_POINT = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}", re.IGNORECASE)
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
    points: tuple[str, str] = POINTS  # what is on it, and what is not

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


def parse(option: str, given: Iterable[Given], *, allows: bool = False, domains: bool = False) -> list[Entry]:
    """The lists of a setting, of addresses or of domains, or SettingsError."""
    found: dict[str, Entry] = {}
    for one in given:
        entry = _entry(option, one, allows, domains)
        if entry.zone in found:
            raise SettingsError(f"{option} has {entry.zone} twice; write it once, with all its answers")
        found[entry.zone] = entry
    return list(found.values())


def question(zone: str, subject: str) -> str:
    """The name to ask for, of an address or a domain."""
    try:
        address = ipaddress.ip_address(subject)
    except ValueError:
        return f"{subject}.{zone}"
    return f"{address.reverse_pointer.rpartition('.')[0].rpartition('.')[0]}.{zone}"


def is_listing(answer: str) -> bool:
    """Whether an answer says of somebody that he is on a list, whatever that means there."""
    return answer.startswith("127.") and not answer.startswith("127.255.255.")


def patient_trouble(entry: Entry, asking: Callable[[Entry], Ask] | None = None) -> str:
    """The same as trouble, but patiently: a packet is lost now and then."""
    said = ""
    for _attempt in range(_ATTEMPTS):
        said = trouble(entry, asking(entry) if asking else entry.resolver(_SECONDS))
        if "no answer" not in said:
            break
    return said


def trouble(entry: Entry, ask: Ask) -> str:
    """Why a list cannot be believed, or nothing. Whom a list of good hosts knows, it may know in a way that is nothing
    to us."""
    on, off = entry.points
    try:
        listed = ask(question(entry.zone, on), "A")
        others = ask(question(entry.zone, off), "A")
    except Temporary as error:
        return str(error)
    known = listed if not entry.allows else [one for one in listed if is_listing(one)]
    if not (known if entry.allows else any(map(entry.means, listed))):
        return f"{on} must be listed with {' or '.join(entry.answers)}, and the answer is {_said(listed)}"
    if others:
        return f"{off} must not be listed, and the answer is {_said(others)}: it lists everybody"
    return ""


def _entry(option: str, given: Given, allows: bool, domains: bool) -> Entry:
    zone = given.get("zone")
    if not isinstance(zone, str) or len(zone) > 180 or not _ZONE.fullmatch(zone) or zone.rpartition(".")[2].isdigit():
        raise SettingsError(f"{option}: the zone {zone!r} is no name in DNS; write one such as bl.example.org")
    keys, points = (_DOMAIN_KEYS, DOMAIN_POINTS) if domains else (_KEYS, POINTS)
    if unknown := sorted(given.keys() - set(keys)):
        raise SettingsError(f"{option}: {zone} has {unknown[0]}; write some of {', '.join(keys)}")
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
    on, off = (str(given.get(name, point)) for name, point in zip(("listed", "not_listed"), points, strict=True))
    for name, point in (("listed", on), ("not_listed", off)):
        if not _POINT.fullmatch(point):
            raise SettingsError(f"{option}: {name} of {zone} is {point!r}; write what its operator has for tests")
    return Entry(
        zone.lower(),
        answers,
        allows,
        str(given.get("reason", "")),
        str(given.get("url", "")),
        server,
        int(port),
        (on, off),
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


def _said(answers: Sequence[str]) -> str:
    return " and ".join(answers) or "that it is not"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reports are told: whose mail is ours, who is believed, and how much is read at most."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from . import _registrations
from ._reports_text import domain

PATH = "/etc/courier-mail-watch/reports.json"
STORE = "/var/lib/courier-mail-watch/reports.sqlite"
_MIB = 1 << 20

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


class SettingsError(ValueError):
    """A setting that makes no sense; the sentence names it and says what to write instead."""


@dataclass(frozen=True)
class Settings:
    # Our domains. Reports are about them or domains below them.
    domains: Sequence[str] = ()
    # The names that our servers write in Authentication-Results and Received. Nobody else is believed.
    hosts: Sequence[str] = ()
    # The addresses of those of our servers that pass mail on to this host.
    relays: Sequence[str] = ()
    # The networks from which our mail goes out, which a complaint may name.
    networks: Sequence[str] = ()
    # Other domains of organisations that report: the domain that is proven, and those that the report may name.
    reporters: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=lambda: {"yahoo.com": ["yahooinc.com"]})
    # Who complains by sending the message back without saying anything more.
    bare: Sequence[str] = ("hotmail.com",)
    # Fields of our own mail that name the account, in the order in which they are believed.
    account_fields: Sequence[str] = ()
    # Which place of Feedback-ID names the account and the list, counted from 1; 0 for none.
    feedback_account: int = 0
    feedback_list: int = 1
    # Where reports are kept, and for how many days.
    store: str = STORE
    days: int = 400
    # Bytes of a message, of a report of DMARC once unpacked, and of one of TLS, which is in memory whole.
    message_bytes: int = 32 * _MIB
    xml_bytes: int = 64 * _MIB
    json_bytes: int = 8 * _MIB
    # How many times as large an archive may become. Small ones, up to 1 MiB, may become as large as they like.
    ratio: int = 200
    # Levels of XML and JSON.
    depth: int = 16
    # Rows of a report, of all reports of an organisation on a day, and of all organisations together.
    rows: int = 100_000
    reporter_rows: int = 200_000
    day_rows: int = 500_000
    # Seconds of the processor and MiB of memory for reading a message.
    seconds: int = 60
    memory: int = 512
    # What was registered where. See _registrations.
    registrations: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        self._check_names()
        for name in ("relays", "networks"):
            for one in getattr(self, name):
                _network(name, one)
        for one in self.account_fields:
            if not re.fullmatch(r"[!-9;-~]+", one):
                _refuse("account_fields", one, "names of header fields, such as X-Account")
        if not self.store.startswith("/"):
            _refuse("store", self.store, "a path that begins with /")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                _refuse(name, getattr(self, name), f"a number from {least} to {most}")
        try:
            _registrations.read(self.registrations)
        except _registrations.RegistrationError as error:
            raise SettingsError(f"registrations: {error}") from error

    def _check_names(self) -> None:
        for name in ("domains", "hosts", "bare"):
            for one in getattr(self, name):
                if not domain(one):
                    _refuse(name, one, "names such as example.com")
        for proven, others in self.reporters.items():
            for one in (proven, *others):
                if not domain(one):
                    _refuse(f"reporters: {proven}", one, "domains, such as yahoo.com: [yahooinc.com]")

    def own(self) -> frozenset[str]:
        """Our domains as DNS knows them."""
        return frozenset(map(domain, self.domains))

    def servers(self) -> frozenset[str]:
        """Our servers as DNS knows them."""
        return frozenset(map(domain, self.hosts))

    def relaying(self) -> list[Network]:
        return [_network("relays", one) for one in self.relays]

    def sending(self) -> list[Network]:
        return [_network("networks", one) for one in self.networks]


_RANGES = {
    "feedback_account": (0, 9),
    "feedback_list": (0, 9),
    "days": (1, 3650),
    "message_bytes": (1 << 16, 256 * _MIB),
    "xml_bytes": (1 << 16, 1024 * _MIB),
    "json_bytes": (1 << 16, 64 * _MIB),
    "ratio": (10, 2000),
    "depth": (8, 100),
    "rows": (1, 1_000_000),
    "reporter_rows": (1, 10_000_000),
    "day_rows": (1, 10_000_000),
    "seconds": (1, 600),
    "memory": (64, 4096),
}


def build(given: object) -> Settings:
    """Settings from what the inventory says, or SettingsError."""
    if not isinstance(given, dict):
        raise SettingsError(f"settings of reports are {_short(given)}; write a dictionary")
    fields = {one.name: one for one in dataclasses.fields(Settings)}
    for name, value in given.items():
        if name not in fields:
            close = get_close_matches(str(name), fields, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(fields)}"
            raise SettingsError(f"there is no setting {name}; {hint}")
        _check(name, value, str(fields[name].type))
    return Settings(**given)


def read(path: str = PATH) -> Settings:
    """Settings from the file. Raises SettingsError or OSError."""
    with open(path, encoding="utf-8") as stream:
        try:
            return build(json.load(stream))
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{path}: {error}") from error


def _check(name: str, value: object, kind: str) -> None:
    if kind == "int" and (isinstance(value, bool) or not isinstance(value, int)):
        _refuse(name, value, "a whole number")
    if kind == "str" and not isinstance(value, str):
        _refuse(name, value, "a text")
    if kind == "Sequence[str]":
        _check_texts(name, value)
    if kind == "Sequence[Mapping[str, Any]]" and not isinstance(value, list):
        _refuse(name, value, "a list of registrations")
    if kind == "Mapping[str, Sequence[str]]":
        if not isinstance(value, dict) or not all(isinstance(one, str) for one in value):
            _refuse(name, value, "a dictionary of lists, such as yahoo.com: [yahooinc.com]")
        for one, others in value.items():  # type: ignore[attr-defined]
            _check_texts(f"{name}: {one}", others)


def _check_texts(name: str, value: object) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        _refuse(name, value, "a list of texts")


def _network(name: str, value: str) -> Network:
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        _refuse(name, value, "addresses or networks such as 192.0.2.1 or 2001:db8::/64")
        raise


def _refuse(name: str, value: object, instead: str) -> None:
    raise SettingsError(f"{name} is {_short(value)}; write {instead}")


def _short(value: object) -> str:
    said = repr(value)
    return said if len(said) <= 80 else f"{said[:77]}..."

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the reports are told: whose mail is ours, who is believed, and how much is read at most."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from . import _registrations, _settings
from ._reports_text import domain
from ._settings import SettingsError

PATH = "/etc/courier-mail-watch/reports.json"
STORE = "/var/lib/courier-mail-watch/reports.sqlite"
_MIB = 1 << 20

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"


@dataclass(frozen=True)
class Settings:
    # Our domains. Reports are about them or domains below them.
    domains: list[str] = field(default_factory=list)
    # The names that our servers write in Authentication-Results and Received. Nobody else is believed.
    hosts: list[str] = field(default_factory=list)
    # The addresses of those of our servers that pass mail on to this host.
    relays: list[str] = field(default_factory=list)
    # The networks from which our mail goes out, which a complaint may name.
    networks: list[str] = field(default_factory=list)
    # Other domains of organisations that report: the domain that is proven, and those that the report may name.
    reporters: dict[str, list[str]] = field(default_factory=lambda: {"yahoo.com": ["yahooinc.com"]})
    # Who complains by sending the message back without saying anything more.
    bare: list[str] = field(default_factory=lambda: ["hotmail.com"])
    # Fields of our own mail that name the account, in the order in which they are believed.
    account_fields: list[str] = field(default_factory=list)
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
    # What somebody must hear of, in so many days: complaints about one account, messages of ours from one address that
    # prove nothing, sessions with one of our exchangers that had no TLS.
    heard_days: int = 7
    heard_complaints: int = 3
    heard_failures: int = 10
    heard_sessions: int = 10
    # What was registered where. See _registrations.
    registrations: list[Any] = field(default_factory=list)

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
    "heard_days": (1, 365),
    "heard_complaints": (1, 1_000_000),
    "heard_failures": (1, 1_000_000),
    "heard_sessions": (1, 1_000_000),
    "seconds": (1, 600),
    "memory": (64, 4096),
}


def build(given: object) -> Settings:
    """Settings from what the inventory says, or SettingsError."""
    if not isinstance(given, dict):
        raise SettingsError(f"settings of reports are {_short(given)}; write a dictionary")
    return _settings.build(Settings, given)


def read(path: str = PATH) -> Settings:
    """Settings from the file. Raises SettingsError or OSError."""
    with open(path, encoding="utf-8") as stream:
        try:
            return build(json.load(stream))
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{path}: {error}") from error


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

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked for in lists in DNS: our addresses and domains, and which lists of others they may be on."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import NamedTuple

from ._dnslist import Entry, parse
from ._reports_text import domain
from ._settings import SettingsError, refuse

STORE = "/var/lib/courier-mail-watch/blocklists.sqlite"
_MOST = 5000  # questions, of which each is one packet to somebody who need not answer us
# What no list can know, for every network has its own. The networks of documentation are not among them.
_PRIVATE = (
    *map(ipaddress.ip_network, ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12")),
    *map(ipaddress.ip_network, ("192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")),
)

List = dict[str, str | int | list[str]]  # pylint: disable=unsupported-binary-operation


class Pair(NamedTuple):
    """Somebody of ours, and a list that he may be on."""

    subject: str
    entry: Entry


@dataclass(frozen=True)
class Settings:
    # Addresses that our mail comes from, and domains that it is from or leads to.
    addresses: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    # Lists of addresses, each with zone, answers (what means a listing), and if wanted reason, url, server and port.
    lists: list[List] = field(default_factory=list)
    # Lists of domains: the same, and if wanted listed and not_listed, the names that it has for tests.
    domain_lists: list[List] = field(default_factory=list)
    # Seconds for an answer, and for all of them together; how many are waited for at a time.
    timeout: float = 5.0
    seconds: int = 300
    parallel: int = 16
    # Hours for which the last answer counts when there is none.
    stale_hours: int = 48
    # Where it is kept, and for how many days who was on a list.
    store: str = STORE
    days: int = 400

    def __post_init__(self) -> None:
        for one in self.addresses:
            try:
                ipaddress.ip_address(one)
            except ValueError:
                refuse("addresses", one, "addresses such as 192.0.2.25 or 2001:db8::25")
        for one in self.domains:
            if not domain(one):
                refuse("domains", one, "names such as example.com")
        for name, (least, most) in _RANGES.items():
            if not least <= getattr(self, name) <= most:
                refuse(name, getattr(self, name), f"a number from {least} to {most}")
        if not self.store.startswith("/"):
            refuse("store", self.store, "a path that begins with /")
        if (asked := len(self.pairs())) > _MOST:
            raise SettingsError(f"these are {asked} questions, and {_MOST} are the most; leave out lists or domains")
        zones = [entry.zone for entry in self.entries()]
        for zone in zones:
            if zones.count(zone) > 1:
                refuse("domain_lists", zone, "it here or into lists, where it is too")

    def entries(self) -> list[Entry]:
        """All lists."""
        return [*parse("lists", self.lists), *parse("domain_lists", self.domain_lists, domains=True)]

    def pairs(self) -> list[Pair]:
        """All that is asked."""
        public = [one for one in _spelled(self.addresses) if not is_private(one)]
        names = list(dict.fromkeys(map(domain, self.domains)))
        return [
            *(Pair(one, entry) for entry in parse("lists", self.lists) for one in public),
            *(Pair(one, entry) for entry in parse("domain_lists", self.domain_lists, domains=True) for one in names),
        ]

    def private(self) -> list[str]:
        """Addresses that no list can know."""
        return list(filter(is_private, _spelled(self.addresses)))


_RANGES: dict[str, tuple[float, float]] = {
    "timeout": (0.1, 60),
    "seconds": (1, 3600),
    "parallel": (1, 64),
    "stale_hours": (1, 720),
    "days": (1, 3650),
}


def is_private(address: str) -> bool:
    """Whether every network has this address for itself."""
    one = ipaddress.ip_address(address)
    return any(one.version == network.version and one in network for network in _PRIVATE)


def _spelled(addresses: list[str]) -> list[str]:
    return list(dict.fromkeys(str(ipaddress.ip_address(one)) for one in addresses))

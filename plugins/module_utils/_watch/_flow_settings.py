# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be known of a site to tell the directions of its mail apart."""

from __future__ import annotations

import dataclasses
import ipaddress
from dataclasses import dataclass

from ._settings import refuse

Network = ipaddress.IPv4Network | ipaddress.IPv6Network  # pylint: disable=unsupported-binary-operation


@dataclass(frozen=True)
class Settings:
    # Networks of our other servers, which send through this one.
    satellites: list[str] = dataclasses.field(default_factory=list)
    # From where the program comes that fetches mail from mailboxes elsewhere.
    fetched: list[str] = dataclasses.field(default_factory=lambda: ["127.25.0.0/16"])
    # Whether all mail that comes by SMTP must go past filters, whose lines tell that it did.
    filtered: bool = False
    # Minutes after which filters are missed that said nothing while mail came, and in which they count as down.
    filter_minutes: int = 10

    def __post_init__(self) -> None:
        for name in ("satellites", "fetched"):
            for one in getattr(self, name):
                try:
                    ipaddress.ip_network(one)
                except ValueError:
                    refuse(name, one, "addresses or networks such as 192.0.2.1 or 2001:db8::/64")
        if not 1 <= self.filter_minutes <= 1440:
            refuse("filter_minutes", self.filter_minutes, "a number from 1 to 1440")

    def networks(self, name: str) -> list[Network]:
        return [ipaddress.ip_network(one) for one in getattr(self, name)]

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has which address: /etc/pythonfilter-addresses.json, which the role writes from accounts, aliases and peers."""

from __future__ import annotations

import contextlib
import ipaddress
import json
from collections.abc import Iterable, Mapping
from typing import Any

from ._reread import Reread

PATH = "/etc/pythonfilter-addresses.json"
Network = ipaddress.IPv4Network | ipaddress.IPv6Network  # pylint: disable=unsupported-binary-operation


class Addresses:
    """Mailboxes, the addresses that people send as, and the domains that our other servers send as.

    In lists of addresses, @example.com is everything in a domain, and @ is everything.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._mailboxes = {spelled(address) for address in data["mailboxes"]}
        self._senders = {spelled(login): list(map(spelled, said)) for login, said in data["senders"].items()}
        self._named = {address for said in self._senders.values() for address in said}
        # The narrower network decides.
        self._managed = sorted(
            ((ipaddress.ip_network(network), list(map(spelled, said))) for network, said in data["managed"].items()),
            key=lambda entry: -entry[0].prefixlen,
        )

    def is_mailbox(self, address: str) -> bool:
        return spelled(address) in self._mailboxes

    def of_login(self, login: str) -> list[str] | None:
        """What somebody may send as, or None where nobody knows him."""
        return self._senders.get(spelled(login))

    def of_host(self, address: str) -> list[str] | None:
        """What one of our other servers may send as, or None where it is none."""
        client = ipaddress.ip_address(address)
        for network, said in self._managed:
            if client.version == network.version and client in network:
                return said
        return None

    def may(self, allowed: Iterable[str], address: str) -> bool:
        """Whether one of these covers an address."""
        said, wanted = set(allowed), spelled(address)
        local_part, _at, domain = wanted.rpartition("@")
        if wanted in said or f"@{domain}" in said or "@" in said:
            return True
        if wanted in self._mailboxes or wanted in self._named:
            return False  # somebody else's
        # alice-lists@ and alice+lists@ are Alice's.
        places = [index for index, letter in enumerate(local_part) if letter in "-+"]
        return any(f"{local_part[:place]}@{domain}" in said for place in places)


class Read(Reread[Addresses]):
    """The addresses as the file has them now."""

    def __init__(self, path: str = PATH) -> None:
        super().__init__(path, Addresses)


def networks(path: str = PATH) -> list[str]:
    """The networks of our other servers. Raises OSError or ValueError: without them nobody can tell whom to spare."""
    with open(path, encoding="utf-8") as stream:
        return list(json.load(stream)["managed"])


def spelled(address: str) -> str:
    """The one spelling of an address or a domain: in lower case, the domain in Unicode."""
    local_part, at, domain = address.rpartition("@")
    return f"{local_part}{at}{'.'.join(map(_label, domain.split('.')))}".lower()


def _label(label: str) -> str:
    if label.lower().startswith("xn--"):
        with contextlib.suppress(UnicodeError):
            return label[4:].encode("ascii").decode("punycode")
    return label

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of rbldnsd, and what every zone of ours has: SOA, NS, and the test points of RFC 5782.

The networks themselves are in files beside these, which courier-mail writes. rbldnsd keeps IPv4 and IPv6 apart, so a
zone has two datasets of two files each.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .domains import DomainError, normalise, to_ascii

# The second is the first as IPv6 says it (RFC 5782, 5).
_TEST_POINTS = {4: "127.0.0.2", 6: "::ffff:7f00:2"}
_TYPES = {4: "ip4set", 6: "ip6trie"}
KINDS = ("block", "allow")
ANSWER = "127.0.0.2"
_SECONDS = 300  # for which others may keep an answer: entries come and go


class RbldnsdError(ValueError):
    """A zone that nobody could ask for, or nowhere to ask."""


class Zones(NamedTuple):
    """What is served, and where."""

    zones: Mapping[str, str]  # by kind
    addresses: Sequence[str]
    port: int
    host: str  # the name server
    contact: str  # an address, or nothing


def files(wanted: Zones) -> dict[str, str]:
    """The files of all zones, by name. Raises RbldnsdError."""
    _check(wanted)
    return {
        f"{kind}{version}": _text(wanted, kind, version) for kind in KINDS if kind in wanted.zones for version in _TYPES
    }


def listed(wanted: Zones) -> list[str]:
    """The names of the files that courier-mail writes."""
    return [f"{name}.listed" for name in files(wanted)]


def command(wanted: Zones, directory: str) -> list[str]:
    """The command line. It looks for changed files every 5 seconds, and stays in the foreground."""
    _check(wanted)
    where = [argument for address in wanted.addresses for argument in ("-b", f"{address}/{wanted.port}")]
    datasets = [
        f"{to_ascii(wanted.zones[kind])}:{_TYPES[version]}:{kind}{version},{kind}{version}.listed"
        for kind in KINDS
        if kind in wanted.zones
        for version in _TYPES
    ]
    return ["/usr/sbin/rbldnsd", "-n", "-c", "5", "-w", directory, *where, *datasets]


def _text(wanted: Zones, kind: str, version: int) -> str:
    local_part, _at, domain = (wanted.contact or f"postmaster@{wanted.host}").rpartition("@")
    person = f"{local_part.replace('.', '-')}.{to_ascii(domain)}"
    said = "is known as good" if kind == "allow" else f"sent spam to {wanted.host}; it is taken off when that has faded"
    return (
        "# Written by Ansible (courier.mail.rbldnsd). What you change here is lost.\n"
        f"$SOA {_SECONDS} {wanted.host} {person} 0 3600 600 86400 {_SECONDS}\n"
        f"$NS {_SECONDS} {wanted.host}\n$TTL {_SECONDS}\n"
        f":{ANSWER}:$ {said}\n"
        f"{_TEST_POINTS[version]}\n"
    )


def _check(wanted: Zones) -> None:
    if unknown := sorted(wanted.zones.keys() - set(KINDS)):
        raise RbldnsdError(f"mail_own_lists: there is no {unknown[0]}; write {' or '.join(KINDS)}, each with its zone")
    for kind, zone in wanted.zones.items():
        try:
            name = normalise(zone)
        except DomainError as error:
            raise RbldnsdError(f"mail_own_lists.{kind}: {error}") from error
        if "." not in name.removeprefix(".") or name.startswith("."):
            raise RbldnsdError(f"mail_own_lists.{kind} is {zone!r}; write a name of yours, such as bl.example.com")
    if len(set(wanted.zones.values())) < len(wanted.zones):
        raise RbldnsdError("mail_own_lists: block and allow are the same zone; each needs one of its own")
    if wanted.zones and not wanted.addresses:
        raise RbldnsdError("mail_own_lists.addresses is empty; write where to listen, such as [127.0.0.1]")
    for address in wanted.addresses:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise RbldnsdError(f"mail_own_lists.addresses has {address!r}; write addresses of this host") from None
    if not 0 < wanted.port < 1 << 16:
        raise RbldnsdError(f"mail_own_lists.port is {wanted.port}; write a number from 1 to 65535")

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks that a domain sends from, by its own word: its SPF record, expanded as RFC 7208 has it evaluated.

Knows nothing of DNS: whoever calls brings a function that asks. The networks are those whose addresses would pass, so
what a record names after having refused it is left out. What depends on the single message (macros, exists, ptr) cannot
be a network; it is left out and reported, which trusts fewer hosts and never more.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from .domains import DomainError, to_ascii
from .smtpaccess import Network

# Of RFC 7208, 4.6.4: terms that ask DNS, answers that are empty, mail exchangers of one "mx".
MOST_LOOKUPS = 10
MOST_VOID_LOOKUPS = 2
MOST_EXCHANGERS = 10

_TERM = re.compile(r"(?P<qualifier>[-+?~]?)(?P<name>[A-Za-z][\w.-]*)(?:(?P<mark>[:=/])(?P<rest>.*))?", re.ASCII)
_ASKS = ("a", "exists", "include", "mx", "ptr")
_MECHANISMS = (*_ASKS, "all", "ip4", "ip6")

# Asks for records of a type (TXT, A, AAAA, MX) and returns their data: a TXT record's strings put together, an address,
# the name of an exchanger. Nothing where there is none. What it raises where DNS gives no answer passes through.
Ask = Callable[[str, str], list[str]]


class NoAnswer(Exception):
    """What was asked, and what became of it."""


class SpfError(ValueError):
    """A record that cannot be expanded."""


class Expansion(NamedTuple):
    """What a record comes to."""

    networks: list[str]  # in CIDR, IPv4 first, each in order; none holds another
    left_out: list[str]  # terms that are no networks, with their domains


def expand(domain: str, ask: Ask) -> Expansion:
    """The networks whose addresses pass SPF for a domain. Raises SpfError."""
    try:
        name = to_ascii(domain)
    except DomainError as error:
        raise SpfError(f"SPF of a domain that {error}") from error
    walk = _Walk(name, ask)
    passing = walk.record(name, ())
    return Expansion([str(network) for network in _collapsed(passing)], walk.left_out)


def render(networks: Iterable[str], includes: Iterable[str], ending: str) -> str:
    """A record that lets networks pass, and what the records of others do. Neighbours are put together."""
    terms = [
        f"ip{network.version}:{network.network_address if network.num_addresses == 1 else network}"
        for network in _collapsed(ipaddress.ip_network(one) for one in networks)
    ]
    return " ".join(["v=spf1", *terms, *(f"include:{name}" for name in includes), ending])


def lookups(text: str, domain: str, ask: Ask | None = None) -> dict[str, int]:
    """How many look-ups each term of a record takes that takes any, with those of the records that it names.

    Without ask, those records count nothing. Raises SpfError for one that cannot be read.
    """
    return _count(text, domain, ask, (domain,))


def refuse_many(domain: str, text: str, ask: Ask | None = None) -> None:
    """Raise SpfError for a record that takes more look-ups than receivers make."""
    found = lookups(text, domain, ask)
    total = sum(found.values())
    if total > MOST_LOOKUPS:
        costs = ", ".join(f"{term} takes {count}" for term, count in sorted(found.items(), key=lambda one: -one[1]))
        raise SpfError(
            f"the SPF record of {domain} would take {total} look-ups, and receivers make at most {MOST_LOOKUPS}: "
            f"{costs}; leave one out of mail_spf_includes, or name one in mail_spf_fold to have its networks written"
        )


class _Walk:
    """One evaluation, with what RFC 7208 counts in it."""

    def __init__(self, domain: str, ask: Ask) -> None:
        self._domain = domain
        self._ask = ask
        self._lookups = 0
        self._voids = 0
        self.left_out: list[str] = []

    def record(self, domain: str, above: tuple[str, ...]) -> list[Network]:
        """What passes by the record of a domain, which `above` include or redirect to."""
        if domain in above:
            raise self._error(f"goes round in a circle: {' -> '.join((*above, domain))}")
        above = (*above, domain)
        passing: list[Network] = []
        decided: list[Network] = []
        redirect = None
        for term in self._text(domain).split()[1:]:
            match = _TERM.fullmatch(term)
            if match and match["mark"] == "=":
                redirect = match["rest"] if match["name"].lower() == "redirect" else redirect
                continue
            name = match["name"].lower() if match else ""
            if not match or name not in _MECHANISMS:
                raise self._error(f"has {term!r} in the record of {domain}, which is no mechanism of SPF")
            qualifier = match["qualifier"] or "+"
            if name == "all":
                if qualifier == "+":
                    raise self._error(f"lets everybody send ({term} in the record of {domain}); trust networks instead")
                return passing
            found = self._mechanism(name, match["mark"], match["rest"] or "", domain, above)
            if found is None:
                if qualifier != "+":
                    raise self._error(f"refuses by {term} in the record of {domain}, which is no list of networks")
                self.left_out.append(f"{term} ({domain})")
                continue
            fresh = _without(found, decided)
            decided += fresh
            passing += fresh if qualifier == "+" else []
        if redirect is not None:
            self._count(f"redirect={redirect}")
            passing += _without(self.record(self._name(redirect), above), decided)
        return passing

    def _mechanism(
        self, name: str, mark: str | None, rest: str, domain: str, above: tuple[str, ...]
    ) -> list[Network] | None:
        """The networks of a mechanism; None where it has none to name."""
        if name in _ASKS:
            self._count(name)
        if name in ("exists", "ptr") or "%" in rest:
            return None
        if name in ("ip4", "ip6"):
            return [self._network(name, rest)]
        if name == "include":
            return self.record(self._name(rest), above)
        target, lengths = self._target(f"{mark or ''}{rest}", domain)
        hosts = [target]
        if name == "mx":
            hosts = self._ask(target, "MX")
            self._count_void(target, hosts)
            if len(hosts) > MOST_EXCHANGERS:
                raise self._error(f"asks for {len(hosts)} exchangers of {target}; RFC 7208 allows {MOST_EXCHANGERS}")
        addresses = [
            f"{address}/{length}"
            for host in hosts
            for kind, length in zip(("A", "AAAA"), lengths, strict=True)
            for address in self._ask(host, kind)
        ]
        if name == "a":
            self._count_void(target, addresses)
        return [ipaddress.ip_network(address, strict=False) for address in addresses]

    def _text(self, domain: str) -> str:
        records = [text for text in self._ask(domain, "TXT") if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]
        if len(records) != 1:
            there = "has no SPF record" if not records else f"has {len(records)} SPF records, and may have one"
            raise self._error(f"cannot be evaluated, because {domain} {there}")
        return records[0]

    def _count_void(self, name: str, answers: list[str]) -> None:
        self._voids += not answers
        if self._voids > MOST_VOID_LOOKUPS:
            raise self._error(f"asks for more than {MOST_VOID_LOOKUPS} names that are not there, {name} the last")

    def _count(self, term: str) -> None:
        self._lookups += 1
        if self._lookups > MOST_LOOKUPS:
            raise self._error(f"takes more than {MOST_LOOKUPS} look-ups, {term} the first too many")

    def _network(self, name: str, text: str) -> Network:
        kind = ipaddress.IPv4Network if name == "ip4" else ipaddress.IPv6Network
        try:
            return kind(text, strict=False)
        except ValueError:
            raise self._error(f"has {name}:{text}, which is no network") from None

    def _target(self, text: str, domain: str) -> tuple[str, tuple[int, int]]:
        """The domain of "a" or "mx" and the lengths of its prefixes, as in :example.com/24//64."""
        match = re.fullmatch(r"(?::([^/]+))?(?:/([0-9]{1,2}))?(?://([0-9]{1,3}))?", text)
        lengths = (int(match[2] or 32), int(match[3] or 128)) if match else (33, 0)
        if not match or lengths[0] > 32 or lengths[1] > 128:
            raise self._error(f"has {text!r} in the record of {domain}, which is neither a domain nor a prefix")
        return self._name(match[1]) if match[1] else domain, lengths

    def _name(self, text: str) -> str:
        if "%" in text:
            raise self._error(f"goes on at {text}, which depends on the single message")
        try:
            return to_ascii(text.removesuffix("."))
        except DomainError as error:
            raise self._error(f"goes on at a domain that {error}") from error

    def _error(self, what: str) -> SpfError:
        return SpfError(f"the SPF record of {self._domain} {what}")


def _count(text: str, domain: str, ask: Ask | None, above: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for term in text.split()[1:]:
        match = _TERM.fullmatch(term)
        name = match["name"].lower() if match else ""
        if not match or (name not in _ASKS and name != "redirect"):
            continue
        found[term] = 1
        target = (match["rest"] or "").lower().removesuffix(".")
        if ask and name in ("include", "redirect") and "%" not in target:
            if target in above:
                raise SpfError(f"the SPF record of {domain} goes round in a circle: {' -> '.join((*above, target))}")
            records = [one for one in ask(target, "TXT") if re.match(r"v=spf1(?: |$)", one, re.IGNORECASE)]
            if len(records) != 1:
                there = "has none" if not records else f"has {len(records)}, and may have one"
                raise SpfError(f"the SPF record of {domain} names that of {target}, which {there}; leave {target} out")
            found[term] += sum(_count(records[0], target, ask, (*above, target)).values())
    return found


def _collapsed(networks: Iterable[Network]) -> list[Network]:
    """IPv4 first, each in order; none holds another."""
    everything = list(networks)
    return [
        network
        for version in (ipaddress.IPv4Network, ipaddress.IPv6Network)
        for network in ipaddress.collapse_addresses(one for one in everything if isinstance(one, version))  # type: ignore[type-var]
    ]


def _without(networks: Iterable[Network], others: Iterable[Network]) -> list[Network]:
    """What is left of networks when others are cut out of them."""
    left = list(networks)
    for other in others:
        left = [piece for network in left for piece in _cut(network, other)]
    return left


def _cut(network: Network, other: Network) -> list[Network]:
    if network.version != other.version or not network.overlaps(other):
        return [network]
    if other.supernet_of(network):  # type: ignore[arg-type]
        return []
    return list(network.address_exclude(other))  # type: ignore[arg-type]

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may send as whom, and which addresses have a mailbox: what the filters read as /etc/pythonfilter-addresses.json.

Whoever logs in sends as his account, as the aliases that lead to it, and as what send_as of the account says. Our other
servers send as the domains of their peer. The format is that of the filters (_filters/_addresses.py).
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .._filters._addresses import spelled
from .aliases import Alias
from .domains import DomainError, normalise
from .smtpaccess import AccessError, canonical

ANYBODY = "*"  # of a peer that sends as anybody; "@" in the file


class SenderError(ValueError):
    """Something that is no sender."""


class Account(NamedTuple):
    """Somebody who logs in."""

    address: str
    send_as: Sequence[str] = ()  # addresses, or @example.com for all of a domain


class Managed(NamedTuple):
    """One of our other servers."""

    networks: Sequence[str]
    name: str | None = None
    domains: Sequence[str] | None = None  # that it sends as; by default its own name and the domain of that


def compute(
    accounts: Iterable[Account],
    aliases: Iterable[Alias],
    domain_aliases: Mapping[str, str],
    managed: Iterable[Managed],
    local: Iterable[str] = (),
) -> dict[str, Any]:
    """The data. domain_aliases lead from another name of a domain to the domain, local are the domains of bare names.

    Raises SenderError.
    """
    people = list(accounts)
    others: dict[str, list[str]] = defaultdict(list)
    for other, domain in domain_aliases.items():
        others[_domain(domain)].append(_domain(other))
    homes = [_domain(name) for name in local if not name.startswith(("!", "."))]
    mailboxes = {spelled(one.address) for one in people}
    reached = _reached(list(aliases), homes)
    senders = {}
    for one in people:
        login = spelled(one.address)
        said = {login, *reached[login], *(_entry(one, entry) for entry in one.send_as)}
        local_part, _at, domain = login.rpartition("@")
        # Only accounts are the same in another domain; Courier does not apply aliases there.
        senders[login] = sorted(said | {f"{local_part}@{other}" for other in others[domain]})
    known = mailboxes | {f"{box.rpartition('@')[0]}@{other}" for box in mailboxes for other in others[_of(box)]}
    return {"mailboxes": sorted(known), "senders": senders, "managed": _managed(managed)}


def render(data: Mapping[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def parse(text: str) -> dict[str, Any]:
    """The data of the text. Raises SenderError."""
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SenderError(f"this is no JSON: {error}") from error
    if not isinstance(data, dict) or data.keys() != {"mailboxes", "senders", "managed"}:
        raise SenderError("these are no addresses of the filters; they have mailboxes, senders and managed")
    return data


def _reached(aliases: Sequence[Alias], homes: Sequence[str]) -> dict[str, set[str]]:
    """Which aliases lead to an address, over however many others."""
    leads: dict[str, set[str]] = defaultdict(set)  # from a target to the names
    for alias in aliases:
        for target in alias.targets:
            if not target.startswith(("|", "/", "#")):
                leads[spelled(target)].add(spelled(alias.name))
    found: dict[str, set[str]] = defaultdict(set)
    for start in list(leads):
        waiting, names = [start], set[str]()
        while waiting:
            for name in leads.get(waiting.pop(), set()) - names:
                names.add(name)
                waiting.append(name)
        found[start] = {
            whole
            for name in names
            if name != "@"
            for whole in ([name] if "@" in name else [f"{name}@{home}" for home in homes])
        }
    return found


def _entry(account: Account, entry: str) -> str:
    local_part, at, domain = entry.rpartition("@")
    try:
        right = bool(at and re.fullmatch(r"[^\s@<>\",;:()\[\]]*", local_part) and normalise(domain))
    except DomainError:
        right = False
    if not right or domain.startswith("."):
        raise SenderError(
            f"send_as of {account.address} has {entry!r}; write an address, or @example.com for all of a domain"
        )
    return spelled(entry)


def _managed(peers: Iterable[Managed]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for peer in peers:
        domains = _domains(peer)
        for network in peer.networks:
            try:
                found[canonical(network)] = domains
            except AccessError as error:
                raise SenderError(str(error)) from error
    return found


def _domains(peer: Managed) -> list[str]:
    shown = peer.name or ", ".join(peer.networks)
    if peer.domains is not None:
        if not peer.domains:
            raise SenderError(
                f"the managed peer {shown} has no domains; leave them out for its own, or write [{ANYBODY!r}]"
            )
        return sorted("@" if domain == ANYBODY else f"@{_domain(domain)}" for domain in peer.domains)
    try:
        name = normalise(peer.name or "")
    except DomainError:
        name = ""
    if "." not in name.strip("."):
        raise SenderError(
            f"nobody knows what the managed peer {shown} sends as; write its host name as name, "
            f"or its domains, or domains: [{ANYBODY!r}] for one that passes on the mail of others"
        )
    above = name.partition(".")[2]
    return sorted({f"@{name}", *([f"@{above}"] if "." in above else [])})


def _domain(domain: str) -> str:
    try:
        return normalise(domain)
    except DomainError as error:
        raise SenderError(str(error)) from error


def _of(address: str) -> str:
    return address.rpartition("@")[2]

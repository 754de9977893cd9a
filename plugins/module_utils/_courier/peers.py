# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peers by their class, as entries of smtpaccess: what we grant a host follows from what it is to us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from . import terms
from .smtpaccess import Access, AccessError, canonical

# What is set for the clients of a class. An empty BLOCK takes a client out of all DNS blacklists.
_GRANTED: dict[str, dict[str, str | None]] = {
    # Our own servers: they relay, without a login on 465 and 587, and what they pass on has its sender's SPF.
    "managed": {
        "RELAYCLIENT": None,
        "BLOCK": None,
        "AUTH_REQUIRED": "0",
        "BOFHSPFMAILFROM": "off",
        "BOFHSPFHELO": "off",
    },
    # Senders that we know. What they pass on for others fails SPF: it is said, and not refused.
    "trusted": {"BLOCK": None, "BOFHSPFMAILFROM": "all", "BOFHSPFHELO": "all", "BOFHSPFFROM": "off"},
}
# The one check that a broken server does not pass.
LIFTED: dict[str, dict[str, str | None]] = {
    "dnsbl": {"BLOCK": None},
    "helo": {"BOFHCHECKHELO": "0"},
    "sender_domain": {"BOFHCHECKDNS": "0"},
    "spf": {"BOFHSPFMAILFROM": "off"},
    "spf_from": {"BOFHSPFFROM": "off"},
    "spf_helo": {"BOFHSPFHELO": "off"},
}
CLASSES = (*_GRANTED, "broken", "denied")


class Peer(NamedTuple):
    """A host, or several, that we know."""

    kind: str  # one of CLASSES
    networks: Sequence[str]  # that we named ourselves
    name: str | None = None
    lift: str | None = None  # one of LIFTED, for a broken one
    spf: str | None = None  # a domain whose SPF record names more networks, for a trusted one
    terms: terms.Terms = terms.NONE
    by_spf: Sequence[str] = ()  # the networks that it names

    def __str__(self) -> str:
        return f"the {self.kind} peer {self.name or self.spf or ', '.join(self.networks)}"


def entries(peers: Iterable[Peer]) -> list[Access]:
    """The entries of smtpaccess, class by class. What SPF names and we named ourselves is ours to decide.

    Raises AccessError for a peer that says too much or too little.
    """
    everybody = list(peers)
    named: dict[str, Peer] = {}
    for peer in everybody:
        _check(peer)
        for network in peer.networks:
            other = named.setdefault(canonical(network), peer)
            if other is not peer:
                raise AccessError(f"{network} is in {other} and in {peer}; a host has one class, so keep one of them")
    taken = set(named)
    found: dict[str, list[tuple[Peer, Sequence[str]]]] = {kind: [] for kind in CLASSES}
    for peer in everybody:
        left = [network for network in peer.by_spf if canonical(network) not in taken]
        taken.update(map(canonical, left))
        found[peer.kind].append((peer, [*peer.networks, *left]))
    return [
        Access(network, "deny" if kind == "denied" else "allow", _variables(peer), comment)
        for kind in CLASSES
        for peer, networks in found[kind]
        for network, comment in _commented(peer, networks)
    ]


def recognise(variables: Mapping[str, str | None]) -> tuple[str, str | None] | None:
    """The class, and the check that is lifted, which say what these variables say, or None where no class does.

    A class may grant more: a server of ours that only relays on port 25 is managed all the same. added() names that.
    """
    held = {name: value or None for name, value in variables.items()}
    for lift, lifted in LIFTED.items():
        if held == lifted and lift != "dnsbl":
            return "broken", lift
    for kind, needed in (("managed", "RELAYCLIENT"), ("trusted", "BLOCK")):
        if needed in held and held.items() <= _GRANTED[kind].items():
            return kind, None
    return None


def added(kind: str, lift: str | None, variables: Mapping[str, str | None]) -> dict[str, str | None]:
    """What a class grants beyond these variables."""
    granted = LIFTED[lift] if lift else _GRANTED.get(kind, {})
    return {name: value for name, value in granted.items() if name not in variables}


def _check(peer: Peer) -> None:
    if peer.kind not in CLASSES:
        raise AccessError(f"a peer cannot be {peer.kind!r}; write one of {', '.join(CLASSES)}")
    if peer.spf and peer.kind != "trusted":
        raise AccessError(f"{peer}: what an SPF record names belongs to others; only trusted peers can have spf")
    if not peer.networks and not peer.spf:
        raise AccessError(f"{peer} has no networks; write its addresses or networks")
    if (peer.kind == "broken") != bool(peer.lift):
        raise AccessError(
            f"{peer}: lift names the one check that a broken server does not pass, and only there; "
            f"write one of {', '.join(LIFTED)} for a broken one and leave it out elsewhere"
        )
    if peer.lift and peer.lift not in LIFTED:
        raise AccessError(f"{peer}: there is no check {peer.lift!r} to lift; write one of {', '.join(LIFTED)}")
    if peer.kind == "broken" and not peer.terms.reason:
        raise AccessError(f"{peer} has no reason; write what is broken there, or nobody will dare to take it out")


def _variables(peer: Peer) -> dict[str, str | None]:
    return LIFTED[peer.lift] if peer.lift else _GRANTED.get(peer.kind, {})


def _commented(peer: Peer, networks: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """The networks, the first of them with what is to be said of the peer."""
    by_spf = peer.spf and f"by the SPF record of {peer.spf}"
    said = "; ".join(filter(None, (peer.name, by_spf, terms.comment(peer.terms))))
    comment: str | None = ": ".join(filter(None, (peer.kind, said)))
    for network in networks:
        yield network, comment
        comment = None

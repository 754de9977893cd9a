# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of networks that somebody else made, to be denied: one network a line, and comments.

A list says who is bad today. What the inventory says of the same hosts wins, and a list that would shut out somebody
who is ours is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from . import terms
from .peers import Peer
from .smtpaccess import AccessError, Network, canonical


class List(NamedTuple):
    """A list as it came."""

    name: str
    text: str
    terms: terms.Terms = terms.NONE


class _Range(NamedTuple):
    """Addresses from the first to the last as numbers: a thousand times faster to compare than networks."""

    version: int
    first: int
    last: int
    said: str  # how it is called
    whose: str


def peers(lists: Iterable[List], known: Sequence[Peer], ours: Iterable[str] = ()) -> list[Peer]:
    """The lists as denied peers, each network once. Raises AccessError, with the line of the list.

    Refuses denied networks, of peers and of lists, that hold what is ours or a peer that is let in, or are held by it.
    """
    taken = {canonical(network) for peer in known for network in peer.networks}
    protected = [*_protected(known, ours)]
    for peer in known:
        if peer.kind == "denied":
            for network in peer.networks:
                _refuse(network, canonical(network), f"mail_peers.denied: {network}", protected)
    found = []
    for one in lists:
        networks = []
        for number, said in _lines(one):
            place = f"mail_denied_lists: {one.name}, line {number}"
            try:
                spelling = canonical(said)
            except AccessError as error:
                raise AccessError(f"{place}: {error}") from None
            _refuse(said, spelling, f"{place}: {said}", protected)
            if spelling not in taken:
                taken.add(spelling)
                networks.append(spelling)
        if networks:
            found.append(Peer("denied", networks, one.name, terms=one.terms))
    return found


def _lines(one: List) -> Iterator[tuple[int, str]]:
    """The networks, each with the number of its line."""
    for number, line in enumerate(one.text.splitlines(), 1):
        said = line.partition("#")[0].strip()
        if said:
            yield number, said


def _protected(known: Iterable[Peer], ours: Iterable[str]) -> Iterator[_Range]:
    for network in ours:
        yield _range(network, canonical(network), "which is ours")
    for peer in known:
        if peer.kind != "denied":
            for network in peer.networks:
                yield _range(network, canonical(network), f"which is {peer}")


def _range(said: str, spelling: str, whose: str = "") -> _Range:
    # The spelling is one that ipaddress made: "*" is everybody.
    network: Network = ipaddress.ip_network("0.0.0.0/0" if spelling == "*" else spelling)
    return _Range(network.version, int(network.network_address), int(network.broadcast_address), said, whose)


def _refuse(said: str, spelling: str, place: str, protected: Iterable[_Range]) -> None:
    version, first, last, *_names = _range(said, spelling)
    for other in protected:
        if other.version == version and other.first <= last and first <= other.last:
            how = "is" if (first, last) == other[1:3] else "holds" if first <= other.first else "is in"
            raise AccessError(
                f"{place} {how} {other.said}, {other.whose}; "
                "nobody there could send or log in, so take it out of one of them"
            )

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that is passed on to somewhere else: whose it is, by which line of dot-courier(5), and whether it ever arrives.

Courier passes mail on with the sender that it came with, and where the sender's domain says who may send for it, the
next host refuses that. So addresses of other sites stand behind a program that gives the message to the forwarding
service (_filters/_forward.py). Ours are not touched.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from .._filters._addresses import spelled
from .circles import circle

# Courier takes no more recipients of one message (bofh's maxrcpts), and cuts lines that are longer.
_MOST = 100
_LINE = 8000
_INSTRUCTION = re.compile(r"[/.|#]")


class ForwardError(ValueError):
    """A forward that would never arrive, or that Courier would misread."""


class Forward(NamedTuple):
    """Somebody whose mail goes elsewhere, too or instead."""

    name: str  # an address, or @example.com for whatever nobody has there
    targets: Sequence[str]
    account: bool = False  # of an account's own, which comes after its alias


class Inside:
    """The domains that are ours. One that begins with a dot is every name below it."""

    def __init__(self, domains: Iterable[str]) -> None:
        names = [name for name in domains if not name.startswith("!")]
        self._domains = {spelled(name) for name in names if not name.startswith(".")}
        self._above = tuple(spelled(name) for name in names if name.startswith("."))

    def has(self, address: str) -> bool:
        """Whether an address, or a name without a domain, is at one of them."""
        _local_part, at, domain = spelled(address).rpartition("@")
        return not at or domain in self._domains or domain.endswith(self._above)


def line(program: str, name: str, targets: Sequence[str]) -> str:
    """The instruction that passes mail for a name on. Of @example.com the program makes the address that it was."""
    text = f"| {shlex.join([program, name, *targets])}"
    if len(targets) > _MOST or len(text.encode()) > _LINE:
        raise ForwardError(
            f"{name} goes to {len(targets)} addresses elsewhere, and {_MOST} are the most, fewer if they are long; "
            "divide them among several aliases, and put the names of those among its targets"
        )
    return text


def instructions(lines: Iterable[str], address: str, program: str, inside: Inside) -> tuple[str, ...]:
    """The lines of an account's .courier, with those for elsewhere behind the program.

    They come first. When the service is down, Courier tries all lines again, and what was kept would be kept twice.
    """
    first, rest = [], []
    for one in lines:
        mark, targets = _targets(one)
        outside = [target for target in targets if not inside.has(target)]
        if outside:
            first.append(line(program, address, outside))
            rest += [f"{mark}{target}" for target in targets if target not in outside]
        else:
            rest.append(one)
    return (*first, *rest)


def targets(lines: Iterable[str]) -> list[str]:
    """The addresses that lines of a .courier pass mail on to."""
    return [target for one in lines for target in _targets(one)[1]]


def refuse_loops(forwards: Iterable[Forward]) -> None:
    """Refuse mail that would go in a circle, on one host or over several. Raises ForwardError, which names it."""
    graph: dict[tuple[str, bool], list[str]] = {}
    for one in forwards:
        graph.setdefault((spelled(one.name), one.account), []).extend(map(spelled, one.targets))
    if chain := circle({one: list(_next(one, graph)) for one in graph}):
        names = " -> ".join(name for name, _account in chain)
        raise ForwardError(f"the forwards {names} never arrive; let one of them go to a mailbox")


def _next(one: tuple[str, bool], graph: Mapping[tuple[str, bool], Sequence[str]]) -> Iterator[tuple[str, bool]]:
    """Where Courier goes on: an address is an alias first, then an account, then its domain's."""
    for target in graph.get(one, ()):
        whole = f"@{target.rpartition('@')[2]}"
        itself = target == one[0]
        if (target, False) in graph and not itself:
            yield target, False
        elif (target, True) in graph:
            yield target, True
        elif (whole, False) in graph and not itself:
            yield whole, False


def _targets(one: str) -> tuple[str, list[str]]:
    """The mark and the addresses of a line of a .courier, none where it is another instruction."""
    text = one.strip()
    if not text or _INSTRUCTION.match(text):
        return "", []
    mark = text[0] if text[0] in "&!" else ""
    return mark or "&", [target for part in text[len(mark) :].split(",") if (target := part.strip())]

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that lead to each other, and never to a mailbox."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

_Node = TypeVar("_Node", bound=Hashable)


def circle(graph: Mapping[_Node, Iterable[_Node]]) -> list[_Node]:
    """The nodes of a circle with the first once more at the end, or nothing where there is none.

    It begins with the one that comes first in the graph, which says for each node where it leads.
    """
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        around = error.args[1][:0:-1]  # it goes backwards
        order = {node: number for number, node in enumerate(graph)}
        start = around.index(min(around, key=order.__getitem__))
        return [*around[start:], *around[: start + 1]]
    return []

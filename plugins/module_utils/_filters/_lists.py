# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lists in DNS were well at the last test. One that was not refuses nobody, and the operator hears of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from . import _dnslist, _replace
from ._dnslist import Entry
from ._reread import Missing, Reread

STATE = "/var/lib/pythonfilter/lists.json"


class State(NamedTuple):
    """What the last test of a list found."""

    broken: str  # what was wrong, or nothing
    since: float
    told: bool = False  # whether the operator knows


def read(path: str = STATE) -> dict[str, State]:
    """What the last test found, by zone."""
    try:
        with open(path, encoding="utf-8") as stream:
            return {zone: State(**one) for zone, one in json.load(stream).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # nobody has tested them yet, or a test will find it all again


def retest(
    entries: Iterable[Entry],
    tell: Callable[[str, State], bool],
    path: str = STATE,
    tested: Callable[[Entry], str] | None = None,
) -> dict[str, State]:
    """Test the lists and write down what was found. tell is asked once for each list that breaks, until it could."""
    before = read(path)
    now = time.time()
    found = {}
    for entry in entries:
        broken = (tested or _dnslist.patient_trouble)(entry)
        old = before.get(entry.zone, State("", now))
        state = State(broken, old.since if bool(broken) == bool(old.broken) else now, bool(broken) and old.told)
        if broken and not state.told:
            state = state._replace(told=tell(entry.zone, state))
        found[entry.zone] = state
    _write(path, found)
    return found


class Broken:
    """The zones that do not count at the moment."""

    def __init__(self, path: str = STATE) -> None:
        self._read = Reread(path, lambda data: frozenset(zone for zone, one in data.items() if one["broken"]))

    def __call__(self) -> frozenset[str]:
        try:
            return self._read()
        except Missing:
            return frozenset()  # nobody has tested them since they were switched on


def _write(path: str, found: Mapping[str, State]) -> None:
    data: dict[str, dict[str, Any]] = {zone: state._asdict() for zone, state in found.items()}
    # For monitoring. It tells nothing of anybody.
    _replace.write(path, json.dumps(data, indent=1, sort_keys=True), 0o644)

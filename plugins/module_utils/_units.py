# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd units: what `systemctl show` says of them, and what is to be done about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

# Values of UnitFileState with which a unit starts at boot, or which `systemctl enable` cannot change.
_BOOTS = ("enabled", "alias", "static", "indirect", "generated")

PROPERTIES = (
    "LoadState",
    "ActiveState",
    "UnitFileState",
    # Not ActiveEnter: a file written while the daemon was starting may have come too late for it. Not the wall clock:
    # that is set forward and back, and only newer releases print it to the microsecond.
    "InactiveExitTimestampMonotonic",
    "NeedDaemonReload",
    "FragmentPath",
    "DropInPaths",
    "ConsistsOf",
    "RequiredBy",
)


# What an SMTP client may say that is no answer to a question for a name or a password.
_VERBS = "AUTH|BDAT|DATA|EHLO|EXPN|HELO|HELP|MAIL|NOOP|QUIT|RCPT|RSET|STARTTLS|VRFY"


class Unit(NamedTuple):
    """A unit as it shall be."""

    name: str
    running: bool  # and enabled; or else stopped and disabled
    reads: Sequence[str] = ()  # files, and directories with the files in them, that it reads at its start


class State(NamedTuple):
    """A unit as systemd has it."""

    installed: bool
    active: str  # ActiveState
    file: str  # UnitFileState
    started: int  # microseconds of CLOCK_MONOTONIC
    changed: bool  # its files are newer than what systemd has read of them
    definition: Sequence[str]  # the unit's file and its drop-ins
    followers: Sequence[str]  # units that systemd restarts together with it


class Plan(NamedTuple):
    """What is to be done: names of units, in the order given."""

    started: list[str]
    restarted: list[str]
    stopped: list[str]
    enabled: list[str]
    disabled: list[str]


def parse(text: str) -> list[State]:
    """Read what `systemctl show` says of PROPERTIES: a paragraph a unit, in the order in which it was asked."""
    return [_state(dict(line.split("=", 1) for line in part.splitlines())) for part in text.strip().split("\n\n")]


def plan(units: Sequence[Unit], states: Sequence[State], boot: int) -> Plan:
    """Compare units with their states.

    boot is the moment, in nanoseconds of the wall clock, at which the monotonic clock was 0.
    """
    steps = Plan([], [], [], [], [])
    for (name, running, reads), state in zip(units, states, strict=True):
        if running:
            if state.file not in _BOOTS:
                steps.enabled.append(name)
            if state.active != "active":
                steps.started.append(name)
            elif state.changed or _newest((*reads, *state.definition)) > boot + state.started * 1000:
                steps.restarted.append(name)
        else:
            if state.file in ("enabled", "enabled-runtime"):
                steps.disabled.append(name)
            if state.active not in ("inactive", "failed"):
                steps.stopped.append(name)
    return steps


def without_passwords(journal: str) -> str:
    """Journal lines that may be shown: Courier logs what a client said last before a login failed.

    That is the AUTH with the beginning of its argument, or a line of its own that the client was asked for.
    """
    journal = re.sub(r"\b(AUTH) (\S+) .*", r"\1 \2 ********", journal, flags=re.IGNORECASE)
    return re.sub(rf"(,cmd: )(?!(?:{_VERBS})\b).*", r"\1********", journal, flags=re.IGNORECASE)


def _state(said: dict[str, str]) -> State:
    return State(
        installed=said["LoadState"] != "not-found",
        active=said["ActiveState"],
        file=said["UnitFileState"],
        started=int(said["InactiveExitTimestampMonotonic"]),
        changed=said["NeedDaemonReload"] == "yes",
        definition=f"{said['FragmentPath']} {said['DropInPaths']}".split(),
        followers=f"{said['ConsistsOf']} {said['RequiredBy']}".split(),
    )


def _newest(paths: Iterable[str]) -> int:
    """The youngest mtime in nanoseconds, 0 where there is no file. A directory's own tells that a file has gone."""
    return max((_mtime(path) for path in _with_files(paths)), default=0)


def _with_files(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        yield path
        if os.path.isdir(path):
            yield from (entry.path for entry in os.scandir(path))


def _mtime(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the last backup, for the metrics, the operator and the next run."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from dataclasses import dataclass

from ._configuration import STATE

NAME = "state.json"


@dataclass
class State:
    """Times are seconds since 1970, 0 for never."""

    finished: float = 0.0  # when the last good backup ended
    snapshot: str = ""  # what restic calls it
    bytes: int = 0  # of all that it holds
    messages: int = 0
    minutes: float = 0.0  # that it took
    checked: float = 0.0  # when data of the repository were last read and found well
    proved: float = 0.0  # when a drill last brought everything back
    restore_minutes: float = 0.0  # that this took, from nothing to a letter that was read
    error: str = ""  # why the last run failed; empty where it did not
    failed: float = 0.0  # when that was


def read(directory: str = STATE) -> State:
    """What is known. A file that nobody can read is as good as none."""
    try:
        with open(os.path.join(directory, NAME), encoding="utf-8") as stream:
            found = json.load(stream)
        known = {field.name for field in dataclasses.fields(State)}
        return State(**{name: value for name, value in found.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return State()


def write(state: State, directory: str = STATE) -> None:
    """There are no secrets in it: whoever makes metrics may read it."""
    path = os.path.join(directory, NAME)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{path}.new")
    descriptor = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with open(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, 0o644)
        json.dump(dataclasses.asdict(state), stream, indent=1)
        stream.write("\n")
        stream.flush()
        os.fsync(descriptor)
    os.replace(f"{path}.new", path)

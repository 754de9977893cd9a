# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a part of the watch found out: findings for people, samples for Prometheus."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class State(enum.StrEnum):
    """How things stand, the worst last."""

    WELL = "well"
    UNKNOWN = "unknown"  # it could not be found out, which says nothing about the thing itself
    SOON = "soon"  # nothing is broken, but somebody must act before it is
    BAD = "bad"


@dataclass(frozen=True)
class Finding:
    """How one thing stands that a person cares for."""

    # The part of the watch and the thing. Together they stay the same for as long as the thing is watched, so
    # that a thing which changes is one alarm with a beginning and an end.
    part: str
    subject: str
    state: State
    said: str  # one sentence; what to do, where somebody must act
    since: float | None = None  # seconds since 1970; None where nobody knows

    @property
    def key(self) -> str:
        return f"{self.part}: {self.subject}"


@dataclass(frozen=True)
class Sample:
    """One value, named as Prometheus wants it: courier_mail_WHAT_UNIT, counters end in _total."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all parts of the watch found out, together: for alarms, metrics, and whoever else asks."""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterable, Mapping
from typing import Any

from ._found import Finding, Sample, State
from ._places import ETC, has

# Part: module of this package with findings() and samples(), which take nothing, read what the part has found out, and
# are quick. A part is asked where it is wanted, that is, where it has settings.
PARTS: Mapping[str, str] = types.MappingProxyType(
    {
        "alarm": "alarm",
        "blocklists": "blocklists",
        "flow": "flow",
        "host": "host",
        "proofs": "proofs",
        "reports": "reports",
    }
)


def findings(parts: Mapping[str, str] = PARTS, directory: str = ETC) -> list[Finding]:
    """How everything stands. A part that fails is itself something that is not well."""
    found: list[Finding] = []
    for part, module in parts.items():
        if has(part, directory):
            try:
                found += _module(module).findings()
            except Exception as error:  # whatever is wrong with one part must not keep the others from being heard
                said = f"the watch itself failed: {type(error).__name__}: {error}; see journalctl -t courier-mail-watch"
                found.append(Finding(part, "watch", State.BAD, said))
            else:
                found.append(Finding(part, "watch", State.WELL, "it looks"))
    return found


def samples(parts: Mapping[str, str] = PARTS, directory: str = ETC) -> list[Sample]:
    """Everything that can be counted, and whether each part could be asked."""
    found: list[Sample] = []
    for part, module in parts.items():
        if has(part, directory):
            asked = _samples(module)
            found += asked or ()
            found.append(Sample("courier_mail_watch_part_up", float(asked is not None), {"part": part}))
    return found


def _samples(module: str) -> Iterable[Sample] | None:
    try:
        return list(_module(module).samples())
    except Exception:  # the alarm says what it was
        return None


def _module(name: str) -> Any:
    return importlib.import_module(f"{__package__}.{name}")

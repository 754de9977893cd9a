# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How records and what was found of them look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def dns_table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Findings or records as lines for people. The documentation is in dns_table.yml."""
    cells = [_finding(row) if "state" in row else (row["name"], row["type"], row["value"]) for row in rows]
    if not cells:
        return []
    head = ("result", "record", "name", "what") if len(cells[0]) == 4 else ("name", "type", "value")
    lines = [head, *cells]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(line[:-1], widths, strict=False)), line[-1]])
        for line in lines
    ]


def _finding(row: Mapping[str, Any]) -> tuple[str, ...]:
    return row["state"], row["kind"], row["name"], row["said"]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"dns_table": dns_table}

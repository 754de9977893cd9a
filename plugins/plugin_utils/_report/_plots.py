# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as SVG. There is no text in them: they are stretched to the width of the page, and a phone's is a third of a
desk's, so words around them are the page's. Colours are classes, which the page makes light or dark."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup, escape

HEIGHT = 1000  # of the drawing, in units of its own


def stacked(series: Mapping[str, Sequence[int]], colours: Mapping[str, str], told: Callable[[int], str]) -> Markup:
    """Bars of one slot each, series on top of each other. `told` names a slot for whoever points at it."""
    slots = len(next(iter(series.values()), ()))
    top = ceiling(max(map(sum, zip(*series.values(), strict=True)), default=0))
    bars = []
    for slot in range(slots):
        there = {name: values[slot] for name, values in series.items() if values[slot]}
        below = 0.0
        drawn = []
        for name, value in there.items():
            height = HEIGHT * value / top
            drawn.append(
                f'<rect class="{colours[name]}" x="{slot}.06" width=".88"'
                f' y="{HEIGHT - below - height:.1f}" height="{height:.1f}"/>'
            )
            below += height
        if drawn:
            words = ", ".join(f"{value} {name}" for name, value in there.items())
            bars.append(f"<g><title>{escape(told(slot))}: {escape(words)}</title>{''.join(drawn)}</g>")
    lines = "".join(f'<path class="grid" d="M0 {HEIGHT * part}H{slots}"/>' for part in (0, 0.5))
    frame = f'viewBox="0 0 {slots} {HEIGHT}" preserveAspectRatio="none" aria-hidden="true"'
    drawing = f"<svg {frame}>{lines}{''.join(bars)}</svg>"
    return Markup(drawing)  # noqa: S704 -- numbers, names of ours, and what is escaped


def measure(part: float, colour: str) -> Markup:
    """A bar beside a number: how large it is compared with the largest."""
    width = 100 * min(max(part, 0.0), 1.0)
    return Markup(  # noqa: S704 -- numbers
        f'<svg class="bar" aria-hidden="true"><rect class="{colour}" width="{width:.1f}%" height="100%"/></svg>'
    )


def ceiling(value: int) -> int:
    """The next number that is easy to read, whose half is one too."""
    if value <= 2:
        return 2
    size = 10 ** math.floor(math.log10(value))
    return next(int(size * step) for step in (1, 2, 4, 6, 8, 10) if size * step >= value)

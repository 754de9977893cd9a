# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a page: one file, no script, nothing from elsewhere.

Much of what is in it was written by strangers. Jinja escapes all of it; what is not escaped is made in _plots.
"""

from __future__ import annotations

import datetime
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from ._document import summary
from ._needs import DAY, span
from ._plots import ceiling, measure, stacked

TEMPLATE = "page.html.j2"
# Who sends, and where it goes, in words; each has a colour of the page.
FLOWS = {
    "incoming": {
        "foreign": ("from the world", "c1"),
        "authenticated": ("by people who logged in", "c2"),
        "satellites": ("from satellites", "c3"),
        "fetched": ("fetched elsewhere", "c4"),
        "local": ("by programs of the host", "c5"),
    },
    "outgoing": {
        "mailboxes": ("into mailboxes", "c1"),
        "elsewhere": ("to other hosts", "c2"),
        "reports": ("reports to senders", "c5"),
    },
    "trouble": {
        "refused": ("refused at the door", "c6"),
        "deferred": ("to be tried again", "c4"),
        "failed": ("given up", "c7"),
    },
}
STATES = {"bad": "Now", "soon": "Soon", "unknown": "Unknown"}
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def page(document: Mapping[str, Any]) -> str:
    """The page of a document."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"measure": measure, "summary": summary, "plots": plots, "states": STATES, "rows": rows}
    environment.filters |= {
        "span": span,
        "size": size,
        "day": day,
        "minute": minute,
        "words": words,
        "number": number,
        "until": until,
    }
    return environment.get_template(TEMPLATE).render(document)


def plots(journal: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The plots of a host, with what a table of each says."""
    outgoing = journal["outgoing"]
    values = {
        "incoming": journal["incoming"],
        "outgoing": {name: of_it["delivered"] for name, of_it in outgoing.items()},
        "trouble": {
            "refused": journal["refused"],
            "deferred": _sum([of_it["deferred"] for of_it in outgoing.values()]),
            "failed": _sum([of_it["failed"] for of_it in outgoing.values()]),
        },
    }
    titles = {
        "incoming": "Mail that came in",
        "outgoing": "Mail that was delivered",
        "trouble": "What did not go through",
    }
    return [_plot(titles[kind], FLOWS[kind], values[kind], journal) for kind in FLOWS]


def _plot(
    title: str, flows: Mapping[str, tuple[str, str]], values: Mapping[str, Sequence[int]], journal: Mapping[str, Any]
) -> dict[str, Any]:
    since, width = journal["since"], journal["width"]

    def told(slot: int) -> str:
        return f"{minute(since + slot * width)} to {minute(since + (slot + 1) * width)}"

    there = {flows[name][0]: values[name] for name in flows if any(values[name])}
    colours = dict(flows.values())
    return {
        "title": title,
        "drawing": stacked(there, colours, told) if there else Markup(),
        "top": ceiling(max(map(sum, zip(*there.values(), strict=True)), default=0)),
        "each": span(width),
        "legend": [(name, colours[name], sum(each)) for name, each in there.items()],
        "ticks": _ticks(since, journal["until"]),
        "table": _by_day(there, since, width),
    }


def _ticks(since: float, until: float) -> list[tuple[float, str]]:
    """Where days begin, from 0 to 100, and their names; hours where there is but one day."""
    step = DAY if until - since > 2 * DAY else DAY / 4
    first = since - since % step + step
    count = int((until - first) // step) + 1
    every = max(1, -(-count // 8))
    return [
        (
            round(100 * (first + number * step - since) / (until - since), 2),
            day(first + number * step) if step == DAY else minute(first + number * step)[-5:],
        )
        for number in range(0, count, every)
    ]


def _by_day(series: Mapping[str, Sequence[int]], since: float, width: float) -> list[list[Any]]:
    days: dict[str, list[int]] = {}
    for number, (_name, values) in enumerate(series.items()):
        for slot, value in enumerate(values):
            days.setdefault(day(since + slot * width), [0] * len(series))[number] += value
    return [[name, *values] for name, values in days.items()]


def _sum(series: Sequence[Sequence[int]]) -> list[int]:
    return [sum(one) for one in zip(*series, strict=True)]


def rows(counted: Sequence[Mapping[str, Any]], empty: str = "all others") -> list[tuple[str, int, float]]:
    """What was counted: the text, how often, and which part of the most frequent that is."""
    most = max((one["count"] for one in counted), default=1)
    return [(one["text"] or empty, one["count"], one["count"] / most) for one in counted]


def size(number: float) -> str:
    """Bytes as people read them."""
    unit = 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 or number >= 100 else f"{number:.1f} {_UNITS[unit]}"


def number(value: float) -> str:
    """A number in groups of three."""
    return f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def words(text: str) -> str:
    """A text that strangers may have written, without what moves the words around it."""
    return "".join(one if one.isprintable() else "?" for one in str(text))


def day(at: float) -> str:
    return f"{_utc(at):%a %d %b}"


def minute(at: float) -> str:
    return f"{_utc(at):%a %d %b %H:%M}"


def until(at: float, now: float) -> int:
    """Days."""
    return int((at - now) // DAY)


def _utc(at: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(at, datetime.UTC)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as data, which docs/report.schema.json describes. The page shows what is in it, and nothing else."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from ._needs import Limits, needs

VERSION = 1
HOST = ("name", "kind", "domains", "report", "troubles", "seconds", "mailboxes")


def document(hosts: Sequence[Mapping[str, Any]], site: str, days: int, limits: Limits, now: float) -> dict[str, Any]:
    """The report of a site, of what its hosts told."""
    # Where people have their mail comes first.
    told = sorted(map(_host, hosts), key=lambda one: (not one["domains"], one["name"]))
    return {
        "version": VERSION,
        "site": site,
        "at": moment(now),
        "days": days,
        "needs": needs(told, limits, now),
        "hosts": told,
    }


def summary(host: Mapping[str, Any]) -> dict[str, int | float | None] | None:
    """The numbers that a person asks for first."""
    journal = (host.get("report") or {}).get("journal")
    if not journal:
        return None
    results = {
        result: sum(sum(of_it[result]) for of_it in journal["outgoing"].values())
        for result in ("delivered", "deferred", "failed")
    }
    counts = [sum(one) for one in zip(*journal["latency"]["counts"].values(), strict=True)]
    return {
        "received": sum(map(sum, journal["incoming"].values())),
        "refused": sum(journal["refused"]),
        **results,
        "usually": within(journal["latency"]["ends"], counts, 0.95),
    }


def within(ends: Sequence[float], counts: Sequence[int], part: float) -> float | None:
    """Within how many seconds that part of all was done; None where nothing was, or it took longer than any class."""
    wanted, so_far = part * sum(counts), 0
    for end, count in zip(ends, counts, strict=False):
        so_far += count
        if count and so_far >= wanted:
            return end
    return None


def moment(at: float) -> str:
    """A moment as programs write it."""
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _host(told: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: told.get(name) for name in HOST}
    return {**found, "domains": found["domains"] or [], "troubles": found["troubles"] or {}}

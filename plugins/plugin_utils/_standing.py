# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a host stands, as rows of a verification: what no letter shows, and what would stop letters one day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ._report._needs import DAY, HOUR, span

# Parts of the watch that see what has a row of its own here.
_SEEN_HERE = ("host",)


class Standing(NamedTuple):
    """One row: what it is about, whether that is well (None where it cannot be said), and what there is to say."""

    direction: str
    ok: bool | None
    to: str
    what: str


def standings(report: Mapping[str, Any], days: int, hours: Mapping[str, int], now: float) -> Iterator[Standing]:
    """The rows of a host, of what courier.mail.report_info told. `hours` are how old a backup may be, and so on."""
    for one in report.get("filters") or []:
        yield Standing("filter", one["ok"], one["name"], one["said"] or "no answer")
    yield from _certificates(report, days, now)
    yield from _fetched(report, hours, now)
    yield from _units(report)
    yield from _backup(report, hours, now)
    yield from _watch(report)


def _certificates(report: Mapping[str, Any], days: int, now: float) -> Iterator[Standing]:
    for one in report.get("certificates") or []:
        if one["until"] is None:
            yield Standing("certificate", False, one["path"], one["said"])
            continue
        left = int((one["until"] - now) // DAY)
        said = f"for {left} days" if left >= 0 else f"expired {-left} days ago"
        yield Standing("certificate", left >= days, one["path"], said)


def _fetched(report: Mapping[str, Any], hours: Mapping[str, int], now: float) -> Iterator[Standing]:
    for one in report.get("fetched") or []:
        if one["state"] not in ("active", "activating"):
            said = f"is not fetched any more; journalctl -u fetchmail@{one['name']} says why"
            yield Standing("in: fetched", False, one["name"], said)
        elif one["reached"] is None:
            yield Standing("in: fetched", None, one["name"], "not reached yet")
        else:
            age = max(now - one["reached"], 0.0)
            yield Standing("in: fetched", age <= hours["fetched"] * HOUR, one["name"], f"reached {span(age)} ago")


def _units(report: Mapping[str, Any]) -> Iterator[Standing]:
    seen = report.get("units")
    if seen is None:
        return
    wrong = [f"{name} has failed" for name in seen["failed"]] + [f"{name} does not run" for name in seen["stopped"]]
    yield Standing("units", not wrong, "", "; ".join(wrong) or f"{seen['watched']} of mail run, and none has failed")


def _backup(report: Mapping[str, Any], hours: Mapping[str, int], now: float) -> Iterator[Standing]:
    seen = report.get("backup")
    if seen is None:
        yield Standing("backup", None, "", "there is none of this host")
        return
    finished, proved = seen.get("finished"), seen.get("proved")
    age = now - finished if finished else 0.0
    ok = bool(finished) and not seen["error"] and age <= hours["backup"] * HOUR
    restored = f"a restore was proved {span(now - proved)} ago" if proved else "no restore was proved"
    made = f"made {span(max(age, 0.0))} ago" if finished else "never finished"
    yield Standing("backup", ok, "", "; ".join(filter(None, (seen["error"], made, restored))))


def _watch(report: Mapping[str, Any]) -> Iterator[Standing]:
    """One row for all that is well, and one for each that is not."""
    found = [one for one in report.get("findings") or [] if one["part"] not in _SEEN_HERE]
    well = [one for one in found if one["state"] == "well"]
    if well:
        yield Standing("watch", True, "", f"{len(well)} things are well")
    for one in found:
        if one["state"] != "well":
            # What is due soon is no failure yet, and what nobody could find out says nothing.
            ok = {"bad": False, "soon": True}.get(one["state"])
            soon = "soon: " if one["state"] == "soon" else ""
            yield Standing(f"watch: {one['part']}", ok, str(one["subject"]), f"{soon}{one['said']}")

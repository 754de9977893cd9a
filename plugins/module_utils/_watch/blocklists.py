# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch blocklists: whether our addresses and domains are on lists in DNS.

An error is never a listing: each list is tested before it is asked, only the answers count that mean something there,
and where there is no answer the last one counts until it is too old.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from . import _blocklists_ask as asking
from ._blocklists_settings import Settings
from ._blocklists_store import Found, Listing, PairState, Store, StoreError
from ._exit import CONFIGURATION, UNAVAILABLE, fail
from ._found import Finding, Sample, State
from ._places import settings as read
from ._settings import SettingsError

PART = "blocklists"
_HOUR = 3600.0


def main(arguments: Sequence[str]) -> int:
    """Run a command. Returns its exit code, which is 1 where somebody is on a list."""
    parser = argparse.ArgumentParser(prog="courier-mail-watch", description="Whether we are on lists in DNS.")
    parser.add_argument("command", choices=["blocklists"], help=argparse.SUPPRESS)
    parser.add_argument("what", nargs="?", choices=["list", "check"], default="list", help="what is known, or ask now")
    parser.add_argument("--json", action="store_true", help="as JSON")
    given = parser.parse_args(arguments)
    try:
        settings = read(PART, Settings)
        if given.what == "check":
            check(settings)
        data = everything(settings)
    except SettingsError as error:
        return fail(CONFIGURATION, str(error))
    except (OSError, StoreError, ImportError) as error:
        return fail(UNAVAILABLE, str(error))
    sys.stdout.write(json.dumps(data, indent=2, sort_keys=True) + "\n" if given.json else written(data))
    return int(any(one["state"] == asking.LISTED for one in data["subjects"]))


def check(settings: Settings, ask: asking.Asking | None = None, now: float | None = None) -> None:
    """Ask all lists, and keep what they say. Raises StoreError."""
    asked = asking.everything(settings, ask)
    store = Store(settings.store)
    try:
        store.keep(asked, settings, time.time() if now is None else now)
    finally:
        store.close()


def findings(settings: Settings | None = None, now: float | None = None) -> list[Finding]:
    """How each list is, and whether each of ours is on each of them."""
    wanted = settings or read(PART, Settings)
    at = time.time() if now is None else now
    found, urls = _kept(wanted), {entry.zone: entry.url for entry in wanted.entries()}
    said: list[Finding] = [
        Finding(
            PART,
            one,
            State.UNKNOWN,
            f"{one} is private, and no list knows of it; write the address that the world sees into mail_addresses",
        )
        for one in wanted.private()
    ]
    broken = {one.zone: one for one in found.lists if one.broken}
    for one in found.lists:
        trouble = f"{one.zone} cannot be believed, and counts for nothing: {one.broken}"
        state, text = (State.UNKNOWN, trouble) if one.broken else (State.WELL, f"{one.zone} answers as it must")
        said.append(Finding(PART, one.zone, state, text, one.since))
    open_ = _open(found)
    for pair in found.pairs:
        listing = open_.get((pair.zone, pair.subject))
        if listing is None and pair.known is None and pair.zone in broken:
            continue  # that is said of the list
        said.append(_judged(pair, listing, urls.get(pair.zone, ""), at, wanted))
    return said


def samples(settings: Settings | None = None, now: float | None = None) -> list[Sample]:
    """The same as numbers. What is not known is NaN, which no rule takes for more or less than anything."""
    wanted = settings or read(PART, Settings)
    at = time.time() if now is None else now
    found = _kept(wanted)
    said: list[Sample] = []
    for one in found.lists:
        labels = {"list": one.zone}
        said.append(Sample("courier_mail_blocklist_up", float(not one.broken), labels))
        said.append(Sample("courier_mail_blocklist_asked_timestamp_seconds", one.asked, labels))
    for pair in found.pairs:
        labels = {"list": pair.zone, "subject": pair.subject}
        value = math.nan if _stale(pair, at, wanted) else float(pair.state == asking.LISTED)
        said.append(Sample("courier_mail_blocklist_listed", value, labels))
        said.append(Sample("courier_mail_blocklist_known_timestamp_seconds", pair.known or 0.0, labels))
    return said


def everything(settings: Settings) -> dict[str, Any]:
    """All that is known, for JSON and people."""
    found = _kept(settings)
    open_, urls = _open(found), {entry.zone: entry.url for entry in settings.entries()}
    broken = {one.zone for one in found.lists if one.broken}
    return {
        "lists": [
            {"zone": one.zone, "broken": one.broken, "since": one.since, "asked": one.asked} for one in found.lists
        ],
        "subjects": [
            _subject(pair, open_.get((pair.zone, pair.subject)), pair.zone in broken, urls.get(pair.zone, ""))
            for pair in found.pairs
        ],
        "private": settings.private(),
        "over": [one._asdict() for one in found.listings if one.ended is not None],
    }


def written(data: dict[str, Any]) -> str:
    """The same as text: first who is listed, then what is not known, then how much is well."""
    lines = []
    for one in data["subjects"]:
        if one["state"] == asking.LISTED:
            lines.append(f"listed   {one['subject']} on {one['zone']} ({one['answer']}{_reason(one['reason'])})")
            lines[-1] += (
                f" since {_time(one['first'])}, last seen {_time(one['last'])}{_off(one['url'], one['subject'])}"
            )
    lines += [f"broken   {one['zone']}: {one['broken']}" for one in data["lists"] if one["broken"]]
    lines += [
        f"unknown  {one['subject']} on {one['zone']}: {one['said'] or 'the list is broken'}"
        for one in data["subjects"]
        if one["state"] == asking.UNKNOWN
    ]
    lines += [f"unknown  {one}: it is private, and no list knows of it" for one in data["private"]]
    for one in data["over"][:10]:
        lines.append(f"was      {one['subject']} on {one['zone']} from {_time(one['first'])} to {_time(one['ended'])}")
    clear = [one for one in data["subjects"] if one["state"] == asking.CLEAR]
    lists = {one["zone"] for one in clear}
    lines.append(f"clear    {len(clear)} times: {len({one['subject'] for one in clear})} of ours on {len(lists)} lists")
    return "".join(f"{line}\n" for line in lines) if data["lists"] else "Nothing was asked yet.\n"


def _kept(settings: Settings) -> Found:
    if not os.path.exists(settings.store):
        return Found([], [], [])
    store = Store(settings.store, readonly=True)
    try:
        return store.found()
    finally:
        store.close()


def _open(found: Found) -> dict[tuple[str, str], Listing]:
    return {(one.zone, one.subject): one for one in found.listings if one.ended is None}


def _judged(pair: PairState, listing: Listing | None, url: str, now: float, settings: Settings) -> Finding:
    subject = f"{pair.subject} on {pair.zone}"
    stale = _stale(pair, now, settings)
    if listing is not None and not stale:
        silent = f"; it has not answered since {_time(listing.last)}" if pair.asked > listing.last else ""
        said = f"{pair.subject} is on {pair.zone} ({listing.answer}{_reason(listing.reason)}){_off(url, pair.subject)}"
        return Finding(PART, subject, State.BAD, said + silent, listing.first)
    if stale:
        said = f"whether {pair.subject} is on {pair.zone} is not known: {pair.said or 'it is long since it answered'}"
        return Finding(PART, subject, State.UNKNOWN, said, pair.known)
    return Finding(PART, subject, State.WELL, f"{pair.subject} is not on {pair.zone}", None)


def _stale(pair: PairState, now: float, settings: Settings) -> bool:
    return pair.known is None or now - pair.known > settings.stale_hours * _HOUR


def _subject(pair: PairState, listing: Listing | None, broken: bool, url: str) -> dict[str, Any]:
    silent = pair.known is None or bool(pair.said) or broken
    return {
        "subject": pair.subject,
        "zone": pair.zone,
        "state": asking.LISTED if listing else asking.UNKNOWN if silent else asking.CLEAR,
        "said": pair.said,
        "known": pair.known,
        "asked": pair.asked,
        "answer": listing.answer if listing else "",
        "reason": listing.reason if listing else "",
        "first": listing.first if listing else None,
        "last": listing.last if listing else None,
        "url": url.replace("{address}", pair.subject),
    }


def _reason(reason: str) -> str:
    return f": {reason}" if reason else ""


def _off(url: str, subject: str) -> str:
    return f"; to be taken off: {url.replace('{address}', subject)}" if url else ""


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")

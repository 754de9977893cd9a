# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask lists in DNS whether we are on them: all at once, each list tested first, and no error taken for a listing."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple, TypeVar

from . import _dnslist
from ._blocklists_settings import Pair, Settings
from ._dnslist import Entry, question
from ._reports_text import text
from ._resolve import Ask, Temporary

LISTED, CLEAR, UNKNOWN = "listed", "clear", "unknown"
# What a list of addresses of version 6 has as it has 127.0.0.1 among the others: nothing (RFC 5782, 5).
_NOBODY = "::ffff:7f00:1"
_AGAIN = 2  # a packet is lost now and then

Asking = Callable[[Entry], Ask]
_Key = TypeVar("_Key")
_Answer = TypeVar("_Answer")


class Answer(NamedTuple):
    """What a list says of somebody."""

    state: str  # listed, clear or unknown
    answer: str = ""  # the address that it says
    said: str = ""  # its reason, or why nothing is known


class Asked(NamedTuple):
    """What was found out."""

    broken: dict[str, str]  # by zone, what is wrong with it, or nothing
    answers: dict[tuple[str, str], Answer]  # by zone and subject; of lists that are well


def everything(settings: Settings, asking: Asking | None = None) -> Asked:
    """Ask all lists for all of us. Takes no longer than the settings say."""
    ask = asking or (lambda entry: entry.resolver(settings.timeout))
    end = time.monotonic() + settings.seconds
    entries, pairs = settings.entries(), settings.pairs()
    pool = ThreadPoolExecutor(settings.parallel, "blocklists")
    try:
        tests = {entry.zone: pool.submit(_broken, entry, ask) for entry in entries}
        broken = _results(tests, end, "there was no time left to test it")
        wanted = {
            (pair.entry.zone, pair.subject): pool.submit(one, pair, ask)
            for pair in pairs
            if not broken[pair.entry.zone]
        }
        late = Answer(UNKNOWN, said="there was no time left to ask")
        return Asked(broken, _results(wanted, end, late))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def one(pair: Pair, asking: Asking) -> Answer:
    """Ask one list for one of us."""
    ask, entry = asking(pair.entry), pair.entry
    name = question(entry.zone, pair.subject)
    try:
        answers = _patiently(ask, name, asking, entry)
        listed = [answer for answer in answers if entry.means(answer)]
        if not listed:
            return _not_listed(answers)
        # A list that knows of version 4 only may have somebody else's answer for all of version 6.
        if ":" in pair.subject and ask(question(entry.zone, _NOBODY), "A"):
            return Answer(UNKNOWN, said=f"{ipaddress.ip_address(_NOBODY)} must not be listed: it lists all of IPv6")
    except Temporary as error:
        return Answer(UNKNOWN, said=text(error))
    try:
        reason = text(" ".join(ask(name, "TXT")))
    except Temporary:
        reason = ""  # that it is listed is known all the same
    return Answer(LISTED, listed[0], reason or text(entry.reason))


def _not_listed(answers: Sequence[str]) -> Answer:
    """What an answer means that is none of those which count."""
    errors = [answer for answer in answers if not _dnslist.is_listing(answer)]
    if errors:
        return Answer(UNKNOWN, errors[0], f"it says {errors[0]}, which is no listing: it does not serve us, or is gone")
    return Answer(CLEAR)


def _patiently(ask: Ask, name: str, asking: Asking, entry: Entry) -> list[str]:
    for _attempt in range(_AGAIN - 1):
        try:
            return ask(name, "A")
        except Temporary:
            ask = asking(entry)  # who asks keeps what he heard, errors too
    return ask(name, "A")


def _broken(entry: Entry, asking: Asking) -> str:
    return text(_dnslist.patient_trouble(entry, asking))


def _results(asked: dict[_Key, Future[_Answer]], end: float, late: _Answer) -> dict[_Key, _Answer]:
    wait(asked.values(), max(0.0, end - time.monotonic()))
    return {key: future.result() if future.done() and not future.cancelled() else late for key, future in asked.items()}

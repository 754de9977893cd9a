# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look for messages in the journal, and follow them: to what they became, and to the reports about them."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from . import _trace_disk as disk
from . import _trace_lines as lines
from . import _trace_story as story
from ._trace_journal import Journal, JournalError, Line, Lines, users

__all__ = ["JournalError", "Query", "QueryError", "moment", "query", "trace"]

MOST = 20
_FOREVER = float("inf")
_BEFORE, _AFTER = 1.0, 3.0  # seconds around the second in which Courier took a message, in which most is over
_NEAR, _FAR = 1.0, 5.0  # seconds between a message and what it became
_ROUNDS = 6  # of what became of what became of it
_LOOKED_AT = 200  # messages, where most of them do not fit
_LINES = 4000
_ID = re.compile(r"(?:[0-9A-F]+\.)?([0-9A-F]{16}\.[0-9A-F]{8})")
_CUT = 120  # bytes of an address; Courier logs 128
_AGO = re.compile(r"(\d{1,6}) ?([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d")


class QueryError(ValueError):
    """A question that cannot be asked."""


@dataclass(frozen=True)
class Query:
    """What is looked for. Whatever is given must fit."""

    id: str = ""  # Courier's, without the first of its three parts
    word: str = ""  # a Message-ID without <>, or the id that another host gave it
    address: str = ""
    host: str = ""
    since: float = 0.0
    until: float = _FOREVER
    most: int = MOST


def moment(name: str, said: str, now: float) -> float:
    """A time in seconds since 1970. Raises QueryError."""
    text = said.strip()
    if found := _AGO.fullmatch(text):
        return now - int(found[1]) * _SECONDS[found[2]]
    if re.fullmatch(r"\d{9,11}(\.\d+)?", text):
        return float(text)
    today = time.strftime("%Y-%m-%d", time.localtime(now))
    for whole in (text, f"{today} {text}"):
        for pattern in _DATES:
            try:
                return time.mktime(time.strptime(whole, pattern))
            except (ValueError, OverflowError):
                continue
    raise QueryError(
        f"{name} is {said!r}; write a time such as 2026-11-26 10:02, 10:02 for today, 30m, 2h or 3d for so long ago, "
        "or seconds since 1970"
    )


def query(given: dict[str, Any], now: float) -> Query:
    """What is asked, of what somebody wrote: id, address, host, since, until and most. Raises QueryError."""
    said = {name: str(given.get(name) or "").strip() for name in ("id", "address", "host", "since", "until")}
    if not (said["id"] or said["address"] or said["host"]):
        raise QueryError("nothing is asked; write an id, an address or a host")
    for name in ("id", "address", "host"):
        if said[name] and not (3 <= len(said[name]) <= 1000 and said[name].isprintable() and " " not in said[name]):
            raise QueryError(f"{name} is {said[name]!r}; write 3 to 1000 characters without blanks")
    most = int(given.get("most") or MOST)
    if not 1 <= most <= _LOOKED_AT:
        raise QueryError(f"most is {most}; write a number from 1 to {_LOOKED_AT}")
    courier = _ID.fullmatch(said["id"].upper())
    since = moment("since", said["since"], now) if said["since"] else 0.0
    until = moment("until", said["until"], now) if said["until"] else _FOREVER
    if until < since:
        raise QueryError(f"until ({said['until']}) is before since ({said['since']}); write them the other way round")
    host = lines.address_of(said["host"].strip("[]")) or said["host"].rstrip(".").lower()
    return Query(
        id=courier[1] if courier else "",
        word="" if courier else said["id"].removeprefix("<").removesuffix(">"),
        address=said["address"].removeprefix("<").removesuffix(">"),
        host=host,
        since=since,
        until=until,
        most=most,
    )


def trace(
    asked: Query, directory: str = "", queue: str = disk.QUEUE, fetchmail: str = disk.FETCHMAIL
) -> dict[str, Any]:
    """What became of the messages that are asked for, by the journal. Raises JournalError."""
    believed = users()
    return Trace(asked, Journal(directory, believed), queue, fetchmail).found(checked=believed is not None)


class Source(Protocol):
    """What is asked for lines: a Journal."""

    def begins(self) -> float | None: ...

    def lines(self, texts: Iterable[bytes], since: float, until: float, most: int) -> Lines: ...

    def read(self, since: float, until: float) -> Iterator[Line]: ...


class Trace:
    """One question, and what was read for it."""

    def __init__(self, asked: Query, journal: Source, queue: str, fetchmail: str) -> None:
        self._asked, self._journal, self._queue, self._fetchmail = asked, journal, queue, fetchmail
        self._book = story.Book()
        self._read: list[tuple[float, float]] = []

    def found(self, checked: bool) -> dict[str, Any]:
        """The answer. Checked is whether the journal knows who wrote which line."""
        seeds = self._seeds()
        ids, more = self._messages(seeds)
        chosen = [self._book.letters[one] for one in ids if one in self._book.letters]
        refusals = [
            one for one in self._refusals(seeds.found) if self._refused_fits(one) and not story.told_twice(one, chosen)
        ]
        mailboxes = disk.fetched(self._fetchmail) if any(one.client.startswith("127.25.") for one in chosen) else {}
        for letter in chosen:
            letter.listener = self._book.listener(letter)
            letter.mailbox = mailboxes.get(letter.client, "")
            self._look_into_the_queue(letter)
        chosen.sort(key=lambda one: (one.came or one.moment, one.id))
        begins = self._journal.begins()
        return {
            "messages": [story.as_data(one) for one in chosen],
            "refusals": [story.refused_as_data(one, self._asked.address) for one in refusals[-self._asked.most :]],
            "begins": begins,
            "more": more or len(refusals) > self._asked.most,
            "said": self._said(bool(chosen or refusals), more or len(refusals) > self._asked.most, begins, checked),
        }

    def _seeds(self) -> Lines:
        """Lines that have what is looked for in them."""
        asked = self._asked
        since = max(asked.since, _moment(asked.id) - _BEFORE) if asked.id else asked.since
        return self._journal.lines(_texts(asked), since, asked.until, _LINES)

    def _messages(self, seeds: Lines) -> tuple[list[str], bool]:
        """The ids of the messages that fit, with what they became, and whether there may be more."""
        events: dict[str, list[lines.Event]] = {}
        for line in seeds.found:
            event = lines.read(line)
            if event and (id_ := getattr(event, "id", "")):
                events.setdefault(id_, []).append(event)
        left, fitting, looked_at = list(events), dict[str, None](), 0
        while left and len(fitting) < self._asked.most and looked_at < _LOOKED_AT:
            batch, left = left[: self._asked.most], left[self._asked.most :]
            looked_at += len(batch)
            self._book.add(event for one in batch for event in events[one])
            self._follow(batch, [window for one in batch for window in _ends(events[one])])
            fitting.update(dict.fromkeys(one for one in batch if self._fits(self._book.letters.get(one))))
        more = bool(left) or seeds.more or len(fitting) > self._asked.most
        chosen = list(fitting)[: self._asked.most]
        return list(dict.fromkeys([*chosen, *self._linked(chosen)])), more

    def _follow(self, ids: Sequence[str], windows: Iterable[tuple[float, float]]) -> None:
        """Read whatever there is about these, and about what became of them."""
        followed: set[str] = set()
        todo = list(ids)
        for _number in range(_ROUNDS):
            self._have([*windows, *((_moment(one) - _BEFORE, _moment(one) + _AFTER) for one in todo)])
            waiting = [one for one in todo if not self._letter(one).settled]
            if waiting:
                oldest = min(map(_moment, waiting)) - _BEFORE
                self._hear(self._journal.lines([one.encode() for one in waiting], oldest, _FOREVER, _LINES).found)
            self._have(window for one in todo for window in _around(self._letter(one)))
            followed.update(todo)
            todo, windows = [one for one in self._linked(ids) if one not in followed], []
            if not todo:
                break

    def _linked(self, ids: Sequence[str]) -> list[str]:
        """What came of these, and of what they came."""
        found: dict[str, None] = {}
        todo = list(ids)
        while todo:
            letter = self._book.letters.get(todo.pop())
            if letter:
                became = [id_ for one in letter.recipients.values() for id_ in one.became]
                following = [
                    one
                    for one in (*became, *letter.reports, *letter.warnings, letter.came_of)
                    if one and one not in found
                ]
                found.update(dict.fromkeys(following))
                todo += following
        return list(found)

    def _letter(self, id_: str) -> story.Letter:
        return self._book.letters.get(id_) or story.Letter(id_)

    def _have(self, windows: Iterable[tuple[float, float]]) -> None:
        """Read these times, where they were not read yet."""
        heard: list[Line] = []
        for begin, end in _merged(windows):
            if not any(first <= begin and end <= last for first, last in self._read):
                heard += self._journal.read(begin, end)
                self._read.append((begin, end))
        self._hear(heard)

    def _hear(self, heard: Iterable[Line]) -> None:
        self._book.add(event for line in heard if (event := lines.read(line)))
        self._book.settle()

    def _refusals(self, found: Iterable[Line]) -> list[lines.Refused]:
        """What listeners refused, several lines of one reply together."""
        book = story.Book()
        book.add(event for line in found if isinstance(event := lines.read(line), lines.Refused))
        book.settle()
        return book.refusals

    def _look_into_the_queue(self, letter: story.Letter) -> None:
        if all(one.settled for one in letter.recipients.values()):
            return
        following = disk.next_try(letter.file, letter.id, self._queue)
        letter.queued = None if following is None else bool(following)
        for one in letter.recipients.values():
            one.waits_until = following or 0.0

    def _fits(self, letter: story.Letter | None) -> bool:
        asked = self._asked
        if letter is None or (asked.id and letter.id != asked.id):
            return False
        if asked.word and not _has_word(letter, asked.word):
            return False
        if asked.address and not any(lines.same(one, asked.address) for one in letter.people):
            return False
        hosts = {letter.client, letter.helo.lower(), letter.name.lower()}
        hosts |= {try_.peer.lower() for one in letter.recipients.values() for try_ in one.attempts}
        return not asked.host or asked.host in hosts

    def _refused_fits(self, one: lines.Refused) -> bool:
        asked = self._asked
        if asked.id or asked.word or (asked.host and asked.host != one.client):
            return False
        people = (one.sender, one.recipient, one.account)
        return not asked.address or any(lines.same(who, asked.address) for who in people if who)

    def _said(self, found: bool, more: bool, begins: float | None, checked: bool) -> str:
        said = [] if found else ["Nothing is known of it."]
        if not found and self._asked.id:
            said.append(f"By its id Courier took it at {story.clock(_moment(self._asked.id))}.")
        if begins is None:
            said.append("There is no journal.")
        elif not found or begins > self._asked.since:
            said.append(f"The journal begins at {story.clock(begins)}.")
        if more:
            said.append("There are older ones; ask for another time, or for more.")
        if not checked:
            said.append("This host has no user courier, so who wrote these lines was not checked.")
        if not found and self._asked.word:
            said.append("A Message-ID is only known where the filter log has seen the message.")
        return " ".join(said)


def _moment(id_: str) -> float:
    """The second in which Courier took a message."""
    return float(int(id_.partition(".")[0], 16)) if id_ else 0.0


def _ends(events: Sequence[lines.Event]) -> Iterator[tuple[float, float]]:
    """Around the first and the last, where there are long lines."""
    times = [event.at for event in events]
    yield from ((at - 0.1, at + 0.1) for at in (min(times), max(times)))


def _texts(asked: Query) -> list[bytes]:
    """What is looked for in the bytes of the journal: one thing, and the rest decides later."""
    if asked.id:
        return [asked.id.encode()]
    if asked.word:
        return list(dict.fromkeys([asked.word[:_CUT].encode(), _escaped(asked.word)[:_CUT]]))
    if asked.address:
        written = asked.address.encode()[:_CUT]
        return list(dict.fromkeys([written, written.lower(), _escaped(asked.address)[:_CUT]]))
    try:
        version = ipaddress.ip_address(asked.host).version
    except ValueError:
        return [asked.host.encode()]
    address = f"::ffff:{asked.host}" if version == 4 else asked.host
    # What begins alike is looked for at once.
    return [f"{address}]".encode(), f"{address},".encode(), f'"client": "{asked.host}"'.encode()]


def _escaped(text: str) -> bytes:
    return json.dumps(text)[1:-1].encode()


def _has_word(letter: story.Letter, word: str) -> bool:
    """Whether it has this Message-ID, of which the log has the beginning, or a host answered with it."""
    known = letter.message_id.removeprefix("<")
    if word == known.removesuffix(">") or (len(known) >= _CUT and word.startswith(known)):
        return True
    told = re.compile(rf"(?<![\w.@-]){re.escape(word)}(?![\w@-])")
    return any(told.search(try_.said) for one in letter.recipients.values() for try_ in one.attempts)


def _around(letter: story.Letter) -> Iterator[tuple[float, float]]:
    """When there may be lines about it that do not have its id, or are too long to be found."""
    if letter.came and not letter.judged:
        yield letter.came - _FAR, letter.came + _NEAR
    if letter.came and letter.client in story.HERE:
        # What it was made of was delivered just before.
        yield letter.came - _FAR, letter.came + _NEAR
    for at, _address, _late in letter.reported:
        yield at - _NEAR, at + _FAR
    for one in letter.recipients.values():
        for attempt in one.attempts:
            if attempt.outcome == "delivered":
                yield attempt.at - _NEAR, attempt.ended + _NEAR
            elif attempt.outcome in ("waiting", "refused") and not attempt.said:
                yield attempt.at - 0.1, attempt.ended + 0.1


def _merged(windows: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(windows):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask spamd how much a message looks like spam: tag it, put it into people's Junk, or refuse it.

One text goes to all recipients, but each of them may have thresholds of their own. A message is refused only if each
recipient would refuse it. Otherwise, for those who would refuse it and for those whose junk_score it reaches, it goes
into the folder Junk, where they have a mailbox here; and whoever has none gets it as it is. The fields X-Spam-* are
written once, and say spam when the score reaches the lowest tag_score of the recipients. A recipient who is off counts
in none of this but one: the message is not refused, as they want it. Where all are off, spamd is not asked.

Exceptions go by the address after aliases were expanded. The address that was written is known too, but clients may
claim another (ORCPT of RFC 3461). So an exception for it does no more than to keep the message from being refused.

What claims to be a verdict when the message arrives, every field X-Spam-*, is taken away before spamd is asked. The
body stays what it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from . import _addresses
from ._connection import Connection
from ._junk import owner, redirect
from ._message import Message, Recipient
from ._names import is_for_reports
from ._settings import SettingsError, build, refuse
from ._verdict import PASS, Down, Verdict
from ._verdict import refuse as refused

_CHUNK = 1 << 17
_ANSWER = 1 << 18  # bytes; every rule there is has room in it
_SCORE = re.compile(rb"Spam: *(?:True|False|Yes|No) *; *(-?[0-9.]+) */ *(-?[0-9.]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Thresholds:
    """From which score on something is done; null is never."""

    tag_score: float | None = 5.0
    junk_score: float | None = 5.0
    reject_score: float | None = 10.0
    off: bool = False

    def __post_init__(self) -> None:
        scores = [(name, getattr(self, name)) for name in ("tag_score", "junk_score", "reject_score")]
        used = [(name, score) for name, score in scores if score is not None]
        for name, score in used:
            if not math.isfinite(score):
                refuse(name, score, "a number, or null to switch it off")
        for (low, less), (high, more) in pairwise(used):
            if less > more:
                raise SettingsError(
                    f"{high} is {more:g} and {low} is {less:g}, so what looks less like spam would be treated harder; "
                    "write tag_score <= junk_score <= reject_score, or null for what shall never be done"
                )


_OFF = Thresholds(None, None, None, off=True)


def _postmasters() -> dict[str, dict[str, bool | float | None]]:
    # Refusals name the postmaster, who is told of spam by people who quote it.
    return {"postmaster@": {"reject_score": None}, "abuse@": {"reject_score": None}}


@dataclass(frozen=True)
class Settings:
    """Where spamd is, what it is given, and what its score means."""

    socket: str = "/run/spamd/spamd.sock"
    timeout: float = 120  # seconds for one message, all in all
    max_size: int = 512000  # bytes; what is larger passes without being scored, and big_mail looks at it
    tag_score: float | None = 5.0  # X-Spam-Flag: YES
    junk_score: float | None = 5.0  # into the folder Junk
    reject_score: float | None = 10.0  # refused
    # By alice@example.com, by @example.com or by postmaster@: off, or other thresholds.
    recipients: dict[str, dict[str, bool | float | None]] = field(default_factory=_postmasters)
    known: str = _addresses.PATH  # who has a mailbox here

    def __post_init__(self) -> None:
        if not self.socket.startswith("/"):
            refuse("socket", self.socket, "the path of spamd's socket, such as /run/spamd/spamd.sock")
        if not 0 < self.timeout <= 600:
            refuse("timeout", self.timeout, "seconds, at most 600: clients do not wait any longer")
        if self.max_size < 1:
            refuse("max_size", self.max_size, "a number of bytes, such as 512000")
        site = thresholds(self)
        for who, given in self.recipients.items():
            if not re.fullmatch(r"[^@\s]+@([^@\s]+)?|@[^@\s]+", who):
                raise SettingsError(
                    f"recipients: {who!r} is nobody; write an address, @example.com for a domain, or postmaster@ for "
                    "that name in any domain"
                )
            try:
                merged(site, given)
            except SettingsError as error:
                raise SettingsError(f"recipients: {who}: {error}") from error


def thresholds(settings: Settings) -> Thresholds:
    """Those of recipients who have none of their own."""
    return Thresholds(settings.tag_score, settings.junk_score, settings.reject_score)


def merged(site: Thresholds, given: Mapping[str, bool | float | None]) -> Thresholds:
    """Those of somebody who has some of their own. Raises SettingsError."""
    # Types first, with thresholds that are in order with any. Then the order, beside what the site has.
    build(Thresholds, {"tag_score": None, "junk_score": None, "reject_score": None, **given})
    if given.get("off"):
        return _OFF
    return replace(site, **given)  # type: ignore[arg-type]


class Scored(NamedTuple):
    """What spamd said."""

    score: float
    required: float
    rules: list[str]


class Filter:
    """Scores mail."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._site = thresholds(settings)
        self._exceptions = {who.lower(): merged(self._site, given) for who, given in settings.recipients.items()}
        self._read = _addresses.Read(settings.known)

    def check(self, message: Message) -> Verdict:
        message.remove("X-Spam-*")
        if message.size > self._settings.max_size:
            return Verdict(note=f"not scored: {message.size} bytes, max_size is {self._settings.max_size}")
        wishes = [(recipient, self.wish(recipient)) for recipient in message.recipients]
        if all(wish.off for _recipient, wish in wishes):
            return Verdict(note="not scored: the recipients do not want it")
        with Connection(self._settings.socket, self._settings.timeout) as spamd:
            if spamd.send(_request(message)):
                spamd.finish()
            scored = understood(spamd.receive(_ANSWER))
        note = f"{scored.score:g} {','.join(scored.rules)}".strip()
        if all(_reaches(scored, wish.reject_score) for _recipient, wish in wishes):
            domain = (_written(wishes[0][0]) or "@").rpartition("@")[2]
            whom = f"postmaster@{domain}" if re.fullmatch(r"[!-~]+", domain) else "the postmaster"
            return refused(
                f"554 5.7.1 This mail scores {scored.score:g}, which is spam here; if it is none, write to {whom}", note
            )
        self._tag(message, scored, (wish for _recipient, wish in wishes))
        for recipient, wish in wishes:
            if _reaches(scored, wish.junk_score) or _reaches(scored, wish.reject_score):
                note += self._put_into_junk(message, recipient, scored)
        return PASS._replace(note=note)

    def wish(self, recipient: Recipient) -> Thresholds:
        """From which scores on somebody wants something done."""
        if is_for_reports(recipient.address):
            return _OFF  # a complaint brings back the spam that it is about
        wish = self._exception(owner(recipient.address)) or self._site  # authenticate may have been there before
        claimed = self._exception(_written(recipient))
        if claimed and claimed.reject_score is None:
            return replace(wish, reject_score=None)
        return wish

    def _exception(self, address: str) -> Thresholds | None:
        local, _at, domain = address.lower().rpartition("@")
        for who in (f"{local}@{domain}", f"@{domain}", f"{local}@"):
            if who in self._exceptions:
                return self._exceptions[who]
        return None

    def _tag(self, message: Message, scored: Scored, wishes: Iterable[Thresholds]) -> None:
        tags = [wish.tag_score for wish in wishes if wish.tag_score is not None]
        required = min(tags, default=None)
        is_spam = _reaches(scored, required)
        limit = "" if required is None else f" required={required:.1f}"
        message.add("X-Spam-Level", "*" * max(0, min(50, int(scored.score))))
        tests = ", ".join(scored.rules) or "none"
        message.add("X-Spam-Status", f"{'Yes' if is_spam else 'No'}, score={scored.score:.1f}{limit} tests={tests}")
        message.add("X-Spam-Score", f"{scored.score:.1f}")
        if is_spam:
            message.add("X-Spam-Flag", "YES")

    def _put_into_junk(self, message: Message, recipient: Recipient, scored: Scored) -> str:
        if redirect(message, recipient, self._read(), f"into Junk, spam score {scored.score:g}"):
            return f"; into Junk of {recipient.address}"
        return ""


def _request(message: Message) -> Iterator[bytes]:
    # Later Courier puts this on top; spamd reads the envelope's sender there. What came with the message is not true.
    sender = message.sender.encode("utf-8", "surrogateescape")
    path = b"Return-Path: <%s>\n" % sender if re.fullmatch(rb"[!-~\x80-\xff]*", sender) else b""
    yield b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % (len(path) + message.size)
    yield path
    with message.open() as text:
        yield from iter(partial(text.read, _CHUNK), b"")


def understood(answer: bytes) -> Scored:
    """spamd's answer to SYMBOLS. Raises Down for what is none, or only half of one."""
    header, end, body = answer.partition(b"\r\n\r\n")
    status, _end, fields = header.partition(b"\r\n")
    said = re.sub(r"[^ -~]", "?", status[:100].decode("ascii", "replace"))
    score = _SCORE.search(fields)
    length = re.search(rb"(?i)content-length: *([0-9]+)", fields)
    if not answer:
        raise Down("spamd hung up")
    if not re.fullmatch(rb"SPAMD/[0-9.]+ 0 EX_OK *", status):
        raise Down(f"spamd says: {said}")
    if not end or not score or (length and len(body) < int(length[1])):
        raise Down("spamd gave half an answer")
    rules = [
        rule for rule in re.split(r"[,\s]+", body.decode("ascii", "replace")) if re.fullmatch(r"\w+", rule, re.ASCII)
    ]
    try:
        return Scored(float(score[1]), float(score[2]), rules)
    except ValueError:
        raise Down(f"spamd gave no score: {score[0].decode()}") from None


def _reaches(scored: Scored, threshold: float | None) -> bool:
    return threshold is not None and scored.score >= threshold


def _written(recipient: Recipient) -> str:
    """The address that the sender wrote, or claims to have written."""
    return recipient.original.removeprefix("rfc822;") or recipient.address

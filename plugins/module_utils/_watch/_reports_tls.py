# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports about TLS: the JSON of RFC 8460."""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from ._reports_text import Refused, address, domain, text

# A text that does not end goes to the end, or each quote in it would be a new beginning.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_POLICIES = ("tlsa", "sts", "no-policy-found")
_MOST_COUNT = 10**9


class Failure(NamedTuple):
    """What is counted together."""

    mx: str
    type: str
    sender: str
    reason: str


class Policy(NamedTuple):
    """What was found under one policy."""

    domain: str
    type: str  # tlsa, sts, no-policy-found
    good: int  # sessions
    bad: int
    failures: dict[Failure, int]


class Report(NamedTuple):
    """A report."""

    org: str
    contact: str
    id: str
    begin: float
    end: float
    policies: list[Policy]
    skipped: int  # entries that make no sense


def parse(packed: bytes, most_rows: int, depth: int) -> Report:
    """The report in a text of JSON. Raises Refused."""
    _shallow(packed, depth)
    try:
        said = json.loads(packed.decode("utf-8-sig"), parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refused("broken", f"JSON: {text(error)}") from error
    if not isinstance(said, dict) or not isinstance(said.get("policies"), list):
        raise Refused("not a report", "the JSON has no policies")
    dates = said.get("date-range")
    if not isinstance(dates, dict):
        raise Refused("dates", "it has no date-range")
    name = text(said.get("report-id", ""))
    if not name:
        raise Refused("broken", "it has no report-id")
    reader = _Reader(most_rows)
    policies = [found for one in said["policies"] if (found := reader.policy(one))]
    if not policies:
        raise Refused("broken", "none of its policies makes sense")
    return Report(
        text(said.get("organization-name", "")),
        text(said.get("contact-info", "")),
        name,
        _time(dates.get("start-datetime")),
        _time(dates.get("end-datetime")),
        policies,
        reader.skipped,
    )


class _Reader:
    def __init__(self, most_rows: int) -> None:
        self._left = self._most = most_rows
        self.skipped = 0

    def policy(self, said: object) -> Policy | None:
        self._spend()
        policy = _dictionary(said).get("policy")
        name = domain(_dictionary(policy).get("policy-domain", ""))
        summary = _dictionary(_dictionary(said).get("summary"))
        good, bad = (_count(summary.get(f"total-{kind}-session-count", 0)) for kind in ("successful", "failure"))
        details = _dictionary(said).get("failure-details", [])
        if not name or good is None or bad is None or not isinstance(details, list):
            self.skipped += 1
            return None
        kind = _dictionary(policy).get("policy-type")
        return Policy(
            name, kind if kind in _POLICIES else "other", good, bad, dict(self._failures(details, _mx(policy)))
        )

    def _failures(self, details: list[object], otherwise: str) -> Counter[Failure]:
        found: Counter[Failure] = Counter()
        for number, count in self._counted(details):
            one = _dictionary(details[number])
            kind = str(one.get("result-type", ""))[:100].lower()
            found[
                Failure(
                    domain(one.get("receiving-mx-hostname", "")) or otherwise,
                    kind if re.fullmatch(r"[a-z0-9-]{1,60}", kind) else "unknown",
                    address(one.get("sending-mta-ip", "")),
                    text(one.get("failure-reason-code", ""), 100),
                )
            ] += count
        return found

    def _counted(self, details: list[object]) -> Iterator[tuple[int, int]]:
        for number, one in enumerate(details):
            self._spend()
            count = _count(_dictionary(one).get("failed-session-count"))
            if count:
                yield number, count
            else:
                self.skipped += 1

    def _spend(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Refused("too many rows", f"it has more than {self._most}")


def _shallow(packed: bytes, depth: int) -> None:
    level = 0
    for token in _TOKEN.finditer(packed):
        if token[0] in (b"[", b"{"):
            level += 1
            if level > depth:
                raise Refused("too deep", f"the JSON has more than {depth} levels")
        elif token[0] in (b"]", b"}"):
            level -= 1


def _mx(policy: object) -> str:
    """The host of the policy, which the RFC has as a text in one place, and as a list in another."""
    said = _dictionary(policy).get("mx-host", "")
    first = said[0] if isinstance(said, list) and said else said
    return domain(str(first).removeprefix("*."))


def _dictionary(said: object) -> dict[str, Any]:
    return said if isinstance(said, dict) else {}


def _count(said: object) -> int | None:
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) <= 12:
        said = int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) and 0 <= said <= _MOST_COUNT else None


def _constant(said: str) -> None:
    raise ValueError(f"{said} is no number")


def _time(said: object) -> float:
    try:
        at = datetime.datetime.fromisoformat(str(said)[:100].strip())
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Refused("dates", f"{text(said, 40)!r} is no time") from error

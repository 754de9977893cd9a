# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Aggregate reports of DMARC: the XML of RFC 7489, appendix C, and that of DMARCbis, which has other names beside it.

Expat reads it as it comes, so a report of a gigabyte takes no more memory than a small one. A document type is refused
where it begins, which leaves no entity to expand; that is all that defusedxml would add.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from xml.parsers import expat

from ._reports_text import Refused, address, domain, text

_MOST_COUNT = 10**9
_MOST_TEXT = 1000  # characters of one value; the rest is not looked at
_MOST_NAME = 100
_MOST_VALUES = 100  # of a record, or of what is said of the whole
_DISPOSITIONS = ("none", "quarantine", "reject", "pass")
_OVERRIDES = (
    "forwarded",
    "sampled_out",
    "trusted_forwarder",
    "mailing_list",
    "local_policy",
    "policy_test_mode",
    "other",
)
_RESULTS = ("none", "pass", "fail", "softfail", "neutral", "policy", "temperror", "permerror")
_SIGNERS = 10


class Row(NamedTuple):
    """What is counted together."""

    source: str
    author: str
    disposition: str
    dkim: str  # whether it proves the author
    spf: str
    override: str
    signed: str  # the first signature, such as example.com=pass
    sent: str  # what SPF found, such as example.com=fail


class Report(NamedTuple):
    """A report."""

    org: str
    email: str
    id: str
    domain: str
    begin: float
    end: float
    policy: dict[str, str]
    rows: dict[Row, int]
    skipped: int  # rows that make no sense


def parse(pieces: Iterable[bytes], most_bytes: int, most_rows: int, depth: int) -> Report:
    """The report in a text of XML. Raises Refused."""
    reader = _Reader(most_rows, depth)
    total = 0
    try:
        for piece in pieces:
            total += len(piece)
            if total > most_bytes:
                raise Refused("too large", f"the XML is larger than {most_bytes} bytes")
            reader.parser.Parse(piece, False)
        reader.parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise Refused("broken", f"XML: {error}") from error
    except (LookupError, ValueError) as error:  # an encoding that Python does not know, or that has several bytes
        raise Refused("broken", f"XML: {error}") from error
    return reader.report()


class _Reader:
    def __init__(self, most_rows: int, depth: int) -> None:
        self._most_rows, self._depth = most_rows, depth
        self._path: list[str] = []
        self._text = ""
        self._values: dict[str, str] = {}
        self._record: dict[str, str] = {}
        self._signers: list[tuple[str, str]] = []
        self._rows: Counter[Row] = Counter()
        self._records = self._skipped = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    def report(self) -> Report:
        said = self._values
        name = domain(said.get("policy_published/domain", ""))
        if not name:
            raise Refused(
                "broken", f"the policy is that of {text(said.get('policy_published/domain', ''))!r}, no domain"
            )
        if not self._rows and self._skipped:
            raise Refused("broken", f"none of its {self._skipped} rows makes sense")
        if not text(said.get("report_metadata/report_id", "")):
            raise Refused("broken", "it has no report_id")
        return Report(
            text(said.get("report_metadata/org_name", "")),
            text(said.get("report_metadata/email", "")),
            text(said["report_metadata/report_id"]),
            name,
            _time(said.get("report_metadata/date_range/begin", "")),
            _time(said.get("report_metadata/date_range/end", "")),
            {
                key: text(said.get(f"policy_published/{key}", ""), 20)
                for key in ("p", "sp", "np", "pct", "adkim", "aspf")
                if said.get(f"policy_published/{key}")
            },
            dict(self._rows),
            self._skipped,
        )

    def _doctype(self, *_said: Any) -> None:
        raise Refused("entities", "the XML has a document type")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        if len(self._path) >= self._depth:
            raise Refused("too deep", f"the XML has more than {self._depth} levels")
        local = name[-_MOST_NAME:].rpartition(":")[2]
        if not self._path and local != "feedback":
            raise Refused("not a report", f"the XML is {text(local, 40)!r}, not feedback")
        self._path.append(local)
        self._text = ""
        if self._path == ["feedback", "record"]:
            self._record, self._signers = {}, []

    def _characters(self, said: str) -> None:
        if len(self._text) < _MOST_TEXT:
            self._text += said[:_MOST_TEXT]

    def _end(self, _name: str) -> None:
        path = "/".join(self._path[1:])
        said, self._text = self._text.strip()[:_MOST_TEXT], ""
        self._path.pop()
        if path == "record":
            self._close()
        elif path.startswith("record/"):
            self._keep(path[len("record/") :], said)
        elif said and len(self._values) < _MOST_VALUES:
            self._values.setdefault(path, said)

    def _keep(self, path: str, said: str) -> None:
        if path == "auth_results/dkim":
            if len(self._signers) < _SIGNERS:
                self._signers.append((self._record.pop("auth_results/dkim/domain", ""), self._record.pop(path, "")))
        elif path == "auth_results/dkim/result":
            self._record["auth_results/dkim"] = said
        elif path == "auth_results/dkim/domain":
            self._record[path] = said
        elif said and len(self._record) < _MOST_VALUES:
            self._record.setdefault(path, said)

    def _close(self) -> None:
        self._records += 1
        if self._records > self._most_rows:
            raise Refused("too many rows", f"it has more than {self._most_rows}")
        said = self._record.get
        source = address(said("row/source_ip", ""))
        count = _whole(said("row/count", ""))
        if not source or not 1 <= count <= _MOST_COUNT:
            self._skipped += 1
            return
        row = Row(
            source,
            domain(said("identifiers/header_from", "")),
            _one_of(said("row/policy_evaluated/disposition", ""), _DISPOSITIONS),
            _one_of(said("row/policy_evaluated/dkim", ""), ("pass", "fail")),
            _one_of(said("row/policy_evaluated/spf", ""), ("pass", "fail")),
            _override(said("row/policy_evaluated/reason/type", "")),
            self._signer(),
            _result(said("auth_results/spf/domain", ""), said("auth_results/spf/result", "")),
        )
        self._rows[row] += count

    def _signer(self) -> str:
        """The signature that says most: one that is valid, or the first."""
        for name, result in self._signers:
            if result.lower() == "pass":
                return _result(name, result)
        return _result(*self._signers[0]) if self._signers else ""


def _result(name: str, result: str) -> str:
    found = domain(name)
    return f"{found}={_one_of(result, _RESULTS)}" if found else ""


def _override(said: str) -> str:
    return _one_of(said, _OVERRIDES, "other") if said else ""


def _one_of(said: str, words: tuple[str, ...], otherwise: str = "unknown") -> str:
    word = said.strip().lower()
    return word if word in words else otherwise


def _whole(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) <= 12 else 0


def _time(said: str) -> float:
    """Seconds since 1970, as the RFC says; or a date, as some write."""
    if found := _whole(said):
        return float(found)
    parse_date: Callable[[str], datetime.datetime] = datetime.datetime.fromisoformat
    try:
        at = parse_date(said)
        return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        raise Refused("dates", f"{text(said, 40)!r} is no time") from error

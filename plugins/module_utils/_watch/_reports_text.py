# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports are strangers' texts: how a refusal is said, how much of them is looked at, and what their words become."""

from __future__ import annotations

import ipaddress
import re

# Why a report is not taken. The words are in the store, and docs/reports.md says what to do about each.
REASONS = {
    "not a report": "nothing in the message is a report of a kind that is known",
    "broken": "the archive, XML, JSON or MIME cannot be read",
    "entities": "the XML declares a document type, which is how a small file becomes a large one",
    "bomb": "the archive becomes too large, has another one within, or has several files",
    "too large": "the message or the report is larger than a report is",
    "too deep": "the XML or JSON is nested deeper than a report is",
    "too many rows": "the report has more rows than are kept",
    "forged": "nothing proves that the organisation which it names has sent it",
    "not ours": "it is about a domain or a message of somebody else",
    "dates": "its time is in the future, too long ago, or makes no sense",
    "duplicate": "the same report was taken before",
    "daily limit": "more was taken today than a day may bring",
    "resources": "reading it took more time or memory than it may",
}

_NAME = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)+"
)


class Refused(Exception):
    """A report that is not taken: one of REASONS, and what is wrong with this one."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(f"{reason}: {said}")
        self.reason = reason
        self.said = said


def text(value: object, most: int = 200) -> str:
    """A stranger's words as one line without anything that a terminal, a log or a database would stumble over."""
    return re.sub(r"\s+", " ", "".join(one if one.isprintable() else " " for one in str(value)[: 4 * most])).strip()[
        :most
    ]


def domain(value: object) -> str:
    """A domain as DNS knows it, or nothing where it is none."""
    name = str(value)[:1000].strip().rstrip(".").lower()
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return ""
    return name if _NAME.fullmatch(name) else ""


def address(value: object) -> str:
    """An address of IP in its one spelling, or nothing where it is none."""
    try:
        found = ipaddress.ip_address(str(value)[:100].strip().strip("[]"))
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found).partition("%")[0]


def below(name: str, names: frozenset[str]) -> str:
    """Which of these domains a name is, or is below; or nothing."""
    labels = name.split(".")
    return next((above for number in range(len(labels)) if (above := ".".join(labels[number:])) in names), "")

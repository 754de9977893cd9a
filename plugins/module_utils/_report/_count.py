# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's lines of a span of time, counted in one pass.

Knows lines only. What strangers wrote is counted as text, cut, and never more of it than fits: however many different
names they come up with, memory stays what it is.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .._watch._trace_journal import Line
from .._watch._trace_lines import Judged, Named, New, Refused, Said, Started, decoded, read

# Where mail comes from, and where it goes.
INCOMING = ("foreign", "authenticated", "satellites", "fetched", "local")
OUTGOING = ("mailboxes", "elsewhere", "reports")
RESULTS = ("delivered", "deferred", "failed")
# Seconds until a message was delivered, each the end of a class; the last has none.
LATENCIES = (1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400, 86400)

_FETCHED = ipaddress.ip_network("127.25.0.0/16")  # the program beside fetchmail calls from there
_BY = {"courierlocal": "mailboxes", "courieresmtp": "elsewhere"}
_ENDED = {"success": "delivered", "deferred": "deferred", "failure": "failed"}
# Most of the lines, which count nothing.
_NOTHING = ("Waiting.", "started,", "CPU TIME")
_REPORT = ",module=dsn,"  # a report about a message is made; there is no line for its success
_TLS_FAILED = re.compile(r"(?:courieresmtpd: )?STARTTLS failed: (?:ip=\[[^\]]*\], )?(.*)")
_LOGIN_FAILED = re.compile(r"LOGIN FAILED,")
_TLS_VERSION = re.compile(r"(TLS|SSL)v?([1-3](?:\.[0-9])?)")
# What differs from one refusal to the next.
_VARIES = re.compile(r"<[^>]*>|\S*@\S*|https?://\S+|\b(?:[0-9a-fA-F]*:){2,}[0-9a-fA-F:.]*|\b\d+(?:\.\d+){3}\b")
_NAMES = re.compile(r"\b(?:[\w-]+\.)+[A-Za-z][\w-]+\b")
_NUMBERS = re.compile(r"\b[0-9A-Fa-f]{8,}\b")
_LONGEST = 160
_CUT = 60
_KEPT = 20_000  # different texts of a kind, or messages on their way
_SHOWN = 15


class Top:
    """How often there was what: the most frequent ones, whatever else comes between them."""

    def __init__(self, most: int = _KEPT) -> None:
        self._counts: dict[str, int] = {}
        self._most = most
        self._dropped = 0

    def add(self, text: str, number: int = 1) -> None:
        self._counts[text] = self._counts.get(text, 0) + number
        if len(self._counts) > self._most:
            # What is frequent comes again. The middle is a bound which those that were there but once do not reach.
            bound = sorted(self._counts.values())[self._most // 2]
            self._dropped += sum(count for count in self._counts.values() if count <= bound)
            self._counts = {text: count for text, count in self._counts.items() if count > bound}

    def shown(self, most: int = _SHOWN) -> list[dict[str, Any]]:
        """The most frequent ones, and the rest together."""
        found = sorted(self._counts.items(), key=lambda one: (-one[1], one[0]))
        rest = sum(count for _text, count in found[most:]) + self._dropped
        shown = [{"text": text, "count": count} for text, count in found[:most]]
        return [*shown, *([{"text": "", "count": rest}] if rest else [])]


class Tally:
    """Counts. Give it every line in its order, and ask for `data` at the end."""

    def __init__(self, since: float, until: float, slots: int, relays: Sequence[str] = ()) -> None:
        self._since, self._until, self._slots = since, until, slots
        self._width = (until - since) / slots
        self._relays = list(_networks(relays))
        self._lines = 0
        self._first: float | None = None
        self._incoming = {name: [0] * slots for name in INCOMING}
        self._refusals = [0] * slots
        self._outgoing = {name: {result: [0] * slots for result in RESULTS} for name in OUTGOING}
        self._latencies = {name: [0] * (len(LATENCIES) + 1) for name in OUTGOING}
        self._verdicts: dict[str, int] = {}
        self._filters: dict[str, dict[str, int]] = {}
        self._looked = [0, 0.0, 0.0]  # messages, seconds of all, of the slowest
        self._tls: dict[str, int] = {}
        self._logins = 0
        self._reasons, self._clients, self._unknown = Top(), Top(), Top()
        self._waits, self._fails, self._handshakes, self._by_filters = Top(), Top(), Top(), Top()
        self._came: dict[str, float] = {}
        self._said: dict[tuple[str, str], str] = {}

    def add(self, line: Line) -> None:
        """Count a line."""
        self._lines += 1
        if self._first is None:
            self._first = line.at
        text = line.text
        if text.startswith(_NOTHING) and _REPORT not in text:
            return
        if line.identifier.startswith(("imapd", "pop3d")):
            self._logins += bool(_LOGIN_FAILED.match(text))
            return
        if failed := _TLS_FAILED.match(text):
            self._handshakes.add(_general(decoded(failed[1])))
            return
        event = read(line)
        if isinstance(event, Said):
            self._hear(event, line.identifier)
        elif isinstance(event, New):
            self._note(event)
        elif isinstance(event, Refused):
            self._refuse(event)
        elif isinstance(event, Started) and event.module == "dsn":
            self._outgoing["reports"]["delivered"][self._slot(event.at)] += 1
        elif isinstance(event, Judged):
            self._judge(event.entry)
        elif isinstance(event, Named):
            self._name(event.entry)
        elif text.startswith("completed,id="):
            self._came.pop(text.rpartition("=")[2].partition(".")[2], None)

    def data(self) -> dict[str, Any]:
        """What was counted."""
        return {
            "lines": self._lines,
            "first": self._first,
            "since": self._since,
            "until": self._until,
            "width": self._width,
            "incoming": self._incoming,
            "refused": self._refusals,
            "outgoing": self._outgoing,
            "latency": {"ends": list(LATENCIES), "counts": self._latencies},
            "verdicts": self._verdicts,
            "filters": self._filters,
            "looking": {
                "messages": self._looked[0],
                "seconds": round(self._looked[1], 3),
                "slowest": round(self._looked[2], 3),
            },
            "tls": self._tls,
            "failed_logins": self._logins,
            "reasons": self._reasons.shown(),
            "refused_by_filters": self._by_filters.shown(),
            "refused_clients": self._clients.shown(10),
            "unknown_recipients": self._unknown.shown(10),
            "waits": self._waits.shown(10),
            "fails": self._fails.shown(10),
            "failed_handshakes": self._handshakes.shown(10),
        }

    def _slot(self, at: float) -> int:
        return min(max(int((at - self._since) / self._width), 0), self._slots - 1)

    def _note(self, event: New) -> None:
        self._incoming[self._direction(event)][self._slot(event.at)] += 1
        if len(self._came) < _KEPT:
            self._came[event.id] = event.at

    def _direction(self, event: New) -> str:
        if event.login:
            return "authenticated"
        try:
            address = ipaddress.ip_address(event.client)
        except ValueError:
            return "local"
        if address in _FETCHED:
            return "fetched"
        if address.is_loopback:
            return "local"
        return "satellites" if any(address in network for network in self._relays) else "foreign"

    def _hear(self, event: Said, identifier: str) -> None:
        key = (event.id, event.recipient)
        if event.kind == "text":
            if len(self._said) >= _KEPT:
                self._said.clear()  # reasons of those on their way count as none
            self._said[key] = event.text
            return
        result = "delivered" if event.kind == "success" else _ENDED.get(event.text, "")
        if result == "delivered" and event.kind == "status":
            return  # the success has been counted
        where = _BY.get(identifier, "elsewhere")
        if not result:
            return
        self._outgoing[where][result][self._slot(event.at)] += 1
        reason = _general(self._said.pop(key, ""))
        if result == "delivered":
            # What waited for long came before its line, if that is there at all; then the id has the second.
            came = self._came.get(event.id, float(int(event.id.partition(".")[0], 16)))
            self._latencies[where][_class(event.at - came)] += 1
        elif reason:
            (self._waits if result == "deferred" else self._fails).add(reason)

    def _refuse(self, event: Refused) -> None:
        self._refusals[self._slot(event.at)] += 1
        self._reasons.add(_general(event.reply))
        self._clients.add(event.client)
        if event.reply.startswith("550 User <") and event.recipient:
            self._unknown.add(event.recipient[:_LONGEST].lower())

    def _judge(self, entry: Mapping[str, Any]) -> None:
        verdict = _text(entry.get("verdict"))
        self._verdicts[verdict] = self._verdicts.get(verdict, 0) + 1
        seconds = entry.get("seconds")
        seconds = float(seconds) if isinstance(seconds, int | float) else 0.0
        self._looked = [self._looked[0] + 1, self._looked[1] + seconds, max(self._looked[2], seconds)]
        said = entry.get("filters")
        for name, what in said.items() if isinstance(said, Mapping) else ():
            of_it = self._filters.setdefault(_text(name), {})
            word = _text(what).partition(":")[0].partition(",")[0]
            of_it[word] = of_it.get(word, 0) + 1
        if verdict in ("refuse", "defer"):
            self._by_filters.add(_general(_text(entry.get("reply"))))

    def _name(self, entry: Mapping[str, Any]) -> None:
        if entry.get("client") and "tls" in entry:
            version = _text(entry["tls"])
            known = _TLS_VERSION.fullmatch(version)
            version = f"{known[1]} {known[2]}" if known else "other" if version else "none"
            self._tls[version] = self._tls.get(version, 0) + 1


def _networks(given: Iterable[str]) -> Iterator[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    for one in given:
        # smtpaccess has prefixes of addresses, too. Who matches one of those alone is of the world here.
        with contextlib.suppress(ValueError):
            yield ipaddress.ip_network(one, strict=False)


def count(lines: Iterable[Line], tally: Tally, most: int) -> bool:
    """Count lines, but no more than so many, and say whether those were all."""
    for number, line in enumerate(lines):
        if number >= most:
            return False
        tally.add(line)
    return True


def _general(text: str) -> str:
    """A reply without what differs from one client to the next, so that it can be counted."""
    for varies in (_VARIES, _NAMES, _NUMBERS):
        text = varies.sub("…", text)
    # Courier cuts what is long, and how long it is depends on the address in it.
    return f"{text[:_CUT].rstrip()}…" if text.endswith("...") else text[:_LONGEST].strip()


def _class(seconds: float) -> int:
    return next((number for number, end in enumerate(LATENCIES) if seconds < end), len(LATENCIES))


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""

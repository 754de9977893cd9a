# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one line of Courier, of the filters or of the forwarding service says.

Knows texts only. Addresses, names of hosts and replies are written by strangers, so a line is read from the left, field
by field; in an address > ends it only outside quotes. What does not fit exactly is no line. Courier cuts a value after
128 bytes and writes three dots. What clients typed is not kept, for it may be part of a password.
"""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ._trace_journal import Line

CUT = 128
# The first of the three parts is the number of the file in the queue. Only the others are told to the peer.
_ID = r"(?P<file>[0-9A-F]+)\.(?P<id>[0-9A-F]{16}\.[0-9A-F]{8})"
_NEW = re.compile(rf"newmsg,id={_ID}(?:, auth=(?P<login>.*?))?: dns; (?P<mta>.*)")
# What the client calls itself may have blanks and brackets in it; its address is last.
_CLIENT = re.compile(r"(?P<helo>.*) \((?:(?P<name>[^()\[\]]*) )?\[(?P<ip>[0-9A-Fa-f.:]+)\]\)")
_STARTED = re.compile(rf"started,id={_ID},from=<")
_MODULE = re.compile(r">,module=(\w+),host=")
_SAID = re.compile(rf"id={_ID},from=<")
_REST = re.compile(r">(?:,size=\d+)?(: |,success: |,status: )(.*)")
_COMPLETED = re.compile(rf"completed,id={_ID}")
_CONNECTED = re.compile(r"started,ip=\[([0-9A-Fa-f.:]+)\],port=\[\d+\]")
_ERROR = re.compile(r"error,relay=([0-9A-Fa-f.:]+),port=(\d+)")
_TYPED = re.compile(r'(?:,ident="[^"]*")?,msg="(.*?)",cmd: (.*)')
_ENVELOPE = re.compile(r"(?:,ident=[^,:]*)?(?:,from=<([^<>:]*)(?:>|\.\.\.))?(?:,to=<([^<>:]*)(?:>|\.\.\.))?: (.*)")
_VERB = re.compile(
    r"(?i)(AUTH (?:PLAIN|LOGIN|CRAM-MD5|XOAUTH2|OAUTHBEARER)|MAIL FROM|RCPT TO|DATA|EHLO|HELO|STARTTLS)\b"
)
_PATH = re.compile(r'(?i)(?:MAIL FROM|RCPT TO): *<((?:[^"<>]|"(?:[^"\\]|\\.)*")*)>')
_FORWARDED = re.compile(r"(passed on|waits|refused): (.*)")


@dataclass(frozen=True)
class New:
    """Courier took a message."""

    id: str
    at: float
    login: str
    helo: str
    name: str  # of the client, by DNS
    client: str
    file: int


@dataclass(frozen=True)
class Started:
    """A delivery begins."""

    id: str
    at: float
    sender: str
    recipient: str
    module: str
    host: str
    file: int


@dataclass(frozen=True)
class Said:
    """What came of it: a text, a success, or a status."""

    id: str
    at: float
    sender: str
    recipient: str
    kind: str  # text, success, status
    text: str


@dataclass(frozen=True)
class Completed:
    """Courier has done for now what was to do."""

    id: str
    at: float


@dataclass(frozen=True)
class Judged:
    """What the filters thought of it."""

    id: str
    at: float
    entry: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class Named:
    """What people know it by."""

    id: str
    at: float
    entry: Mapping[str, Any] = field(repr=False, hash=False)


@dataclass(frozen=True)
class Connected:
    """A client came."""

    at: float
    client: str
    pid: int
    unit: str  # of the listener


@dataclass(frozen=True)
class Refused:
    """A client heard no, before there was a message."""

    at: float
    client: str
    port: int
    sender: str
    recipient: str
    command: str  # its first word
    reply: str
    account: str = field(default="", repr=False)  # only to compare with; somebody may have typed his password there


@dataclass(frozen=True)
class Forwarded:
    """What the forwarding service did: passed on, waits, refused."""

    at: float
    did: str
    text: str


# pylint: disable-next=unsupported-binary-operation
Event = New | Started | Said | Completed | Judged | Named | Connected | Refused | Forwarded


def read(line: Line) -> Event | None:
    """What a line says, if it is one of those."""
    if line.identifier == "courieresmtpd":
        return _listener(line)
    if line.identifier == "pythonfilter":
        return _filters(line)
    if line.identifier == "courier-forward":
        found = _FORWARDED.fullmatch(line.text)
        return Forwarded(line.at, found[1], decoded(found[2])) if found else None
    if line.identifier == "courierd":
        return _daemon(line) or _said(line)
    return _said(line) if line.identifier in ("courieresmtp", "courierlocal", "courierdsn") else None


def decoded(text: str) -> str:
    """The text that the bytes mean, in one line, without what moves a terminal's cursor."""
    if text.isascii() and text.isprintable():
        return text
    said = text.encode("latin-1", "replace").decode("utf-8", "replace")
    return "".join(one if one.isprintable() else "?" for one in said)


@functools.lru_cache(10_000)
def address_of(text: str) -> str:
    """An IP address without ::ffff:."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


def same(one: str, other: str) -> bool:
    """Whether two addresses are the same, where one may have been cut."""
    one, other = one.lower(), other.lower()
    if one == other:
        return True
    cut, whole = sorted((one, other), key=len)
    if cut.endswith("...") and len(cut.encode()) == CUT + 3:
        return whole.startswith(cut[:-3])
    cut, whole = whole, cut
    return cut.endswith("...") and len(cut.encode()) == CUT + 3 and whole.startswith(cut[:-3])


def _daemon(line: Line) -> Event | None:
    text = line.text
    if found := _NEW.fullmatch(text):
        client = _CLIENT.fullmatch(found["mta"])
        helo, name, ip = (client["helo"], client["name"], client["ip"]) if client else (found["mta"], "", "")
        login, helo, name = decoded(found["login"] or ""), decoded(helo), decoded(name or "")
        return New(found["id"], line.at, login, helo, name, address_of(ip), int(found["file"], 16))
    if found := _COMPLETED.fullmatch(text):
        return Completed(found["id"], line.at)
    if (found := _STARTED.match(text)) and (sender := _address(text, found.end())):
        module = _MODULE.match(text, sender[1])
        # Neither a domain nor an account has this in its name, but a recipient may.
        end = text.find(",addr=<", module.end()) if module else -1
        recipient = _address(text, end + 7) if end >= 0 else None
        if module and recipient and recipient[1] == len(text) - 1:
            names = decoded(sender[0]), decoded(recipient[0])
            host = decoded(text[module.end() : end])
            return Started(found["id"], line.at, *names, module[1], host, int(found["file"], 16))
    return None


def _said(line: Line) -> Event | None:
    text = line.text
    if not (found := _SAID.match(text)) or not (sender := _address(text, found.end())):
        return None
    if not text.startswith(">,addr=<", sender[1]) or not (recipient := _address(text, sender[1] + 8)):
        return None
    if not (rest := _REST.fullmatch(text, recipient[1])):
        return None
    kind = rest[1].strip(",: ") or "text"
    return Said(found["id"], line.at, decoded(sender[0]), decoded(recipient[0]), kind, decoded(rest[2]))


def _address(text: str, start: int) -> tuple[str, int] | None:
    """The address that begins here, and where its > is."""
    quoted, place = False, start
    while place < len(text) and place <= start + CUT:
        one = text[place]
        if quoted and one == "\\":
            place += 1
        elif one == '"':
            quoted = not quoted
        elif one == ">" and not quoted:
            return text[start:place], place
        place += 1
    end = start + CUT
    return (text[start : end + 3], end + 3) if text.startswith("...>", end) else None


def _listener(line: Line) -> Event | None:
    if found := _CONNECTED.fullmatch(line.text):
        return Connected(line.at, address_of(found[1]), line.pid, line.unit)
    if not (found := _ERROR.match(line.text)):
        return None
    client, port, place = address_of(found[1]), int(found[2]), found.end()
    if typed := _TYPED.fullmatch(line.text, place):
        verb = _VERB.match(typed[2])
        path = _PATH.match(typed[2])
        command = verb[1].upper() if verb else ""
        named = decoded(path[1]) if path else ""
        account = decoded(typed[2].split()[-1]) if command.startswith("AUTH") and len(typed[2].split()) > 2 else ""
        sender, recipient = (named, "") if command == "MAIL FROM" else ("", named)
        return Refused(line.at, client, port, sender, recipient, command, decoded(typed[1]), account)
    if told := _ENVELOPE.fullmatch(line.text, place):
        sender, recipient = decoded(told[1] or ""), decoded(told[2] or "")
        # What the filters refuse has the sender alone, too.
        early = told[1] is not None and told[3].startswith("517")
        command = "RCPT TO" if told[2] is not None else "MAIL FROM" if early else ""
        return Refused(line.at, client, port, sender, recipient, command, decoded(told[3]))
    return None


def _filters(line: Line) -> Event | None:
    head, _colon, said = line.text.partition(": ")
    if head not in _HEADS or not said.startswith("{"):
        return None
    try:
        entry = json.loads(said)
    except ValueError:
        return None
    found = re.fullmatch(_ID, str(entry.get("id")))
    return _HEADS[head](found["id"], line.at, entry) if found else None


_HEADS: dict[str, type[Judged | Named]] = {"courier_mail": Judged, "courier_mail_header": Named}

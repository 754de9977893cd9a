# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How letters that prove something look, and what is found in mail that comes to their address.

Anybody may write to it. What is read here is no proof yet; proofs.py says whether it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from email.utils import formatdate
from typing import NamedTuple

from . import _proof_token as proof_token
from ._proof_token import FIELD, MARK, NoToken, Token

SUBJECT = "courier.mail proof"
_PARTS = 50
_TEXT = 1 << 18  # bytes of a part
_MARKS = 50
_HOPS = 12
_SAID = 300
_TLS = re.compile(r"\b(?:(?:SSL|TLS): *|version=|using )TLSv?(\d)[._](\d)")
_BY = re.compile(r"\bby\s+([A-Za-z0-9][A-Za-z0-9.-]{0,252})")


class NoLetter(Exception):
    """What is in a message that is none of ours: the reason, of which there are few, and what it was."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(reason, said)
        self.reason, self.said = reason, said


class Found(NamedTuple):
    """What is in a message."""

    kind: str  # letter, answer, report or reply
    token: Token | None  # none where there are only marks
    mac: str
    marks: Sequence[tuple[str, str]]  # number and signature
    action: str  # of a report: failed, delayed …
    said: str  # in the report
    tls: str
    path: str


def compose(token: Token, text: str, mac: str, sender: str, to: str) -> bytes:
    """A letter."""
    mark = proof_token.mark(token.nonce, mac)
    fields = {"Subject": f"{SUBJECT} {token.direction} {mark}", "Message-ID": f"<{mark}@{token.host}>"}
    if token.way != proof_token.RETURN:  # which may be a machine that answers no other machine
        fields["Auto-Submitted"] = "auto-generated"
    body = f"{token.host} sent this to see whether mail flows. It can be deleted.\n\n{mark}\n"
    return _letter(sender, to, text, fields, body)


def answer(text: str, letter: str, sender: str, to: str) -> bytes:
    """The answer to a letter, of which the Message-ID is given."""
    fields = {"Subject": f"{SUBJECT} arrived", "In-Reply-To": letter, "References": letter}
    fields["Auto-Submitted"] = "auto-replied"
    body = "The letter has arrived. This is for a machine, which reads the header.\n"
    return _letter(sender, to, text, fields, body)


def _letter(sender: str, to: str, text: str, fields: Mapping[str, str], body: str) -> bytes:
    # All of it is ASCII, and nothing is left to a library that folds and encodes what machines are to read.
    head = {
        "From": sender,
        "To": to,
        **fields,
        "Date": formatdate(),
        FIELD: text.replace("; ", ";\n "),
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=us-ascii",
    }
    return ("".join(f"{name}: {value}\n" for name, value in head.items()) + f"\n{body}").encode("ascii")


def read(raw: bytes) -> Found:
    """What is in a message. Raises NoLetter."""
    message = BytesParser(policy=compat32).parsebytes(raw)
    tls, path = _way(message)
    if fields := _fields(message):
        token, mac = _token(fields)
        return Found(token.kind, token, mac, (), "", "", tls, path)
    parts = list(_parts(message))
    marks = _marks(message, parts)
    if message.get_content_type() == "multipart/report" and _parameter(message, "report-type") == "delivery-status":
        action, said = _status(parts)
        returned = [field for part in parts for field in _fields(part)] + _quoted_fields(parts)
        if returned:
            token, mac = _token(returned)
            return Found("report", token, mac, marks, action, said, tls, path)
        if marks:
            return Found("report", None, "", marks, action, said, tls, path)
        raise NoLetter("no token", "a report about another letter")
    if marks:
        return Found("reply", None, "", marks, "", "", tls, path)
    raise NoLetter("no token", f"from {_clean(str(message.get('From', 'nobody')), 80)}")


def clean(text: str) -> str:
    """What others wrote, as one short line without anything that a terminal or a log would obey."""
    return _clean(text, _SAID)


def _clean(text: str, most: int) -> str:
    shown = "".join(one if one.isprintable() else " " for one in text[: 4 * most])
    shown = " ".join(shown.split())
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def _token(fields: Sequence[str]) -> tuple[Token, str]:
    if len(set(fields)) > 1:
        raise NoLetter("malformed", "it has several tokens")
    try:
        return proof_token.read(fields[0])
    except NoToken as error:
        raise NoLetter("malformed", str(error)) from error


def _fields(message: Message) -> list[str]:
    return [str(value) for value in message.get_all(FIELD, [])]


def _quoted_fields(parts: Sequence[Message]) -> list[str]:
    """Those in a header that stands in a report as text."""
    found = []
    for part in parts:
        if part.get_content_type() == "text/rfc822-headers":
            found += _fields(BytesHeaderParser(policy=compat32).parsebytes(_content(part)))
    return found


def _parts(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number >= _PARTS:
            raise NoLetter("malformed", f"it has more than {_PARTS} parts")
        yield part


def _marks(message: Message, parts: Sequence[Message]) -> list[tuple[str, str]]:
    texts = [str(message.get(name, "")) for name in ("Subject", "In-Reply-To", "References")]
    texts += [_content(part).decode("utf-8", "replace") for part in parts if part.get_content_maintype() == "text"]
    # A header of the letter itself is quoted as a part of its own.
    texts += [str(part.get("Message-ID", "")) for part in parts if part is not message]
    texts += [str(block.get("Original-Envelope-Id", "")) for block in _blocks(parts)]
    found = [(one[1].lower(), one[2].lower()) for text in texts for one in MARK.finditer(text)]
    return list(dict.fromkeys(found))[:_MARKS]


def _content(part: Message) -> bytes:
    content = part.get_payload(decode=True)
    return content[:_TEXT] if isinstance(content, bytes) else b""


def _status(parts: Sequence[Message]) -> tuple[str, str]:
    """What a report says that happened, the worst of it, and in which words."""
    actions: list[str] = []
    said = ""
    for block in _blocks(parts):
        if action := str(block.get("Action", "")).partition("(")[0].strip().lower():
            actions.append(action)
            said = said or _clean(str(block.get("Diagnostic-Code") or block.get("Status") or action), _SAID)
    return "failed" if "failed" in actions else (actions or [""])[0], said


def _blocks(parts: Sequence[Message]) -> Iterator[Message]:
    """The groups of fields of a report, the first of which is about the message, and each other about a recipient."""
    for part in parts:
        if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
            yield from (block for block in part.get_payload() if isinstance(block, Message))


def _way(message: Message) -> tuple[str, str]:
    """The TLS version over which the last host took it, and the hosts on its way, the first first."""
    received = [str(value) for value in message.get_all("Received", [])[: 4 * _HOPS]]
    hosts: list[str] = []
    tls = ""
    for value in received:
        by = _BY.search(value)
        if not by:
            continue
        # A host that hands a message to itself, as forwarding does, is one place on the way.
        if not hosts or hosts[-1] != by[1].lower():
            hosts.append(by[1].lower())
        if len(hosts) == 1 and not tls and (version := _TLS.search(value)):
            tls = f"TLS{version[1]}.{version[2]}"
    return tls, " > ".join(reversed(hosts[:_HOPS]))


def _parameter(message: Message, name: str) -> str:
    value = message.get_param(name, "")
    return value.lower() if isinstance(value, str) else ""

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Authentication-Results (RFC 8601): whose a field is, and ours. And what Courier found about SPF."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ._dkim import Chain, Signature
from ._dmarc import to_ascii
from ._message import Message

FIELD = "Authentication-Results"
# Courier's words for results of SPF, where they are not those of RFC 7208.
_SPF = {"error": "temperror", "unknown": "permerror"}
# The first that it says of itself: further on stands what the client called himself.
_CHECKED = re.compile(r"(\w+)\s.*?(?:identity|SPF)=(mailfrom|helo)\b", re.IGNORECASE | re.DOTALL)
_HELO = re.compile(r"dns; (\S+)")


class Spf(NamedTuple):
    """What Courier found."""

    result: str  # of RFC 7208, or nothing where it did not look
    domain: str  # of the sender, or of HELO where there is none
    identity: str  # mailfrom or helo


def spf(message: Message) -> Spf:
    """What Courier says in Received-SPF. It calls those that come with a message Old-Received-SPF."""
    identity = "mailfrom" if message.sender else "helo"
    helo = _HELO.match(message.record("f") or "")
    said = message.sender.rpartition("@")[2] if message.sender else helo[1] if helo else ""
    domain = to_ascii(said.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
    for field in message.fields:
        if field.name == "received":
            break  # Courier's; what it found is above
        checked = _CHECKED.match(field.value) if field.name == "received-spf" else None
        if checked and checked[2].lower() == identity:
            result = checked[1].lower()
            return Spf(_SPF.get(result, result), domain, identity)
    return Spf("", domain, identity)


def server(value: str) -> str | None:
    """Who wrote a field (its authserv-id) in the one spelling, or None where nobody can tell."""
    rest = _skipped(value.encode("ascii", "surrogateescape").decode("utf-8", "replace"))
    quoted = re.match(r'"((?:[^"\\]|\\.)*)"', rest or "")
    plain = re.match(r'[^\s;()"]+', rest or "")
    if quoted:
        return to_ascii(re.sub(r"\\(.)", r"\1", quoted[1]).strip())
    return to_ascii(plain[0]) if plain else None


def forged(message: Message, names: Iterable[str]) -> list[int]:
    """The places of the fields that claim to be by one of these servers, or by nobody."""
    ours = {to_ascii(name) for name in names}
    return [
        number
        for number, field in enumerate(message.fields)
        if field.name == FIELD.lower() and server(field.value) in {*ours, None}
    ]


class Finding(NamedTuple):
    """What became of DMARC for one author."""

    author: str
    result: str  # none, pass, fail, temperror, permerror
    comment: str


def written(host: str, found: Spf, signatures: Sequence[Signature], chain: Chain, findings: Iterable[Finding]) -> str:
    """The value of our field."""
    import authres
    from authres.arc import ARCAuthenticationResult
    from authres.dmarc import DMARCAuthenticationResult

    results: list[Any] = []
    if found.result:
        whose = {f"smtp_{found.identity}": _token(found.domain)} if found.domain else {}
        results.append(authres.SPFAuthenticationResult(result=_token(found.result), **whose))
    results += [
        authres.DKIMAuthenticationResult(
            result=one.result,
            reason=_text(one.reason) or None,
            header_d=_token(one.domain) or None,
            header_s=_token(one.selector) or None,
            header_a=_token(one.algorithm) or None,
            properties=_start(one),
        )
        for one in signatures
    ] or [authres.DKIMAuthenticationResult(result="none")]
    results += [
        DMARCAuthenticationResult(
            result=one.result, result_comment=_text(one.comment) or None, header_from=_token(one.author) or None
        )
        for one in findings
    ]
    if chain.result != "none":
        sealer = _token(chain.sealers[-1]) if chain.sealers else None
        results.append(
            ARCAuthenticationResult(result=chain.result, reason=_text(chain.reason) or None, header_as_d=sealer)
        )
    return str(authres.AuthenticationResultsHeader(authserv_id=host, results=results).header_value())


def vouched(first: str, author: str) -> bool:
    """Whether the field of a sealer says that an author was proven when the message came to him."""
    import authres

    try:
        header = authres.AuthenticationResultsHeader.parse(f"{FIELD}: {first}")
    except Exception:  # it is a stranger's text
        return False
    return any(
        (one.method, one.result) == ("dmarc", "pass")
        and any(
            (said.type, said.name, to_ascii(str(said.value))) == ("header", "from", author) for said in one.properties
        )
        for one in header.results
    )


def _start(one: Signature) -> list[Any]:
    from authres.core import AuthenticationResultProperty

    return [AuthenticationResultProperty("header", "b", _token(one.start))] if one.start else []


def _skipped(text: str) -> str | None:
    """What follows blanks and comments; None where a comment does not end."""
    depth = number = 0
    while number < len(text):
        letter = text[number]
        if letter == "(":
            depth += 1
        elif depth and letter == ")":
            depth -= 1
        elif depth and letter == "\\":
            number += 1
        elif not depth and not letter.isspace():
            return text[number:]
        number += 1
    return None


def _token(text: str) -> str:
    """What is safe in a field: no blank, no quote, no semicolon, no comment."""
    return re.sub(r"[^A-Za-z0-9._+/=:-]", "?", text)[:255]


def _text(text: str) -> str:
    # dkimpy 1.1.4 cuts fields at each semicolon, and authres puts no quotes around what has an @.
    return re.sub(r'[^ -~]|[;()"\\@]', "?", text)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The token of a letter that proves something: who sent it, when and which way, signed (HMAC-SHA256).

It stands in a field of the letter, and in that of the answer to it. Whatever returns no fields may return the mark,
which is so much of it that the sender, who knows the rest, can tell that it is his.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

FIELD = "X-Courier-Mail-Proof"
# How a letter is proved: whoever gets it answers, a report comes back, it comes back itself, or whoever gets it looks.
ANSWER, REPORT, RETURN, RECEIVER = "answer", "report", "return", "receiver"
WAYS = (ANSWER, REPORT, RETURN, RECEIVER)

NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
ADDRESS = re.compile(
    r"""(?!-)[^\s\x00-\x20\x7f-\uffff"(),:;<>@\[\\\]]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?"""
)
# Its second half alone would look like an address of Bitcoin to SpamAssassin, in one letter of a hundred.
MARK = re.compile(r"\bcmp1-([a-z2-7]{26})([a-z2-7]{32})\b", re.IGNORECASE)
_TIME = re.compile(r"[0-9]{1,12}")
_MAC = re.compile(r"[a-z2-7]{52}")
_VERSION = "1"
_LONGEST = 2000
# The letters of the fields, in the order in which they are signed.
_PARTS = ("c", "k", "s", "h", "d", "p", "t", "n", "r", "a", "w")


class NoToken(ValueError):
    """What makes no sense as a token."""


class Token(NamedTuple):
    """What is signed."""

    kind: str  # letter or answer
    key: str  # the name of the key, within the site
    site: str
    host: str  # who sent the letter
    direction: str
    way: str  # how it is proved
    sent: int  # seconds since 1970
    nonce: str
    reply: str = ""  # where the answer goes
    # Of an answer:
    arrived: int = 0
    tls: str = ""  # the version, empty where it came without


def nonce() -> str:
    """What no other letter has."""
    return _base32(secrets.token_bytes(16))


def sign(token: Token, secret: str) -> str:
    """The text of the field."""
    parts = [f"v={_VERSION}", *(f"{name}={value}" for name, value in zip(_PARTS, _values(token), strict=True) if value)]
    return "; ".join([*parts, f"b={_mac(token, secret)}"])


def read(text: str) -> tuple[Token, str]:
    """The token in the text of a field, and its signature, which nobody has looked at yet. Raises NoToken."""
    if len(text) > _LONGEST:
        raise NoToken("it is too long")
    said: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = ("".join(piece.split()) for piece in part.partition("="))
        if not equals or name in said:
            raise NoToken("it is no list of different fields")
        said[name] = value
    if said.pop("v", "") != _VERSION:
        raise NoToken("it has another version")
    mac = said.pop("b", "").lower()
    if not _MAC.fullmatch(mac) or not said.keys() <= set(_PARTS):
        raise NoToken("it has other fields")
    found = {name: said.get(name, "") for name in _PARTS}
    numbers = [found[name] or "0" for name in ("t", "a")]
    if (
        found["c"] not in ("letter", "answer")
        or found["p"] not in WAYS
        or not all(NAME.fullmatch(found[name]) for name in "kshd")
        or not re.fullmatch(r"[a-z2-7]{26}", found["n"])
        or not (not found["r"] or ADDRESS.fullmatch(found["r"]))
        or not (not found["w"] or NAME.fullmatch(found["w"]))
        or not all(map(_TIME.fullmatch, numbers))
    ):
        raise NoToken("one of its fields makes no sense")
    return (
        Token(
            found["c"],
            found["k"],
            found["s"],
            found["h"],
            found["d"],
            found["p"],
            int(numbers[0]),
            found["n"],
            found["r"],
            int(numbers[1]),
            found["w"],
        ),
        mac,
    )


def genuine(token: Token, mac: str, secret: str) -> bool:
    """Whether somebody signed it who knows the secret."""
    return hmac.compare_digest(_mac(token, secret), mac)


def mark(number: str, mac: str) -> str:
    """What a letter is known by where its fields are lost."""
    return f"cmp1-{number}{mac[:32]}"


def _mac(token: Token, secret: str) -> str:
    said = "\n".join(["courier.mail proof", _VERSION, *_values(token)])
    return _base32(hmac.digest(secret.encode(), said.encode(), hashlib.sha256))


def _values(token: Token) -> list[str]:
    return [str(value or "") for value in token]


def _base32(raw: bytes) -> str:
    # Mail programs may change the case of letters, and break what has other characters.
    return base64.b32encode(raw).decode().rstrip("=").lower()

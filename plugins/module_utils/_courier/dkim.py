# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DKIM keys: what they are called, what DNS says of them (RFC 6376, RFC 8463), and signing.json, which says what signs.

Keys are read here only as far as it takes to refuse one, before any host is touched: its kind and its length. The rest
is openssl's business on the host.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .._pem import PemError, blocks, private_key
from .domains import DomainError, to_ascii

ALGORITHMS = ("rsa", "ed25519")
RSA_BITS = 2048  # at least; what verifiers of today believe, and what fits into an answer by UDP
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_LONGEST = 63  # of a label
_PREFIX_LONGEST = _LONGEST - len("-20260101a-ed25519")
_OURS = re.compile(r"(?P<stem>.+-(?P<day>[0-9]{8}[a-z]?))-(?P<algorithm>rsa|ed25519)")

# Object identifiers in DER.
_KINDS = {bytes.fromhex("2a864886f70d010101"): "rsa", bytes.fromhex("2b6570"): "ed25519"}
_SEQUENCE, _INTEGER, _OCTETS, _IDENTIFIER = 0x30, 0x02, 0x04, 0x06


class DkimError(ValueError):
    """A key, a selector or a domain that cannot sign."""


class Key(NamedTuple):
    """A private key on the host."""

    selector: str
    algorithm: str  # one of ALGORITHMS
    path: str


class Retired(NamedTuple):
    """A key that signed once. What it signed may still be on its way."""

    key: Key
    since: int  # seconds since 1970


class Signing(NamedTuple):
    """What signs, what will sign, and what no longer does, by domain. The filters read the first alone."""

    active: dict[str, list[Key]]
    next: dict[str, list[Key]]
    retired: dict[str, list[Retired]]


class Given(NamedTuple):
    """A key that the inventory has."""

    domain: str
    selector: str
    algorithm: str
    text: str  # PEM


def domain(name: str) -> str:
    """The spelling of a domain in a signature and in DNS: A-labels. Raises DkimError."""
    try:
        found = to_ascii(name)
    except DomainError as error:
        raise DkimError(f"a domain that signs: {error}") from error
    if found.startswith("."):
        raise DkimError(f"{name!r} is no domain that can sign; write {found.removeprefix('.')}")
    return found


def refuse_prefix(prefix: str) -> None:
    """Raise DkimError unless selectors can begin with this."""
    if not _LABEL.fullmatch(prefix) or len(prefix) > _PREFIX_LONGEST:
        raise DkimError(
            f"{prefix!r} cannot begin a selector; write letters, digits and hyphens within, {_PREFIX_LONGEST} at most, "
            "such as mx1"
        )


def refuse_selector(selector: str, name: str) -> None:
    """Raise DkimError unless it is one label of DNS."""
    if not _LABEL.fullmatch(selector) or len(selector) > _LONGEST:
        raise DkimError(
            f"the selector {selector!r} of {name} is not a label of DNS; write letters, digits and hyphens within, "
            f"{_LONGEST} at most, such as mx1-2026"
        )


def stem(prefix: str, day: datetime.date, taken: Collection[str]) -> str:
    """What the selectors of a new pair have in common: prefix and day, with a letter for others of the same day."""
    plain = f"{prefix}-{day:%Y%m%d}"
    for letter in ("", *"bcdefghijklmnopqrstuvwxyz"):
        if not any(f"{plain}{letter}-{algorithm}" in taken for algorithm in ALGORITHMS):
            return f"{plain}{letter}"
    raise DkimError(f"there are too many keys of one day, {plain}; make others tomorrow")


def newest(selectors: Iterable[str]) -> dict[str, str]:
    """The youngest pair of ours among selectors, by algorithm; nothing where there is none."""
    pairs: dict[tuple[str, str], dict[str, str]] = {}
    for selector in selectors:
        if match := _OURS.fullmatch(selector):
            pairs.setdefault((match["day"], match["stem"]), {})[match["algorithm"]] = selector
    whole = {key: pair for key, pair in pairs.items() if set(pair) == set(ALGORITHMS)}
    return whole[max(whole)] if whole else {}


def given(entries: Iterable[Mapping[str, str]], domains: Collection[str]) -> list[Given]:
    """The keys of the inventory. Raises DkimError or PemError for what cannot sign for one of these domains."""
    found: list[Given] = []
    for entry in entries:
        name, selector = domain(entry["domain"]), entry["selector"]
        refuse_selector(selector, name)
        what = f"the DKIM key {selector} of {name}"
        if name not in domains:
            raise DkimError(f"{what} is for a domain that does not sign here; those that do are {', '.join(domains)}")
        text = private_key(entry["private_key"], what)
        one = Given(name, selector, kind(text, what), text)
        for other in found:
            if other.domain == name and selector.lower() == other.selector.lower():
                raise DkimError(f"{what} is there twice; give each key a selector of its own")
            if other.domain == name and one.algorithm == other.algorithm:
                raise DkimError(f"{name} has two {one.algorithm} keys, {other.selector} and {selector}; keep one")
        found.append(one)
    return found


def kind(pem: str, what: str) -> str:
    """The algorithm of a private key, in PEM without a passphrase. Raises DkimError for one that cannot sign."""
    try:
        body = base64.b64decode("".join(pem.strip().splitlines()[1:-1]), validate=True)
        algorithm, inner = _unwrapped(body)
        bits = _modulus(inner).bit_length() if algorithm == "rsa" else 0
    except (binascii.Error, ValueError, IndexError) as error:
        raise DkimError(f"{what} cannot be read; write a private key in PEM, as openssl genpkey makes it") from error
    if algorithm not in ALGORITHMS:
        raise DkimError(f"{what} is of a kind that DKIM does not have; write an RSA or an Ed25519 key")
    if algorithm == "rsa" and bits < RSA_BITS:
        raise DkimError(f"{what} has {bits} bits, which others do not believe; write one of {RSA_BITS} or more")
    return algorithm


def record(public: str, algorithm: str) -> str:
    """What DNS says of a key. The public half is a SubjectPublicKeyInfo in PEM."""
    found = blocks(public, "PUBLIC KEY")
    if not found:
        raise PemError("openssl gave no public key")
    body = "".join(found[0].splitlines()[1:-1])
    if algorithm == "ed25519":  # the key itself, without what is around it (RFC 8463, 4.2)
        body = base64.b64encode(base64.b64decode(body)[-32:]).decode()
    return f"v=DKIM1; k={algorithm}; p={body}"


def is_published(texts: Iterable[str], wanted: str) -> bool:
    """Whether one of the texts that DNS has for a name says the same key."""
    key = _tags(wanted)
    return any((found := _tags(text)).get("p") == key["p"] and found.get("k", "rsa") == key["k"] for text in texts)


def name(selector: str, of: str) -> str:
    """Where DNS has it."""
    return f"{selector}._domainkey.{of}"


def parse(text: str) -> Signing:
    """signing.json. Raises DkimError."""
    try:
        data = json.loads(text)
        return Signing(
            {of: [_key(one) for one in keys] for of, keys in data["domains"].items()},
            {of: [_key(one) for one in keys] for of, keys in data.get("next", {}).items()},
            {
                of: [Retired(_key(one), int(one["since"])) for one in keys]
                for of, keys in data.get("retired", {}).items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DkimError(f"it is not as this collection writes it: {error}") from error


def render(signing: Signing, default: str) -> str:
    """The text of signing.json."""
    data = {
        "domains": {of: [_said(one) for one in keys] for of, keys in signing.active.items() if keys},
        "default": default,
        "next": {of: [_said(one) for one in keys] for of, keys in signing.next.items() if keys},
        "retired": {
            of: [_said(one.key) | {"since": one.since} for one in keys] for of, keys in signing.retired.items() if keys
        },
    }
    return json.dumps(data, indent=1, sort_keys=True) + "\n"


def _key(said: Mapping[str, Any]) -> Key:
    return Key(str(said["selector"]), str(said["algorithm"]), str(said["key"]))


def _said(key: Key) -> dict[str, Any]:
    return {"selector": key.selector, "algorithm": key.algorithm, "key": key.path}


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {tag.strip(): re.sub(r"\s", "", value) for tag, equals, value in pairs if equals}


def _unwrapped(der: bytes) -> tuple[str, bytes]:
    """The algorithm of PKCS #8 or PKCS #1, or nothing where it is another, and the key within."""
    (_version, second, *rest) = _content(_whole(der, _SEQUENCE))
    if second[0] == _INTEGER:  # PKCS #1: version, modulus ...
        return "rsa", der
    if second[0] != _SEQUENCE:  # EC: version, octets
        return "", b""
    tag, identifier = _content(second[1])[0]
    if tag != _IDENTIFIER or rest[0][0] != _OCTETS:
        raise ValueError("this is no PKCS #8")
    return _KINDS.get(identifier, ""), rest[0][1]


def _modulus(der: bytes) -> int:
    return int.from_bytes(_content(_whole(der, _SEQUENCE))[1][1], "big")


def _whole(der: bytes, wanted: int) -> bytes:
    ((tag, content),) = _content(der)
    if tag != wanted:
        raise ValueError("this is no key")
    return content


def _content(der: bytes) -> Sequence[tuple[int, bytes]]:
    """Tags and contents of what stands side by side."""
    found = []
    position = 0
    while position < len(der):
        tag, length = der[position], der[position + 1]
        position += 2
        if length & 0x80:
            size = length & 0x7F
            length = int.from_bytes(der[position : position + size], "big")
            position += size
        if position + length > len(der):
            raise ValueError("it is cut off")
        found.append((tag, der[position : position + length]))
        position += length
    return found

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose signatures a message bears: DKIM (RFC 6376, 8301, 8463) and ARC (RFC 8617), verified by dkimpy.

dkimpy looks at the signature; what surrounds it is looked at here: that From is signed, that the whole body is, that
the key is fit for the algorithm, and that no message takes for ever.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from ._resolve import Ask, Temporary

MOST = 5  # signatures that are looked at, from the top
MINIMUM_BITS = 1024  # RFC 8301
_LATE = 300  # seconds that clocks may differ
_FIELD_BYTES = 8192  # of one signature
_BLANKS = re.compile(rb"\s{101}")  # more than a fold has; dkimpy's pattern for b= takes long over them
_FIELDS = 2000  # of a header
_RECORD_BYTES = 2048  # of a key; one of 8192 bits is shorter
_ARC = (b"arc-seal", b"arc-message-signature", b"arc-authentication-results")


class Signature(NamedTuple):
    """A signature, and what became of it. What the signature does not say is empty."""

    result: str  # of RFC 8601: pass, fail, policy, neutral, permerror, temperror
    reason: str  # why it is not a pass
    domain: str = ""
    selector: str = ""
    algorithm: str = ""
    identity: str = ""
    start: str = ""  # of its value, which tells it from others (header.b)


class Chain(NamedTuple):
    """The seals of those who passed a message on."""

    result: str  # none, pass, fail
    reason: str
    sealers: Sequence[str] = ()  # the first to seal comes first
    first: str = ""  # what that one found: its ARC-Authentication-Results, without the instance
    temporary: bool = False  # whether it failed because DNS had no answer


class _Unfit(Exception):
    """A signature that is worth nothing."""

    def __init__(self, result: str, reason: str) -> None:
        super().__init__(reason)
        self.result = result


def verify(text: bytes, ask: Ask, most: int = MOST) -> list[Signature]:
    """What becomes of each signature of a message, from the top. Line ends may be LF or CRLF."""
    import dkim

    try:
        message = dkim.DKIM(text, minkey=MINIMUM_BITS)
    except dkim.DKIMException as error:
        return [Signature("permerror", _said(error))]
    raw = message.body
    values = [value for name, value in message.headers if name.lower() == b"dkim-signature"]
    found = []
    for index, value in enumerate(values[:most]):
        tags: dict[str, str] = {}
        try:
            _bounded(message, value)
            tags = _tags(value)
            _check_tags(tags)
            message.body = _body(raw, tags.get("c", ""))
            _check_key(message, index, tags, ask)
            result, reason = "pass", ""
        except _Unfit as error:
            result, reason = error.result, _said(error)
        except Temporary as error:
            result, reason = "temperror", _said(error)
        except Exception as error:  # dkimpy raises whatever Python does over odd signatures
            result, reason = "permerror", _said(error)
        found.append(_described(result, reason, tags))
    return found


def chain(text: bytes, ask: Ask) -> Chain:
    """What becomes of the ARC seals of a message."""
    import dkim

    try:
        message = dkim.ARC(text, minkey=MINIMUM_BITS)
    except dkim.DKIMException as error:
        return Chain("fail", _said(error))
    fields = [(name.lower(), value) for name, value in message.headers if name.lower() in _ARC]
    if not fields:
        return Chain("none", "")
    try:
        for _name, value in fields:
            _bounded(message, value)
        newest, _sets = message.sorted_arc_headers()
        signatures = [_tags(value) for name, value in fields if name == b"arc-message-signature"]
        how = next((tags.get("c", "") for tags in signatures if tags.get("i") == str(newest)), "")
        message.body = _body(message.body, how or "relaxed/relaxed")
        result, sets, comment = message.verify(dnsfunc=lambda name, timeout=0: _record(name, ask))
        if result != b"pass":
            raise _Unfit("fail", _said(comment))
    except Exception as error:  # as above
        return Chain("fail", _said(error), temporary=isinstance(error, Temporary))
    sets.reverse()
    sealers = [_plain(one["as-domain"]).lower() for one in sets]
    first = re.sub(r"^\s*i\s*=\s*1\s*;\s*", "", _plain(sets[0]["aar-value"]))
    return Chain("pass", "", sealers, first.strip())


def _bounded(message: Any, value: bytes) -> None:
    if len(message.headers) > _FIELDS:
        raise _Unfit("permerror", f"the header has more than {_FIELDS} fields")
    if len(value) > _FIELD_BYTES or _BLANKS.search(value):
        raise _Unfit("permerror", "the signature is too long")


def _tags(value: bytes) -> dict[str, str]:
    from dkim.util import InvalidTagValueList, parse_tag_value

    try:
        return {_plain(name): re.sub(r"\s+", "", _plain(said)) for name, said in parse_tag_value(value).items()}
    except InvalidTagValueList:
        raise _Unfit("permerror", "the signature is no list of tags") from None


def _check_tags(tags: dict[str, str]) -> None:
    if missing := [tag for tag in ("v", "a", "b", "bh", "d", "h", "s") if not tags.get(tag)]:
        raise _Unfit("permerror", f"the signature has no {missing[0]}=")
    if "from" not in tags["h"].lower().split(":"):
        raise _Unfit("permerror", "From is not signed")
    if tags["a"] == "rsa-sha1":
        raise _Unfit("policy", "rsa-sha1 proves nothing any more")
    if "l" in tags:
        raise _Unfit("policy", "only the beginning of the body is signed")
    if re.fullmatch(r"\d{1,12}", tags.get("x", "")) and int(tags["x"]) + _LATE < time.time():
        raise _Unfit("fail", "the signature has expired")


def _check_key(message: Any, index: int, tags: dict[str, str], ask: Ask) -> None:
    """Verify with the key that DNS has. Raises _Unfit, Temporary and dkimpy's exceptions."""
    import dkim

    name = f"{tags['s']}._domainkey.{tags['d']}"
    record = _record(name.encode("utf-8", "surrogateescape"), ask)
    if record is None:
        raise _Unfit("permerror", f"there is no key at {name}")
    said = _tags(record)
    if not said.get("p"):
        raise _Unfit("permerror", f"the key at {name} was revoked")
    if tags["a"].partition("-")[0] != said.get("k", "rsa"):
        raise _Unfit("permerror", f"the key at {name} is of another kind")
    if "sha256" not in said.get("h", "sha256").split(":"):
        raise _Unfit("permerror", f"the key at {name} does not allow sha256")
    domain = tags.get("i", f"@{tags['d']}").rpartition("@")[2]
    if "s" in said.get("t", "").split(":") and domain.lower() != tags["d"].lower():
        raise _Unfit("permerror", f"the key at {name} does not speak for {domain}")
    try:
        _key, bits, kind, _service = dkim.evaluate_pk(name, record)
    except dkim.NaClNotFoundError:
        raise _Unfit("neutral", "Ed25519 is not known here") from None
    except Exception as error:
        raise _Unfit("permerror", f"the key at {name} makes no sense: {_said(error)}") from error
    if kind == b"rsa" and bits < MINIMUM_BITS:
        raise _Unfit("fail", f"the key at {name} has {bits} bits, and {MINIMUM_BITS} are the least")
    try:
        valid = message.verify(index, dnsfunc=lambda _name, timeout=0: record)
    except dkim.ValidationError as error:
        changed = "body hash" in str(error)
        raise _Unfit("fail" if changed else "permerror", "the body was changed" if changed else _said(error)) from error
    if not valid:
        raise _Unfit("fail", "the header was changed, or the key is another")


def _record(name: bytes, ask: Ask) -> bytes | None:
    """The key of a name, as DNS has it. Of several, the first that is one."""
    found = [
        text for text in ask(name.decode("utf-8", "surrogateescape"), "TXT") if re.search(r"(?:^|;)\s*p\s*=", text)
    ]
    record = found[0].encode("utf-8", "surrogateescape") if found else None
    if record is not None and len(record) > _RECORD_BYTES:
        raise _Unfit("permerror", f"the key has more than {_RECORD_BYTES} bytes")
    return record


def _body(raw: bytes, how: str) -> bytes:
    """The body for a canonicalisation. In a relaxed one blanks count once; dkimpy takes long over many."""
    return re.sub(rb"[\t ]+", b" ", raw) if how.partition("/")[2] == "relaxed" else raw


def _described(result: str, reason: str, tags: dict[str, str]) -> Signature:
    domain = tags.get("d", "").lower()
    return Signature(
        result, reason, domain, tags.get("s", ""), tags.get("a", ""), tags.get("i", f"@{domain}"), tags.get("b", "")[:8]
    )


def _plain(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def _said(error: object) -> str:
    """An exception in one short line of ASCII."""
    text = str(error) or type(error).__name__
    return re.sub(r"[^ -~]+", "?", text)[:200]

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complaints: messages of feedback loops (RFC 5965), and who has sent what somebody complains about.

Receivers take out what would tell who complained (RFC 6590), and often more. So the sender is looked for in the order
in which it can be trusted: what our servers wrote into the message comes before what anybody can write.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import NamedTuple

from . import _reports_mail as mail
from ._reports_settings import Settings
from ._reports_text import Refused, address, below, domain, text

TYPES = ("abuse", "fraud", "virus", "opt-out", "not-spam", "auth-failure", "other")
_SAME = {"opt-out-list": "opt-out", "miscategorized": "other"}
_MOST_INCIDENTS = 1_000_000
_FIELDS_BYTES = 1 << 16
_AUTH = re.compile(r"\(AUTH: [A-Z0-9-]+ ([^\s,()]{1,200})")
_BY = re.compile(r"\sby ([A-Za-z0-9.-]+)")
_SRS = re.compile(r"srs[01][=+-].+", re.IGNORECASE)
_LIKE_ONE = re.compile(r"[^\s<>\",;:]{1,200}@[^\s<>\",;:]{1,255}")
_UNKNOWN = "?"  # what stands for a name that was taken out
# What stands in the place of a name: a word that says so, signs, or a digest (RFC 6590).
_REDACTED = re.compile(
    r".*(?:redact|removed|hidden|anonym|suppress).*|[x*#.\[\]-]+|[0-9a-f]{32,}|[A-Za-z0-9+/]{26,}={1,2}", re.IGNORECASE
)


class Complaint(NamedTuple):
    """A complaint."""

    key: str  # the same for the same message
    type: str
    account: str  # ?@example.com where the name was taken out, ? where nothing is known but that it is ours
    evidence: str  # what names the account
    list: str
    domain: str  # ours
    message: str  # Message-ID, with which the log has more
    source: str  # the address that sent it
    to: str  # the domain of whoever complains
    incidents: int
    at: float | None


def parse(message: Message, who: mail.Sender, settings: Settings) -> Complaint | None:
    """The complaint in a message, or None where it is none. Raises Refused."""
    found = list(mail.parts(message))
    said = next((one for one in found if one.get_content_type() == "message/feedback-report"), None)
    bare = said is None and who.organisation in {mail.organisation(domain(one)) for one in settings.bare}
    if said is None and not bare:
        return None
    returned = next((one for one in found if one.get_content_type() in _RETURNED), None)
    if returned is None and bare:
        return None
    fields = _feedback(said) if said is not None else [("feedback-type", "abuse")]
    return _complaint(message, fields, _header(returned) if returned is not None else [], settings)


def is_complaint(message: Message) -> bool:
    """Whether it says of itself that it is one."""
    return any(one.get_content_type() == "message/feedback-report" for one in mail.parts(message))


_RETURNED = ("message/rfc822", "message/global", "text/rfc822-headers", "message/rfc822-headers")

Fields = Sequence[tuple[str, str]]


def _complaint(message: Message, fields: Fields, original: Fields, settings: Settings) -> Complaint:
    kind = _first(fields, "feedback-type").lower()
    if not kind:
        raise Refused("broken", "it has no Feedback-Type")
    account, evidence, ours = _offender(fields, original, settings)
    count = _first(fields, "incidents")
    return Complaint(
        _key(message, fields, original),
        kind if kind in TYPES else _SAME.get(kind, "other"),
        account,
        evidence,
        _list(original, settings),
        ours,
        text(_first(original, "message-id").strip("<>")),
        address(_first(fields, "source-ip")),
        domain(_first(fields, "original-rcpt-to").rpartition("@")[2].strip("<> ")),
        min(int(count), _MOST_INCIDENTS) if re.fullmatch(r"0*[1-9][0-9]{0,9}", count) else 1,
        _time(_first(fields, "arrival-date") or _first(fields, "received-date")),
    )


def _offender(fields: Fields, original: Fields, settings: Settings) -> tuple[str, str, str]:
    """The account, what names it, and which domain of ours. Raises Refused where nothing is ours."""
    own = settings.own() | settings.servers()
    known = ""
    for evidence, said in _names(fields, original, settings):
        local, at, host = said.rpartition("@")
        if not at and evidence in ("field", "login", "Feedback-ID") and said:
            local, host = said, ""  # a login need not be an address
        ours = below(domain(host), own)
        if at and not ours:
            continue
        if not local or _REDACTED.fullmatch(local):
            known = known or ours
        else:
            return text(f"{local}@{domain(host)}" if host else local), evidence, ours
    for evidence, name in _domains(fields, original):
        if ours := below(domain(name), own):
            return f"{_UNKNOWN}@{known or ours}", evidence, known or ours
    if known:
        return f"{_UNKNOWN}@{known}", "domain", known
    source = address(_first(fields, "source-ip"))
    if source and any(mail.within(source, network) for network in settings.sending()):
        return _UNKNOWN, "Source-IP", ""
    raise Refused("not ours", "nothing in the message that it is about is ours")


def _names(fields: Fields, original: Fields, settings: Settings) -> Iterator[tuple[str, str]]:
    """What could name the account, and how; what is worth more comes first."""
    for name in settings.account_fields:
        yield "field", _first(original, name.lower()).strip("<> ")
    for value in _all(original, "received"):
        by, login = _BY.search(value), _AUTH.search(value)
        if by and login and domain(by[1]) in settings.servers():
            yield "login", login[1]
    if settings.feedback_account:
        yield "Feedback-ID", _place(original, settings.feedback_account)
    sender = _first(original, "return-path") or _first(fields, "original-mail-from")
    path = sender.strip("<> ")
    if _SRS.fullmatch(path):  # we passed it on, for whom we delivered it to
        for value in _all(original, "delivered-to"):
            yield "forward", value.strip("<> ")
        path = ""
    yield "Return-Path", re.sub(r"\+[^@]*", "", path)
    for name in ("sender", "from"):
        for one in [one for value in _all(original, name)[:5] for one in _addresses(value)][:5]:
            yield name.title(), one


def _addresses(value: str) -> list[str]:
    # What is no address to Python may have been one before a name was taken out: [redacted]@example.com.
    return [one for _name, one in getaddresses([value]) if "@" in one] or _LIKE_ONE.findall(value)


def _domains(fields: Fields, original: Fields) -> Iterator[tuple[str, str]]:
    """What says that it is ours and not whose."""
    yield "Return-Path", _first(original, "return-path").strip("<> ").rpartition("@")[2]
    yield "Message-ID", _first(original, "message-id").strip("<> ").rpartition("@")[2]
    for value in _all(original, "dkim-signature")[:10]:
        if signer := re.search(r"(?:^|;)\s*d\s*=\s*([^\s;]+)", value):
            yield "DKIM-Signature", signer[1]
    for value in _all(fields, "reported-domain")[:10]:
        yield "Reported-Domain", value


def _list(original: Fields, settings: Settings) -> str:
    said = _first(original, "list-id")
    within = re.search(r"<([^<>]+)>\s*$", said)
    if name := text(within[1] if within else said, 100):
        return name.lower()
    return text(_place(original, settings.feedback_list), 100) if settings.feedback_list else ""


def _place(original: Fields, number: int) -> str:
    places = _first(original, "feedback-id").split(":")
    return places[number - 1].strip() if number <= len(places) else ""


def _feedback(part: Message) -> Fields:
    """The fields of the report, which the library takes for a message within; also where they are encoded."""
    found = mail.content(part)[:_FIELDS_BYTES]
    within = mail.read(found.lstrip())
    fields = mail.fields(within)
    if not _first(fields, "feedback-type"):
        encoded = within.get_payload() if fields else found.decode("ascii", "replace")
        fields = mail.fields(mail.read(_unbase64(str(encoded))))
    return fields


def _unbase64(said: str) -> bytes:
    try:
        return base64.b64decode(said, validate=False)
    except (binascii.Error, ValueError):
        return b""


def _header(part: Message) -> Fields:
    held = part.get_payload()
    if isinstance(held, list) and held and isinstance(held[0], Message):
        return mail.fields(held[0])
    return mail.fields(mail.read(mail.content(part)[: 1 << 20].lstrip()))


def _first(fields: Fields, name: str) -> str:
    return next((value for key, value in fields if key == name), "")[:2000]


def _all(fields: Fields, name: str) -> list[str]:
    return [value[:2000] for key, value in fields if key == name][:50]


def _key(message: Message, fields: Fields, original: Fields) -> str:
    said = _first(mail.fields(message), "message-id")
    return text(said) or hashlib.sha256(repr((fields, original)).encode("utf-8", "replace")).hexdigest()


def _time(said: str) -> float | None:
    try:
        return parsedate_to_datetime(said).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

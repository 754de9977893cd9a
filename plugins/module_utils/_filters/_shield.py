# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that would be refused because we pass it on: From becomes an address of ours.

A domain may publish (DMARC) that mail from it that is not proved to be its own is put aside or refused. The sender's
SPF proves nothing once we send, so what is left is a signature of the author's domain that still holds. Where there is
none, From says that it came by way of us, answers go to the author all the same, and the copy is signed as ours.
Everything else is passed on as it came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from email.errors import HeaderParseError
from email.header import Header, decode_header, make_header

from . import _dkim
from ._addresses import spelled
from ._dmarc import authors, named, organisational, policy, to_ascii
from ._letter import Letter
from ._message import Field
from ._resolve import Ask, Temporary

SHIELDED = "X-Courier-Mail-Shielded"
ORIGINAL = "X-Original-From"

Verify = Callable[[bytes, Ask], list[_dkim.Signature]]

_NAME = 80  # characters of a name that are shown
_NAMES = 3  # authors that are named


def shield(letter: Letter, address: str, ours: Collection[str], ask: Ask, verify: Verify = _dkim.verify) -> bool:
    """Make From an address of ours if the copy would be refused otherwise, and say whether. Raises Temporary."""
    known = {to_ascii(domain) for domain in ours}
    said = authors(letter.values("from"))
    domains = [domain for domain in said.domains if domain not in known]
    if said.problem or not domains or not _needs(bytes(letter), domains, ask, verify):
        return False
    original = next(field for field in letter.fields if field.name == "from")
    after = original.raw.partition(b":")[2].replace(b"\r", b"")
    after = after if after.endswith(b"\n") else after + b"\n"
    replies = letter.values("reply-to")
    letter.remove("from")
    letter.remove(ORIGINAL)
    letter.remove("dkim-signature", _of(domains))
    if not any(replies):
        letter.remove("reply-to")
        letter.put_raw("Reply-To", after)
    letter.put_raw(ORIGINAL, after)
    letter.put_raw("From", _from(original.value, address))
    letter.put(SHIELDED, f"{', '.join(domains)} would have this refused")
    return True


def _needs(text: bytes, domains: Sequence[str], ask: Ask, verify: Verify) -> bool:
    """Whether one of the authors' domains would have it refused or put aside."""
    signatures: list[_dkim.Signature] | None = None
    for domain in domains:
        found = policy(domain, ask)
        if found is None or found.wanted == "none":
            continue
        if signatures is None:
            signatures = verify(text, ask)
        aligned = [one for one in signatures if found.aligned(domain, to_ascii(one.domain), found.strict_dkim)]
        if any(one.result == "pass" for one in aligned):
            continue
        if late := next((one for one in aligned if one.result == "temperror"), None):
            raise Temporary(late.reason)
        return True
    return False


def _of(domains: Sequence[str]) -> Callable[[Field], bool]:
    """Whether a signature is by one of the authors' domains."""
    owners = {organisational(domain) for domain in domains}

    def matches(field: Field) -> bool:
        said = re.search(r"(?:^|;)\s*d\s*=\s*([^\s;]+)", field.value)
        return said is not None and organisational(to_ascii(said[1])) in owners

    return matches


def _from(value: str, address: str) -> bytes:
    """The new From, after the colon: the names of the authors, by way of the domain that passes it on."""
    written = value.encode("ascii", "surrogateescape").decode("utf-8", "replace")
    people = list(dict.fromkeys(_name(*one) for one in named(written)))
    shown = ", ".join(people[:_NAMES]) + (" and others" if len(people) > _NAMES else "")
    local_part, _at, domain = spelled(address).rpartition("@")
    phrase = f"{shown or 'Somebody'} via {domain}"
    where = f"<{local_part}@{to_ascii(domain)}>"
    if phrase.isascii():
        quoted = re.sub(r'(["\\])', r"\\\1", phrase)
        return f' "{quoted}"\n {where}\n'.encode()
    encoded = Header(phrase, "utf-8", maxlinelen=75).encode()
    return f" {encoded}\n {where}\n".encode()


def _name(name: str, address: str) -> str:
    """How an author is called: without a name that can be read by his address, but not so that one writes to it."""
    try:
        shown = str(make_header(decode_header(name)))
    except (HeaderParseError, UnicodeError, LookupError, ValueError):
        shown = ""
    shown = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\ufffd\ud800-\udfff]", " ", shown).split())
    return (shown or address.replace("@", " at "))[:_NAME]

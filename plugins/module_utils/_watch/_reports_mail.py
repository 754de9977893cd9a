# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The message that a report comes in: who has sent it for certain, and its parts."""

from __future__ import annotations

import codecs
import email
import email.policy
import functools
import importlib
import ipaddress
import os
import re
from collections.abc import Iterator, Sequence
from email.message import Message
from email.utils import getaddresses
from typing import Any, NamedTuple

from ._reports_settings import Network, Settings
from ._reports_text import Refused, address, domain, text

# Debian's, which it keeps up to date; elsewhere the one that publicsuffix2 has.
SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"
LIBRARIES = ("authres", "publicsuffix2", "email.feedparser")
_CODECS = ("ascii", "idna", "iso-8859-1", "utf-8-sig", "utf-16")
MOST_PARTS = 50
_MOST_FIELDS = 1000
_ADDRESSES = re.compile(r"\[([0-9A-Fa-f:.]+)\]")
_PROVES = {"dkim": ("header", "d"), "dmarc": ("header", "from"), "spf": ("smtp", "mailfrom")}


class Sender(NamedTuple):
    """Who has sent a report, for certain."""

    domain: str  # of From
    organisation: str  # what somebody registered
    by: str  # dmarc, dkim or spf


def read(raw: bytes) -> Message:
    """The message."""
    # The newer policy stumbles over fields that are not what they should be.
    return email.message_from_bytes(raw, policy=email.policy.compat32)


def fields(message: Message) -> list[tuple[str, str]]:
    """The header: names in lower case, values unfolded."""
    return [
        (str(name).lower(), re.sub(r"\r?\n[ \t]+", " ", str(value)).strip())
        for name, value in message.items()[:_MOST_FIELDS]
    ]


def parts(message: Message) -> Iterator[Message]:
    """All parts that have no parts, up to MOST_PARTS, but for those of a message within. Never deeper than a few."""
    waiting = [(message, 0)]
    count = 0
    while waiting:
        one, level = waiting.pop(0)
        count += 1
        if count > MOST_PARTS or level > 8:
            raise Refused("too deep", f"the message has more than {MOST_PARTS} parts, or more than 8 levels")
        held = one.get_payload()
        if isinstance(held, list) and one.get_content_maintype() == "multipart":
            waiting += [(below, level + 1) for below in held if isinstance(below, Message)]
        else:
            yield one


def content(part: Message) -> bytes:
    """What is in a part."""
    found = part.get_payload(decode=True)
    if isinstance(found, bytes):
        return found
    held = part.get_payload()
    within = held[0] if isinstance(held, list) and held else None
    return within.as_bytes() if isinstance(within, Message) else b""


def sender(message: Message, settings: Settings) -> Sender:
    """Whose message it is, or Refused as forged where nothing proves it."""
    said = [value for name, value in fields(message) if name == "from"]
    names = {domain(one.rpartition("@")[2]) for _name, one in getaddresses(said) if "@" in one}
    if len(said) != 1 or len(names) != 1 or not (author := names.pop()):
        raise Refused("forged", "From does not name one domain")
    whole = organisation(author)
    for result in _believed(message, settings):
        for found in result:
            method, name = found
            if name == author if method == "dmarc" else organisation(name) == whole:
                return Sender(author, whole, method)
    raise Refused("forged", f"nothing proves that {author} sent it")


def vouch(who: Sender, claims: Sequence[str], settings: Settings) -> None:
    """Refuse a report that names other organisations than the one that sent it.

    Names that are no domains say nothing: "Enterprise Outlook" is what Microsoft calls itself.
    """
    names = [found for one in claims if (found := domain(one.rpartition("@")[2]))]
    known = {organisation(domain(one)) for one in settings.reporters.get(who.organisation, ())} | {who.organisation}
    if names and not any(organisation(one) in known for one in names):
        raise Refused("forged", f"it names {names[0]}, and {who.domain} sent it")


def organisation(name: str) -> str:
    """The domain that somebody registered: example.com for a.b.example.com."""
    path = SUFFIXES if os.path.exists(SUFFIXES) else ""
    labels = name.split(".")
    suffix = _suffixes(path).get_tld(name, strict=True) or labels[-1]
    return ".".join(labels[-str(suffix).count(".") - 2 :])


def prepare() -> None:
    """Load what is needed, so that its absence is a mistake of the host and not of a message. Raises ImportError."""
    for name in LIBRARIES:
        importlib.import_module(name)
    for name in _CODECS:  # Python loads each when it is first wanted, which may be when files are out of reach
        codecs.lookup(name)
    organisation("example.com")


@functools.cache
def _suffixes(path: str) -> Any:
    from publicsuffix2 import PublicSuffixList  # noqa: PLC0415 -- hosts have it, controllers need not

    return PublicSuffixList(path or None)


def _believed(message: Message, settings: Settings) -> Iterator[list[tuple[str, str]]]:
    """What our servers found, as methods and domains that passed.

    A server writes its results above its own Received. What stands below the Received of a host that let a stranger in
    is the stranger's, whatever name it has.
    """
    servers, relays = settings.servers(), settings.relaying()
    for name, value in fields(message):
        if name == "received":
            # The client says what he is called, and may say [192.0.2.1]: what Courier saw stands there too.
            found = [address(one) for one in _ADDRESSES.findall(value)]
            if not found or not all(any(at and within(at, network) for network in relays) for at in found):
                return
        elif name == "authentication-results":
            yield _passed(value, servers)


def within(at: str, network: Network) -> bool:
    """Whether an address is in a network."""
    found = ipaddress.ip_address(at)
    return found.version == network.version and found in network


def _passed(value: str, servers: frozenset[str]) -> list[tuple[str, str]]:
    import authres  # noqa: PLC0415 -- hosts have it, controllers need not

    try:
        header = authres.AuthenticationResultsHeader.parse(f"Authentication-Results: {value}")
    except Exception:  # authres raises what it likes
        return []
    if domain(header.authserv_id) not in servers:
        return []
    return [
        (one.method, name)
        for one in header.results
        if one.result == "pass" and one.method in _PROVES
        for said in one.properties
        if (said.type, said.name) == _PROVES[one.method] and (name := domain(text(said.value, 300).rpartition("@")[2]))
    ]

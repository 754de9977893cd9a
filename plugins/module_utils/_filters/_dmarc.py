# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DMARC (RFC 7489, and np of RFC 9091): what a domain wants done with mail that only claims to be its own."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Sequence
from email.utils import getaddresses
from typing import Any, NamedTuple

from ._resolve import Ask

# Debian's, which it keeps up to date; elsewhere the one that publicsuffix2 has.
SUFFIXES = "/usr/share/publicsuffix/public_suffix_list.dat"
POLICIES = ("none", "quarantine", "reject")  # the harder comes later

_RECORD = re.compile(r"v\s*=\s*DMARC1\s*(?:;|$)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_ADDRESS = re.compile(r"""[^\s<>",;:()\[\]]+@([^\s<>",;:()\[\]]+)""")
_MOST_AUTHORS = 20


class Policy(NamedTuple):
    """What is published for a domain."""

    domain: str  # whose record it is: the domain itself, or its organisational domain
    wanted: str  # one of POLICIES, for the domain that was asked for
    percent: int  # of the messages that fail
    strict_dkim: bool
    strict_spf: bool
    reports: Sequence[str]  # where aggregate reports go (rua)
    tags: dict[str, str]  # as published

    def aligned(self, author: str, other: str, strict: bool) -> bool:
        """Whether another domain speaks for the author's."""
        return author == other if strict else organisational(author) == organisational(other)


class Authors(NamedTuple):
    """Whose From it is."""

    domains: list[str]  # of all its addresses, each once
    problem: str = ""  # why nobody can say, if so


def policy(domain: str, ask: Ask) -> Policy | None:
    """The policy for a domain in From, or None where there is none. Raises Temporary."""
    name = to_ascii(domain)
    for owner in dict.fromkeys((name, organisational(name))):
        if found := _published(owner, ask):
            return _parsed(owner, name, found[0], ask) if len(found) == 1 else None  # of several none counts
    return None


def organisational(domain: str) -> str:
    """The domain that somebody registered: example.com for a.b.example.com."""
    path = SUFFIXES if os.path.exists(SUFFIXES) else ""
    labels = domain.split(".")
    # publicsuffix2 takes the whole of a top domain that is not listed for one organisation; the list says that it is
    # a suffix like others.
    suffix = _suffixes(path, os.stat(path).st_mtime if path else 0.0).get_tld(domain, strict=True) or labels[-1]
    return ".".join(labels[-str(suffix).count(".") - 2 :])


def authors(values: Sequence[str]) -> Authors:
    """The domains in the From fields of a message, as `Message.values` has them.

    Programs disagree about what an odd From shows, so whatever one of them could take for the author's address counts.
    """
    if len(values) > 1:
        return Authors([], f"there are {len(values)} From fields")
    if not values:
        return Authors([], "there is no From")
    value = values[0].encode("ascii", "surrogateescape").decode("utf-8", "replace")
    listed = [address.rpartition("@")[2] for _name, address in named(value)]
    bare = _COMMENT.sub(" ", _QUOTED.sub('""', value))
    shown = [match[1] for match in _ADDRESS.finditer(bare)]
    domains = list(dict.fromkeys(to_ascii(domain) for domain in (*shown, *listed) if _is_domain(domain)))
    if not domains:
        return Authors([], "From has no address")
    if len(domains) > _MOST_AUTHORS:
        return Authors([], f"From has addresses in {len(domains)} domains")
    return Authors(domains)


def named(value: str) -> list[tuple[str, str]]:
    """The names and addresses in a field. In comments a thousand deep there are none."""
    try:
        return [(name, address) for name, address in getaddresses([value]) if "@" in address]
    except RecursionError:
        return []


def to_ascii(domain: str) -> str:
    """A domain as DNS knows it."""
    return ".".join(map(_label, domain.lower().rstrip(".").split(".")))


def softer(wanted: str) -> str:
    """What happens to a message that pct leaves out."""
    return POLICIES[max(0, POLICIES.index(wanted) - 1)]


def _published(domain: str, ask: Ask) -> list[str]:
    return [text.strip() for text in ask(f"_dmarc.{domain}", "TXT") if _RECORD.match(text.strip())]


def _parsed(owner: str, domain: str, text: str, ask: Ask) -> Policy | None:
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip().lower(), value.strip())
    reports = [one.strip() for one in tags.get("rua", "").split(",") if one.strip().lower().startswith("mailto:")]
    said = {tag: tags[tag].lower() for tag in ("p", "sp", "np") if tag in tags}
    if "p" not in said or any(value not in POLICIES for value in said.values()):
        if not reports:
            return None
        wanted = "none"
    else:
        wanted = said["p"] if owner == domain else said.get("sp", said["p"])
        if owner != domain and "np" in said and not _exists(domain, ask):
            wanted = said["np"]
    percent = int(tags["pct"]) if re.fullmatch(r"\d{1,3}", tags.get("pct", "")) else 100
    strict = {tag: tags.get(tag, "r").lower() == "s" for tag in ("adkim", "aspf")}
    return Policy(owner, wanted, min(percent, 100), strict["adkim"], strict["aspf"], reports, tags)


def _exists(domain: str, ask: Ask) -> bool:
    return any(ask(domain, kind) for kind in ("A", "AAAA", "MX"))


def _is_domain(text: str) -> bool:
    return bool(re.fullmatch(r"[^\s@\[\]\ufffd]+", text.rstrip("."))) and ".." not in text


def _label(label: str) -> str:
    if label.isascii():
        return label
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        return f"xn--{label.encode('punycode').decode('ascii')}"


@functools.lru_cache(maxsize=2)
def _suffixes(path: str, _changed: float) -> Any:
    from publicsuffix2 import PublicSuffixList

    return PublicSuffixList(path or None)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains, and Courier's lists of them: locals, hosteddomains and esmtpacceptmailfor.

Two kinds of file hold domains. Plain files (locals, esmtpacceptmailfor, the left side of esmtproutes) are read
whole, and names are brought into one spelling when they are compared. The files that makedat compiles are looked
up by the exact bytes of the lower-case Unicode name; an A-label in there is never found.
The rules are those of courier/libs/islocal.c, cdomaincmp.c, removecomments.c, courier/module.esmtp/esmtp.C and
makedat/makedatprog.c; tried on Courier 1.0.16.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"\.?(?:{_LABEL}\.)*{_LABEL}")

# What the lists promise, for those who put one domain into two of them.
_PROMISES = {
    "local": "accounts named user",
    "hosted": "accounts named user@domain",
    "aliases": "another name for a hosted domain",
    "accepted": "mail passed on to another server",
}


class DomainError(ValueError):
    """A name that Courier would not match, or lists that contradict each other."""


class Lists(NamedTuple):
    """The texts of the three files that decide which mail is ours."""

    locals: str = ""  # plain
    hosteddomains: str = ""  # for makedat
    esmtpacceptmailfor: str = ""  # for makedat


def normalise(domain: str) -> str:
    """The one spelling of a domain, in lower-case Unicode: two names are the same domain if these are equal.

    Takes Unicode and A-labels (xn--), in any case, with a leading dot for every subdomain. Raises DomainError.
    The idna codec of Python is left alone: it knows IDNA 2003 only, which makes strasse.de of straße.de. Labels are
    punycode of the NFKC form in lower case, as registered under IDNA 2008 and as libidn2 in Courier reads them.
    """
    try:
        name = _in_unicode(domain)
    except UnicodeError as error:
        raise DomainError(f"{domain!r} {_reason(domain)}") from error
    ascii_name = _in_ascii(name)
    if not _NAME.fullmatch(ascii_name) or len(ascii_name) > 253 or name.rpartition(".")[2].isdigit():
        raise DomainError(f"{domain!r} {_reason(domain)}")
    return name


def to_ascii(domain: str) -> str:
    """The same domain in A-labels, for plain files and for whatever DNS is asked. Raises DomainError."""
    return _in_ascii(normalise(domain))


def wildcards(domain: str) -> Iterator[str]:
    """The wildcards that match a domain, nearest first: .example.com and .com for mail.example.com.

    A wildcard stands for every name below it, at any depth, but not for itself.
    """
    dot = domain.find(".", 1)
    while dot != -1:
        yield domain[dot:]
        dot = domain.find(".", dot + 1)


def render(
    hosted: Iterable[str] = (),
    aliases: Mapping[str, str] | None = None,
    local: Iterable[str] = (),
    accepted: Iterable[str] = (),
) -> Lists:
    """Write the lists so that they agree: whatever is local, hosted or an alias is accepted as well.

    aliases maps a domain to the hosted domain that has its accounts. Only local may hold "!name", which excepts a
    name from a wildcard there. Raises DomainError.
    """
    aliases = aliases or {}
    homes: dict[str, str] = {}
    for home, domains in (("local", local), ("hosted", hosted), ("aliases", aliases), ("accepted", accepted)):
        for domain in domains:
            mark = "!" if home == "local" and domain.startswith("!") else ""
            name = mark + normalise(domain.removeprefix(mark))
            if name in homes:
                raise DomainError(_twice(name, homes[name], home))
            homes[name] = home
    targets = {normalise(alias): normalise(target) for alias, target in aliases.items()}
    _refuse_contradictions(homes, targets)

    ours = [name for name in homes if not name.startswith("!")]
    with_accounts = [name for name in ours if homes[name] in ("hosted", "aliases")]
    return Lists(
        locals=_lines(_plain(name) for name in homes if homes[name] == "local"),
        hosteddomains=_lines(f"{name}\t{targets[name]}" if name in targets else name for name in with_accounts),
        esmtpacceptmailfor=_lines(ours),
    )


def parse(lists: Lists) -> tuple[list[str], dict[str, str], list[str], list[str]]:
    """The arguments of render that say what these lists say: hosted, aliases, local and accepted.

    Lists that render would not write may disagree, and are read as Courier does: locals win over hosteddomains. What
    is hosted and not accepted is hosted here. Raises DomainError.
    """
    local = [_found(name) for name in parse_plain(lists.locals)]
    entries = {_found(name): target for name, target in parse_makedat(lists.hosteddomains).items()}
    entries = {name: target for name, target in entries.items() if name not in local}
    aliases = {name: _found(target) for name, target in entries.items() if target and _found(target) in entries}
    hosted = [name for name in entries if name not in aliases]
    accepted = [_found(name) for name in parse_makedat(lists.esmtpacceptmailfor)]
    return hosted, aliases, local, [name for name in accepted if name not in local and name not in entries]


def parse_plain(text: str) -> list[str]:
    """The lines that Courier sees in a plain file, as they are: nothing is trimmed, so "example.com " matches nothing.

    A comment starts anywhere and ends with LF; a line ends with CR or LF.
    """
    return [line for line in re.split("[\r\n]", re.sub("#[^\n]*", "", text)) if line]


def parse_makedat(text: str) -> dict[str, str]:
    """Keys and values as makedat compiles them; the value is "" where there is none, which is "no alias".

    A comment is a line that starts with #; a line with nothing but a dot is the end. Raises DomainError for a key that
    is there twice, because makedat compiles nothing then.
    """
    entries: dict[str, str] = {}
    for line in text.split("\n"):
        if line == ".":
            break
        key, _separator, value = line.partition("\t")
        if not key or line.startswith("#"):
            continue
        if key in entries:
            raise DomainError(f"{key!r} is there twice, and makedat refuses the whole list; keep one")
        entries[key] = value
    return entries


def _found(name: str) -> str:
    mark = "!" if name.startswith("!") else ""
    return mark + normalise(name.removeprefix(mark))


def _refuse_contradictions(homes: Mapping[str, str], targets: Mapping[str, str]) -> None:
    for alias, target in targets.items():
        if homes.get(target) != "hosted":
            raise DomainError(f"{alias} is an alias of {target}, which is not in hosted; add {target} there")
    for name, home in homes.items():
        if home == "local":
            if f"!{name}" in homes:
                raise DomainError(f"{name} is in local both with and without !; keep one of them")
            continue
        if any(f"!{covering}" in homes for covering in (name, *wildcards(name))):
            continue
        for wildcard in wildcards(name):
            if homes.get(wildcard) == "local":
                raise DomainError(
                    f"{name} is in {home}, but {wildcard} in local matches it first; add !{name} to local"
                )


def _twice(name: str, first: str, second: str) -> str:
    if first == second:
        return f"{name} is in {first} twice; keep one"
    return f"{name} is in both {first} ({_PROMISES[first]}) and {second} ({_PROMISES[second]}); keep it in one of them"


def _plain(name: str) -> str:
    mark = "!" if name.startswith("!") else ""
    return mark + _in_ascii(name.removeprefix(mark))


def _lines(lines: Iterable[str]) -> str:
    # Courier takes the first line of locals that matches. "!" sorts before all that a name can begin with, so the
    # exceptions stand above their wildcards.
    return "".join(f"{line}\n" for line in sorted(lines))


def _in_unicode(domain: str) -> str:
    name = domain.lower()
    if name.isascii() and "xn--" not in name:
        return name
    return ".".join(map(_u_label, unicodedata.normalize("NFKC", domain).lower().split(".")))


def _u_label(label: str) -> str:
    unicode = label[4:].encode("ascii").decode("punycode") if label.startswith("xn--") else label
    letters = all(char.isascii() or unicodedata.category(char)[0] in "LMN" for char in unicode)
    one_spelling = unicode == unicodedata.normalize("NFKC", unicode).lower() and label in (unicode, _in_ascii(unicode))
    if not (letters and one_spelling):
        raise UnicodeError(label)
    return unicode


def _in_ascii(name: str) -> str:
    if name.isascii():
        return name
    labels = name.split(".")
    return ".".join(x if x.isascii() else "xn--" + x.encode("punycode").decode("ascii") for x in labels)


def _reason(domain: str) -> str:
    if "@" in domain:
        return "holds an @; write what follows it"
    if "#" in domain:
        return "holds a #, which starts a comment"
    if domain.split() != [domain]:
        return "is empty or holds a blank, and Courier does not trim names"
    if domain.startswith("*."):
        return f"is no wildcard of Courier's; write {domain[1:]!r} for every subdomain"
    if _is_address(domain):
        return "is an address; only a name can be a domain here"
    return "is not a domain; write labels of letters, digits and hyphens, 63 long at most, with dots between them"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True

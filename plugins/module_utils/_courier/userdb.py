# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's userdb: mail accounts to text and back.

One line is one account, `address<TAB>field=value|field=value`. The rules are those of makeuserdb(8) and of the program
makedatprog behind it, of maildirquota(7), of crypt(5) for passwords and of dot-courier(5) for delivery instructions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from .domains import DomainError, normalise, wildcards

# How every password that render() lets through begins.
HASHES = ("$6$", "$y$")

_WHOLE_HASH = {
    "$6$": re.compile(r"\$6\$(rounds=[1-9][0-9]{3,8}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}"),
    "$y$": re.compile(r"\$y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43}"),
}
# Named in a refusal. Other text between dollars or braces may be the password itself and is not repeated.
_OTHER_HASH = re.compile(
    r"\$(?:1|2[abxy]?|3|5|7|gy|md5|sha1)\$|\{(?:MD5|MD5RAW|SHA|SHA256|SHA512|SSHA|CRYPT)\}", re.IGNORECASE
)
_HOW_TO_HASH = "`openssl passwd -6` ($6$) or `mkpasswd -m yescrypt` ($y$)"

# Dots stand between other characters only, or .courier file names go wrong; "#" would begin a comment.
_LOCAL_PART = re.compile(r"[\w!$%&'*+=?^`{}~-]+(\.[\w!$%&'*+=?^`{}~-]+)*")
_SPLITS_FIELDS = re.compile(r"[|\x00-\x1f\x7f]")
_QUOTA = re.compile(r"([1-9][0-9]*)([SKMGT])(,[1-9][0-9]*C)?|[1-9][0-9]*C")
_UNIT = {"S": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECRET = re.compile(r"(pw=)([^|\n]*)")


class UserdbError(ValueError):
    """An account that Courier would misread, or that is not safe to have."""


class Account(NamedTuple):
    """A mail account. Without a password_hash it receives mail and nobody can log in."""

    address: str
    password_hash: str | None  # crypt(5), sha512crypt or yescrypt
    home: str
    uid: int
    gid: int
    quota: str | None = None  # "1073741824S,10000C", or "1G,10000C"; None is no limit
    name: str | None = None
    courier: tuple[str, ...] = ()  # the lines of ~/.courier; not part of userdb


def canonical(address: str) -> str:
    """An address as Courier looks it up: in lower case, the domain in Unicode. Raises UserdbError."""
    local, at, domain = address.lower().rpartition("@")
    if not at:
        raise UserdbError(f"{address!r} is not an address: write it in full, as in alice@example.com")
    if not _LOCAL_PART.fullmatch(local) or len(local.encode()) > 64:
        raise UserdbError(
            f"{address!r} cannot have a mailbox: before the @ go 1 to 64 letters, digits and !$%&'*+=?^_`{{}}~-, "
            "with single dots between them"
        )
    try:
        return f"{local}@{normalise(domain)}"
    except DomainError as error:
        raise UserdbError(f"{address}: {error}") from None


def render(accounts: Iterable[Account], domains: Iterable[str]) -> str:
    """The text of userdb, sorted by address. Addresses become canonical, quotas take the form of maildirquota(7).

    No line has a mail= field: Courier delivers to that place without a look at DEFAULTDELIVERY.
    Raises UserdbError for an account of a domain that is not hosted, for what Courier would misread, and for a password
    that is not a sha512crypt or yescrypt hash; no refusal repeats a password.
    """
    try:
        hosted = set(map(normalise, domains))
    except DomainError as error:
        raise UserdbError(str(error)) from None
    lines: dict[str, str] = {}
    homes: dict[str, str] = {}
    for account in accounts:
        address = canonical(account.address)
        if address in lines:
            raise UserdbError(f"{address} is listed twice")
        _check_domain(address, hosted)
        _check_fields(address, account)
        lines[address] = _line(address, account)
        other = homes.setdefault(account.home, address)
        if other != address:
            raise UserdbError(f"{other} and {address} have the same home {account.home}")
    _refuse_nested(homes)
    return "".join(lines[address] for address in sorted(lines))


def parse(text: str) -> list[Account]:
    """The accounts that makeuserdb finds in a text. Lines without a home, a uid or a gid are no accounts to Courier.

    Fields that Account does not have (mail, shell, options, passwords of single services) are passed over.
    Raises UserdbError for an address that is there twice, as makeuserdb refuses the whole text for it.
    """
    accounts = []
    seen = set()
    for line in text.split("\n"):
        if line == ".":  # the end of the text to makedatprog
            break
        address, _separator, rest = line.partition("\t")
        if address.startswith("#") or not address:
            continue
        if address in seen:
            raise UserdbError(f"{address} is listed twice")
        seen.add(address)
        fields: dict[str, str] = {}
        for field in rest.split("|"):
            key, _separator, value = field.partition("=")
            fields.setdefault(key, value)
        uid, gid, home = fields.get("uid", ""), fields.get("gid", ""), fields.get("home")
        if home and re.fullmatch("[0-9]+", uid) and re.fullmatch("[0-9]+", gid):
            password, quota, name = fields.get("systempw"), fields.get("quota"), fields.get("gecos")
            accounts.append(Account(address, password, home, int(uid), int(gid), quota, name))
    return accounts


def changes(before: str, after: str) -> tuple[str, str]:
    """What a diff may show of two texts: the lines in which they differ, passwords hidden."""
    gone, added = _only_in(before, after), _only_in(after, before)
    kept = {match[2] for match in _SECRET.finditer(gone)} & {match[2] for match in _SECRET.finditer(added)}

    def hide(lines: str, word: str) -> str:
        return _SECRET.sub(lambda match: match[1] + ("(hidden)" if match[2] in kept else f"(hidden, {word})"), lines)

    return hide(gone, "old"), hide(added, "new")


def _only_in(text: str, other: str) -> str:
    known = set(other.split("\n"))
    return "".join(f"{line}\n" for line in text.split("\n") if line not in known)


def _check_domain(address: str, hosted: set[str]) -> None:
    domain = address.rpartition("@")[2]
    if domain not in hosted and hosted.isdisjoint(wildcards(domain)):
        raise UserdbError(f"{address}: {domain} is not a hosted domain; {_list(hosted)}")


def _list(hosted: set[str]) -> str:
    if not hosted:
        return "no domain is hosted"
    more = f" and {len(hosted) - 5} more" if len(hosted) > 5 else ""
    return f"hosted domains are: {', '.join(sorted(hosted)[:5])}{more}"


def _check_fields(address: str, account: Account) -> None:
    if account.password_hash is not None:
        _check_hash(address, account.password_hash)
    for what, value in (("home", account.home), ("name", account.name or "")):
        if _SPLITS_FIELDS.search(value):
            raise UserdbError(f"{address}: the {what} holds a '|', a tab, a line break or another control character")
    if account.home[:1] != "/" or {"", ".", ".."} & set(account.home[1:].split("/")):
        raise UserdbError(f"{address}: home {account.home!r} is not a full path such as /srv/vmail/example.com/alice")
    if account.uid < 1 or account.gid < 1:
        raise UserdbError(f"{address}: a mailbox cannot belong to uid {account.uid} and gid {account.gid}")
    for line in account.courier:
        if not line.strip() or set(line) & set("\n\r\0"):
            raise UserdbError(f"{address}: an entry for .courier is empty or holds a line break; write one per line")
        if line.lstrip().startswith("#"):
            # With nothing but comments in it, .courier throws all mail away.
            raise UserdbError(f"{address}: the entry {line!r} for .courier is a comment, not an instruction")


def _check_hash(address: str, value: str) -> None:
    if not value.startswith(("$", "{")):
        raise UserdbError(f"{address}: password_hash is not a hash; make one with {_HOW_TO_HASH}")
    whole = _WHOLE_HASH.get(value[:3])
    if whole is None:
        other = _OTHER_HASH.match(value)
        kind = f"of the kind {other[0]}" if other else "of an unknown kind"
        raise UserdbError(f"{address}: password_hash is {kind}; make one with {_HOW_TO_HASH}")
    if not whole.fullmatch(value):
        raise UserdbError(f"{address}: password_hash begins as {value[:3]} but is cut off or has something added")


def _refuse_nested(homes: dict[str, str]) -> None:
    # With the slash in the order, whatever lies inside a home directly follows it.
    for outer, inner in pairwise(sorted(f"{home}/" for home in homes)):
        if inner.startswith(outer):
            raise UserdbError(
                f"{homes[inner[:-1]]}: home {inner[:-1]} is inside the home of {homes[outer[:-1]]}, {outer[:-1]}"
            )


def _line(address: str, account: Account) -> str:
    fields = {
        "uid": account.uid,
        "gid": account.gid,
        "home": account.home,
        "quota": None if account.quota is None else _quota(address, account.quota),
        "gecos": account.name,
        "systempw": account.password_hash,
    }
    return f"{address}\t{'|'.join(f'{key}={value}' for key, value in fields.items() if value is not None)}\n"


def _quota(address: str, quota: str) -> str:
    match = _QUOTA.fullmatch(quota)
    if not match:
        raise UserdbError(f"{address}: quota {quota!r} is not a size such as 500M or 1G, or 1073741824S,10000C")
    size, unit, count = match.groups("")
    return f"{int(size) * _UNIT[unit]}S{count}" if size else quota

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's userdb: mail accounts to text and back.

One line is one account, `address<TAB>field=value|field=value`. The rules are those of makeuserdb(8) and of the program
makedatprog behind it, of maildirquota(7), of crypt(5) for passwords, of userdbpw(8) for the secrets of CRAM and of
dot-courier(5) for delivery instructions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import NamedTuple

from .domains import DomainError, normalise, wildcards

# What SMTP can ask for, and what of an account answers it.
METHODS = {
    "PLAIN": "password_hash",
    "LOGIN": "password_hash",
    "CRAM-MD5": "hmac_md5",
    "CRAM-SHA1": "hmac_sha1",
    "CRAM-SHA256": "hmac_sha256",
}
PASSWORD_METHODS = ("PLAIN", "LOGIN")

_WHOLE_HASH = {
    "$6$": re.compile(r"\$6\$(rounds=[1-9][0-9]{3,8}\$)?[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}"),
    "$y$": re.compile(r"\$y\$[./0-9A-Za-z]+\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43}"),
}
# Named in a refusal. Other text between dollars or braces may be the password itself and is not repeated.
_OTHER_HASH = re.compile(
    r"\$(?:1|2[abxy]?|3|5|7|gy|md5|sha1)\$|\{(?:MD5|MD5RAW|SHA|SHA256|SHA512|SSHA|CRYPT)\}", re.IGNORECASE
)
_HOW_TO_HASH = "`openssl passwd -6` ($6$) or `mkpasswd -m yescrypt` ($y$)"
# The state of HMAC after the secret, inner and outer, as userdbpw prints it.
_HMAC_DIGITS = {"hmac_md5": 64, "hmac_sha1": 80, "hmac_sha256": 128}
_HOW_TO_MAKE = {"password_hash": _HOW_TO_HASH} | {
    name: f"`userdbpw -{name.replace('_', '-')}`" for name in _HMAC_DIGITS
}
_SECRETS = re.compile(r"\$[6y]\$|[0-9a-f]{64}")

# Dots stand between other characters only, or .courier file names go wrong; "#" would begin a comment.
_LOCAL_PART = re.compile(r"[\w!$%&'*+=?^`{}~-]+(\.[\w!$%&'*+=?^`{}~-]+)*")
_SPLITS_FIELDS = re.compile(r"[|\x00-\x1f\x7f]")
_QUOTA = re.compile(r"([1-9][0-9]*)([SKMGT])(,[1-9][0-9]*C)?|[1-9][0-9]*C")
_UNIT = {"S": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SECRET = re.compile(r"(pw=)([^|\n]*)")


class UserdbError(ValueError):
    """An account that Courier would misread, or that is not safe to have."""


class Account(NamedTuple):
    """A mail account. Without a password_hash and the secrets of CRAM it receives mail and nobody can log in."""

    address: str
    password_hash: str | None  # crypt(5), sha512crypt or yescrypt
    home: str
    uid: int
    gid: int
    quota: str | None = None  # "1073741824S,10000C", or "1G,10000C"; None is no limit
    name: str | None = None
    courier: tuple[str, ...] = ()  # the lines of ~/.courier; not part of userdb
    hmac_md5: str | None = None  # for CRAM-MD5, and so on
    hmac_sha1: str | None = None
    hmac_sha256: str | None = None
    rules: tuple[str, ...] = ()  # the lines of .mailrules


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


def render(accounts: Iterable[Account], domains: Iterable[str], methods: Collection[str] = PASSWORD_METHODS) -> str:
    """The text of userdb, sorted by address. Addresses become canonical, quotas take the form of maildirquota(7).

    Courier takes a login by every method that the account has a secret for, offered or not. So the line has what the
    methods ask for, and nothing else that SMTP would look at.
    No line has a mail= field: Courier delivers to that place without a look at DEFAULTDELIVERY.
    Raises UserdbError for an account of a domain that is not hosted, for what Courier would misread, for a password
    that is not a sha512crypt or yescrypt hash, and for accounts that could not log in by one of the methods; no refusal
    repeats a secret.
    """
    try:
        hosted = set(map(normalise, domains))
    except DomainError as error:
        raise UserdbError(str(error)) from None
    lines: dict[str, str] = {}
    homes: dict[str, str] = {}
    accounts = list(accounts)
    for account in accounts:
        address = canonical(account.address)
        if address in lines:
            raise UserdbError(f"{address} is listed twice")
        _check_domain(address, hosted)
        _check_fields(address, account)
        lines[address] = _line(address, account, methods)
        other = homes.setdefault(account.home, address)
        if other != address:
            raise UserdbError(f"{other} and {address} have the same home {account.home}")
    _refuse_nested(homes)
    _refuse_lacking(accounts, methods)
    return "".join(lines[address] for address in sorted(lines))


def refuse_extensions(extensions: Mapping[str, object], accounts: Iterable[Account]) -> None:
    """Refuse extensions that no address can have, instructions that are none, and accounts that would get their mail.

    What is for alice-junk@example.com goes by .courier-junk in the home of alice@example.com, but first of all to an
    account of that name, if there is one.
    """
    addresses = {canonical(account.address) for account in accounts}
    for name, lines in extensions.items():
        # In the name of the file, a dot is written otherwise, and a "-" begins another extension.
        if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9_]+", name):
            raise UserdbError(
                f"extensions: {name!r} is not an extension; write lower case letters and digits, such as junk"
            )
        if not isinstance(lines, list) or not lines or not all(isinstance(line, str) for line in lines):
            raise UserdbError(
                f"extensions: {name} is {lines!r}; write a list of delivery instructions, see dot-courier(5)"
            )
        _check_instructions(f"extensions: {name}", f".courier-{name}", lines)
        for address in sorted(addresses):
            local, _at, domain = address.rpartition("@")
            owner = f"{local.removesuffix(f'-{name}')}@{domain}"
            if owner != address and owner in addresses:
                raise UserdbError(
                    f"{address} would get the mail for the extension {name} of {owner}, so both cannot be accounts; "
                    f"give one of them another address, or take {name} out of extensions"
                )


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
            md5, sha1, sha256 = (fields.get(_field(secret)) for secret in _HMAC_DIGITS)
            accounts.append(Account(address, password, home, int(uid), int(gid), quota, name, (), md5, sha1, sha256))
    return accounts


def fields(text: str) -> dict[str, dict[str, str]]:
    """All fields of each line that makeuserdb reads, by the address, whether they make an account or not."""
    found: dict[str, dict[str, str]] = {}
    for line in text.split("\n"):
        if line == ".":
            break
        address, _separator, rest = line.partition("\t")
        if address.startswith("#") or not address:
            continue
        entry = found.setdefault(address, {})
        for field in rest.split("|"):
            key, _separator, value = field.partition("=")
            if key:
                entry.setdefault(key, value)
    return found


def refused_hash(value: str) -> str | None:
    """What kind of hash this is, where it is one that no account may have; no refusal repeats it."""
    try:
        _check_hash("", value)
    except UserdbError as error:
        return str(error).removeprefix(": password_hash ").partition(";")[0]
    return None


def changes(before: str, after: str) -> tuple[str, str]:
    """What a diff may show of two texts: the lines in which they differ, passwords hidden."""
    gone, added = _only_in(before, after), _only_in(after, before)
    kept = {match[2] for match in _SECRET.finditer(gone)} & {match[2] for match in _SECRET.finditer(added)}

    def hide(lines: str, word: str) -> str:
        return _SECRET.sub(lambda match: match[1] + ("(hidden)" if match[2] in kept else f"(hidden, {word})"), lines)

    return hide(gone, "old"), hide(added, "new")


def holds_secret(text: str) -> bool:
    """Whether something in a text may be a secret of an account that render() let through."""
    return bool(_SECRETS.search(text))


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
    for secret, digits in _HMAC_DIGITS.items():
        value = getattr(account, secret)
        if value is not None and not re.fullmatch(f"[0-9a-f]{{{digits}}}", value):
            raise UserdbError(
                f"{address}: {secret} is not {digits} digits from 0 to f; make it with {_HOW_TO_MAKE[secret]}"
            )
    for what, value in (("home", account.home), ("name", account.name or "")):
        if _SPLITS_FIELDS.search(value):
            raise UserdbError(f"{address}: the {what} holds a '|', a tab, a line break or another control character")
    if account.home[:1] != "/" or {"", ".", ".."} & set(account.home[1:].split("/")):
        raise UserdbError(f"{address}: home {account.home!r} is not a full path such as /srv/vmail/example.com/alice")
    if account.uid < 1 or account.gid < 1:
        raise UserdbError(f"{address}: a mailbox cannot belong to uid {account.uid} and gid {account.gid}")
    _check_instructions(address, ".courier", account.courier)


def _check_instructions(owner: str, file: str, lines: Iterable[str]) -> None:
    for line in lines:
        if not line.strip() or set(line) & set("\n\r\0"):
            raise UserdbError(f"{owner}: an entry for {file} is empty or holds a line break; write one per line")
        if line.lstrip().startswith("#"):
            # With nothing but comments in it, the file throws all mail away.
            raise UserdbError(f"{owner}: the entry {line!r} for {file} is a comment, not an instruction")


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


def _refuse_lacking(accounts: Iterable[Account], methods: Collection[str]) -> None:
    people = [account for account in accounts if any(getattr(account, secret) for secret in METHODS.values())]
    for method in methods:
        secret = METHODS[method]
        lacking = [account.address for account in people if not getattr(account, secret)]
        if lacking:
            more = f" and {len(lacking) - 10} more" if len(lacking) > 10 else ""
            raise UserdbError(
                f"auth_methods has {method}, by which these accounts cannot log in: {', '.join(lacking[:10])}{more}; "
                f"give each its {secret}, made with {_HOW_TO_MAKE[secret]}, or take {method} out"
            )


def _line(address: str, account: Account, methods: Collection[str]) -> str:
    asked = {METHODS[method] for method in methods}
    # A password for every service, or for each service but SMTP.
    passwords = ("systempw",) if "password_hash" in asked else ("imappw", "pop3pw")
    fields = {
        "uid": account.uid,
        "gid": account.gid,
        "home": account.home,
        "quota": None if account.quota is None else _quota(address, account.quota),
        "gecos": account.name,
        **dict.fromkeys(passwords, account.password_hash),
        **{_field(name): getattr(account, name) for name in _HMAC_DIGITS if name in asked},
    }
    return f"{address}\t{'|'.join(f'{key}={value}' for key, value in fields.items() if value is not None)}\n"


def _field(secret: str) -> str:
    """The field of userdb that has a secret of CRAM."""
    return f"{secret.replace('_', '-')}pw"


def _quota(address: str, quota: str) -> str:
    match = _QUOTA.fullmatch(quota)
    if not match:
        raise UserdbError(f"{address}: quota {quota!r} is not a size such as 500M or 1G, or 1073741824S,10000C")
    size, unit, count = match.groups("")
    return f"{int(size) * _UNIT[unit]}S{count}" if size else quota

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Courier's aliases: other names for mailboxes, and where the mail of a whole domain goes that has no mailbox.

An entry is `name: target, target`, continued by lines that begin with a blank. makealiases follows the aliases among
the targets; when mail arrives, Courier looks up the recipient once. The rules are those of aliasexp2.C, aliascombine.C,
aliascreate.C, comaliases4.C, submit.C and module.local in Courier, and of makealiases(8); tried on Courier 1.0.16 and
1.4.1.
"""

from __future__ import annotations

import contextlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from .._filters._names import FORWARD, PROGRAM, REFUSED, SINK, SRS, TRAP, local_name
from . import forwards
from .circles import circle
from .domains import DomainError, normalise, wildcards

# The alias for whatever nobody has in the local domains, which share their names, and the file in aliasdir that it is.
LOCAL_CATCH_ALL = "@"
LOCAL_DEFAULT = ".courier-default"
# How the names of the files that aliasdir() makes begin.
_SWALLOWED = (TRAP, REFUSED, SINK)
# Courier finds names of both cases where locallowercase is not, and those in lower case where it is.
_SRS_FILES = tuple(f".courier-{tag}-default" for tag in ("SRS0", "SRS1", "srs0", "srs1", SRS))
ALIASDIR_PREFIXES = (
    ".courier-catchall-",
    f".courier-{PROGRAM}-",
    f".courier-{FORWARD}-",
    *_SRS_FILES,
    *(f".courier-{kind}-" for kind in _SWALLOWED),
    LOCAL_DEFAULT,
)
# What people call them, by the variable.
_KINDS = {TRAP: "the trap", REFUSED: "the refused trap", SINK: "the sink"}
# A file without an instruction, which is not empty: Courier delivers to nobody, and logs success.
_NOTHING = "# Nothing is kept.\n"

_ATOM = r"""[^\s\x00-\x20\x7f"#(),.:;<>@\[\\\]]+"""
_LOCAL_PART = re.compile(rf"(?![|/]){_ATOM}(?:\.{_ATOM})*")
_ADDRESS = re.compile(r'(?:"[^"]*"|\([^()]*\)|<[^<>]*>|[^,])+')
_LINE = 100


class AliasError(ValueError):
    """An alias that Courier would misread, or that loses mail."""


class Alias(NamedTuple):
    """A name and where its mail goes instead."""

    name: str  # user@domain, user in a local domain, @domain or @ for whatever has no mailbox or alias there
    targets: tuple[str, ...]  # addresses, or a single "|command" or "/path"
    swallowed: str | None = None  # trap, refused or sink, for one without targets: its mail is thrown away
    outside: tuple[str, ...] = ()  # targets that the forwarding service passes the mail on to, see forwarded()


class _Address(NamedTuple):
    key: str  # the one spelling in which Courier looks it up
    home: str  # "local" (without a domain, or one that does not count), "hosted" or "remote"
    text: str  # as it is written


class _Entry(NamedTuple):
    name: _Address
    targets: list[_Address]  # none for a program
    written: list[str]  # what Courier is told instead


def render(
    aliases: Iterable[Alias],
    *,
    domains: Iterable[str],
    local: Iterable[str],
    accounts: Iterable[str],
    me: str,
) -> str:
    """Write the aliases in the order given, and what a catch-all needs to leave the mailboxes of its domain alone.

    domains are those with a name space of their own, local those whose addresses are the same as the bare name; me is
    the name in Courier's file of that name. Names and our own addresses are written in lower case, as Courier looks
    them up where locallowercase exists. What catch-alls and programs need besides is in aliasdir(). Raises AliasError.
    """
    site = _Site(domains, local)
    mailboxes = {site.account(account): None for account in accounts}
    entries: dict[str, _Entry] = {}
    kinds: dict[str, str | None] = {}
    for alias in aliases:
        name, targets, detour = site.name(alias.name, alias.swallowed), site.targets(alias, me), _detour(alias)
        # A forwarded copy goes beside the others, and all the rest that needs a file instead of them.
        beside = [] if detour and not detour.startswith(f"{FORWARD}-") else [target.text for target in targets]
        entry = _Entry(name, targets, beside + ([detour] if detour else []))
        other = entries.setdefault(entry.name.key, entry)
        kinds.setdefault(entry.name.key, alias.swallowed)
        if other is not entry:
            _refuse_swallowed_twice(alias, kinds[entry.name.key])
            raise AliasError(
                f"{other.name.text} and {alias.name} are one name to Courier; write one alias with all targets"
            )
        if alias.swallowed and _is_mailbox(entry.name.key, mailboxes):
            raise AliasError(f"{_KINDS[alias.swallowed]} {alias.name} is an account; keep one of them")
        if _is_mailbox(entry.name.key, mailboxes) and entry.name.key not in (target.key for target in entry.targets):
            raise AliasError(
                f"{alias.name} is an account, which gets nothing once there is such an alias; "
                f"put {alias.name} among the targets too, or remove the account"
            )
    written = [entry for key, entry in entries.items() if key != LOCAL_CATCH_ALL]
    catch_alls = [entry.name.key for entry in written if entry.name.key.startswith("@")]
    if catch_alls and not site.is_local(me):
        raise AliasError(
            f"{catch_alls[0]} needs {me}, the name in me, among the local domains, "
            "because Courier sends the mail of a whole domain to a name in there"
        )
    _refuse_loops({key: _next(entry, entries, mailboxes) for key, entry in entries.items()})
    lines = [_line(entry) for entry in written]
    if catch_alls:
        lines += _own_mail(catch_alls, entries, mailboxes)
    return "".join(lines)


def traps(addresses: Iterable[str], refused: Iterable[str], sinks: Iterable[str]) -> list[Alias]:
    """The aliases of addresses whose mail is thrown away.

    Each leads to a local name of its own, which filters and bofh see as the recipient. Raises AliasError for what can
    be no trap; whether the domain is ours is for render() to say.
    """
    found = []
    for kind, names in ((TRAP, addresses), (REFUSED, refused), (SINK, sinks)):
        for name in names:
            local_part, at, _domain = name.rpartition("@")
            if not at or not (local_part or kind == SINK):
                whole = ", or @example.com for all of a domain" if kind == SINK else ""
                raise AliasError(f"{_KINDS[kind]} {name!r} is no address; write user@example.com{whole}")
            found.append(Alias(name, (), kind))
    return found


def refused_names(addresses: Iterable[str], me: str) -> list[str]:
    """What bofh must call the traps that refuse the whole message: it looks at recipients after the aliases."""
    return [f"{local_name(REFUSED, address)}@{me}" for address in addresses]


def forwarded(
    aliases: Iterable[Alias], *, domains: Iterable[str], local: Iterable[str], inside: Iterable[str]
) -> list[Alias]:
    """The aliases with the targets elsewhere set apart, which the forwarding service passes mail on to.

    inside are domains that are ours on other hosts. What is no address is left to render(), which refuses it.
    """
    ours = forwards.Inside([*domains, *local, *inside])
    found = []
    for alias in aliases:
        outside = tuple(
            target for target in alias.targets if not target.startswith(("|", "/")) and not ours.has(target)
        )
        if outside and all(map(_is_address, outside)):
            rest = tuple(target for target in alias.targets if target not in outside)
            found.append(alias._replace(targets=rest, outside=outside))
        else:
            found.append(alias)
    return found


def srs(domain: str, *, domains: Iterable[str], local: Iterable[str], accounts: Iterable[str], me: str) -> list[Alias]:
    """What the domain of rewritten senders needs, so that bounces come back. Raises AliasError for one not ours.

    In a local domain, Courier finds the files of aliasdir() by their names. In another, an alias for all of it leads
    there.
    """
    site = _Site(domains, local)
    name = _normalise(domain)
    if site.is_local(name):
        return []
    if site.home(name) != "hosted":
        raise AliasError(
            f"the SRS domain {domain} is not accepted here, and bounces would not come back; "
            f"write {me}, or a domain of mail_domains in which nobody has a mailbox"
        )
    if any(site.account(account).rpartition("@")[2] == name for account in accounts):
        raise AliasError(
            f"the SRS domain {domain} has mailboxes; write {me}, or a domain of mail_domains in which nobody has one"
        )
    return [Alias(f"@{name}", (SRS,))]


def aliasdir(aliases: Iterable[Alias], me: str = "", forwarder: str = "") -> dict[str, str]:
    """The files that catch-alls and programs need in Courier's aliasdir, by name. Takes what render() did not refuse.

    Courier makes a bare name of a catch-all into NAME-LOCALPART, and finds .courier-NAME-default for it. What has no
    such file and no account in a local domain has .courier-default. Programs
    could be in the aliases themselves, but Courier 1.3.11 and later does not find the files that makealiases writes
    for them, because their names hold a +, which is a separator there unless defaultsep says otherwise.

    forwarder is the program that gives mail to the forwarding service, which also takes the bounces.
    """
    files = dict.fromkeys(_SRS_FILES, f"| {forwarder} --back\n") if forwarder else {}
    for alias in aliases:
        detour = _detour(alias)
        if detour:
            catch_all = alias.name.startswith("@")
            name = f".courier-{detour.replace('.', ':')}{'-default' if catch_all else ''}"
            if alias.name == LOCAL_CATCH_ALL:
                name = LOCAL_DEFAULT
            if alias.swallowed:
                files[name] = _NOTHING
                continue
            lines = [f"&{target}" if catch_all else target for target in alias.targets]
            if alias.outside:
                address = f"@{me}" if alias.name == LOCAL_CATCH_ALL else alias.name.lower()
                address = address if "@" in address else f"{address}@{me}"
                # First, or what is kept would be kept again when the service is down, and all is tried once more.
                lines = [forwards.line(forwarder, address, alias.outside), *(lines if catch_all else [])]
            files[name] = "".join(f"{line}\n" for line in lines)
    return files


def parse(text: str) -> list[Alias]:
    """Read a file as makealiases does, the targets of one name put together.

    A last line without a newline is not read, unless another file follows. :include:/path stays the only target of its
    name. Raises AliasError for a line that is no alias, because makealiases compiles nothing then.
    """
    merged: dict[str, Alias] = {}
    for _number, one in numbered(text):
        alias = merged.setdefault(one.name.lower(), Alias(one.name, ()))
        merged[one.name.lower()] = alias._replace(targets=tuple(dict.fromkeys([*alias.targets, *one.targets])))
    return list(merged.values())


def numbered(text: str) -> Iterator[tuple[int, Alias]]:
    """Each entry of a file as it stands there, with the number of its first line. Raises AliasError."""
    for number, entry in _unfolded(text):
        name, colon, right = (part.strip() for part in entry.partition(":"))
        if not colon or not name:
            raise AliasError(f"line {number}: {entry.strip()!r} is no alias; write a name, a colon and the targets")
        targets = [right] if right.startswith(("|", "/", ":include:")) else _addresses(right)
        yield number, Alias(name, tuple(targets))


class _Site:
    """What the lists of domains say of an address."""

    def __init__(self, domains: Iterable[str], local: Iterable[str]) -> None:
        self._normalise = lru_cache(maxsize=None)(_normalise)
        self._home = lru_cache(maxsize=None)(self._find_home)
        self._hosted = set(map(_normalise, domains))
        names = list(local)
        self._local = {_normalise(name) for name in names if not name.startswith("!")}
        self._excepted = {_normalise(name[1:]) for name in names if name.startswith("!")}

    def is_local(self, domain: str) -> bool:
        return self._home(self._normalise(domain)) == "local"

    def home(self, domain: str) -> str:
        return self._home(self._normalise(domain))

    def account(self, address: str) -> str:
        """The key of an account. The accounts for all names below example.com are those of .example.com."""
        return self._address(address).key

    def name(self, name: str, swallowed: str | None) -> _Address:
        if name == LOCAL_CATCH_ALL:
            return _Address(name, "local", name)
        if name.startswith("@"):
            domain = self._normalise(name[1:])
            found = _Address(f"@{domain}", self._home(domain), f"@{domain}")
            if found.home == "local":
                raise AliasError(
                    f"{name}: the domain is local and shares its names with the others that are; "
                    "write @ for a catch-all of all of them"
                )
        else:
            found = self._address(name)
        if found.home == "remote" and swallowed:
            raise AliasError(
                f"{_KINDS[swallowed]} {name} is in a domain whose mail is not accepted here; "
                "add the domain to mail_domains or drop it"
            )
        if found.home == "remote":
            raise AliasError(
                f"{name} is in a domain that is neither hosted nor local; add the domain or drop the alias"
            )
        if "@." in found.key:
            raise AliasError(
                f"{name} never matches, because Courier looks up the domain itself; write one alias for each"
            )
        return found

    def targets(self, alias: Alias, me: str) -> list[_Address]:
        if alias.swallowed:
            return []
        if not alias.targets and not alias.outside:
            raise AliasError(
                f"{alias.name} has no target, which is no alias to Courier, and its mail comes back as undeliverable; "
                "write the address of a person, or '|cat >/dev/null' to throw it away on purpose"
            )
        if alias.name.startswith("@"):
            return self._caught(alias, me)
        programs = [target for target in alias.targets if target.startswith(("|", "/"))]
        if not programs:
            return [self._target(alias, target) for target in alias.targets]
        if len(alias.targets) > 1:
            raise AliasError(
                f"{alias.name}: {programs[0]!r} must be the only target; put it into an alias of its own, "
                "and the name of that among these targets"
            )
        if re.search(r"[\x00-\x1f\x7f]|\\\Z", programs[0]):
            raise AliasError(
                f"{alias.name}: {programs[0]!r} does not end with its line; put the command into a script and name that"
            )
        return []

    def _caught(self, alias: Alias, me: str) -> list[_Address]:
        if not _detour(alias) and (len(alias.targets) > 1 or not _LOCAL_PART.fullmatch(alias.targets[0])):
            raise AliasError(
                f"{alias.name} is a catch-all; write addresses with a domain for its targets, "
                f"or one bare name, of which Courier makes NAME-LOCALPART@{me}"
            )
        if alias.name == LOCAL_CATCH_ALL and not _detour(alias):
            raise AliasError(
                f"{alias.name} catches what is local already; write addresses with a domain for its targets"
            )
        return [self._target(alias, target) for target in alias.targets]

    def _target(self, alias: Alias, target: str) -> _Address:
        try:
            return self._address(target)
        except AliasError as error:
            raise AliasError(f"{alias.name}: {error}") from None

    def _address(self, address: str) -> _Address:
        local_part, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
        if not _LOCAL_PART.fullmatch(local_part):
            raise AliasError(
                f"{address!r} is not an address; write user@example.com or a bare name, without blanks and any of "
                '"#(),:;<>[\\]'
            )
        if not at:
            return _Address(local_part.lower(), "local", local_part.lower())
        name = self._normalise(domain)
        home = self._home(name)
        whole = f"{local_part.lower()}@{name}"
        return _Address(local_part.lower() if home == "local" else whole, home, address if home == "remote" else whole)

    def _find_home(self, domain: str) -> str:
        names = {domain, *wildcards(domain)}
        if names & self._local and not names & self._excepted:
            return "local"
        return "hosted" if names & self._hosted else "remote"


def _is_address(text: str) -> bool:
    local_part, _at, domain = text.rpartition("@")
    with contextlib.suppress(DomainError):
        return bool(_LOCAL_PART.fullmatch(local_part) and normalise(domain))
    return False


def _normalise(domain: str) -> str:
    try:
        return normalise(domain)
    except DomainError as error:
        raise AliasError(str(error)) from None


def _next(entry: _Entry, entries: Mapping[str, _Entry], mailboxes: Mapping[str, None]) -> list[str]:
    """The aliases among the targets of an alias. Refuses targets that nobody has."""
    found = []
    for target in entry.targets:
        # Courier looks up the targets of a catch-all like any recipient, because it forwards the mail to them. Those
        # of other aliases are final, or were followed by makealiases, which knows nothing of catch-alls.
        catch_all = f"@{target.key.rpartition('@')[2]}"
        if target.key in entries and target.key != entry.name.key:
            found.append(target.key)
        elif _is_mailbox(target.key, mailboxes):
            continue
        elif target.home == "local" and entry.name.key == LOCAL_CATCH_ALL:
            found.append(LOCAL_CATCH_ALL)
        elif target.home != "hosted":
            continue
        elif catch_all in entries and entry.name.key.startswith("@"):
            found.append(catch_all)
        elif not _is_extension(target.key, mailboxes):
            hint = f" (Courier does not ask {catch_all} for the target of an alias)" if catch_all in entries else ""
            raise AliasError(f"{entry.name.text} goes to {target.text}, which is neither an account nor an alias{hint}")
    return found


def _refuse_swallowed_twice(alias: Alias, other: str | None) -> None:
    kinds = [kind for kind in (alias.swallowed, other) if kind]
    if len(kinds) == 2:
        raise AliasError(f"{_KINDS[kinds[0]]} {alias.name} is {_KINDS[kinds[1]]}, too; keep one of them")
    if kinds:
        raise AliasError(f"{_KINDS[kinds[0]]} {alias.name} is an alias; keep one of them")


def _is_mailbox(key: str, mailboxes: Mapping[str, None]) -> bool:
    local_part, _separator, domain = key.rpartition("@")
    return key in mailboxes or any(f"{local_part}@{wildcard}" in mailboxes for wildcard in wildcards(domain))


def _is_extension(key: str, mailboxes: Mapping[str, None]) -> bool:
    """Whether the address is that of a file .courier-extension in the home of an account."""
    local_part, _separator, domain = key.rpartition("@")
    return any(
        _is_mailbox(f"{local_part[: mark.start()]}@{domain}", mailboxes) for mark in re.finditer("[-+]", local_part)
    )


def _refuse_loops(graph: Mapping[str, Sequence[str]]) -> None:
    if chain := circle(graph):
        raise AliasError(f"the aliases {' -> '.join(chain)} never arrive; let one of them go to a mailbox")


def _own_mail(catch_alls: Iterable[str], entries: Mapping[str, _Entry], mailboxes: Iterable[str]) -> list[str]:
    """An alias to itself for each mailbox in the domain of a catch-all.

    Courier asks the aliases of a whole domain before it looks for a mailbox, and an alias of the address before both.
    """
    users = defaultdict(list)
    for mailbox in mailboxes:
        user, _separator, domain = mailbox.partition("@")
        users[domain].append(user)
    own = dict.fromkeys(
        f"{user}{catch_all}"
        for catch_all in catch_alls
        for domain in (catch_all[1:], *wildcards(catch_all[1:]))
        for user in users[domain]
    )
    lines = [f"{address}: {address}\n" for address in own if address not in entries]
    return ["# Or a catch-all would get the mail of these mailboxes.\n", *lines] if lines else []


def _line(entry: _Entry) -> str:
    line = f"{entry.name.text}: {', '.join(entry.written)}\n"
    if len(line) > _LINE:
        line = f"{entry.name.text}: " + ",\n    ".join(entry.written) + "\n"
    return line


def _detour(alias: Alias) -> str | None:
    """The bare name that stands in the aliases for targets that only a file in aliasdir can have.

    No two aliases share it.
    """
    if alias.swallowed:
        return local_name(alias.swallowed, alias.name)
    if alias.name.startswith("@"):
        kind, needed = "catchall", all("@" in target for target in alias.targets)
    elif alias.outside:
        kind, needed = FORWARD, True
    else:
        kind, needed = PROGRAM, alias.targets[0].startswith(("|", "/"))
    return local_name(kind, alias.name) if needed else None


def _unfolded(text: str) -> Iterator[tuple[int, str]]:
    """The entries of a file with the numbers of their first lines."""
    first, entry = 1, ""
    for number, line in enumerate(text.split("\n")[:-1], 1):
        cut = line.partition("#")[0].rstrip()
        if cut.startswith((" ", "\t")):
            first = first if entry else number
            entry += cut
            continue
        if entry:
            yield first, entry
        first, entry = number, cut
    if entry:
        yield first, entry


def _addresses(text: str) -> list[str]:
    """The addresses of a list, without names and comments."""
    found = []
    for item in _ADDRESS.findall(text):
        bare = re.sub(r"\([^()]*\)", "", item)
        angle = re.search("<([^<>]*)>", bare)
        found.append((angle[1] if angle else bare).strip())
    return [address for address in found if address]

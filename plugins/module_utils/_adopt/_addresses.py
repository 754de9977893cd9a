# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other addresses: aliases, forwards, traps, sinks, and the files of aliasdir."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .._courier import aliases as courier_aliases
from .._courier.aliases import ALIASDIR_PREFIXES, LOCAL_CATCH_ALL, LOCAL_DEFAULT, Alias, AliasError
from ._host import COURIER, Host
from ._names import Names
from ._plan import Adopted, acceptable, commented_lines, place

# Whose mail the contact has anyway: courier_mta_system_users and courier_mta_role_names.
SYSTEM_USERS = ("root", "daemon", "mailer-daemon", "nobody", "postmaster", "uucp", "www-data")
ROLE_NAMES = ("abuse", "hostmaster", "postmaster", "webmaster")
_SWALLOWS = re.compile(r"(?:\|\s*(?:/\S*/)?(?:cat\s*>\s*/dev/null|true)|/dev/null)\s*\Z")
_TRAPS = re.compile(r"\|.*(?:spamc\b.*report|sa-learn\b.*--spam)")
_SRS = re.compile(r"\.courier-srs[01]?-?", re.IGNORECASE)
_SYSTEM = f"{COURIER}/aliases/system"


class Found(NamedTuple):
    """An alias of the host, in the spelling of ours."""

    name: str
    targets: tuple[str, ...]
    source: str


class Addresses:
    """The aliases of a host, and where they lead in the end."""

    def __init__(self, host: Host, names: Names, people: Sequence[str], adopted: Adopted) -> None:
        self._names, self._people = names, {address.lower() for address in people}
        self.files = _aliasdir(host)
        self.found: dict[str, Found] = {}
        for path, text in host.below("aliases").items():
            try:
                for number, one in courier_aliases.numbered(_ended(text)):
                    self._merge(one, place(path, number))
            except AliasError as error:
                adopted.note("left", path, f"{error}; makealiases refuses the whole file")
        for name, (path, lines) in self.files.items():
            if lines and name not in self.found:
                targets = tuple(self.spelled(line.lstrip("&! ")) for line in lines)
                self.found[name] = Found(name, targets, place(path, 1))

    def _merge(self, one: Alias, source: str) -> None:
        name = self.spelled(one.name)
        targets = tuple(self.spelled(target) for target in one.targets)
        if name.startswith("@"):  # Courier makes NAME-LOCALPART of a bare name
            targets = tuple(f"{target}-default" if f"{target}-default" in self.files else target for target in targets)
        before = self.found.get(name)
        if before:
            targets, source = (*before.targets, *targets), before.source
        self.found[name] = Found(name, tuple(dict.fromkeys(targets)), source)

    def spelled(self, address: str) -> str:
        """An address as ours has it: what is local has a domain in which people are, but for the system's own names."""
        if address.startswith(("|", "/", ":include:")):
            return address
        local, at, domain = address.rpartition("@") if "@" in address else (address, "", "")
        if not local and at:
            return f"@{domain.lower()}"
        is_local = not at or domain.lower() in self._names.local
        if not is_local:
            return f"{local.lower()}@{domain.lower()}" if self._is_ours(domain) else address
        name = local.lower()
        shared = [domain.lower()] if domain.lower() in self._names.shared else self._names.shared[:1]
        if not shared or name in SYSTEM_USERS or name in self.files or f"{name}-default" in self.files:
            return name
        return f"{name}@{shared[0]}"

    def _is_ours(self, domain: str) -> bool:
        return domain.lower() in self._names.ours

    def ends(self, name: str, seen: frozenset[str] = frozenset()) -> set[str]:
        """Where mail for a name is in the end: addresses, programs, or nothing."""
        one = self.found.get(name)
        if one is None or name in seen:
            return {name}
        return {end for target in one.targets for end in self.ends(target, seen | {name})}

    def followed(self, name: str) -> str:
        """Where mail for a name is when it goes to several, or to somebody who is no alias."""
        seen = set[str]()
        while name in self.found and len(self.found[name].targets) == 1 and name not in seen:
            seen.add(name)
            name = self.found[name].targets[0]
        return name

    def is_swallowed(self, target: str) -> bool:
        path, lines = self.files.get(target, ("", None))
        return bool(path and lines == []) or bool(_SWALLOWS.match(target))


def take_addresses(host: Host, names: Names, people: Sequence[str], adopted: Adopted) -> None:
    """mail_contact, mail_aliases, mail_forwards, mail_traps and mail_sinks."""
    all_of_them = Addresses(host, names, people, adopted)
    contact = _contact(all_of_them, people, adopted)
    rest = []
    for one in sorted(all_of_them.found.values(), key=lambda found: found.name):
        if not _take_special(all_of_them, one, contact, adopted):
            rest.append(one)
    _take_aliases(all_of_them, rest, names, people, adopted)
    _take_files(host, all_of_them, adopted)
    adopted.aside += [path for path in host.below("aliases") if path != _SYSTEM]
    adopted.before["aliases"] = {
        name: ", ".join(sorted(all_of_them.ends(name))) for name in all_of_them.found if not name.startswith(".")
    }
    _explain(all_of_them, names, contact, adopted)


def _contact(found: Addresses, people: Sequence[str], adopted: Adopted) -> str:
    """Who gets the mail of postmaster, or of root: one address, which may be an alias to several."""
    source = _SYSTEM
    for name in ("postmaster", "root"):
        if name not in found.found:
            continue
        source = found.found[name].source
        last = found.followed(name)
        several = sorted(end for end in found.ends(name) if _is_address(end))
        if not _is_address(last) and several:
            what = f"{name} goes to {', '.join(several)}; {several[0]} is taken for mail_contact"
            adopted.note("guess", source, what, "write another, or the name of an alias to all of them")
            last = several[0]
        if _is_address(last):
            adopted.set("mail_contact", last, source)
            return last
    if people:
        adopted.note(
            "guess",
            source,
            "mail for postmaster and root reaches no address; it is lost, or stays in the queue",
            f"write who reads it as mail_contact; {min(people)} is taken",
        )
        adopted.variables["mail_contact"] = min(people)
    return str(adopted.variables.get("mail_contact", ""))


def _is_address(text: str) -> bool:
    return "@" in text[1:] and not text.startswith(("|", "/", ":"))


def _take_special(found: Addresses, one: Found, contact: str, adopted: Adopted) -> bool:
    """Whether an alias is something that has another name here."""
    ends = found.ends(one.name)
    local, _at, domain = one.name.rpartition("@")
    if not one.targets:
        if one.name not in (*SYSTEM_USERS, ""):
            adopted.note("left", one.source, f"{one.name} has no target; its mail is lost, or comes back")
            adopted.explain_names(_SYSTEM, "it has no target", one.name)
        return True
    covered = one.name in SYSTEM_USERS or local in ROLE_NAMES
    if one.name == LOCAL_CATCH_ALL:
        return False
    # One that leads to itself alone is as none.
    if one.name in found.files or (covered and ends == found.ends(contact)) or one.targets == (one.name,):
        return True
    if ends and all(found.is_swallowed(end) for end in ends) and domain:
        adopted.add("mail_sinks", one.name, one.source)
        return True
    if ends and domain and local and all(_TRAPS.match(end) for end in ends):
        adopted.add("mail_traps", one.name, one.source)
        return True
    return False


def _take_aliases(
    found: Addresses, rest: Sequence[Found], names: Names, people: Sequence[str], adopted: Adopted
) -> None:
    domains = names.ours
    local = [name for name in names.local if name not in names.shared]
    local = list(dict.fromkeys(["localhost", names.me, *local]))
    everybody = {address.partition("@")[0]: address for address in people}
    written = [one._replace(targets=tuple(_targets(found, one, everybody, adopted))) for one in rest]

    def check(some: list[Found]) -> object:
        aliases = [Alias(one.name, one.targets) for one in some]
        kept = courier_aliases.forwarded(aliases, domains=domains, local=local, inside=[])
        return courier_aliases.render(kept, domains=domains, local=local, accounts=people, me=names.me)

    kept, refused = acceptable([one for one in written if one.targets], check)
    for one, said in refused:
        adopted.note("left", one.source, said)
        adopted.explain_names(_SYSTEM, f"left out: {said}", one.name)
    for one in sorted(kept, key=lambda item: item.name):
        outside = all(_is_outside(target, [*domains, *local]) for target in one.targets)
        variable = "mail_forwards" if outside else "mail_aliases"
        adopted.add(variable, {"name": one.name, "targets": list(one.targets)}, one.source)
    if "mail_forwards" in adopted.variables or any(
        _is_outside(target, [*domains, *local]) for one in kept for target in one.targets
    ):
        adopted.note(
            "replaced",
            _SYSTEM,
            "what goes on to other sites gets a sender of ours, without which many refuse it (docs/identity.md)",
            "mail_srs: false would pass it on as it came",
        )


def _targets(found: Addresses, one: Found, everybody: Mapping[str, str], adopted: Adopted) -> Iterator[str]:
    """The targets that ours can have. A name of the host alone that somebody has gets his domain."""
    for target in one.targets:
        bare = "@" not in target and not target.startswith(("|", "/", ":"))
        if target.startswith(":include:"):
            adopted.note("left", one.source, f"{one.name}: {target} is a list in a file", "write its addresses")
        elif bare and target in everybody and target not in found.found:
            if one.name.startswith("@"):
                adopted.note(
                    "guess",
                    one.source,
                    f"{one.name} went to {target}-NAME, by the file .courier-default of {target}; "
                    f"all of it goes to {everybody[target]} now",
                )
            yield everybody[target]
        elif bare and target in found.files and target in found.found:
            yield from found.found[target].targets
        else:
            yield target


def _is_outside(target: str, ours: Sequence[str]) -> bool:
    return "@" in target and not target.startswith(("|", "/")) and target.rpartition("@")[2].lower() not in ours


def _take_files(host: Host, found: Addresses, adopted: Adopted) -> None:
    """The files of aliasdir. They stay, and whoever is not led there by an alias does not come there."""
    for path in sorted(host.files):
        name = path.removeprefix(f"{COURIER}/aliasdir/")
        if name == path or not name.startswith(".courier"):
            continue
        if _SRS.match(name):
            adopted.note(
                "replaced",
                place(path, 1),
                "bounces of forwarded mail go to the program that was set up by hand",
                "the role courier_srs takes them; bounces of what was passed on before it come back as unknown",
            )
        elif name == LOCAL_DEFAULT:
            adopted.explain_names(_SYSTEM, "it is an alias for all of the host's names", LOCAL_CATCH_ALL)
        elif name.startswith(ALIASDIR_PREFIXES):
            adopted.note("left", place(path, 1), "has a name as ours have them, and would be removed", "rename it")
        else:
            adopted.note("stays", place(path, 1), f"mail for {_named(name)} at the host goes by it")
    if any(_SRS.match(os.path.basename(path)) for path in host.files):
        adopted.explain_all(f"{COURIER}/aliasdir/.courier-*", "bounces of forwarded mail go to the role courier_srs")


def _explain(found: Addresses, names: Names, contact: str, adopted: Adopted) -> None:
    domains = names.ours
    why = f"the names that every mail server has go to the contact, {contact}"
    covered = [*SYSTEM_USERS, *(f"{name}@{domain}" for domain in domains for name in ROLE_NAMES)]
    same = [name for name in covered if name not in found.found or found.ends(name) <= found.ends(contact)]
    adopted.explain_names(_SYSTEM, why, *same)
    adopted.explain_all(f"{COURIER}/aliasdir/.courier-*", "what aliases lead to that only a file can do")
    # Names that a file of aliasdir has are found without an alias.
    adopted.explain_names(_SYSTEM, "its file in aliasdir stays", *sorted(name for name in found.files if name))


def _aliasdir(host: Host) -> dict[str, tuple[str, list[str] | None]]:
    """The names that have a file in aliasdir, with its instructions; an empty file is no file."""
    found: dict[str, tuple[str, list[str] | None]] = {}
    for path, text in host.files.items():
        name = path.removeprefix(f"{COURIER}/aliasdir/.courier-")
        if name == path or _SRS.match(os.path.basename(path)) or not text:
            continue
        found[_named(f".courier-{name}")] = (path, [line.strip() for _number, line, _above in commented_lines(text)])
    return found


def _named(file: str) -> str:
    """The name of a file: a colon stands for a dot, and default alone for whoever is not found."""
    if file == LOCAL_DEFAULT:
        return LOCAL_CATCH_ALL
    return file.removeprefix(".courier-").replace(":", ".").lower()


def _ended(text: str) -> str:
    # makealiases reads a last line without an end only where another file follows.
    return text if text.endswith("\n") else f"{text}\n"

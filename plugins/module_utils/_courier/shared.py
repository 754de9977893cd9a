# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that several people read: Courier's index of mailboxes with such folders, and the rights in each folder.

Courier has a file courierimapacl in each folder. Where there is none, the rights of the folder above count, and are
written into a file of their own at the first look. So the rights of a folder that is shared reach those below it, and
stay there when they are taken from the folder itself. That is why a mailbox is looked at as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from .userdb import UserdbError, canonical

# The letters of RFC 4314 that Courier knows. It has one state of a folder for all, so who reads marks as read.
RIGHTS = {"read": "lrs", "write": "eilrstw", "manage": "ceilrstwx"}
MARK = "# Managed by Ansible"

_ALL = "aceilrstwx"
_OWN = {"owner": _ALL, "administrators": _ALL}
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_FOLDER = re.compile(r"[^./\x00-\x1f\x7f]+(\.[^./\x00-\x1f\x7f]+)*")


class SharedError(ValueError):
    """A folder that cannot be shared so."""


class Shared(NamedTuple):
    """A mailbox that others look into."""

    owner: str
    name: str  # what they see it as: #shared.NAME.FOLDER
    home: str
    folders: dict[str, dict[str, str]]  # "Orders", or "" for all of it, and who has which rights


def shared(entries: Iterable[Mapping[str, Any]], homes: Mapping[str, str]) -> list[Shared]:
    """The mailboxes with folders that are shared, by name. `homes` are those of all accounts.

    Raises SharedError for people who have no account, and for what two entries say differently.
    """
    known = {_canonical("an account", address): home for address, home in homes.items()}
    names: dict[str, str] = {}
    found: dict[str, Shared] = {}
    for entry in entries:
        owner = _canonical("mail_shared_folders", entry["owner"])
        place = f"mail_shared_folders: {owner}"
        _refuse_stranger(place, "owner", owner, known)
        folder = _folder(place, entry["folder"])
        name = _take_name(place, entry.get("name"), owner, names)
        mailbox = found.setdefault(owner, Shared(owner, name, known[owner], {}))
        if folder in mailbox.folders:
            raise SharedError(f"{place}: folder {entry['folder']} is listed twice; write all its people in one entry")
        mailbox.folders[folder] = _members(f"{place}, folder {entry['folder']}", entry, owner, known)
    return sorted(found.values(), key=lambda one: one.name)


def render(mailboxes: Iterable[Shared], uid: int, gid: int) -> str:
    """The text of the index."""
    lines = [f"{one.name}\t{uid}\t{gid}\t{one.home}\tMaildir\n" for one in mailboxes]
    return "".join([f"{MARK}\n", *lines])


def indexed(text: str) -> dict[str, str]:
    """The names in an index of ours, by the homes of their mailboxes."""
    fields = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {line[3]: line[0] for line in fields if len(line) > 3}


def rights(folder: str, folders: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The rights of a folder as Courier has them: those of the nearest folder in the list, at or above it."""
    words = folder.split(".")
    above = [".".join(words[:number]) for number in range(len(words), 0, -1)]
    members = next((folders[name] for name in [*above, ""] if name in folders), {})
    return _OWN | {f"user={address}": letters for address, letters in members.items()}


def parse(text: str) -> dict[str, str]:
    """The rights in a courierimapacl."""
    pairs = (line.partition(" ") for line in text.splitlines() if line)
    return {who: "".join(sorted(set(letters.strip()))) for who, _blank, letters in pairs}


def write(acl: Mapping[str, str]) -> str:
    return "".join(f"{who} {letters}\n" for who, letters in acl.items())


def seen_as(name: str, folder: str) -> str:
    """What members see a folder as."""
    return f"#shared.{name}.{folder}" if folder else f"#shared.{name}"


def _canonical(place: str, address: str) -> str:
    try:
        return canonical(address)
    except UserdbError as error:
        raise SharedError(f"{place}: {error}") from None


def _refuse_stranger(place: str, what: str, address: str, known: Mapping[str, str]) -> None:
    if address not in known:
        raise SharedError(f"{place}: {what} {address} has no account on this host; add it to mail_accounts")


def _folder(place: str, folder: str) -> str:
    if folder.upper() == "INBOX":
        return ""
    if folder.upper().startswith("INBOX."):
        raise SharedError(f"{place}: write {folder[6:]} where it says folder: {folder}")
    if not _FOLDER.fullmatch(folder):
        raise SharedError(
            f"{place}: {folder!r} cannot be a folder; write a name such as Orders or Orders.2026, "
            "or INBOX for the whole mailbox"
        )
    return folder


def _take_name(place: str, given: str | None, owner: str, names: dict[str, str]) -> str:
    """What the mailbox is called, which is the same in all its entries and nobody else's."""
    earlier = next((name for name, address in names.items() if address == owner), None)
    name = given or earlier or re.sub("[^a-z0-9_-]", "-", owner.partition("@")[0])
    if not _NAME.fullmatch(name):
        raise SharedError(f"{place}: name {name!r} has something else than letters, digits, - and _ in it")
    if earlier not in (None, name):
        raise SharedError(f"{place}: the mailbox has two names, {earlier} and {name}; write one")
    if names.setdefault(name, owner) != owner:
        raise SharedError(f"{place}: {names[name]} is called {name} too; give one of them another with name")
    return name


def _members(place: str, entry: Mapping[str, Any], owner: str, known: Mapping[str, str]) -> dict[str, str]:
    members: dict[str, str] = {}
    for level, letters in RIGHTS.items():
        addresses: Sequence[str] = entry.get(level) or ()
        for address in (_canonical(place, one) for one in addresses):
            _refuse_stranger(place, level, address, known)
            if address == owner:
                raise SharedError(f"{place}: {address} owns it and has all rights; take it out of {level}")
            if address in members:
                raise SharedError(f"{place}: {address} is there twice; write includes read, and manage includes both")
            members[address] = letters
    return members

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People: their logins, where their mail lies, and what they do with it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from .._courier import userdb
from .._courier.userdb import Account
from ._host import COURIER, Host, User
from ._names import Names
from ._plan import Adopted, Said, acceptable, commented_lines, place
from ._settings import Settings

# Where mailboxes cannot all be below: these belong to root, and the root of the mail belongs to its user.
_NO_ROOT = ("/", "/home", "/srv", "/var", "/opt", "/root", "/usr", "/etc", "/var/lib", "/mnt")
_ROOT = "/srv/vmail"
_LEAST_UID = 1000
_INBOX = ("./Maildir", "./Maildir/", "Maildir", "Maildir/")


class Person(NamedTuple):
    """An account as the host has it."""

    address: str
    source: str
    fields: dict[str, str]
    home: str
    uid: int
    gid: int


class Mail(NamedTuple):
    """Where mailboxes are, and whose."""

    root: str
    uid: int
    gid: int


def people(host: Host, names: Names, held: Settings, adopted: Adopted) -> list[Person]:
    """All accounts, whichever of Courier's modules has them."""
    modules = held.get("authdaemonrc", "authmodulelist").split()
    found = []
    if "authuserdb" in modules:
        found += _in_userdb(host, names, adopted)
    if "authpam" in modules or "authshadow" in modules or "authpwd" in modules:
        found += _in_system(host, names, adopted, {one.address for one in found})
    for module in modules:
        if module not in ("authuserdb", "authpam", "authshadow", "authpwd"):
            adopted.note(
                "left",
                f"{COURIER}/authdaemonrc:1",
                f"accounts that {module} finds are not read",
                "write them into mail_accounts, or let PostgreSQL keep them (mail_accounts_database, docs/people.md)",
            )
    return found


def _in_userdb(host: Host, names: Names, adopted: Adopted) -> list[Person]:
    found = []
    for path, text in host.below("userdb").items():
        if path != f"{COURIER}/userdb":
            adopted.note("move", path, "userdb is a directory", f"make it one file: {_HOW_TO_JOIN}")
        numbers = {line.partition("\t")[0]: number for number, line in enumerate(text.split("\n"), 1)}
        for key, fields in userdb.fields(text).items():
            source = place(path, numbers.get(key, 1))
            uid, gid, home = fields.get("uid", ""), fields.get("gid", ""), fields.get("home", "")
            if not (home and uid.isdigit() and gid.isdigit()):
                adopted.note("left", source, f"{key} has no home, uid or gid, and is no account to Courier")
                continue
            address = _address(key, names)
            if address:
                found.append(Person(address, source, fields, home, int(uid), int(gid)))
            else:
                adopted.note("left", source, *_homeless(key))
    return found


_HOW_TO_JOIN = (
    "cd /etc/courier && cat userdb/* >userdb.new && chmod 600 userdb.new && mv userdb userdb.old && "
    "mv userdb.new userdb && makeuserdb"
)


def _in_system(host: Host, names: Names, adopted: Adopted, known: set[str]) -> list[Person]:
    """Users of the system who have mail. Others could log in as well, but nothing was ever there for them."""
    found = []
    for user in sorted(host.users.values(), key=lambda one: one.name):
        if user.uid < _LEAST_UID or f"{user.home}/Maildir" not in host.mailboxes:
            continue
        source = f"/etc/passwd, {user.name}"
        address = _address(user.name, names)
        if not address:
            adopted.note("left", source, *_homeless(user.name))
        elif address not in known:
            adopted.note("guess", source, f"the user {user.name} becomes the account {address}, who logs in as that")
            found.append(Person(address, source, _fields(user), user.home, user.uid, user.gid))
    return found


def _fields(user: User) -> dict[str, str]:
    fields = {"gecos": user.gecos, "systempw": user.password_hash or ""}
    return {name: value for name, value in fields.items() if value}


def _homeless(name: str) -> tuple[str, str]:
    return (
        f"{name} has addresses in the name of the host alone",
        f"give the account a domain: add it to mail_accounts as {name}@example.com",
    )


def _address(key: str, names: Names) -> str | None:
    """The address of an account. A name alone is one of the local domains."""
    if "@" in key:
        local, _at, domain = key.rpartition("@")
        if domain not in names.local or domain in names.shared:
            return key
        key = local
    return f"{key}@{names.shared[0]}" if names.shared else None


def mail_of(found: Iterable[Person]) -> Mail:
    """Whose mailboxes are to be, and below which directory: as most of them are."""
    persons = list(found)
    roots = Counter((_root(one), one.uid, one.gid) for one in persons)
    roots = Counter({key: number for key, number in roots.items() if key[0] and key[1]})
    if not roots:
        return Mail(_ROOT, 5000, 5000)
    (root, uid, gid), most = max(roots.items(), key=lambda item: (item[1], item[0]))
    shared = most > 1 or len(persons) == 1
    if not shared and len({one.uid for one in persons}) > 1:
        return Mail(_ROOT, 5000, 5000)  # everybody has a user of his own
    return Mail(root, uid, gid)


def _root(one: Person) -> str:
    local, _at, domain = one.address.rpartition("@")
    home = one.home.rstrip("/")
    root = home.removesuffix(f"/{domain}/{local}")
    if root == home:
        root = os.path.dirname(home)
        if os.path.basename(root) == domain:
            root = os.path.dirname(root)
    return "" if root in _NO_ROOT else root


def take_people(host: Host, found: list[Person], names: Names, adopted: Adopted) -> None:
    """mail_accounts, and where their mail is."""
    mail = mail_of(found)
    _take_mail(host, mail, adopted)
    entries = [(one, _account(host, one, mail, adopted)) for one in found]

    def check(some: list[tuple[Person, dict[str, Any]]]) -> object:
        return userdb.render([_checked(one, entry, mail) for one, entry in some], names.ours, methods=())

    kept, refused = acceptable(sorted(entries, key=lambda item: item[0].address), check)
    for (one, _entry), said in refused:
        adopted.explain(f"{COURIER}/userdb", f"left out: {said}", f"{one.address} *")
        adopted.note("left", one.source, said, "write the account into mail_accounts as it can be")
    for one, entry in kept:
        adopted.add("mail_accounts", entry, one.source)
    if kept:
        why = "the order of fields and the form of the quota; mail is not needed, which would pass over DEFAULTDELIVERY"
        fields = ("uid", "gid", "mail", "quota", "gecos", "fullname", "shell", "options")
        adopted.explain(f"{COURIER}/userdb", why, *(f"* {field}" for field in fields))
    _explain_mailboxes(host, kept, mail, adopted)
    keys = _keys(host)
    if renamed := [one.address for one, _entry in kept if one.address not in keys]:
        both = [*sorted(key for key in keys if "@" not in key), *renamed]
        adopted.explain(f"{COURIER}/userdb", "a name alone becomes an address", *(f"{name} *" for name in both))


def _keys(host: Host) -> set[str]:
    return {key for text in host.below("userdb").values() for key in userdb.fields(text)}


def _checked(one: Person, entry: dict[str, Any], mail: Mail) -> Account:
    home = entry.get("home") or default_home(one.address, mail)
    return Account(one.address, None, home, mail.uid, mail.gid, entry.get("quota"), entry.get("name"))


def default_home(address: str, mail: Mail) -> str:
    local, _at, domain = userdb.canonical(address).rpartition("@")
    return f"{mail.root}/{domain}/{local}"


def _take_mail(host: Host, mail: Mail, adopted: Adopted) -> None:
    if mail.root != _ROOT:
        adopted.set("mail_root", mail.root, "where most mailboxes are")
    if mail.uid != 5000:
        adopted.set("mail_uid", mail.uid, "whose most mailboxes are")
    user = next((one.name for one in host.users.values() if one.uid == mail.uid), "vmail")
    if user != "vmail":
        adopted.set("mail_user", user, f"/etc/passwd, uid {mail.uid}")
    group = host.groups.get(mail.gid)
    if mail.gid != mail.uid or (group and group != user):
        adopted.note(
            "move",
            f"/etc/group, gid {mail.gid}",
            f"mailboxes belong to the group {group or mail.gid}; here it has the name and the number of the user, "
            f"{user} and {mail.uid}",
            f"groupadd -g {mail.uid} {user}; usermod -g {user} {user}; chgrp -R {user} {mail.root}; and gid={mail.uid} "
            "in userdb",
        )
    adopted.explain(
        f"{mail.root}", f"the directory of the mailboxes belongs to {user}, and others may pass through", "*"
    )


def _account(host: Host, one: Person, mail: Mail, adopted: Adopted) -> dict[str, Any]:
    entry: dict[str, Any] = {"address": one.address}
    fields = one.fields
    name = fields.get("gecos") or fields.get("fullname")
    if name:
        entry["name"] = name
    if hashed := _hash(one, adopted):
        entry["password_hash"] = hashed
    if quota := fields.get("quota"):
        entry["quota"] = quota
    _take_home(host, one, mail, entry, adopted)
    _take_instructions(host, one, entry, adopted)
    if "disableimap" in fields.get("options", ""):
        adopted.note("left", one.source, f"options={fields['options']}", "an account has all doors, or is disabled")
    return entry


def _hash(one: Person, adopted: Adopted) -> Any:
    for field in ("systempw", "esmtppw", "imappw", "pop3pw"):
        value = one.fields.get(field)
        if not value:
            continue
        if kind := userdb.refused_hash(value):
            adopted.note(
                "left",
                one.source,
                f"the password of {one.address} {kind}, which no account may have here; nobody can log in as that",
                "a new password: openssl passwd -6, as its password_hash",
            )
            adopted.explain(
                f"{COURIER}/userdb", "its hash is of a kind that is easily broken", f"{one.address} systempw"
            )
            return None
        return adopted.keep_secret("password_hashes", one.address, value)
    return None


def _take_home(host: Host, one: Person, mail: Mail, entry: dict[str, Any], adopted: Adopted) -> None:
    wanted = default_home(one.address, mail)
    home = one.home.rstrip("/")
    fits = home.startswith(f"{mail.root}/")
    if fits and home != wanted:
        entry["home"] = home
    target = home if fits else wanted
    maildir = _maildir(one)
    found = host.mailboxes.get(maildir)
    commands = []
    if maildir != f"{target}/Maildir":
        commands += [f"mkdir -p {target}", f"mv {maildir} {target}/Maildir"]
        if home != target:
            commands.append(f"cp -a {home}/.courier* {target}/")
    if found is None:
        adopted.explain(f"{COURIER}/userdb", "nothing was delivered there yet", f"{one.address} home")
        return
    if commands or (found.uid, found.gid) != (mail.uid, mail.gid):
        commands.append(f"chown -R {mail.uid}:{mail.gid} {target}")
        adopted.note(
            "move",
            one.source,
            f"the mail of {one.address} is in {maildir} and belongs to {found.uid}:{found.gid}; here it has to be in "
            f"{target}/Maildir, and to belong to {mail.uid}:{mail.gid}",
            "while Courier is stopped: " + "; ".join(commands),
        )


def _explain_mailboxes(host: Host, kept: Iterable[tuple[Person, dict[str, Any]]], mail: Mail, adopted: Adopted) -> None:
    """What a run does in mailboxes that are there. Those that were to be moved would be new, which nobody explains."""
    path = f"mailboxes below {mail.root}"
    adopted.explain(path, "folders that every mailbox has", f"{mail.root}/*/Maildir/.*")
    adopted.explain(path, "what extensions and features need", f"{mail.root}/*/.courier*", f"{mail.root}/*/.mailrules*")
    adopted.explain(path, "without a quota Courier need not remember one", f"{mail.root}/*/Maildir/maildirsize")
    homes = {str(entry.get("home") or default_home(one.address, mail)): one for one, entry in kept}
    unused = [home for home, one in homes.items() if not {_maildir(one), f"{home}/Maildir"} & host.mailboxes.keys()]
    adopted.explain(path, "nothing was delivered there yet", *unused)


def _maildir(one: Person) -> str:
    """Where the mail of an account is."""
    inside = one.fields.get("mail") or "Maildir"
    return os.path.normpath(inside if inside.startswith("/") else f"{one.home}/{inside}")


def _take_instructions(host: Host, one: Person, entry: dict[str, Any], adopted: Adopted) -> None:
    path = f"{one.home.rstrip('/')}/.courier"
    for other in sorted(host.files):
        if other.startswith((f"{path}-", f"{one.home.rstrip('/')}/.mailfilter")):
            adopted.note("stays", place(other, 1), f"of {one.address}; Courier goes on to obey it")
    text = host.files.get(path)
    if not text:
        return  # an empty file is as none
    lines = [(number, line.strip()) for number, line, _above in commented_lines(text)]
    source = place(path, lines[0][0] if lines else 1)
    if not lines:
        adopted.note("left", source, f"mail of {one.address} is thrown away", "make the address one of mail_sinks")
        return
    targets = [_target(line) for _number, line in lines if line not in _INBOX]
    if all(targets) and one.address not in targets:
        keep = {"keep": True} if len(targets) < len(lines) else {}
        entry["forward"] = Said({"to": targets} | keep, source)
    else:
        entry["courier"] = Said([line for _number, line in lines], source)


def _target(line: str) -> str | None:
    """The address that a line of a .courier passes mail on to, or None where it is another instruction."""
    match = re.fullmatch(r"[&!]? *([A-Za-z0-9_][^\s|/,&!]*@[A-Za-z0-9.-]+)", line)
    return match[1] if match else None

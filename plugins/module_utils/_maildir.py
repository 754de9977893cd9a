# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mailboxes on disk: what they lack, how they get it, and which of them belong to nobody any more.

All that lies below the mail root belongs to one user, and the programs in people's .courier files run as that user. So
root takes nothing in there for granted. What is missing is made with the rights of the mail user, who gains nothing
from a link that leads elsewhere. Only a wrong owner is set right by root, in directories opened one after the other
without following links.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

# The first line of every .courier of ours. Any other belongs to a person, or to a webmail.
MARK = "# Managed by Ansible"

# The options of every module that goes into mailboxes, for MailRoot; documented by the fragment maildir.
MAILDIR_SPEC: dict[str, Any] = {
    "mail_root": {"type": "path", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
}

# What the program goes by that .courier asks, where it asks one.
RULES = ".mailrules"

_FOLDER = re.compile(r"[^./\x00-\x1f\x7f]+(\.[^./\x00-\x1f\x7f]+)*")
_PARTS = ("cur", "new", "tmp")


class MailboxError(Exception):
    """A mailbox that cannot be, or that something stands in the way of."""


class MailRoot(NamedTuple):
    """Where the mailboxes are, and whose they are."""

    path: str  # absolute, without a slash at the end
    uid: int
    gid: int
    folders: Sequence[str] = ()  # "Sent"; "Archive.2026" is a folder in a folder


class Mailbox(NamedTuple):
    """The mailbox that one account shall have."""

    home: str  # absolute, below the mail root
    courier: Sequence[str] = ()  # the lines of .courier; without any there is none of ours
    limited: bool = True  # by a quota
    extensions: Mapping[str, Sequence[str]] = {}  # the lines of .courier-NAME
    rules: Sequence[str] = ()  # the lines of .mailrules


class Work(NamedTuple):
    """What a mailbox needs. All paths start at the mail root."""

    home: str
    is_new: bool
    own: dict[str, str]  # directories that belong to somebody else, and to whom
    make: list[str]  # directories, outer ones first
    write: dict[str, str]  # files with their texts
    remove: list[str]  # files
    found: str  # each .courier that is replaced or removed, as a diff shows it


def survey(root: MailRoot, mailboxes: Iterable[Mailbox]) -> list[Work]:
    """Find the mailboxes that need work. Only looks; a mail root that is not there yet counts as empty.

    Raises MailboxError for a home outside of the mail root, for a folder name that IMAP could not have, and for what
    stands in the place of a directory, a symbolic link for example.
    """
    for folder in root.folders:
        if not _FOLDER.fullmatch(folder):
            raise MailboxError(f"{folder!r} cannot be a folder: write a name such as Sent or Archive.2026")
    outer: set[str] = set()
    with _opened(root) as base:
        work = [_examine(root, base, mailbox, outer) for mailbox in mailboxes]
    return [item for item in work if item.own or item.make or item.write or item.remove]


def carry_out(root: MailRoot, work: Sequence[Work]) -> None:
    """Do the work. Raises MailboxError and leaves what is done by then; the next survey finds the rest."""
    path = ""
    try:
        with _opened(root) as base:
            if base is None:
                raise MailboxError(f"the mail root {root.path} is not there; make the directory first")
            for item in work:
                for path in item.own:
                    _give_to_mail_user(root, base, path)
                for path in item.make:
                    if "/" not in path:
                        _make_in_root(root, base, path)
            with rights_of_mail_user(root):
                for item in work:
                    for path in item.make:
                        if "/" in path:
                            os.mkdir(path, 0o700, dir_fd=base)
                    for path, text in item.write.items():
                        _write(base, path, text)
                    for path in item.remove:
                        os.unlink(path, dir_fd=base)
    except OSError as error:
        raise MailboxError(f"{root.path}/{path}: {error.strerror}") from error


def diff(root: MailRoot, work: Iterable[Work]) -> dict[str, str]:
    """The work as one difference. A new mailbox is one line of it, and its .courier if it gets one of its own."""
    before, after = [], []
    for item in work:
        couriers = [path for path in item.write if _is_courier(path)]
        for path, owner in item.own.items():
            before.append(f"{root.path}/{path} belongs to {owner}\n")
            after.append(f"{root.path}/{path} belongs to {root.uid}:{root.gid}\n")
        if item.is_new:
            after.append(f"{root.path}/{item.home} is a new mailbox\n")
        else:
            after += [f"{root.path}/{path}\n" for path in (*item.make, *item.write) if path not in couriers]
        before += [f"{root.path}/{path}\n" for path in item.remove if not _is_courier(path)]
        before.append(item.found)
        for path in couriers:
            # Those of extensions are the same in every new mailbox.
            if not item.is_new or path == f"{item.home}/.courier":
                after.append(_shown(f"{root.path}/{path}", (root.uid, root.gid, 0o600), item.write[path]))
    header = f"mailboxes below {root.path}"
    return {"before_header": header, "after_header": header, "before": "".join(before), "after": "".join(after)}


def left_behind(root: MailRoot, homes: Container[str]) -> list[str]:
    """The mailboxes `<mail root>/<domain>/<name>` that are none of these homes, sorted."""
    found = []
    for domain in _directories_in(root.path):
        if domain not in homes:
            found += [
                home for home in _directories_in(domain) if home not in homes and os.path.isdir(f"{home}/Maildir")
            ]
    return sorted(found)


def _examine(root: MailRoot, base: int | None, mailbox: Mailbox, outer: set[str]) -> Work:
    """What one mailbox needs. `outer` are the directories above homes that have been looked at."""
    if not mailbox.home.startswith(f"{root.path}/"):
        raise MailboxError(f"home {mailbox.home} is not below the mail root {root.path}")
    home = mailbox.home[len(root.path) + 1 :]
    maildir = f"{home}/Maildir"
    folders = [f"{maildir}/.{folder}" for folder in root.folders]
    above = [home[: slash.start()] for slash in re.finditer("/", home)]
    directories = [path for path in above if path not in outer]
    directories += [home, maildir, *folders]
    directories += [f"{folder}/{part}" for folder in (maildir, *folders) for part in _PARTS]
    outer.update(above)

    own, make, write, remove = {}, [], {}, []
    for path in directories:
        seen = _look(base, path)
        if seen is None:
            make.append(path)
        elif not stat.S_ISDIR(seen.st_mode):
            raise MailboxError(f"{root.path}/{path} is not a directory; move it away, links are not followed here")
        elif (seen.st_uid, seen.st_gid) != (root.uid, root.gid):
            own[path] = f"{seen.st_uid}:{seen.st_gid}"
    for folder in folders:
        if not _look(base, f"{folder}/maildirfolder"):
            write[f"{folder}/maildirfolder"] = ""
    is_new = maildir in make
    if is_new:
        # Never again: what people subscribe to later is their own choice.
        write[f"{maildir}/courierimapsubscribed"] = "".join(f"INBOX.{folder}\n" for folder in root.folders)
    if not mailbox.limited and _look(base, f"{maildir}/maildirsize"):
        # Courier remembers a quota in there, and minds it for as long as no other is named.
        remove.append(f"{maildir}/maildirsize")

    couriers, no_couriers, found = _examine_couriers(root, base, home, mailbox)
    return Work(home, is_new, own, make, write | couriers, remove + no_couriers, found)


def _examine_couriers(
    root: MailRoot, base: int | None, home: str, mailbox: Mailbox
) -> tuple[dict[str, str], list[str], str]:
    """The files of delivery instructions to write and to remove, and those that go by it, as a diff shows them."""
    # Whoever is asked must find his rules, so they come first.
    wanted = {f"{home}/{RULES}": mailbox.rules, f"{home}/.courier": mailbox.courier}
    wanted |= dict.fromkeys(_extensions(base, home), ())
    wanted |= {f"{home}/.courier-{name}": lines for name, lines in mailbox.extensions.items()}
    write, remove, found = {}, [], ""
    for path, lines in wanted.items():
        text, shown = _find_courier(root.path, base, path)
        whole = "".join(f"{line}\n" for line in (MARK, *lines))
        if lines and shown != _shown(f"{root.path}/{path}", (root.uid, root.gid, 0o600), whole):
            write[path] = whole
        elif not lines and text.startswith(f"{MARK}\n"):
            remove.append(path)
        else:
            continue
        found += shown
    return write, remove, found


def _is_courier(path: str) -> bool:
    return os.path.basename(path).startswith((".courier", RULES))


def _extensions(base: int | None, home: str) -> list[str]:
    """The .courier-NAME that are there, whoever wrote them."""
    if base is None or not _look(base, home):
        return []
    with _opened_inside(base, home) as inside:
        return sorted(f"{home}/{name}" for name in os.listdir(inside) if name.startswith(".courier-"))


def _find_courier(root: str, base: int | None, path: str) -> tuple[str, str]:
    """The text of a .courier, and how a diff shows it with its owner and mode."""
    seen = _look(base, path)
    if base is None or seen is None:
        return "", ""
    text = _read(base, path) if stat.S_ISREG(seen.st_mode) else "not a file"
    return text, _shown(f"{root}/{path}", (seen.st_uid, seen.st_gid, stat.S_IMODE(seen.st_mode)), text)


def _shown(path: str, attributes: tuple[int, int, int], text: str) -> str:
    uid, gid, mode = attributes
    lines = "".join(f"  {line}\n" for line in text.removesuffix("\n").split("\n"))
    return f"{path} belongs to {uid}:{gid}, mode {mode:04o}\n{lines}"


def _look(base: int | None, path: str) -> os.stat_result | None:
    if base is None:
        return None
    try:
        return os.stat(path, dir_fd=base, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _read(base: int, path: str) -> str:
    directory, name = os.path.split(path)
    with _opened_inside(base, directory) as inside:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=inside)
    with open(descriptor, encoding="utf-8", errors="surrogateescape", newline="") as stream:
        return stream.read(1 << 20)


def _write(base: int, path: str, text: str) -> None:
    temporary = f"{path}~"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        descriptor = os.open(temporary, flags, 0o600, dir_fd=base)
    except FileExistsError:  # of a run that died
        os.unlink(temporary, dir_fd=base)
        descriptor = os.open(temporary, flags, 0o600, dir_fd=base)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(text)
    os.replace(temporary, path, src_dir_fd=base, dst_dir_fd=base)


def _give_to_mail_user(root: MailRoot, base: int, path: str) -> None:
    with _opened_inside(base, path) as directory:
        os.fchown(directory, root.uid, root.gid)


def _make_in_root(root: MailRoot, base: int, name: str) -> None:
    try:
        with rights_of_mail_user(root):
            os.mkdir(name, 0o700, dir_fd=base)
    except PermissionError:
        # The mail root is not the mail user's, so nobody can put something else in this place meanwhile.
        os.mkdir(name, 0o700, dir_fd=base)
        os.chown(name, root.uid, root.gid, dir_fd=base, follow_symlinks=False)


@contextmanager
def rights_of_mail_user(root: MailRoot) -> Iterator[None]:
    if os.geteuid() != 0:  # only root can be somebody else
        yield
        return
    gid, groups = os.getegid(), os.getgroups()
    os.setgroups([root.gid])
    os.setegid(root.gid)
    os.seteuid(root.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(gid)
        os.setgroups(groups)


@contextmanager
def _opened(root: MailRoot) -> Iterator[int | None]:
    if not os.path.isdir(root.path):
        yield None
        return
    descriptor = os.open(root.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened_inside(base: int, path: str) -> Iterator[int]:
    """A directory, one name after the other: O_NOFOLLOW alone minds the last name only."""
    descriptor = os.dup(base)
    try:
        for name in path.split("/"):
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _directories_in(path: str) -> list[str]:
    with suppress(FileNotFoundError), os.scandir(path) as entries:
        return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []

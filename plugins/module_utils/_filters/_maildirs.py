# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maildirs below the mail root, and the messages in their folders, for programs that run as the mail user."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

ROOT = "/srv/vmail"
USER = "vmail"
_DEPTH = 4  # of homes below the mail root


class File(NamedTuple):
    """A message in a folder."""

    path: str
    name: str  # of the file, without its flags, which stays when flags change
    seen: os.stat_result


def become(user: str, groups: Sequence[int] = ()) -> None:
    """Give up the rights of root for good: what lies in mailboxes is not to be trusted. Raises KeyError or OSError."""
    who = pwd.getpwnam(user)
    if os.geteuid() == 0:
        os.setgroups([*groups])
        os.setgid(who.pw_gid)
        os.setuid(who.pw_uid)


def maildirs(root: str, depth: int = _DEPTH) -> Iterator[tuple[str, str]]:
    """Each account's name, which is its home below the mail root as user@domain, and its Maildir."""
    for maildir in _below(root, depth):
        home = os.path.relpath(os.path.dirname(maildir), root)
        domain, _slash, user = home.rpartition("/")
        yield (f"{user}@{domain}" if domain else home), maildir


def folders(maildir: str) -> list[str]:
    """The names of the folders, INBOX as nothing."""
    return ["", *sorted(entry.name[1:] for entry in _directories(maildir) if entry.name.startswith("."))]


def messages(maildir: str, folder: str) -> Iterator[File]:
    """The messages of a folder; none where it is not there."""
    base = f"{maildir}/.{folder}" if folder else maildir
    for part in ("new", "cur"):
        try:
            entries = sorted(os.scandir(f"{base}/{part}"), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            try:
                seen = entry.stat(follow_symlinks=False)
            except OSError:  # moved meanwhile
                continue
            if stat.S_ISREG(seen.st_mode) and not entry.name.startswith("."):
                yield File(entry.path, entry.name.partition(":")[0], seen)


def read(path: str, size: int) -> bytes:
    """The beginning of a message, without following a link. Raises OSError."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
        return stream.read(size)


def _below(directory: str, depth: int) -> Iterator[str]:
    for entry in _directories(directory):
        if entry.name == "Maildir":
            yield entry.path
        elif depth > 0 and not entry.name.startswith("."):
            yield from _below(entry.path, depth - 1)


def _directories(directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            found = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(found, key=lambda entry: entry.name)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rights in the folders of mailboxes that others look into, and what these are subscribed to.

All of it is looked at and changed with the rights of the mail user, who gains nothing from a link that leads elsewhere.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from ._courier.shared import Shared, parse, rights, seen_as, write
from ._maildir import MailboxError, MailRoot, rights_of_mail_user

_PARTS = ("cur", "new", "tmp")
# Rights of folders that are not there, for those that are made below them.
_ABSENT = "courierimaphieracl"


class Change(NamedTuple):
    """A file to write, and what is in it now."""

    path: str
    before: str
    after: str


class Work(NamedTuple):
    """What a host lacks."""

    make: list[str]  # folders
    write: list[Change]


def survey(root: MailRoot, mailboxes: Iterable[Shared], former: Mapping[str, str], homes: Mapping[str, str]) -> Work:
    """Find out what to change. `former` are the names of mailboxes that were shared before, by home.

    Raises MailboxError.
    """
    work = Work([], [])
    subscriptions: dict[str, dict[str, bool]] = {}
    now = {one.home: one for one in mailboxes}
    try:
        with rights_of_mail_user(root):
            for home in sorted({*now, *former}):
                mailbox = now.get(home, Shared("", former.get(home, ""), home, {}))
                _survey_mailbox(work, mailbox, former.get(home), subscriptions)
            for address, wanted in sorted(subscriptions.items()):
                if address in homes:
                    _subscribe(work, f"{homes[address]}/Maildir/courierimapsubscribed", wanted)
    except OSError as error:
        raise MailboxError(f"{error.filename}: {error.strerror}") from error
    return work


def carry_out(root: MailRoot, work: Work) -> None:
    """Do it. Raises MailboxError."""
    path = ""
    try:
        with rights_of_mail_user(root):
            for path in work.make:
                for part in _PARTS:
                    os.makedirs(f"{path}/{part}", 0o700, exist_ok=True)
                _write(f"{path}/maildirfolder", "")
            for change in work.write:
                path = change.path
                _write(path, change.after)
    except OSError as error:
        raise MailboxError(f"{path}: {error.strerror}; the role courier_auth makes the mailbox") from error


def diff(work: Work) -> list[dict[str, str]]:
    return [
        *({"before_header": path, "after_header": path, "before": "", "after": "a new folder\n"} for path in work.make),
        *(
            {"before_header": path, "after_header": path, "before": before, "after": after}
            for path, before, after in work.write
        ),
    ]


def _survey_mailbox(work: Work, mailbox: Shared, former: str | None, subscriptions: dict[str, dict[str, bool]]) -> None:
    maildir = f"{mailbox.home}/Maildir"
    there = {"": f"{maildir}/courierimapacl"}
    there |= {name[1:]: f"{maildir}/{name}/courierimapacl" for name in _names(maildir) if name.startswith(".")}
    for folder in sorted({*mailbox.folders} - {*there}):
        work.make.append(f"{maildir}/.{folder}")
        there[folder] = f"{maildir}/.{folder}/courierimapacl"
    absent = {name: f"{maildir}/{_ABSENT}/{name}" for name in _names(f"{maildir}/{_ABSENT}") if name not in there}
    for folder, path in (there | absent).items():
        before = _read(path)
        wanted = rights(folder, mailbox.folders)
        if not before and folder not in mailbox.folders:
            continue  # Courier will take those of the folder above
        held = parse(before)
        if held != wanted:
            work.write.append(Change(path, before, write(wanted)))
        # The rest of what somebody subscribes to is his own choice, and so is this one later.
        for who in sorted({*held, *wanted}):
            if who.startswith("user=") and (who in held) != (who in wanted):
                wish = subscriptions.setdefault(who.removeprefix("user="), {})
                if folder in mailbox.folders or who in held:
                    wish[seen_as((former or mailbox.name) if who in held else mailbox.name, folder)] = who in wanted


def _subscribe(work: Work, path: str, wanted: Mapping[str, bool]) -> None:
    before = _read(path)
    lines = before.splitlines()
    lines = [line for line in lines if wanted.get(line, True)]
    lines += [name for name, yes in wanted.items() if yes and name not in lines]
    after = "".join(f"{line}\n" for line in lines)
    if after != before and os.path.isdir(os.path.dirname(path)):
        work.write.append(Change(path, before, after))


def _names(directory: str) -> list[str]:
    with suppress(OSError), os.scandir(directory) as entries:
        return [
            entry.name
            for entry in entries
            if entry.name not in (".", "..")
            and (entry.is_dir(follow_symlinks=False) or os.path.basename(directory) == _ABSENT)
        ]
    return []


def _read(path: str) -> str:
    with suppress(FileNotFoundError, NotADirectoryError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read(1 << 20)
    return ""


def _write(path: str, text: str) -> None:
    temporary = f"{path}~"
    with suppress(FileNotFoundError):  # of a run that died
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        stream.write(text)
    os.replace(temporary, path)

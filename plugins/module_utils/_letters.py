# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Letters that only say that mail flows: how one looks, and how it is found again in a mailbox.

Each carries a mark, which no other text in the world has. A report about a letter quotes it.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple

from ._maildir import MailRoot, rights_of_mail_user
from ._managed_file import read
from ._pem import PemError, leaf

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

AUTHTEST = "/usr/sbin/authtest"
# So that people, and their filters, know one that they come to see.
SUBJECT = "courier.mail verify"
_ENOUGH = 1 << 16  # bytes: the letter, or a report with its header
_TLS = re.compile(r"\b(?:SSL|TLS): *(TLS[\d.]+)")


class Mailbox(NamedTuple):
    """Where the letters of an address are."""

    address: str
    home: str
    uid: int
    gid: int


class Found(NamedTuple):
    """A letter, or a report about one, in a mailbox."""

    mark: str
    mailbox: str  # the address
    folder: str  # as people see it
    report: bool
    tls: str  # the version over which the host took it, empty where it was none
    at: float  # when it came, in seconds since 1970
    path: str


def compose(mark: str, sender: str, recipient: str, host: str) -> bytes:
    """A letter with its mark."""
    letter = EmailMessage()
    # Whoever sends in nobody's name does so as its mail server.
    letter["From"] = sender or f"mailer-daemon@{host}"
    letter["To"] = recipient
    letter["Subject"] = f"{SUBJECT} {mark}"
    letter["Date"] = formatdate()
    letter["Message-ID"] = f"<{mark}@{host}>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices, please
    letter.set_content(f"{host} sent this to see whether mail flows. It can be deleted.\n\n{mark}\n")
    return bytes(letter)


def refuse_another(connection: socket.socket | None, path: str) -> None:
    """Raise PemError unless the other side served the first certificate of a file. Nobody else hears a password."""
    served = connection.getpeercert(binary_form=True) if isinstance(connection, ssl.SSLSocket) else None
    if served != leaf(read(path) or "", path):
        raise PemError(f"it does not serve the certificate of {path}")


def mailboxes(module: AnsibleModule, addresses: Iterable[str]) -> list[Mailbox]:
    """The mailboxes of those addresses that have one on this host."""
    asked = ((address, module.run_command([AUTHTEST, address])[1]) for address in addresses)
    return [mailbox for address, said in asked if (mailbox := parse_authtest(address, said))]


def parse_authtest(address: str, said: str) -> Mailbox | None:
    """What authtest of Courier says of an account."""
    identity = re.search(r"\(uid (\d+), gid (\d+)\)", said)
    home = re.search(r"^ *Home Directory: (/.*)$", said, re.MULTILINE)
    return Mailbox(address, home[1], int(identity[1]), int(identity[2])) if identity and home else None


def find(mailbox: Mailbox, marks: Sequence[str], since: float) -> list[Found]:
    """The letters with these marks that came since a moment, and the reports about them, in all folders."""
    with rights_of_mail_user(MailRoot(mailbox.home, mailbox.uid, mailbox.gid)):
        return [
            found
            for folder, directory in _folders(f"{mailbox.home}/Maildir")
            for path, at in _newer(directory, since)
            if (found := _look(mailbox.address, folder, path, at, marks))
        ]


def remove(mailbox: Mailbox, found: Iterable[Found]) -> None:
    """Take letters out of a mailbox, and off its quota."""
    with rights_of_mail_user(MailRoot(mailbox.home, mailbox.uid, mailbox.gid)):
        for letter in found:
            with suppress(FileNotFoundError):
                size = re.search(r",S=(\d+)", letter.path)
                bytes_ = int(size[1]) if size else os.lstat(letter.path).st_size
                os.unlink(letter.path)
                descriptor = os.open(
                    f"{mailbox.home}/Maildir/maildirsize", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
                )
                with open(descriptor, "w", encoding="ascii") as sizes:
                    sizes.write(f"{-bytes_:12} {-1:12}\n")


def _folders(maildir: str) -> Iterator[tuple[str, str]]:
    with suppress(OSError), os.scandir(maildir) as entries:
        names = sorted(entry.name for entry in entries if entry.name.startswith(".") and entry.is_dir())
        for folder, path in (("INBOX", maildir), *((name[1:], f"{maildir}/{name}") for name in names)):
            yield from ((folder, f"{path}/{part}") for part in ("new", "cur"))


def _newer(directory: str, since: float) -> Iterator[tuple[str, float]]:
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # somebody reads his mail meanwhile
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode) and seen.st_mtime >= since:
                    yield entry.path, seen.st_mtime


def _look(address: str, folder: str, path: str, at: float, marks: Sequence[str]) -> Found | None:
    with suppress(OSError):
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            text = stream.read(_ENOUGH)
        mark = next((mark for mark in marks if mark.encode() in text), "")
        if not mark:
            return None
        header = BytesParser(policy=default).parsebytes(text, headersonly=True)
        tls = _TLS.search(" ".join(str(header.get("Received", "")).split()))
        report = header.get_content_type() == "multipart/report"
        return Found(mark, address, folder, report, tls[1] if tls else "", at, path)
    return None

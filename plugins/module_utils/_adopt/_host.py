# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a hand-made host says: its files, its users, its packages. Only read, and never by following links out of it."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

COURIER = "/etc/courier"
# Beside all that is below /etc/courier.
_OTHERS = (
    "/etc/mailname",
    "/etc/pythonfilter.conf",
    "/etc/pythonfilter-modules.conf",
    "/etc/fetchmailrc",
    "/etc/fail2ban/jail.local",
    "/etc/spamassassin/local.cf",
    "/etc/default/spamassassin",
)
_LARGEST = 1 << 22  # bytes of one file; a userdb of ten thousand accounts has two million
_COMPILED = (".dat", ".lock", ".dpkg-dist", ".dpkg-old", ".dpkg-new", ".ucf-dist", "~")
# Keys are read only where a certificate is looked for.
_KEPT = re.compile(r"/(?:dhparams\.pem|[^/]*\.rand|[^/]*\.cnf|filters/(?:privs|keys|active)/.*)\Z")
_LEAST_UID = 1000
_SETS = ("pristine", "directories", "packaged_certificates", "enabled", "filters")
_PACKAGED_CERTIFICATES = tuple(f"{COURIER}/{name}.pem" for name in ("esmtpd", "imapd", "pop3d"))
_OF_NOBODY = "Automatically-generated"  # in the subject of what the packages make


class User(NamedTuple):
    """A user of the system."""

    name: str
    uid: int
    gid: int
    home: str
    gecos: str = ""
    password_hash: str | None = None


class Mailbox(NamedTuple):
    """A Maildir, and whose it is."""

    uid: int
    gid: int


class Host(NamedTuple):
    """All that is read of one."""

    name: str
    files: Mapping[str, str] = {}
    unread: Mapping[str, str] = {}  # files that are no text, or too large, with the reason
    pristine: frozenset[str] = frozenset()  # files as their package brought them
    users: Mapping[str, User] = {}
    groups: Mapping[int, str] = {}
    mailboxes: Mapping[str, Mailbox] = {}  # by the path of the Maildir
    packages: Mapping[str, str] = {}
    directories: frozenset[str] = frozenset()  # below /etc/courier
    packaged_certificates: frozenset[str] = frozenset()  # that Debian's packages made, for localhost
    enabled: frozenset[str] = frozenset()  # units that start with the host; empty where nobody knows
    filters: frozenset[str] = frozenset()  # that courierfilter starts

    def text(self, name: str) -> str | None:
        """The text of a file of Courier's, by its name there."""
        return self.files.get(f"{COURIER}/{name}")

    def below(self, name: str) -> dict[str, str]:
        """The files that Courier reads of a directory, or of a file of that name, by their paths."""
        path = f"{COURIER}/{name}"
        names = [one for one in self.files if one == path or one.startswith(f"{path}/")]
        return {one: self.files[one] for one in sorted(names) if not os.path.basename(one).startswith(".")}

    def starts(self, unit: str, *, otherwise: bool) -> bool:
        """Whether a unit starts with the host. Debian's units do not heed the switches in Courier's files."""
        return f"{unit}.service" in self.enabled if self.enabled else otherwise

    def has(self, *packages: str) -> bool:
        """Whether one of these packages is installed."""
        return any(name in self.packages for name in packages)


def read(name: str, root: str = "") -> Host:
    """The host whose files are below root; without one it is this host, as root sees it."""
    users = _users(root)
    files, unread, directories = _files(root)
    packages, digests = _packages(root)
    homes = {user.home for user in users.values() if user.uid >= _LEAST_UID} | set(_homes(files))
    for home in sorted(homes):
        _read_couriers(root, home, files)
    for path in _certificates(files):
        _read_file(root, path, files, unread)
    pristine = {path for path in files if digests.get(path) == _digest(f"{root}{path}")}
    mailboxes = {path: found for home in sorted(homes) for path, found in _mailboxes(root, home)}
    return Host(
        name,
        files,
        unread,
        frozenset(pristine),
        users,
        _groups(root),
        mailboxes,
        packages,
        frozenset(directories),
        frozenset(path for path in _PACKAGED_CERTIFICATES if _OF_NOBODY in _subject(f"{root}{path}")),
        frozenset(entry.name for entry in Path(f"{root}/etc/systemd/system").glob("*.wants/*")),
        frozenset(entry.name for entry in Path(f"{root}{COURIER}/filters/active").glob("[!.]*")),
    )


def as_data(host: Host) -> dict[str, Any]:
    """The host as JSON can have it."""
    return host._asdict() | {name: sorted(getattr(host, name)) for name in _SETS}


def from_data(data: Mapping[str, Any]) -> Host:
    """The host that as_data was given."""
    sets = {name: frozenset(data[name]) for name in _SETS}
    others = {
        "users": {name: User(*one) for name, one in data["users"].items()},
        "mailboxes": {path: Mailbox(*one) for path, one in data["mailboxes"].items()},
        "groups": {int(gid): name for gid, name in data["groups"].items()},
    }
    return Host(**{**data, **sets, **others})


def _files(root: str) -> tuple[dict[str, str], dict[str, str], set[str]]:
    files: dict[str, str] = {}
    unread: dict[str, str] = {}
    directories: set[str] = set()
    for where, below, names in os.walk(f"{root}{COURIER}"):
        below.sort()
        place = where[len(root) :]
        directories.update(f"{place}/{name}" for name in below)
        for name in sorted(names):
            path = f"{place}/{name}"
            if not path.endswith(_COMPILED) and not _KEPT.search(path):
                _read_file(root, path, files, unread)
    for path in _OTHERS:
        if os.path.lexists(f"{root}{path}"):
            _read_file(root, path, files, unread)
    return files, unread, directories


def _read_file(root: str, path: str, files: dict[str, str], unread: dict[str, str]) -> None:
    try:
        seen = os.stat(f"{root}{path}")
        if path.endswith(".private"):
            unread[path] = "it is a key"
        elif not stat.S_ISREG(seen.st_mode):
            unread[path] = "it is no file"
        elif seen.st_size > _LARGEST:
            unread[path] = f"it has {seen.st_size} bytes"
        else:
            content = Path(f"{root}{path}").read_bytes()
            if b"\0" in content:
                unread[path] = "it is no text"
            else:
                files[path] = _text(content)
    except OSError as error:
        unread[path] = f"it cannot be opened ({error.strerror})"


def _homes(files: Mapping[str, str]) -> Iterator[str]:
    """The homes of accounts in userdb."""
    for path, text in files.items():
        if path == f"{COURIER}/userdb" or path.startswith(f"{COURIER}/userdb/"):
            yield from re.findall(r"[\t|]home=(/[^|\n]*)", text)


def _read_couriers(root: str, home: str, files: dict[str, str]) -> None:
    where = f"{root}{home}"
    names = sorted(os.listdir(where)) if os.path.isdir(where) else []
    for name in names:
        if name.startswith((".courier", ".mailfilter")):
            _read_file(root, f"{home}/{name}", files, {})


def _mailboxes(root: str, home: str) -> Iterator[tuple[str, Mailbox]]:
    path = f"{home}/Maildir"
    if os.path.isdir(f"{root}{path}/cur"):
        seen = os.stat(f"{root}{path}")
        yield path, Mailbox(seen.st_uid, seen.st_gid)


def _certificates(files: Mapping[str, str]) -> Iterator[str]:
    """The certificates that port 25 shows, where they are not below /etc/courier."""
    for line in re.findall(r'^TLS_CERTFILE="?(/[^"\s]+)', files.get(f"{COURIER}/esmtpd", ""), re.MULTILINE):
        if line not in files:
            yield line


def _subject(path: str) -> str:
    openssl = shutil.which("openssl")
    if not openssl or not os.path.exists(path):
        return ""
    asked = [openssl, "x509", "-noout", "-subject", "-in", path]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout  # noqa: S603 -- a file of root's


def _users(root: str) -> dict[str, User]:
    if root:
        entries = [line.split(":") for line in Path(f"{root}/etc/passwd").read_text().splitlines()]
        found = [(one[0], int(one[2]), int(one[3]), one[5], one[4]) for one in entries]
    else:
        found = [(one.pw_name, one.pw_uid, one.pw_gid, one.pw_dir, one.pw_gecos) for one in pwd.getpwall()]
    hashes = _hashes(root)
    return {
        name: User(name, uid, gid, home, gecos.partition(",")[0], hashes.get(name))
        for name, uid, gid, home, gecos in found
    }


def _hashes(root: str) -> dict[str, str]:
    path = Path(f"{root}/etc/shadow")
    if not path.exists():
        return {}
    entries = [line.split(":") for line in path.read_text().splitlines()]
    return {one[0]: one[1] for one in entries if len(one) > 1 and one[1].startswith("$")}


def _groups(root: str) -> dict[int, str]:
    if not root:
        return {one.gr_gid: one.gr_name for one in grp.getgrall()}
    entries = [line.split(":") for line in Path(f"{root}/etc/group").read_text().splitlines()]
    return {int(one[2]): one[0] for one in entries}


def _packages(root: str) -> tuple[dict[str, str], dict[str, str]]:
    """What dpkg has installed, with versions, and the MD5 of the configuration files as they came."""
    status = Path(f"{root}/var/lib/dpkg/status")
    packages: dict[str, str] = {}
    digests: dict[str, str] = {}
    paragraphs = status.read_text(errors="replace").split("\n\n") if status.exists() else []
    for paragraph in paragraphs:
        fields = dict(re.findall(r"^(Package|Status|Version): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            packages[fields["Package"]] = fields.get("Version", "")
            digests.update(re.findall(r"^ (/\S+) ([0-9a-f]{32})$", paragraph, re.MULTILINE))
    return packages, digests


def _digest(path: str) -> str:
    return hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()


def _text(content: bytes) -> str:
    """The text of a file. What is no UTF-8 is from before it."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")

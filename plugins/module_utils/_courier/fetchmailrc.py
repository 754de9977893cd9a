# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fetchmail's rc: one mailbox elsewhere in one file.

Options of the server stand before the user, all others after him, or fetchmail refuses the file. The rules are those of
fetchmail(1) and rcfile_l.l; tried on 6.4.37 and 6.4.39.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from . import terms

VARIABLE = "mail_remote_mailboxes"
# By protocol: fetchmail's name of it, the port, and whether TLS begins with the connection. There is none without TLS.
PROTOCOLS = {
    "imaps": ("IMAP", 993, True),
    "imap": ("IMAP", 143, False),
    "pop3s": ("POP3", 995, True),
    "pop3": ("POP3", 110, False),
}
PROFILES = {"modern": "TLS1.3+", "intermediate": "TLS1.2+"}
_INBOX = "INBOX"
_SHORTEST, _LONGEST = 10, 86400  # seconds between two looks
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)+")
_CERTIFICATE = re.compile(r"(?s)\s*(-----BEGIN CERTIFICATE-----\n.+?-----END CERTIFICATE-----\s*)+")


class FetchError(ValueError):
    """A mailbox that cannot be fetched as it is said."""


class Mailbox(NamedTuple):
    """A mailbox elsewhere, and whose its mail is here."""

    host: str
    protocol: str  # one of PROTOCOLS
    user: str
    password: str
    to: str
    name: str = ""  # of the unit
    port: int | None = None
    folders: Sequence[str] = ()
    idle: bool = False
    keep: object = False  # True, or "unseen"
    interval: int = 300  # seconds
    tls_profile: str = "modern"  # one of PROFILES
    ca: str | None = None  # PEM
    tls_name: str | None = None  # that the certificate has
    terms: terms.Terms = terms.NONE

    @property
    def label(self) -> str:
        return f"{self.user} at {self.host}"

    @property
    def unit(self) -> str:
        """What its unit and its files are called."""
        user = self.user.removesuffix(f"@{self.host}")
        return self.name or re.sub("[^a-z0-9]+", "-", f"{user}-{self.host}".lower()).strip("-")[:63]

    @property
    def kept(self) -> str:
        """no, state (we know what we have) or unseen (the other side knows)."""
        said = str(self.keep).lower()
        words = {"false": "no", "no": "no", "none": "no", "true": "state", "yes": "state", "unseen": "unseen"}
        if said not in words:
            raise FetchError(f"{_at(self)}: keep is {self.keep!r}; write true, false or unseen")
        return words[said]

    @property
    def is_imap(self) -> bool:
        return PROTOCOLS[self.protocol][0] == "IMAP"


def check(mailboxes: Iterable[Mailbox], recipients: Iterable[str]) -> list[str]:
    """Refuse what would lose mail or fetch it twice, and say which exceptions end soon.

    recipients are the addresses that somebody has here; @example.com is all of a domain.
    """
    everybody, known = list(mailboxes), {address.lower() for address in recipients}
    by_unit: dict[str, list[Mailbox]] = defaultdict(list)
    for one in everybody:
        _check(one, known)
        by_unit[one.unit].append(one)
    for one, other in combinations(everybody, 2):
        if same_place(one, other):
            raise FetchError(
                f"{VARIABLE}: {one.label} is there twice, for {one.to} and for {other.to}; each would get what the "
                "other did not get first. Keep one of them, and have an alias or a forward share its mail"
            )
    for unit, several in by_unit.items():
        if len(several) > 1:
            raise FetchError(
                f"{VARIABLE}: {several[0].label} and {several[1].label} are both called {unit}; write names"
            )
    return terms.notices((_at(one), one.terms) for one in everybody)


def render(mailbox: Mailbox, plugout: str, limit: int, certificates: str) -> str:
    """The text of the file. plugout is what SMTP is spoken to, limit the largest message in bytes."""
    protocol, port, implicit = PROTOCOLS[mailbox.protocol]
    imap, kept = mailbox.is_imap, mailbox.kept
    # A message that is sent back goes to somebody who may be forged; and one that is refused would be deleted.
    head = ["set softbounce", "set no bouncemail", "set no spambounce", "set no syslog"]
    server = [
        f"poll {_quoted(mailbox.host)} with protocol {protocol} service {mailbox.port or port} timeout 120",
        f"plugout {_quoted(plugout)}",
        "auth password bad-header accept" + (" uidl" if kept == "state" else ""),
    ]
    user = [
        f"user {_quoted(mailbox.user)} with password {_quoted(mailbox.password)} is {_quoted(mailbox.to)} here",
        f"{'ssl' if implicit else 'no ssl'} sslproto {_quoted(PROFILES[mailbox.tls_profile])} sslcertck",
        f"sslcertfile {_quoted(certificates)}" if mailbox.ca else "",
        f"sslcommonname {_quoted(mailbox.tls_name)}" if mailbox.tls_name else "",
        f"folder {','.join(map(_quoted, mailbox.folders))}" if mailbox.folders else "",
        f"smtphost {_quoted('127.0.0.1/25')} antispam -1",
        "no rewrite no mimedecode no dropstatus no dropdelivered",
        # What is read already is fetched too where it is deleted after that: it would stay for ever.
        {"no": "fetchall no keep", "state": "no fetchall keep", "unseen": "no fetchall keep"}[kept],
        f"limit {limit}" if limit else "",
        "idle" if mailbox.idle and imap else "",
    ]
    said = terms.comment(mailbox.terms)
    lines = [
        "# Written by Ansible (courier.mail.fetchmail).",
        *([f"# {said}"] if said else []),
        *head,
        server[0],
        *(f"  {line}" for line in server[1:]),
        *(f"  {line}" for line in user if line),
    ]
    return "".join(f"{line}\n" for line in lines)


def shown(text: str) -> str:
    """A file as it may be shown."""
    return re.sub(r'(password ")[^"]*"', r'\1********"', text)


def parse(text: str) -> list[tuple[int, Mailbox, list[str]]]:
    """The mailboxes of any file, each with the line of its server, and the words that say nothing that a Mailbox can.

    Written by hand, a server may be a `skip` or `defaults`, and users may share one; what is unknown of a mailbox is
    empty. TLS is as a Mailbox has it: from the start with `ssl`, else by STARTTLS, whatever the file says of it.
    """
    found: list[tuple[int, Mailbox, list[str]]] = []
    number, server = 0, Mailbox("", "imaps", "", "", "")
    user, rest = server, list[str]()
    words = list(_words(text))
    for place, (line, word, _value) in enumerate(words):
        following = words[place + 1][2] if place + 1 < len(words) else ""
        if word in ("poll", "server", "skip", "defaults"):
            number, server = line, Mailbox(following if word != "defaults" else "", "pop3", "", "", "")
        elif word in ("user", "username"):
            user, rest = server._replace(user=following), []
            found.append((number, user, rest))
        elif word in ("protocol", "proto"):
            server = server._replace(protocol="imap" if following.upper().startswith("IMAP") else "pop3")
        elif word in ("service", "port") and following.isdigit():
            server = server._replace(port=int(following))
        elif not found or word in _NOISE or (place and words[place - 1][1] in (*_TAKES, "no")):
            continue
        elif changed := _option(user, word, following):
            user = changed
        elif word and word not in _TAKES:
            rest.append(word)
        if found:
            found[-1] = (found[-1][0], user, rest)
    return found


_NOISE = frozenset({"with", "here", "there", "and", "has", "wants", "options", "no"})
# What follows anyway, or is so here by itself.
_NOISE |= {"sslcertck", "fetchall", "nokeep", "uidl", "nofetchall", "norewrite"}
_TAKES = frozenset({"poll", "server", "skip", "protocol", "proto", "service", "port", "user", "username", "password"})
_TAKES |= {"pass", "is", "to", "folder", "timeout", "daemon", "logfile", "postmaster", "interval", "smtphost", "limit"}
_TAKES |= {"sslproto", "sslcertfile", "sslcertpath", "sslcommonname", "plugout", "antispam", "auth", "bad-header"}
_WORD = re.compile(r"""#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s,;:"'#]+)|([,;:\n])""")


def _words(text: str) -> Iterator[tuple[int, str, str]]:
    """The words with their lines, first as a keyword, which what is in quotes never is, then as it stands."""
    line = 1
    for match in _WORD.finditer(text):
        quoted = match[1] if match[1] is not None else match[2]
        if quoted is not None:
            yield line, "", _unescaped(quoted)
        elif match[3]:
            yield line, match[3].lower(), match[3]
        line += match[0].count("\n")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(?:x([0-9a-fA-F]{2})|(.))", lambda part: chr(int(part[1], 16)) if part[1] else part[2], text)


def _option(user: Mailbox, word: str, following: str) -> Mailbox | None:
    """The mailbox with what a keyword says of it, or None where it says nothing that is known here."""
    if word == "ssl":
        return user._replace(protocol=f"{user.protocol.rstrip('s')}s")
    changed = {
        "password": {"password": following},
        "pass": {"password": following},
        "is": {"to": following},
        "to": {"to": following},
        "folder": {"folders": (following,)},
        "keep": {"keep": "unseen" if user.is_imap else True},
        "idle": {"idle": True},
    }.get(word)
    return user._replace(**changed) if changed else None  # type: ignore[arg-type]


def _check(one: Mailbox, known: set[str]) -> None:
    where = _at(one)
    if not _NAME.fullmatch(one.unit):
        raise FetchError(f"{where} is called {one.unit!r}; write a name of small letters, digits and hyphens")
    if not _HOST.fullmatch(one.host):
        raise FetchError(f"{where}: {one.host!r} is no name of a host that a certificate could have")
    for word, value in (("user", one.user), ("password", one.password), *(("folders", name) for name in one.folders)):
        if not value or re.search(r"[\x00-\x1f\x7f]", value):
            raise FetchError(f"{where}: {word} is empty, or has a line break or another control character")
    _check_target(one, known)
    if not _SHORTEST <= one.interval <= _LONGEST:
        raise FetchError(f"{where}: interval is {one.interval}; write seconds from {_SHORTEST} to {_LONGEST}")
    if one.folders and not one.is_imap:
        raise FetchError(f"{where}: POP3 has no folders; take them out, or write protocol imaps")
    if one.idle and (not one.is_imap or len(one.folders) > 1):
        raise FetchError(f"{where}: idle watches one folder over IMAP; write interval instead, or one folder")
    _check_keep(one)
    if one.ca is not None and not _CERTIFICATE.fullmatch(one.ca):
        raise FetchError(f"{where}: ca is no certificate in PEM; write lookup('ansible.builtin.file', 'authority.pem')")
    if one.tls_name is not None and not _HOST.fullmatch(one.tls_name):
        raise FetchError(f"{where}: tls_name is {one.tls_name!r}, which is no name of a host")
    if (one.tls_profile != "modern" or one.ca or one.tls_name) and not one.terms.reason:
        raise FetchError(f"{where}: an exception of TLS (tls_profile, ca, tls_name) needs a reason")


def _check_target(one: Mailbox, known: set[str]) -> None:
    if not one.to:
        raise FetchError(f"{_at(one)} has no `to`; write the address here that gets its mail")
    local_part, at, domain = one.to.lower().rpartition("@")
    if not (local_part and at) or not re.fullmatch(r"[!-~]+", one.to):
        raise FetchError(f"{_at(one)}: to is {one.to!r}; write a whole address")
    if one.to.lower() not in known and f"@{domain}" not in known:
        raise FetchError(
            f"{_at(one)}: nobody here is {one.to}; write an address of mail_accounts, or the name of an alias or a "
            "forward"
        )


def _check_keep(one: Mailbox) -> None:
    kept = one.kept
    if kept == "state" and one.is_imap:
        raise FetchError(
            f"{_at(one)}: with IMAP nothing here says what was fetched already, so keep: true would fetch it again. "
            "Write protocol pop3s, which keeps a list of it, or keep: unseen, which fetches what nobody has read there"
        )
    if kept == "unseen" and not one.is_imap:
        raise FetchError(f"{_at(one)}: POP3 does not know what was read; write keep: true")


def same_place(one: Mailbox, other: Mailbox) -> bool:
    """Whether two fetch from one place. Both protocols have the inbox."""
    if (one.host.lower(), one.user.lower()) != (other.host.lower(), other.user.lower()):
        return False
    folders = [
        {name.upper() if name.upper() == _INBOX else name for name in each.folders or [_INBOX]} for each in (one, other)
    ]
    return bool(folders[0] & folders[1])


def _at(one: Mailbox) -> str:
    return f"{VARIABLE}: {one.label}"


def _quoted(text: str) -> str:
    """A string. fetchmail reads escapes with two digits, also of what would end it."""
    return '"' + "".join(_escaped(byte) for byte in text.encode()) + '"'


def _escaped(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F and chr(byte) not in '"\\' else f"\\x{byte:02x}"

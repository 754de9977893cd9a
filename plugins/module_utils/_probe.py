# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a daemon whether it answers, as a client would, and take leave politely.

systemd knows that a process is there. That it listens, shakes hands and serves the right certificate is only seen by
talking to it: Courier starts happily with a TLS_PRIORITY that no client can meet, and without its certificate it does
not offer STARTTLS.
"""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import BufferedRWPair
from typing import NamedTuple

from ._ban_probe import NotBanned, prove_bans
from ._dnsbl_probe import NotServed, prove_list
from ._filter_probe import EICAR, GTUBE, TEXTS, NotRefused, prove
from ._signer_probe import NotSigned, prove_signer

# Seconds for a connection and for each line of an answer: port 25 is silent while Courier waits for a slow DNS.
PATIENCE = 10.0

# What is said, and how the last line of the answer begins. The greeting comes unasked.
_Step = tuple[str, str]

# A line that is not the answer's last: in SMTP, in IMAP, in POP3.
_MORE = re.compile(r"\d{3}-|\* |\+OK|[A-Z]")


class _Talk(NamedTuple):
    greeting: _Step
    hello: _Step
    offer: str  # in the answer to hello
    starttls: _Step
    farewell: _Step


_TALKS = {
    "smtp": _Talk(("", "220"), ("EHLO localhost", "250"), "STARTTLS", ("STARTTLS", "220"), ("QUIT", "221")),
    "imap": _Talk(("", "* OK"), ("1 CAPABILITY", "1 OK"), "STARTTLS", ("2 STARTTLS", "2 OK"), ("3 LOGOUT", "3 OK")),
    "pop3": _Talk(("", "+OK"), ("CAPA", "."), "STLS", ("STLS", "+OK"), ("QUIT", "+OK")),
}
# An exchanger that takes nothing lets nobody log in, and has every recipient come again.
_TARBABY: Sequence[_Step] = (
    ("", "220"),
    ("EHLO localhost", "250"),
    ("AUTH PLAIN", "502"),
    ("MAIL FROM:<>", "250"),
    ("RCPT TO:<nobody@invalid>", "451"),
    ("DATA", "503"),
    ("QUIT", "221"),
)
# A web server: any status will do, unless something behind it is broken. Which of its names is meant, TLS says.
_HEAD: _Step = ("HEAD / HTTP/1.0\r\n", "HTTP/1.")
# Courier's authentication library: which account has this name? RFC 2606 makes sure that none has.
_AUTHDAEMON: _Step = ("PRE . login nobody@invalid", "FAIL")


class _Scanner(NamedTuple):
    """What is said to a scanner, one connection each, and how its answers begin or end."""

    ping: tuple[bytes, bytes]
    name: str  # of the pattern that each scanner of its kind should know
    scan: Callable[[bytes], bytes]
    pattern: bytes
    recognised: re.Pattern[bytes]


def _instream(text: bytes) -> bytes:
    """A scan as clamd takes it: pieces with their lengths, and one of no length."""
    return b"zINSTREAM\0" + len(text).to_bytes(4, "big") + text + bytes(4)


def _check(text: bytes) -> bytes:
    """A check as spamd takes it."""
    letter = b"From: nobody@invalid\r\nTo: nobody@invalid\r\nSubject: A test pattern\r\n\r\n" + text + b"\r\n"
    return b"CHECK SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(letter) + letter


_SCANNERS = {
    "clamd": _Scanner(
        (b"zPING\0", b"PONG\0"),
        "EICAR",
        _instream,
        EICAR.encode(),
        re.compile(rb"stream: .* FOUND\0"),
    ),
    "spamd": _Scanner(
        (b"PING SPAMC/1.5\r\n\r\n", b"PONG\r\n"),
        "GTUBE",
        _check,
        GTUBE.encode(),
        re.compile(rb"SPAMD/\S+ 0 EX_OK\r\n(.*\r\n)*Spam: True ;"),
    ),
}

# Daemons that listen on a path, and on which one unless another is said.
SOCKETS = {
    "authdaemon": "/run/courier/authdaemon/socket",
    "clamd": "/run/clamav/clamd.ctl",
    "spamd": "/run/spamd/spamd.sock",
    "courierfilter": "/var/lib/courier/allfilters/pythonfilter",
    "srs": "/run/courier-forward/socket",
    "zdkimfilter": "/var/lib/courier/allfilters/000-zdkimfilter",
    "fail2ban": "/run/fail2ban/fail2ban.sock",
}
DNSBL = "dnsbl"
HTTP = "http"
PROTOCOLS = (*_TALKS, "tarbaby", HTTP, *SOCKETS, DNSBL)
TLS = {"none": "", "starttls": " STARTTLS", "implicit": ""}

# An endpoint as modules take it; the certificate is the path of a PEM file.
SPEC = {
    "protocol": {"type": "str", "choices": list(PROTOCOLS), "required": True},
    "address": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int"},
    "tls": {"type": "str", "choices": list(TLS), "default": "none"},
    "certificate": {"type": "path"},
    "socket": {"type": "path"},
    "recognises": {"type": "bool", "default": False},
    "refuses": {"type": "list", "elements": "str", "choices": list(TEXTS), "default": []},
    "signs": {"type": "bool", "default": False},
    "defers": {"type": "bool", "default": False},
    "domain": {"type": "str"},
    "jails": {"type": "list", "elements": "str", "default": []},
    "account": {"type": "str"},
}
PORT_REQUIRED = [
    *(("protocol", protocol, ("port",)) for protocol in (*_TALKS, "tarbaby", HTTP)),
    ("protocol", "zdkimfilter", ("domain",)),
    ("protocol", DNSBL, ("port", "domain")),
]


class NoAnswer(Exception):
    """What was expected and what came, as the second half of a sentence."""


class Endpoint(NamedTuple):
    """Where a daemon listens, and how."""

    protocol: str  # one of PROTOCOLS
    address: str = "127.0.0.1"
    port: int = 0
    tls: str = "none"  # one of TLS
    certificate: bytes | None = None  # the leaf that it must serve, DER
    socket: str | None = None  # for those that listen on a path, when it is not the one of SOCKETS
    recognises: bool = False  # a scanner must know the test pattern of its trade
    refuses: Sequence[str] = ()  # messages that a filter must refuse
    signs: bool = False  # a filter must sign what programs of this host send
    defers: bool = False  # a filter may put messages off for now
    domain: str | None = None  # whose mail zdkimfilter must sign, the zone of a list, or the name of a web server
    jails: Sequence[str] = ()  # that fail2ban must have
    account: str | None = None  # that an authdaemon must know

    @property
    def path(self) -> str | None:
        return (self.socket or SOCKETS[self.protocol]) if self.protocol in SOCKETS else None

    def __str__(self) -> str:
        if self.protocol in SOCKETS:
            scanner = _SCANNERS.get(self.protocol) if self.recognises else None
            return f"{self.protocol} {self.path}{f' {scanner.name}' if scanner else ''}"
        host = f"[{self.address}]" if ":" in self.address else self.address
        name = f" {self.domain}" if self.protocol == HTTP and self.domain else ""
        return f"{self.protocol} {host}:{self.port}{name}{TLS[self.tls]}"


def probe(endpoint: Endpoint) -> str:
    """Talk to an endpoint once and return what that proved, such as "smtp 127.0.0.1:25 STARTTLS TLSv1.3".

    Raises NoAnswer.
    """
    try:
        if proof := _PROOFS.get(endpoint.protocol):
            return f"{endpoint}: {proof(endpoint)}"
        if path := endpoint.path:
            _ask_socket(path, endpoint)
            return str(endpoint)
        with socket.create_connection((endpoint.address, endpoint.port), PATIENCE) as connection:
            return f"{endpoint}{_ask(connection, endpoint)}"
    except OSError as error:
        raise NoAnswer(error.strerror or str(error)) from error
    except (NotRefused, NotSigned, NotBanned, NotServed) as refused:
        raise NoAnswer(str(refused)) from refused


# Those of whom more is asked than whether they are there, and what says what it was.
_PROOFS: Mapping[str, Callable[[Endpoint], str]] = {
    "courierfilter": lambda one: prove(one.path or "", one.refuses, signs=one.signs, defers=one.defers),
    "srs": lambda one: _rewrite(one.path or ""),
    "zdkimfilter": lambda one: prove_signer(one.path or "", one.domain or ""),
    "fail2ban": lambda one: prove_bans(one.jails, one.path or ""),
    DNSBL: lambda one: prove_list(one.address, one.port, one.domain or "", PATIENCE),
}


def _ask_socket(path: str, endpoint: Endpoint) -> None:
    if scanner := _SCANNERS.get(endpoint.protocol):
        _try(path, scanner, endpoint.recognises)
    else:
        # It hangs up after each answer.
        for step in (_AUTHDAEMON, *([(f"PRE . login {endpoint.account}", "HOME=")] if endpoint.account else ())):
            with _connection(path) as connection:
                _converse(connection, [step], b"\n")


def _rewrite(path: str) -> str:
    """Have a sender rewritten, and what comes of it read again, and then with one letter of its hash changed."""
    sender = "Probe@example.net"
    made = _exchange(path, f"rewrite\0{sender}\n".encode(), end=True).decode(errors="replace").strip()
    code, _blank, address = made.partition(" ")
    if code != "0" or "@" not in address:
        raise NoAnswer(f"{sender} should be rewritten, and there came {made!r}")
    place = len("SRS0-")
    forged = f"{address[:place]}{'a' if address[place] not in 'aA' else 'b'}{address[place + 1 :]}"
    for asked, wanted in ((address, f"0 {sender}"), (forged, "67 ")):
        came = _exchange(path, f"reverse\0{asked}\n".encode(), end=True).decode(errors="replace").strip()
        if not came.startswith(wanted.strip()):
            raise NoAnswer(f"reverse {asked} should be answered with {wanted.strip()}, and there came {came!r}")
    return "a sender rewritten and known again, a forged one refused"


def _connection(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _try(path: str, scanner: _Scanner, recognises: bool) -> None:
    ping, pong = scanner.ping
    if not (came := _exchange(path, ping)).endswith(pong):
        raise NoAnswer(f"{_shown(ping)} should be answered with {_shown(pong)}, and there came {_came(came)}")
    if recognises and not scanner.recognised.match(came := _exchange(path, scanner.scan(scanner.pattern))):
        raise NoAnswer(f"it should recognise {scanner.name}, and there came {_came(came)}")


def _exchange(path: str, said: bytes, *, end: bool = False) -> bytes:
    """Say one thing and return all that comes: scanners hang up when they have answered."""
    with _connection(path) as connection, connection.makefile("rb") as stream:
        connection.sendall(said)
        if end:
            connection.shutdown(socket.SHUT_WR)
        return stream.read()


def _shown(text: bytes) -> str:
    return text.decode(errors="replace").strip("\0\r\n")


def _came(text: bytes) -> str:
    return repr(_shown(text)) if text else "nothing"


def _ask(connection: socket.socket, endpoint: Endpoint) -> str:
    if endpoint.protocol == "tarbaby":
        _converse(connection, _TARBABY)
        return ""
    if endpoint.protocol == HTTP and endpoint.tls == "none":
        _refuse_broken(_converse(connection, [_HEAD]))
        return ""
    if endpoint.protocol == HTTP:
        return _secured(connection, endpoint, [_HEAD])
    greeting, hello, offer, starttls, farewell = _TALKS[endpoint.protocol]
    if endpoint.tls == "none":
        _converse(connection, [greeting, hello, farewell])
        return ""
    if endpoint.tls == "starttls":
        # Asked for what it does not offer, Courier holds the connection for a while, and it counts against MAXPERIP.
        if offer not in re.split(r"[\s-]", _converse(connection, [greeting, hello])):
            _converse(connection, [farewell])
            raise NoAnswer(f"it should offer {offer}, and does not")
        _converse(connection, [starttls])
        return _secured(connection, endpoint, [hello, farewell])
    return _secured(connection, endpoint, [greeting, hello, farewell])


def _secured(connection: socket.socket, endpoint: Endpoint, steps: Sequence[_Step]) -> str:
    """Shake hands, have the conversation, and compare the certificate."""
    name = endpoint.domain if endpoint.protocol == HTTP else None
    try:
        secured = context().wrap_socket(connection, server_hostname=name)
    except OSError as error:
        raise NoAnswer(f"it should shake hands for TLS, and there came: {error.strerror or error}") from error
    with secured:
        said = _converse(secured, steps)
        served, version = secured.getpeercert(binary_form=True), secured.version()
        with suppress(OSError):  # whether the other side takes leave as politely is its own business
            secured.unwrap()
    _compare(served, endpoint.certificate)
    if endpoint.protocol == HTTP:
        _refuse_broken(said)
    return f" {version}"


def _refuse_broken(said: str) -> None:
    if re.match(r"HTTP/\S+ 5", said):
        raise NoAnswer(f"it should show something, and there came {said!r}")


def _converse(connection: socket.socket, steps: Sequence[_Step], end: bytes = b"\r\n") -> str:
    """Say one thing after the other and return all that came."""
    said = []
    with connection.makefile("rwb") as stream:
        for text, beginning in steps:
            if text:
                stream.write(text.encode() + end)
                stream.flush()
            said += _expect(stream, text.strip() or "the connection", beginning)
    return "\n".join(said)


def _expect(stream: BufferedRWPair, text: str, beginning: str) -> list[str]:
    said: list[str] = []
    for line in stream:
        said.append(line.decode(errors="replace").rstrip())
        if said[-1].startswith(beginning) and said[-1][3:4] != "-":
            return said
        if not _MORE.match(said[-1]):
            break
    came = repr(said[-1]) if said else "nothing"
    raise NoAnswer(f"{text} should be answered with {beginning}, and there came {came}")


def context() -> ssl.SSLContext:
    """Trusts whatever comes. The caller compares the certificate."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def _compare(served: bytes | None, wanted: bytes | None) -> None:
    if wanted is not None and served != wanted:
        came = _fingerprint(served) if served else "none"
        raise NoAnswer(f"it should serve the certificate with the SHA-256 {_fingerprint(wanted)}, and serves {came}")


def _fingerprint(certificate: bytes) -> str:
    return hashlib.sha256(certificate).digest().hex(":").upper()

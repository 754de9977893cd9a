# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes mail on: the service courier-forward, which alone knows the secret of SRS.

Courier gives each message that goes elsewhere to a program, which hands it over here, and ends with the code that it is
told: 0 when the message is in the queue again, 75 when Courier shall keep it and come back, and others for good. What
a client says first is a line of fields with NUL between them, and then the message, if there is one:

    forward NAME SENDER TARGET...   pass a message on that somebody sent to NAME
    back ADDRESS SENDER             a bounce to an address that was made here
    rewrite SENDER                  what the sender would become
    reverse ADDRESS                 whom an address stands for

The answer is a line with a code, and a text.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pwd
import select
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _arc, _shield
from ._addresses import spelled
from ._connection import Connection
from ._dmarc import organisational
from ._letter import Letter
from ._resolve import Resolver, Temporary
from ._settings import build
from ._settings import refuse as refuse_setting
from ._srs import NoSrs, Rewriter
from ._verdict import Down

SOCKET = "/run/courier-forward/socket"
CONFIGURATION = "/etc/courier/forward.json"
SECRETS = "srs-secrets"  # in the directory of systemd's credentials

# sysexits.h, as Courier reads them.
DONE, USAGE, NOBODY, UNAVAILABLE, TEMPORARY, REFUSED = 0, 64, 67, 69, 75, 77
# What Courier takes for good; after any other it comes back.
_FOR_GOOD = {64, 65, 67, 68, 69, 76, 77, 78, 100, 112}

_LIBRARIES = ("SRS.Guarded", "authres", "dkim", "dns.resolver", "nacl.signing", "publicsuffix2")
_FIRST = 3  # the descriptor of systemd's first socket
_SENDMAIL = "/usr/sbin/sendmail"
_SENDMAIL_SECONDS = 900
_LINE = 1 << 16
_READ_SECONDS = 60
_REST_SECONDS = 5
_AT_ONCE = 4  # messages; each is in memory
_PEER = struct.Struct("3i")


@dataclass(frozen=True)
class Settings:
    """What is in /etc/courier/forward.json."""

    # The domain of the senders that are made.
    domain: str
    # Days for which a bounce may come back.
    max_age: int = 21
    # Who may ask, beside root.
    users: list[str] = field(default_factory=list)
    # Domains whose mail is our own.
    ours: list[str] = field(default_factory=list)
    # Whether From is made ours where its domain would have the copy refused.
    shield: bool = True
    # Whether copies are sealed.
    arc: bool = False
    # This host, in what seals say.
    host: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.max_age <= 365:
            refuse_setting("max_age", self.max_age, "days from 1 to 365")


class Answer(Exception):
    """What a client is told."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(code, text)
        self.code, self.text = code, text


Send = Callable[[str, Sequence[str], bytes], None]  # sender, recipients, message; raises Answer
Seal = Callable[[bytes, str, str], bytes]  # message, the address that it was for, this host; raises Down


class Broken:
    """A service that could not be made."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def answer(self, _said: Sequence[str], _read: Callable[[], bytes]) -> str:
        """Says so."""
        raise Answer(TEMPORARY, self._reason)


class Service:
    """Does what clients ask for."""

    def __init__(self, settings: Settings, secrets: Sequence[str], send: Send, seal: Seal) -> None:
        self._settings = settings
        self._rewriter = Rewriter(secrets, settings.domain, settings.max_age) if secrets else None
        self._send, self._seal = send, seal
        self.resolver: Callable[[], Any] = Resolver

    def answer(self, said: Sequence[str], read: Callable[[], bytes]) -> str:
        """Do it. Raises Answer for what cannot be done."""
        if self._rewriter is None:
            raise Answer(TEMPORARY, "the secret of SRS is missing; see the journal of courier-forward")
        verb, *rest = said
        if verb == "forward" and len(rest) >= 3:
            return self._forward(self._rewriter, rest[0], rest[1], rest[2:], read())
        if verb == "back" and len(rest) == 2:
            return self._back(self._rewriter, rest[0], rest[1], read())
        if verb in ("rewrite", "reverse") and len(rest) == 1:
            try:
                return self._rewriter.forward(rest[0]) if verb == "rewrite" else self._rewriter.reverse(rest[0])
            except NoSrs as error:
                raise Answer(NOBODY, str(error)) from error
        raise Answer(USAGE, f"{verb} with {len(rest)} fields is nothing that can be asked")

    def _forward(self, rewriter: Rewriter, name: str, sender: str, targets: Sequence[str], text: bytes) -> str:
        letter = _delivered(text, name)
        try:
            rewritten = rewriter.forward(sender)
        except NoSrs as error:
            raise Answer(REFUSED, f"The sender {sender} {error}") from error
        self._shield(letter, name)
        whole = bytes(letter)
        if self._settings.arc:
            try:
                whole = self._seal(whole, name, self._settings.host or self._settings.domain)
            except Down as error:
                raise Answer(TEMPORARY, str(error)) from error
        self._send(rewritten, targets, whole)
        return f"{sender or '<>'} as {rewritten or '<>'} to {', '.join(targets)}"

    def _back(self, rewriter: Rewriter, address: str, sender: str, text: bytes) -> str:
        if sender:
            raise Answer(REFUSED, f"{address} takes only reports of undelivered mail; write to the person")
        try:
            first = rewriter.reverse(address)
        except NoSrs as error:
            raise Answer(NOBODY, f"{address} {error}") from error
        letter = _delivered(text, address)
        # Mail servers do not sign what they report, and it is we who bring it.
        self._shield(letter, f"postmaster@{self._settings.domain}")
        self._send("", [first], bytes(letter))
        return f"a report to {address} to {first}"

    def _shield(self, letter: Letter, address: str) -> None:
        """Have From be an address of ours where the message would be refused."""
        # Only what is made here says so, because whoever signs for us believes it.
        letter.remove(_shield.SHIELDED)
        if self._settings.shield:
            try:
                _shield.shield(letter, address, self._settings.ours, self.resolver())
            except Temporary as error:
                raise Answer(TEMPORARY, str(error)) from error


def _delivered(text: bytes, name: str) -> Letter:
    """The message with a trace of where it was, or Answer where it has been there before."""
    letter = Letter(text)
    if any(spelled(value) == spelled(name) for value in letter.values("delivered-to")):
        raise Answer(NOBODY, f"Mail loop: {name} has had this message before")
    letter.put("Delivered-To", name)
    return letter


def sendmail(sender: str, recipients: Sequence[str], text: bytes) -> None:
    """Put a message into the queue. Raises Answer."""
    try:
        done = subprocess.run(  # noqa: S603 -- no shell, and no address is an option
            [_SENDMAIL, "-f", sender, *map(_argument, recipients)],
            input=text,
            timeout=_SENDMAIL_SECONDS,
            check=False,
            capture_output=True,
            # What it is not told to leave alone it writes anew, and signatures break.
            env={"PATH": "/usr/bin:/bin", "NOADDMSGID": "1", "NOADDDATE": "1", "NOADDRREWRITE": "2"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise Answer(TEMPORARY, f"sendmail: {error}") from error
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).decode(errors="replace").split())
        raise Answer(done.returncode if done.returncode in _FOR_GOOD else TEMPORARY, said or "sendmail refused it")


def _argument(address: str) -> str:
    """An address that is no option. Courier's sendmail has no -- to end them, but quotes mean the same address."""
    if not address.startswith("-"):
        return address
    local_part, _at, domain = address.rpartition("@")
    return f"{json.dumps(local_part, ensure_ascii=False)}@{domain}"


def reversed_by_service(path: str, address: str, seconds: float) -> str:
    """Why an address is not one that was made here, or nothing if it is. Raises Down."""
    code, text = ask(path, ["reverse", address], seconds)
    if code == DONE:
        return ""
    if code == NOBODY:
        return text
    raise Down(f"{path} said {code} {text}")


def ask(path: str, said: Sequence[str], seconds: float) -> tuple[int, str]:
    """Ask the service something without a message: the code and the text. Raises Down."""
    with Connection(path, seconds) as connection:
        if connection.send(["\0".join(said).encode("utf-8", "surrogateescape") + b"\n"]):
            connection.finish()
        answer = connection.receive(_LINE).decode("utf-8", "surrogateescape")
    code, blank, text = answer.strip("\n").partition(" ")
    if not blank or not code.isdigit():
        raise Down(f"{path} answered {answer!r}")
    return int(code), text


class _Server(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """A thread for each client, on systemd's socket."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, listening: socket.socket, service: Service | Broken, allowed: set[int]) -> None:
        super().__init__(listening.getsockname(), socketserver.BaseRequestHandler)
        self._listening, self._service, self._allowed = listening, service, allowed
        self._messages = threading.Semaphore(_AT_ONCE)

    def fileno(self) -> int:
        return self._listening.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        return self._listening.accept()

    def shutdown_request(self, request: Any) -> None:
        request.close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(_READ_SECONDS)
        try:
            self._allow(request)
            with request.makefile("rb") as stream:
                line = stream.readline(_LINE)
                said = line.rstrip(b"\n").decode("utf-8", "surrogateescape").split("\0")
                if said[0] in ("forward", "back"):
                    with self._messages:
                        code, text = DONE, self._service.answer(said, lambda: self._message(request, stream))
                    sys.stderr.write(f"passed on: {text}\n")
                else:
                    code, text = DONE, self._service.answer(said, bytes)
        except Answer as answer:
            code, text = answer.code, answer.text
            sys.stderr.write(f"{'refused' if code in _FOR_GOOD else 'waits'}: {text}\n")
        except Exception as error:
            traceback.print_exc()
            code, text = TEMPORARY, f"it failed: {error}"
        with contextlib.suppress(OSError):
            request.sendall(f"{code} {' '.join(text.split())}\n".encode("utf-8", "surrogateescape"))
            # Closed with something unread, the connection would lose the answer.
            request.shutdown(socket.SHUT_WR)
            request.settimeout(_REST_SECONDS)
            while request.recv(_LINE):
                pass

    def _allow(self, request: socket.socket) -> None:
        _pid, uid, _gid = _PEER.unpack(request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if uid not in self._allowed:
            # Not for good: if it is Courier after all, and the configuration is wrong, mail waits.
            raise Answer(TEMPORARY, f"user {uid} may not ask; Courier and the mail user may")

    @staticmethod
    def _message(request: socket.socket, stream: Any) -> bytes:
        text: bytes = stream.read()
        # Whoever waited in vain comes again, and the message would go twice.
        watch = select.poll()
        watch.register(request, select.POLLHUP)
        if any(event & select.POLLHUP for _descriptor, event in watch.poll(0)):
            raise Answer(TEMPORARY, "the client has gone")
        if not text:
            raise Answer(TEMPORARY, "no message came")
        return text


def main() -> None:
    """Serve until SIGTERM, and finish what is being passed on."""
    service, users = made(CONFIGURATION, os.environ)
    allowed = {0, *(pwd.getpwnam(name).pw_uid for name in users)}
    server = _Server(socket.socket(fileno=_FIRST), service, allowed)
    signal.signal(signal.SIGTERM, lambda _number, _frame: threading.Thread(target=server.shutdown).start())
    server.serve_forever()
    server.server_close()


def made(path: str, environment: Mapping[str, str]) -> tuple[Service | Broken, Sequence[str]]:
    """The service, and who may ask it. One that cannot be made answers all the same: whoever waited would wait long."""
    users: Sequence[str] = ()
    try:
        with open(path, encoding="utf-8") as stream:
            settings = build(Settings, json.load(stream))
        users = settings.users
        if not __debug__:
            raise RuntimeError("the SRS library proves with assert, which python -O leaves out")
        # What is missing, or takes long, shall not wait for a message.
        for name in _LIBRARIES:
            importlib.import_module(name)
        organisational("example.net")
        return Service(settings, secrets(environment), sendmail, _arc.seal), users
    except Exception as error:
        traceback.print_exc()
        return Broken(f"the forwarding service cannot work: {error}"), users


def secrets(environment: Mapping[str, str]) -> list[str]:
    """The secrets, the one that makes first. Nothing where they cannot be read: mail waits then."""
    path = os.path.join(environment.get("CREDENTIALS_DIRECTORY", ""), SECRETS)
    try:
        with open(path, encoding="utf-8") as stream:
            found = [line.strip() for line in stream if line.strip() and not line.startswith("#")]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{path}: {error}\n")
        return []
    if not found:
        sys.stderr.write(f"{path} has no secret\n")
    return found


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around fetchmail: who calls it, what it hands mail to, and who hears when it gives up.

usage: courier_fetch watch NAME          systemd; runs fetchmail again and again
       courier_fetch deliver NAME        fetchmail (plugout); passes SMTP on to Courier
       courier_fetch report NAME ADDRESS systemd, when the first has given up

fetchmail deletes a message when it is told that it will never be taken, and fetches one again when it was cut off after
Courier had taken it. So it hears of nothing but success and "later", and what Courier has taken is written down.
"""

from __future__ import annotations

import contextlib
import email
import email.message
import email.policy
import email.utils
import hashlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

CONFIGURATION = "/etc/fetchmail"
COURIER = ("127.0.0.1", 25)
PATIENCE = 900  # seconds; filters may take their time
KEPT = 90 * 86400  # seconds that a message is remembered
LONGEST_PAUSE = 3600
RECONNECT = 5  # seconds until a server that ended IDLE is called again
DAY = 86400
AUTHENTICATION, SYNTAX, PERMISSIONS = 3, 5, 6
WELL = (0, 1, 13)  # mail came; there was none; there is more than one run may fetch
# What fetchmail(1) says of its exit codes.
SAID = {
    2: "the server cannot be reached, or shows no certificate that is valid for its name",
    AUTHENTICATION: "the server refuses name and password",
    4: "the server does not keep to the protocol",
    SYNTAX: "fetchmail does not understand its file",
    PERMISSIONS: "fetchmail's file has wrong permissions",
    7: "the server reports an error, or does not answer in time",
    8: "another fetchmail runs already",
    9: "the mailbox is in use",
    10: "Courier takes no mail at the moment",
    11: "DNS does not know the server",
    14: "the server is busy",
}
STOPS = (AUTHENTICATION, SYNTAX, PERMISSIONS)
# A line for each message and each look.
_PROGRESS = re.compile(r"reading message |fetchmail: No mail for |\d+ messages? ")
_MAIL = re.compile(rb"MAIL FROM:\s*<(.*?)>(.*)", re.IGNORECASE | re.DOTALL)


def source(name: str) -> str:
    """The address that a mailbox's mail comes from. Each has a network of its own, for Courier counts by these."""
    digest = hashlib.sha256(name.encode()).digest()
    return f"127.25.{1 + digest[0] % 254}.{1 + digest[1] % 254}"


class Settings(NamedTuple):
    """What the inventory says of a mailbox, beside what fetchmail reads."""

    label: str  # user and host, for people
    to: str
    interval: int
    idle: bool


def settings(name: str) -> Settings:
    given: dict[str, object] = json.loads(Path(CONFIGURATION, f"{name}.json").read_text(encoding="utf-8"))
    return Settings(str(given["label"]), str(given["to"]), int(str(given["interval"])), bool(given["idle"]))


# Whom systemd runs.


def watch(name: str) -> int:
    """Run fetchmail until it makes no sense any more. SIGUSR1 lets it run at once."""
    given = settings(name)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGUSR1, lambda _number, _frame: None)
    failures = 0
    while True:
        code = fetch(name, given)
        if code in STOPS:
            print(f"{given.label}: {SAID[code]}; nothing is fetched until this is put right", file=sys.stderr)
            return code
        failures = 0 if code in WELL else failures + 1
        if code in WELL:
            state(name, "reached").touch()
        else:
            said = SAID.get(code, f"fetchmail ended with {code}")
            print(f"{given.label}: {said}; next in {pause(given, failures)} s", file=sys.stderr, flush=True)
        if select.select([woken], [], [], pause(given, failures))[0]:
            os.read(woken, 1024)


def pause(given: Settings, failures: int) -> int:
    """Seconds until the next run: twice as long after each failure in a row."""
    usual = RECONNECT if given.idle else given.interval
    return min(usual << min(failures, 12), max(LONGEST_PAUSE, usual))


def fetch(name: str, given: Settings) -> int:
    """Run fetchmail once. What it says goes to the journal."""
    command = ["fetchmail", "-f", f"{CONFIGURATION}/{name}.rc", "--pidfile", f"/run/fetchmail/{name}/pid"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        for line in process.stdout or ():
            if not _PROGRESS.match(line):
                print(line, end="", flush=True)
            if "oversized" in line:
                told_of_large(name, given)
    return int(process.returncode)


def told_of_large(name: str, given: Settings) -> None:
    """Say once a day that something stays where it is."""
    mark = state(name, "told-of-large")
    with contextlib.suppress(OSError):
        if time.time() - mark.stat().st_mtime < DAY:
            return
    text = (
        f"A message in the mailbox of {given.label} is larger than this server takes. It stays there, "
        "and is not fetched.\n"
    )
    with contextlib.suppress(OSError), Courier(source(name)) as courier:
        if courier.notice(given.to, "Too large to be fetched", text):
            mark.touch()


def state(name: str, file: str) -> Path:
    return Path(os.environ.get("FETCHMAILHOME", f"/var/lib/fetchmail/{name}"), file)


# Whom fetchmail talks to.


class Reply(NamedTuple):
    """What an SMTP server answers."""

    raw: bytes

    @property
    def code(self) -> int:
        return int(self.raw[:3]) if self.raw[:3].isdigit() else 421

    @property
    def text(self) -> str:
        """The last line."""
        return self.raw.decode("utf-8", "replace").rstrip().rpartition("\n")[2]


class Courier:
    """A connection to Courier. It is made when it is wanted."""

    def __init__(self, address: str, server: tuple[str, int] = COURIER) -> None:
        self._connection = socket.create_connection(server, PATIENCE, source_address=(address, 0))
        self._stream = self._connection.makefile("rwb")
        self.greeting = self.reply()

    def __enter__(self) -> Courier:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what was not sent is lost, as it shall be
            self._connection.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(OSError):
            self._stream.close()
        self._connection.close()

    def reply(self) -> Reply:
        said = b""
        while True:
            line = self._stream.readline(65536)
            if not line:
                raise ConnectionError("Courier has hung up")
            said += line
            if line[3:4] != b"-":
                return Reply(said)

    def say(self, line: bytes) -> Reply:
        self._stream.write(line)
        self._stream.flush()
        return self.reply()

    def write(self, line: bytes) -> None:
        self._stream.write(line)

    def notice(self, to: str, subject: str, text: str) -> bool:
        """Write to somebody here, and say whether Courier took it."""
        letter = email.message.EmailMessage(policy=email.policy.SMTP)
        letter["From"] = f"Mail from elsewhere <fetchmail-daemon@{socket.getfqdn()}>"
        letter["To"], letter["Subject"], letter["Date"] = to, subject, email.utils.localtime()
        letter["Message-ID"], letter["Auto-Submitted"] = email.utils.make_msgid(), "auto-replied"
        letter.set_content(text)
        if self.greeting.code != 220:
            return False
        steps = (b"EHLO localhost", b"MAIL FROM:<>", f"RCPT TO:<{to}>".encode(), b"DATA")
        if any(self.say(step + b"\r\n").code >= 400 for step in steps):
            return False
        for line in bytes(letter).splitlines():
            self.write(b"." * line.startswith(b".") + line + b"\r\n")
        return self.say(b".\r\n").code == 250


class Taken:
    """The messages that Courier has taken, and those that it never will, by what they hash to."""

    def __init__(self, path: Path, now: float) -> None:
        self._path = path
        found = dict(self._read())
        kept = {key: at for key, at in found.items() if now - at < KEPT}
        if len(kept) < len(found):
            temporary = path.with_name(f".{path.name}~")
            temporary.write_text("".join(f"{key} {at:.0f}\n" for key, at in kept.items()), encoding="ascii")
            temporary.replace(path)
        self._kept = set(kept)

    def _read(self) -> Iterator[tuple[str, float]]:
        with contextlib.suppress(FileNotFoundError):
            for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
                if found := re.fullmatch(r"(!?[0-9a-f]{64}) (\d+)", line):  # a line may be half written
                    yield found[1], float(found[2])

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def add(self, key: str) -> None:
        """Remember it, also if the machine dies in the next moment."""
        self._kept.add(key)
        with self._path.open("a", encoding="ascii") as stream:
            stream.write(f"{key} {time.time():.0f}\n")
            stream.flush()
            os.fsync(stream.fileno())


class Fingerprint:
    """What a message hashes to, without the field that fetchmail puts on top, which has the time."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._first: list[bytes] | None = []
        self.header: list[bytes] | None = []

    def add(self, line: bytes) -> None:
        if self.header is not None:
            self._note(line)
        if self._first is not None:
            if not self._first or line[:1] in (b" ", b"\t"):
                self._first.append(line)
                return
            self._decide()
        self._hash.update(line)

    def _note(self, line: bytes) -> None:
        if self.header is not None and len(self.header) < 1000:
            self.header.append(line)

    def _decide(self) -> None:
        first, self._first = b"".join(self._first or ()), None
        if not (first.lower().startswith(b"received:") and b"(fetchmail-" in first):
            self._hash.update(first)

    def __str__(self) -> str:
        if self._first is not None:
            self._decide()
        return self._hash.hexdigest()

    def about(self) -> str:
        """From whom and about what, in a line."""
        header = email.message_from_bytes(b"".join(self.header or ()), policy=email.policy.default)
        said = []
        for name in ("From", "Subject", "Date"):
            try:
                said.append(f"{name}: {header[name] or ''}")
            except Exception:  # a header may hold anything
                said.append(f"{name}: ?")
        return "\n".join(re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", line)[:300] for line in said)


class Delivery:
    """Passes one side's SMTP on to the other, as long as it is good for the mail."""

    def __init__(self, name: str, given: Settings, taken: Taken, client: tuple[BinaryIO, BinaryIO], server: Courier):
        self._name, self._given, self._taken = name, given, taken
        self._heard, self._spoken = client
        self._courier = server
        self._hello = b"EHLO localhost\r\n"
        self._refused: Reply | None = None  # what Courier thinks of the recipient

    def run(self) -> None:
        self._answer(self._courier.greeting.raw)
        while line := self._heard.readline(65536):
            verb = line[:4].upper()
            if verb == b"DATA":
                self._data(line)
            elif verb == b"MAIL":
                self._refused = None
                self._answer(self._mail(line))
            elif verb == b"RCPT":
                self._answer(self._rcpt(line))
            else:
                if verb in (b"EHLO", b"HELO"):
                    self._hello = line
                if verb == b"QUIT":
                    self._answer(b"221 2.0.0 Bye\r\n")
                    return
                self._answer(self._courier.say(line).raw)

    def _answer(self, raw: bytes) -> None:
        # Whoever has gone hears no answer; what Courier has taken was written down before.
        with contextlib.suppress(OSError):
            self._spoken.write(raw)
            self._spoken.flush()

    def _mail(self, line: bytes) -> bytes:
        """Whoever sent it to the other mailbox is no client of ours: if he is not welcome, it comes from nobody."""
        try:
            reply = self._courier.say(line)
        except OSError:
            reply = Reply(b"421 \r\n")
        if reply.code == 421:  # after a pause of ten minutes in IDLE, for example
            self._begin_anew()
            reply = self._courier.say(line)
        found = _MAIL.match(line)
        if reply.code >= 500 and found and found[1]:
            print(f"the sender {found[1]!r} is refused, it goes on without: {reply.text}", file=sys.stderr)
            self._courier.say(b"RSET\r\n")
            reply = self._courier.say(b"MAIL FROM:<>" + found[2])
        return later(reply)

    def _rcpt(self, line: bytes) -> bytes:
        """For whom nobody takes mail, fetchmail has a postmaster; and deletes the message. So DATA is refused."""
        reply = self._courier.say(line)
        if reply.code < 400:
            return reply.raw
        self._refused = reply
        return b"250 2.1.5 Ok, but see what comes of DATA\r\n"

    def _data(self, line: bytes) -> None:
        if self._refused:
            self._courier.say(b"RSET\r\n")
            self._answer(f"451 4.1.1 {self._given.to} is not taken: {self._refused.text}\r\n".encode())
            return
        reply = self._courier.say(line)
        self._answer(later(reply))
        if reply.code != 354:
            return
        fingerprint = Fingerprint()
        while line := self._heard.readline(65536):
            if line in (b".\r\n", b".\n"):
                self._answer(self._end(fingerprint))
                return
            fingerprint.add(line)
            self._courier.write(line)
        # fetchmail died in the middle: Courier must not take a half for the whole.
        self._courier.close()
        raise ConnectionError("fetchmail has gone")

    def _end(self, fingerprint: Fingerprint) -> bytes:
        key = str(fingerprint)
        if key in self._taken:
            self._begin_anew()
            return b"250 2.0.0 It was here before\r\n"
        reply = self._courier.say(b".\r\n")
        if reply.code == 250:
            self._taken.add(key)
        elif reply.code >= 500 and f"!{key}" not in self._taken:
            text = (
                f"A message in the mailbox of {self._given.label} is not taken here. It stays there until somebody "
                f"removes it.\n\n{fingerprint.about()}\n\nThe mail server says: {reply.text}\n"
            )
            self._begin_anew()
            if self._courier.notice(self._given.to, "A message cannot be fetched", text):
                self._taken.add(f"!{key}")
        return later(reply)

    def _begin_anew(self) -> None:
        """Let Courier forget what it has heard of a message."""
        self._courier.close()
        self._courier = Courier(source(self._name))
        self._courier.say(self._hello)


def later(reply: Reply) -> bytes:
    """What fetchmail hears: it would delete what is refused for good."""
    if reply.code < 500:
        return reply.raw
    said = re.sub(r"^\d{3}[ -](?:\d\.\d+\.\d+ )?", "", reply.text)
    return f"450 4.7.0 {said}\r\n".encode()


def deliver(name: str) -> int:
    # systemd stops all of the unit at once. Whatever Courier has just taken is to be written down first; when
    # fetchmail has gone there is nothing more to read, and this ends too.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        with Courier(source(name)) as courier:
            client = (sys.stdin.buffer, sys.stdout.buffer)
            Delivery(name, settings(name), Taken(state(name, "taken"), time.time()), client, courier).run()
    except OSError as error:
        print(f"Courier takes no mail: {error}", file=sys.stderr)
        return 1
    return 0


# Who hears of it.


def report(name: str, address: str) -> int:
    given = settings(name)
    journal = said("journalctl", "--no-pager", "--output=cat", "--lines=20", f"--unit=fetchmail@{name}.service")
    host = socket.gethostname()
    letter = email.message.EmailMessage()
    letter["From"], letter["To"] = "fetchmail <root>", address
    letter["Date"], letter["Auto-Submitted"] = email.utils.localtime(), "auto-generated"
    letter["Subject"] = f"{host}: the mail of {given.label} is not fetched any more"
    letter.set_content(
        f"{host} has stopped to fetch the mail of {given.label} for {given.to}. It stays there. What was said last:\n\n"
        f"{journal}\nPut mail_remote_mailboxes right and run the site's playbook, or, if the other side was wrong: "
        f"systemctl start fetchmail@{name}\n"
    )
    subprocess.run(["/usr/sbin/sendmail", "-i", "--", address], input=bytes(letter), check=True)
    return 0


def said(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


def main(arguments: Iterable[str]) -> int:
    verb, name, *rest = arguments
    if verb == "report":
        return report(name, *rest)
    return deliver(name) if verb == "deliver" else watch(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

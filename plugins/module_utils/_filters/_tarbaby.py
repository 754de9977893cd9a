# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail exchanger that tells every recipient to come again: the last one in DNS, where mail programs hardly ever ask.

It has no queue and nothing that delivers, and knows nobody who could log in. What the role tarbaby puts on a host as
the package courier_tarbaby: this module, _store and _settings. The sockets are systemd's, so that the program needs no
right to make one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import logging
import os
import re
import signal
import socket
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ._settings import build, networks
from ._settings import refuse as refuse_setting
from ._store import HOUR, Event, Store, site

KIND = "tarbaby"
PATH = "/var/lib/courier-tarbaby/visits.sqlite"
CONFIGURATION = "/etc/courier-tarbaby.json"
_FIRST = 3  # the descriptor of systemd's first socket
_FLUSH_SECONDS = 1.0
# Sources that are remembered within an hour. Nobody has so many, and memory has an end.
_MANY = 50000
# Visits in one answer to a mail server. It comes again for the rest.
_ANSWERED = 10000
_NOTE = 120
LOGIN = "tried to log in"


@dataclass(frozen=True)
class Settings:
    # What it calls itself.
    host: str = "localhost"
    # Domains with other exchangers. Whoever asks for an address of them here has passed those over.
    domains: list[str] = field(default_factory=list)
    # What each recipient is answered with.
    reply: str = "451 4.7.1 Please try another MX"
    # Seconds without a command, and of a whole connection.
    idle: int = 60
    longest: int = 300
    # Connections at a time, those of one source, and recipients of one connection.
    connections: int = 200
    per_source: int = 10
    recipients: int = 100
    # Networks of the mail servers that may ask who came (XVISITS), so that they need no right on this host.
    readers: list[str] = field(default_factory=list)
    store: str = PATH

    def __post_init__(self) -> None:
        if not re.fullmatch(r"4[0-9]{2} [ -~]*[!-~]", self.reply):
            refuse_setting("reply", self.reply, "a code of 400 to 499 and a text of ASCII, such as 451 4.7.1 Later")
        if not re.fullmatch(r"[A-Za-z0-9.-]+", self.host):
            refuse_setting("host", self.host, "a name of a host, such as tarbaby.example.com")
        for name in ("idle", "longest", "connections", "per_source", "recipients"):
            if getattr(self, name) < 1:
                refuse_setting(name, getattr(self, name), "a number of at least 1")
        networks("readers", self.readers, "192.0.2.25 or 2001:db8::/64")


class Visits:
    """Who came: each source once an hour, so that nobody fills the disk."""

    def __init__(self, path: str = PATH, now: Callable[[], float] = time.time) -> None:
        self._path, self._now = path, now
        self._hour = 0
        self._known: set[tuple[str, bool]] = set()
        self._waiting: list[Event] = []
        self._said = ""

    def add(self, address: str, note: str, *, counts: bool) -> None:
        """Somebody was here. counts is whether that speaks against him."""
        now = self._now()
        if self._hour != now // HOUR:
            self._hour = int(now // HOUR)
            self._known.clear()
        visit = (site(address), counts)
        if visit in self._known or len(self._known) >= _MANY:
            return
        self._known.add(visit)
        self._waiting.append(Event(visit[0], now, float(counts), printable(note)))

    def after(self, at: float) -> list[Event]:
        """Who came after a time, oldest first, as far as it is written down."""
        store = Store(self._path)
        try:
            return [event for event in store.events([KIND]) if event.at > at]
        finally:
            store.close()

    def flush(self) -> None:
        """Write down who came. Where that cannot be done, it is said once, and tried again."""
        if not self._waiting:
            return
        try:
            self._write()
            self._said = ""
        except sqlite3.OperationalError as error:  # no such directory, locked, the disk is full
            self._say(error)
        except sqlite3.DatabaseError as error:
            self._say(error)
            # It is damaged. What it knew is lost, what comes is not.
            with contextlib.suppress(OSError):
                os.replace(self._path, f"{self._path}.damaged")
            for rest in ("-wal", "-shm"):
                with contextlib.suppress(OSError):
                    os.unlink(self._path + rest)
        except OSError as error:
            self._say(error)

    def _write(self) -> None:
        store = Store(self._path)
        try:
            while self._waiting:
                event = self._waiting[0]
                store.add(KIND, event.key, event.amount, event.note, event.at)
                del self._waiting[0]
        finally:
            store.close()

    def _say(self, error: Exception) -> None:
        if str(error) != self._said:
            self._said = str(error)
            sys.stderr.write(f"who comes cannot be written to {self._path}: {error}\n")


class Client(NamedTuple):
    """Who is at the other end."""

    address: str
    counts: bool  # this host itself only looks whether it is answered


def printable(text: str) -> str:
    """A text for lists and logs."""
    return re.sub(r"[^ -~]", "?", text)[:_NOTE]


def caller(peer: Sequence[Any]) -> str:
    """The address of a client."""
    address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def domain(argument: str) -> str:
    """The domain of a recipient, whatever else is written around it; nothing where there is none."""
    found = re.search(r"@([A-Za-z0-9.-]+)>?(?:\s.*)?$", argument)
    return found[1].lower() if found else ""


def exchanger(settings: Settings, visits: Visits) -> Callable[[], asyncio.Protocol]:
    """What makes the other end of a connection."""
    from aiosmtpd.smtp import SMTP  # type: ignore[import-not-found] # on hosts only

    known = {name.lower() for name in settings.domains}
    readers = networks("readers", settings.readers)
    there: Counter[str] = Counter()

    class Handler:
        async def handle_exception(self, _error: Exception) -> str:
            return "451 4.3.0 Later"

    class Exchanger(SMTP):  # type: ignore[misc]
        """aiosmtpd reads the lines, and minds how long they are and when they come. What is answered stands here."""

        client: Client | None = None
        end: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            address = caller(transport.get_extra_info("peername"))
            source = site(address)
            if there.total() >= settings.connections or there[source] >= settings.per_source:
                transport.write(b"421 4.7.0 Too many connections\r\n")
                transport.abort()
                return
            there[source] += 1
            self.client = Client(address, address != caller(transport.get_extra_info("sockname")))
            self.end = self.loop.call_later(settings.longest, transport.abort)
            super().connection_made(transport)

        def connection_lost(self, error: Exception | None) -> None:
            if not self.client or not self.end:
                return
            self.end.cancel()
            source = site(self.client.address)
            there[source] -= 1
            if there[source] <= 0:
                del there[source]
            super().connection_lost(error)

        def eof_received(self) -> bool:
            return bool(self.client) and bool(super().eof_received())

        async def smtp_MAIL(self, _argument: str | None) -> None:
            await self.push("250 2.1.0 Ok")

        async def smtp_RCPT(self, argument: str | None) -> None:
            if self.client and self.client.counts:
                visits.add(self.client.address, f"asked for {argument}", counts=domain(argument or "") in known)
            await self.push(settings.reply)

        async def smtp_DATA(self, _argument: str | None) -> None:
            await self.push("503 5.5.1 There are no recipients")

        async def smtp_AUTH(self, _argument: str | None) -> None:
            if self.client and self.client.counts:
                visits.add(self.client.address, LOGIN, counts=True)
            await self.push("502 5.5.1 Nobody logs in here")

        async def smtp_VRFY(self, _argument: str | None) -> None:
            await self.push("502 5.5.1 Ask somebody else")

        async def smtp_XVISITS(self, argument: str | None) -> None:
            """Who came after a time, for a mail server that keeps the deny list."""
            address = ipaddress.ip_address(self.client.address) if self.client else None
            if not any(address in network for network in readers):
                await self.push('500 Error: command "XVISITS" not recognized')
                return
            try:
                after = float(argument or "")
            except ValueError:
                await self.push("501 5.5.4 Syntax: XVISITS seconds since 1970")
                return
            found = visits.after(after)[:_ANSWERED]
            await self.push("\r\n".join([*(f"250-{line}" for line in map(json.dumps, found)), "250 No more"]))

    # They log what clients do wrong: bogus commands, connections that break off.
    for name in ("mail.log", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def make() -> asyncio.Protocol:
        made: asyncio.Protocol = Exchanger(
            Handler(),
            hostname=settings.host,
            ident="ESMTP",
            data_size_limit=0,
            enable_SMTPUTF8=True,  # or it would refuse such recipients for good
            timeout=settings.idle,
            command_call_limit={"RCPT": settings.recipients, "*": settings.recipients},
            loop=asyncio.get_running_loop(),
        )
        return made

    return make


async def serve(settings: Settings, sockets: Sequence[socket.socket], stop: asyncio.Event) -> None:
    """Answer until somebody says stop."""
    visits = Visits(settings.store)
    make = exchanger(settings, visits)
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(make, sock=one) for one in sockets]
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _FLUSH_SECONDS)
        visits.flush()
    for server in servers:
        server.close()


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    count = int(os.environ.get("LISTEN_FDS", "0"))
    await serve(settings, [socket.socket(fileno=_FIRST + number) for number in range(count)], stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve, or say who was there."""
    parser = argparse.ArgumentParser(prog="courier-tarbaby", description="who came to the last mail exchanger")
    parser.add_argument("what", nargs="?", choices=["list", "events", "serve"], default="list")
    parser.add_argument("--after", type=float, default=0.0, help="seconds since 1970, for events")
    given = parser.parse_args(arguments)
    with open(CONFIGURATION, encoding="utf-8") as stream:
        settings = build(Settings, json.load(stream))
    if given.what == "serve":
        asyncio.run(_serve(settings))
        return 0
    visits = Visits(settings.store)
    if given.what == "events":
        sys.stdout.writelines(f"{json.dumps(event)}\n" for event in visits.after(given.after))
        return 0
    sys.stdout.write(table(visits.after(0.0)))
    return 0


def table(events: Sequence[Event]) -> str:
    """Who came, in how many hours, most first."""
    if not events:
        return "Nobody was here.\n"
    hours = Counter(event.key for event in events)
    last = {event.key: event for event in events}
    lines = [
        f"{count:>6}  {time.strftime('%Y-%m-%d %H:%M', time.localtime(last[key].at))}  {key}  {last[key].note}"
        for key, count in hours.most_common()
    ]
    return "\n".join([" hours  last              source", *lines, ""])

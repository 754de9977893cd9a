# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMTP servers that each do one thing wrong, and a web server for MTA-STS policies.

usage: faults.py old=ADDRESS ... broken=ADDRESS ...

Each fault has a port of its own, and two of them an address, as FAULTS and MX_FAULTS say. All that clients say is kept
in LOG, in lines of JSON: one for each connection when it ends, and one for each message with all that was said before.
Certificates are in CERTIFICATES.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import pathlib
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

LOG = pathlib.Path("/var/log/faults")
CERTIFICATES = pathlib.Path("/etc/faults")
POLICIES = pathlib.Path("/etc/faults/policies")
PATIENCE = 60  # seconds

HELLO = ("250-faults.example.net", "250-8BITMIME", "250-SIZE")


class Fault(NamedTuple):
    """What is wrong. Nothing at all with the defaults: TLS 1.3, the right certificate, and every login is taken."""

    certificate: str = "right"
    starttls: str | None = "220 Go ahead"  # None does not offer it
    highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    implicit: bool = False  # TLS from the first byte
    replies: Mapping[str, str] = MappingProxyType({})  # by the step that they answer
    hangs_up: str = ""  # at which step


HANDSHAKES = (
    Fault(),
    Fault("wrong-name"),
    Fault("expired"),
    Fault("unknown-issuer"),
    Fault(highest=ssl.TLSVersion.TLSv1_2),
)
STEPS = ("greeting", "MAIL", "RCPT", "DATA", ".")
# By port: 1xx begins TLS with STARTTLS and 2xx with the first byte, 4xx refuses a step for now and 5xx for good.
FAULTS = (
    {10100 + at: fault for at, fault in enumerate(HANDSHAKES)}
    | {10200 + at: fault._replace(implicit=True) for at, fault in enumerate(HANDSHAKES)}
    | {10110: Fault(starttls=None), 10111: Fault(starttls="454 TLS not available due to temporary reason")}
    | {10120: Fault(hangs_up="AUTH")}
    | {10400 + at: Fault(starttls=None, replies={step: "451 Come again"}) for at, step in enumerate(STEPS)}
    | {10500 + at: Fault(starttls=None, replies={step: "554 Go away"}) for at, step in enumerate(STEPS)}
)
# On port 25, where MX records lead, by address.
MX_FAULTS = {
    "old": Fault("unknown-issuer", highest=ssl.TLSVersion.TLSv1_2),
    "broken": FAULTS[10111],
}


class Session:
    """A conversation with one client."""

    numbers = itertools.count()

    def __init__(self, fault: Fault, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.fault, self.reader, self.writer = fault, reader, writer
        self.said: list[str] = []
        self.number = next(self.numbers)

    def record(self, trouble: str | None = None) -> None:
        caller, port = self.writer.get_extra_info("peername")[0], self.writer.get_extra_info("sockname")[1]
        known = {"connection": self.number, "port": port, "caller": caller, "tls": self.encrypted(), "said": self.said}
        with LOG.open("a") as log:
            log.write(json.dumps(known | {"trouble": trouble}) + "\n")

    async def answer(self, *lines: str) -> None:
        self.writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self.writer.drain()

    async def lines(self) -> AsyncIterator[str]:
        while line := await asyncio.wait_for(self.reader.readline(), PATIENCE):
            text = line.decode(errors="backslashreplace").rstrip("\r\n")
            self.said.append(text)
            yield text

    async def shake_hands(self) -> None:
        await self.writer.start_tls(context(self.fault), ssl_handshake_timeout=PATIENCE)

    async def hold(self) -> None:
        if self.fault.implicit:
            await self.shake_hands()
        if not await self.greet():
            return
        async for line in self.lines():
            verb = line.split(" ")[0].upper()
            if verb == self.fault.hangs_up:
                return
            if verb == "EHLO":
                await self.hello()
            elif verb == "STARTTLS":
                await self.answer(self.fault.starttls or "502 Not here")
                if str(self.fault.starttls).startswith("220"):
                    await self.shake_hands()
            elif verb == "AUTH":
                await self.log_in(line)
            elif verb == "DATA" and "DATA" not in self.fault.replies:
                await self.take()
            elif verb == "QUIT":
                await self.answer("221 Bye")
                return
            else:
                await self.answer(self.fault.replies.get(verb, "250 Ok"))

    async def greet(self) -> bool:
        refusal = self.fault.replies.get("greeting")
        await self.answer(refusal or "220 faults.example.net ESMTP")
        return refusal is None

    async def hello(self) -> None:
        offers = [f"250-{'STARTTLS' if self.fault.starttls and not self.encrypted() else 'HELP'}"]
        await self.answer(*HELLO, *offers, "250 AUTH PLAIN LOGIN")

    async def log_in(self, line: str) -> None:
        if line.upper() == "AUTH LOGIN":
            for question in ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"):
                await self.answer(f"334 {question}")
                await anext(self.lines())
        await self.answer("235 Welcome")

    async def take(self) -> None:
        await self.answer("354 Go on")
        async for line in self.lines():
            if line == ".":
                break
        # Clients keep the connection for more messages.
        self.record()
        await self.answer(self.fault.replies.get(".", "250 Taken"))

    def encrypted(self) -> str | None:
        tls = self.writer.get_extra_info("ssl_object")
        return tls and tls.version()


def context(fault: Fault) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.maximum_version = fault.highest
    made.load_cert_chain(
        CERTIFICATES / f"{fault.certificate}.faults.example.net.pem",
        CERTIFICATES / f"{fault.certificate}.faults.example.net.key",
    )
    return made


async def serve(fault: Fault, address: str | None, port: int) -> asyncio.Server:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(fault, reader, writer)
        trouble = None
        try:
            await session.hold()
        except (OSError, ssl.SSLError, TimeoutError, asyncio.IncompleteReadError, StopAsyncIteration) as error:
            trouble = str(error) or type(error).__name__
        finally:
            session.record(trouble)
            writer.close()

    return await asyncio.start_server(converse, address, port, limit=1 << 20)


async def policies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request for https://mta-sts.DOMAIN/.well-known/mta-sts.txt with the file that is named DOMAIN."""
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)).decode()
    hosts = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("host:")]
    file = POLICIES / pathlib.Path(hosts[0].removeprefix("mta-sts.")).name
    found = file.is_file() and head.startswith("GET /.well-known/mta-sts.txt ")
    body = file.read_bytes() if found else b""
    status = "200 OK" if found else "404 Not Found"
    lines = (f"HTTP/1.1 {status}", "Content-Type: text/plain", f"Content-Length: {len(body)}", "Connection: close")
    writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode() + body)
    await writer.drain()
    writer.close()


async def main(addresses: list[list[str]]) -> None:
    LOG.write_text("")
    await asyncio.gather(
        *(serve(fault, None, port) for port, fault in FAULTS.items()),
        *(serve(MX_FAULTS[name], address, 25) for name, address in addresses),
        asyncio.start_server(policies, None, 443, ssl=context(Fault("mta-sts"))),
    )
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main([argument.split("=") for argument in sys.argv[1:]]))

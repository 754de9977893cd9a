"""How fast a mail server puts messages into mailboxes: from the first connection to the last file in a Maildir."""

from __future__ import annotations

import itertools
import os
import smtplib
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import docker

SESSIONS = 10
PATIENCE = 60.0  # seconds without a message that arrives, until messages count as lost
SENDER = "mailbox@example.net"
LINE = 70 * "x" + "\r\n"
MESSAGE = (
    f"Subject: bench\r\nFrom: {SENDER}\r\nDate: Sun, 1 Nov 2026 12:00:00 +0000\r\n"
    f"Message-ID: <bench@example.net>\r\n\r\n{LINE * 30}"
).encode()


class Server(NamedTuple):
    container: str
    mailboxes: Mapping[str, str]  # from addresses to Maildirs

    @property
    def address(self) -> str:
        (network,) = docker.from_env().containers.get(self.container).attrs["NetworkSettings"]["Networks"].values()
        return network["IPAddress"]

    @property
    def folders(self) -> list[Path]:
        """The container's files as this machine sees them: looking costs the server nothing."""
        root = f"/proc/{docker.from_env().containers.get(self.container).attrs['State']['Pid']}/root"
        return [Path(f"{root}{maildir}/{part}") for maildir in self.mailboxes.values() for part in ("new", "cur")]


def session(server: Server) -> smtplib.SMTP:
    return smtplib.SMTP(server.address, 25, "bench.example.net", timeout=PATIENCE)


def messages_per_second(server: Server, messages: Sequence[bytes]) -> float:
    """Send messages in parallel sessions over port 25, and wait until all of them are in the Maildirs."""
    folders = server.folders

    def arrived() -> int:
        return sum(len(os.listdir(folder)) for folder in folders if folder.exists())

    def send(number: int) -> None:
        recipients = itertools.cycle(server.mailboxes)
        with session(server) as smtp:
            for message in messages[number::SESSIONS]:
                smtp.sendmail(SENDER, [next(recipients)], message)

    before = seen = arrived()
    start = last = time.monotonic()
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(send, range(SESSIONS)))  # list() raises what a session raised
    while (now := arrived()) < before + len(messages):
        if now > seen:
            seen, last = now, time.monotonic()
        elif time.monotonic() - last > PATIENCE:
            raise TimeoutError(f"{before + len(messages) - now} of {len(messages)} messages are not there")
        time.sleep(0.01)
    return len(messages) / (time.monotonic() - start)


def seconds_per_message(server: Server, messages: Sequence[bytes]) -> float:
    """How long a client waits for a message that it sends, when nobody else sends: the median."""
    recipients = itertools.cycle(server.mailboxes)
    seconds = []
    with session(server) as smtp:
        for message in messages:
            start = time.monotonic()
            smtp.sendmail(SENDER, [next(recipients)], message)
            seconds.append(time.monotonic() - start)
    return statistics.median(seconds)

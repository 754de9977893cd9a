"""How fast a mail server puts messages into mailboxes: from the first connection to the last file in a Maildir."""

from __future__ import annotations

import itertools
import os
import smtplib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import docker

SESSIONS = 10
PATIENCE = 60.0  # seconds until messages count as lost
LINE = 70 * "x" + "\r\n"
MESSAGE = (
    "Subject: bench\r\nFrom: mailbox@example.net\r\nDate: Sun, 1 Nov 2026 12:00:00 +0000\r\n"
    f"Message-ID: <bench@example.net>\r\n\r\n{LINE * 30}"
)


class Server(NamedTuple):
    container: str
    mailboxes: Mapping[str, str]  # from addresses to Maildirs


def messages_per_second(server: Server, messages: int) -> float:
    """Send messages in parallel sessions over port 25, and wait until all of them are in the Maildirs."""
    container = docker.from_env().containers.get(server.container)
    (network,) = container.attrs["NetworkSettings"]["Networks"].values()
    # The container's files as this machine sees them: looking costs the server nothing.
    root = f"/proc/{container.attrs['State']['Pid']}/root"
    folders = [Path(f"{root}{maildir}/{part}") for maildir in server.mailboxes.values() for part in ("new", "cur")]

    def arrived() -> int:
        return sum(len(os.listdir(folder)) for folder in folders if folder.exists())

    def send(session: int) -> None:
        recipients = itertools.cycle(server.mailboxes)
        with smtplib.SMTP(network["IPAddress"], 25, "bench.example.net", timeout=PATIENCE) as smtp:
            for _number in range(session, messages, SESSIONS):
                smtp.sendmail("mailbox@example.net", [next(recipients)], MESSAGE)

    before = arrived()
    start = time.monotonic()
    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(send, range(SESSIONS)))  # list() raises what a session raised
    while arrived() < before + messages:
        if time.monotonic() - start > PATIENCE:
            raise TimeoutError(f"{before + messages - arrived()} of {messages} messages are not there")
        time.sleep(0.01)
    return messages / (time.monotonic() - start)

"""Strangers who bother a mail server for a while, each from an address of its own. Runs on a host of the bed, alone.

Arguments: the server, the seconds, and the addresses. Prints how often each of them got to do what it does, as JSON.
"""

from __future__ import annotations

import collections
import imaplib
import itertools
import json
import smtplib
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable

VICTIM = "alice@example.com"
SPAM = (
    "From: win@example.net\r\nSubject: You have won\r\n\r\n"
    "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
)


def trusting_anybody() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def smtp(server: str, port: int, source: str) -> smtplib.SMTP:
    return smtplib.SMTP(server, port, "stranger.example.net", timeout=30, source_address=(source, 0))


def idle(server: str, source: str, until: float) -> None:
    with smtp(server, 25, source) as client:
        client.ehlo()
        time.sleep(max(0, until - time.monotonic()))


def guess_smtp(server: str, source: str, _until: float) -> None:
    with smtp(server, 587, source) as client:
        client.starttls(context=trusting_anybody())
        client.login(VICTIM, "guessed")


def guess_imap(server: str, source: str, _until: float) -> None:
    connection = socket.create_connection((server, 993), 30, (source, 0))
    with trusting_anybody().wrap_socket(connection) as stream:
        stream.recv(1024)
        stream.sendall(f"a LOGIN {VICTIM} guessed\r\n".encode())
        stream.recv(1024)


def spam(server: str, source: str, _until: float) -> None:
    with smtp(server, 25, source) as client:
        client.sendmail("win@example.net", [VICTIM], SPAM)


def bother(what: Callable[[str, str, float], None], server: str, source: str, until: float, done: collections.Counter):
    while time.monotonic() < until:
        try:
            what(server, source, until)
            done[what.__name__] += 1
        except (OSError, smtplib.SMTPException, imaplib.IMAP4.error) as error:
            done[f"{what.__name__}: {getattr(error, 'smtp_code', type(error).__name__)}"] += 1


def main() -> None:
    server, seconds, *sources = sys.argv[1:]
    until, done = time.monotonic() + float(seconds), collections.Counter()
    threads = [
        threading.Thread(target=bother, args=(what, server, source, until, done))
        for what, source in zip(itertools.cycle((idle, guess_smtp, guess_imap, spam)), sources)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sys.stdout.write(json.dumps(done))


if __name__ == "__main__":
    main()

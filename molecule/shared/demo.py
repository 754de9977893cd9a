"""Send mail through the demo host in every direction that it has, and print what happened as a table.

With --info, print one JSON object that says where the host is instead.
"""

from __future__ import annotations

import argparse
import imaplib
import json
import secrets
import smtplib
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import NamedTuple

import docker

HOST = "mail.example.com"
CONTAINER = f"courier-demo-{HOST}"
WEBMAIL = "webmail.example.com"
FOREIGN = "courier-demo-mx.example.net"
STRANGER = "mailbox@example.net"
CACHE = Path(__file__).parents[2] / ".cache/demo"
PORTS = {"smtp": 25, "submission": 587, "smtps": 465, "imap": 143, "imaps": 993, "https": 443}
PATIENCE = 30.0  # seconds until a message counts as lost


class Account(NamedTuple):
    address: str
    password: str


def accounts() -> list[Account]:
    return [Account(f"{path.name}@example.com", path.read_text().split()[0]) for path in sorted(CACHE.glob("[ab]*"))]


def addresses() -> list[str]:
    (network,) = docker.from_env().containers.get(CONTAINER).attrs["NetworkSettings"]["Networks"].values()
    return [network["IPAddress"], network["GlobalIPv6Address"]]


def info() -> dict[str, object]:
    return {
        "container": CONTAINER,
        "hostname": HOST,
        "addresses": addresses(),
        "ports": PORTS,
        "accounts": [account._asdict() for account in accounts()],
        "ca": str(certificate()),
        # Under this name only, which nobody but the demo's own DNS knows. A browser finds it by a line in /etc/hosts.
        "webmail": f"https://{WEBMAIL}/",
        "etc_hosts": f"{addresses()[0]} {WEBMAIL}",
    }


def certificate() -> Path:
    """The demo host's self-signed certificate, which is its own CA, as a file on this machine."""
    path = CACHE / "ca.pem"
    path.write_text(run(CONTAINER, "cat", "/etc/ssl/mail/mail.crt"))
    return path


def run(container: str, *command: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["docker", "exec", "-i", container, *command], input=stdin, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip() or f"{command[0]} ended with {done.returncode}")
    return done.stdout


class Demo:
    def __init__(self) -> None:
        self.address = addresses()[0]
        self.tls = ssl.create_default_context(cafile=certificate())
        self.alice, self.bob = accounts()

    def submission(self, sender: Account, message: EmailMessage) -> None:
        with smtplib.SMTP(self.address, PORTS["submission"], timeout=PATIENCE) as session:
            session._host = HOST  # the name that the certificate is checked for
            session.starttls(context=self.tls)
            session.login(*sender)
            session.send_message(message)

    def smtps(self, sender: Account, message: EmailMessage) -> None:
        with ImplicitTls(self.address, PORTS["smtps"], timeout=PATIENCE, context=self.tls) as session:
            session.login(*sender)
            session.send_message(message)

    def sendmail(self, container: str, message: EmailMessage) -> None:
        run(container, "/usr/sbin/sendmail", "-f", message["From"], message["To"], stdin=message.as_string())

    def webmail(self) -> bool:
        """Whether the webmail shows a page to log in at."""
        with self.tls.wrap_socket(
            socket.create_connection((self.address, PORTS["https"]), PATIENCE), server_hostname=WEBMAIL
        ) as connection:
            connection.sendall(f"GET /horde/login.php HTTP/1.0\r\nHost: {WEBMAIL}\r\n\r\n".encode())
            with connection.makefile("rb") as stream:
                return b'name="horde_pass"' in stream.read()

    def in_mailbox(self, account: Account, token: str) -> bool:
        with NamedImap(self.address, PORTS["imaps"], ssl_context=self.tls, timeout=PATIENCE) as session:
            session.login(*account)
            session.select("INBOX", readonly=True)
            return session.search(None, "TEXT", token)[1] != [b""]

    def abroad(self, token: str) -> bool:
        found = ["sh", "-c", f"grep -lr {token} /home/mailbox/Maildir/new || true"]
        return run(FOREIGN, *found) != ""


class ImplicitTls(smtplib.SMTP_SSL):
    def _get_socket(self, host: str, port: int, timeout: float) -> ssl.SSLSocket:
        return super()._get_socket(host, port, timeout)

    def connect(
        self, host: str = "", port: int = 0, source_address: tuple[str, int] | None = None
    ) -> tuple[int, bytes]:
        self._host = HOST
        return super().connect(host, port, source_address)


class NamedImap(imaplib.IMAP4_SSL):
    def _create_socket(self, timeout: float | None) -> ssl.SSLSocket:
        return self.ssl_context.wrap_socket(imaplib.IMAP4._create_socket(self, timeout), server_hostname=HOST)


class Row(NamedTuple):
    direction: str
    sender: str
    recipient: str
    send: Callable[[EmailMessage], None]
    arrived: Callable[[str], bool]


def rows(demo: Demo) -> list[Row]:
    alice, bob = demo.alice, demo.bob
    local = f"root@{HOST}"
    at_alice, at_bob = partial(demo.in_mailbox, alice), partial(demo.in_mailbox, bob)
    return [
        Row("foreign in", STRANGER, alice.address, lambda m: demo.sendmail(FOREIGN, m), at_alice),
        Row("foreign out, 587", alice.address, STRANGER, lambda m: demo.submission(alice, m), demo.abroad),
        Row("foreign out, 465", bob.address, STRANGER, lambda m: demo.smtps(bob, m), demo.abroad),
        Row("mailbox to mailbox", alice.address, bob.address, lambda m: demo.submission(alice, m), at_bob),
        Row(
            "alias",
            STRANGER,
            "team@example.com",
            lambda m: demo.sendmail(FOREIGN, m),
            lambda t: at_alice(t) and at_bob(t),
        ),
        Row("local to mailbox", local, bob.address, lambda m: demo.sendmail(CONTAINER, m), at_bob),
        Row("local to foreign", local, STRANGER, lambda m: demo.sendmail(CONTAINER, m), demo.abroad),
        Row("system user to contact", local, local, lambda m: demo.sendmail(CONTAINER, m), at_alice),
        Row(
            "bounce to sender", alice.address, "nobody-here@example.net", lambda m: demo.submission(alice, m), at_alice
        ),
    ]


def outcome(row: Row) -> tuple[str, float]:
    token = secrets.token_hex(12)
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = row.sender, row.recipient, f"demo {token}"
    message.set_content(f"The demo sent this. {token}\n")
    start = time.monotonic()
    try:
        row.send(message)
        while not row.arrived(token):
            if time.monotonic() - start > PATIENCE:
                return f"lost: not there after {PATIENCE:.0f} s", time.monotonic() - start
            time.sleep(0.1)
    except (OSError, smtplib.SMTPException, imaplib.IMAP4.error, RuntimeError) as error:
        return f"failed: {error}", time.monotonic() - start
    return "arrived", time.monotonic() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--info", action="store_true")
    if parser.parse_args().info:
        try:
            print(json.dumps(info()))
        except docker.errors.NotFound:
            print("There is no demo host. Make one with: make demo", file=sys.stderr)
            return 1
        return 0
    failed = 0
    line = "{:<24}{:<24}{:<26}{:<12}{:>7}"
    print("\n" + line.format("direction", "from", "to", "result", "seconds"))
    demo = Demo()
    for row in rows(demo):
        result, seconds = outcome(row)
        failed += result != "arrived"
        print(line.format(row.direction, row.sender, row.recipient, result, f"{seconds:.1f}"), flush=True)
    start = time.monotonic()
    served = demo.webmail()
    failed += not served
    result = "shown" if served else "failed"
    print(line.format("webmail", "a browser", WEBMAIL, result, f"{time.monotonic() - start:.1f}") + "\n")
    if failed:
        print(
            f"{failed} of the rows failed. What the host says: docker exec {CONTAINER} journalctl -n 100",
            file=sys.stderr,
        )
        return 1
    print(
        f"Mail flows. {HOST} runs in the container {CONTAINER}; see make -s demo-info, and make demo-down to remove it."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

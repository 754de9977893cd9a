# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands letters over: to this host's own mail server, or to a port where people log in."""

from __future__ import annotations

import smtplib
import ssl
import subprocess
from typing import NamedTuple

_SENDMAIL = "/usr/sbin/sendmail"
_SENDMAIL_SECONDS = 120  # filters look at it meanwhile
_SMTP_SECONDS = 60
_SAID = 300


class Server(NamedTuple):
    """Where people log in: 465 is within TLS, others have STARTTLS."""

    host: str
    port: int
    login: str
    password: str
    trust: str  # a file of certificates that are believed beside those of known authorities


class NotSent(Exception):
    """Why nobody took it."""


def sendmail(letter: bytes, sender: str, to: str, mark: str = "") -> None:
    """Give a letter to this host's mail server, with a mark that reports about it quote. Raises NotSent."""
    quoted = ["-V", mark] if mark else []
    try:
        done = subprocess.run(  # noqa: S603 -- no shell; the addresses are checked, and none begins with a hyphen
            [_SENDMAIL, "-i", *quoted, "-f", sender, to],
            input=letter,
            timeout=_SENDMAIL_SECONDS,
            check=False,
            capture_output=True,
            env={"PATH": "/usr/bin:/bin"},
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise NotSent(f"sendmail: {error}") from error
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).decode(errors="replace").split())
        raise NotSent(f"sendmail ended with {done.returncode}: {said[:_SAID]}")


def submit(letter: bytes, sender: str, to: str, server: Server) -> None:
    """Log in as people do, and hand it over. The server must show a certificate for its name. Raises NotSent."""
    host, port = server.host, server.port
    try:
        context = ssl.create_default_context()
        if server.trust:
            context.load_verify_locations(server.trust)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        client: smtplib.SMTP
        if port == 465:
            client = smtplib.SMTP_SSL(host, port, timeout=_SMTP_SECONDS, context=context)
        else:
            client = smtplib.SMTP(host, port, timeout=_SMTP_SECONDS)
        with client:
            if port != 465:
                client.starttls(context=context)
            client.login(server.login, server.password)
            client.sendmail(sender, [to], letter.replace(b"\n", b"\r\n"))
    except smtplib.SMTPAuthenticationError as error:
        # What a server says to a login may quote it.
        raise NotSent(f"{host}:{port} does not let {server.login} in: {error.smtp_code}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"{host}:{port}: {error}"[:_SAID]) from error

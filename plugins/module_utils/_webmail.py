# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a webmail for its login page as a browser would, and its mail servers as the webmail will."""

from __future__ import annotations

import http.client
import imaplib
import smtplib
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

PATIENCE = 15.0  # seconds for a connection, and for each answer


class NotServed(Exception):
    """What is wrong, and what to do about it, in a sentence."""


def listens(host: str, port: int) -> None:
    """Whether somebody is where an IMAP server shall be, whoever it is."""
    _asked(f"its mail server {host}:{port} (IMAP)", lambda: socket.create_connection((host, port), PATIENCE).close())


def imap(host: str, port: int, authorities: str) -> str:
    """The greeting of an IMAP server whose certificate is verified."""

    def talk() -> str:
        context = ssl.create_default_context(cafile=authorities)
        with imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=PATIENCE) as client:
            return client.welcome.decode(errors="replace")

    return _asked(f"its mail server {host}:{port} (IMAP)", talk)


def submission(host: str, port: int, authorities: str) -> str:
    """The greeting after STARTTLS of a server that takes mail, whose certificate is verified."""

    def talk() -> str:
        context = ssl.create_default_context(cafile=authorities)
        with smtplib.SMTP(host, port, timeout=PATIENCE) as client:
            client.starttls(context=context)
            return client.ehlo()[1].decode(errors="replace")

    return _asked(f"{host}:{port}, where it hands in mail (SMTP)", talk)


def _asked(whom: str, talk: Callable[[], Answer]) -> Answer:
    try:
        return talk()
    except ssl.SSLCertVerificationError as error:
        raise NotServed(
            f"the webmail does not trust {whom}: {error.verify_message}; have a certificate for that name there, or "
            "say with horde_ca_file whose certificates are good"
        ) from error
    except (OSError, imaplib.IMAP4.error, smtplib.SMTPException) as error:
        raise NotServed(
            f"the webmail cannot reach {whom}: {getattr(error, 'strerror', None) or error}; open the way from this "
            "host, or name another server in the backends of mail_webmail"
        ) from error


class _Here(http.client.HTTPSConnection):
    """Calls this host, by another name."""

    def __init__(self, name: str, context: ssl.SSLContext, address: tuple[str, int]) -> None:
        super().__init__(name, context=context, timeout=PATIENCE)
        self._there, self._trust = address, context

    def connect(self) -> None:
        connection = socket.create_connection(self._there, PATIENCE)
        try:
            self.sock = self._trust.wrap_socket(connection, server_hostname=self.host)
        except BaseException:
            connection.close()
            raise


def login_page(name: str, certificate: str, address: tuple[str, int] = ("127.0.0.1", 443)) -> str:
    """What the status of the login page says. The certificate is a PEM file, of which the name must be one."""
    context = ssl.create_default_context(cafile=certificate)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        client = _Here(name, context, address)
        client.request("GET", "/horde/login.php", headers={"User-Agent": "Mozilla/5.0 courier.mail"})
        answer = client.getresponse()
        page = answer.read().decode(errors="replace")
        client.close()
    except ssl.SSLCertVerificationError as error:
        raise NotServed(
            f"the certificate is not for the webmail: {error.verify_message}; add {name} to certificates_names"
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise NotServed(f"the webmail does not answer as {name}: {error}") from error
    if answer.status != http.client.OK or 'name="horde_pass"' not in page:
        raise NotServed(
            f"the webmail answers {answer.status} {answer.reason} and shows no login page; "
            "journalctl -u courier-horde -t HORDE says why"
        )
    return f"{answer.status} {answer.reason}"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the policy of MTA-STS that a web server shows, as servers do that want to send to us (RFC 8461, 3.3)."""

from __future__ import annotations

import http.client
import socket
import ssl
from urllib.parse import urlsplit

from ._courier.published import Ask, NoPolicy

MOST = 65536  # bytes
PORT = 443


def read(url: str, ask: Ask, timeout: float, port: int = PORT, context: ssl.SSLContext | None = None) -> str:
    """What is shown, to whoever verifies the certificate and follows nobody elsewhere. Raises NoPolicy and NoAnswer."""
    parts = urlsplit(url)
    host = str(parts.hostname)
    addresses = [address for kind in ("A", "AAAA") for address in ask(host, kind)]
    if not addresses:
        raise NoPolicy(f"{host} has no address")
    trouble = ""
    for address in addresses:
        try:
            with (
                socket.create_connection((address, port), timeout) as connection,
                (context or ssl.create_default_context()).wrap_socket(connection, server_hostname=host) as secured,
            ):
                return _ask(secured, host, parts.path)
        except (OSError, http.client.HTTPException) as error:  # ssl.SSLError is an OSError
            trouble = f"{address}: {getattr(error, 'verify_message', '') or getattr(error, 'strerror', '') or error}"
    raise NoPolicy(trouble)


def _ask(secured: ssl.SSLSocket, host: str, path: str) -> str:
    secured.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = http.client.HTTPResponse(secured, method="GET")
    answer.begin()
    if answer.status != http.HTTPStatus.OK:
        raise NoPolicy(f"the web server says {answer.status} {answer.reason}")
    kind = answer.headers.get_content_type()
    if kind != "text/plain":
        raise NoPolicy(f"it is {kind}, and must be text/plain")
    return answer.read(MOST).decode(errors="replace")

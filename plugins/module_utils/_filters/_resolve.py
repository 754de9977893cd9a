# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask DNS while a message waits: the servers of resolv.conf, each question and all of them together bounded in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SECONDS = 5.0  # for one answer
ALL_SECONDS = 20.0  # for all that one message needs

# The data of a name's records of one type (TXT, A, AAAA, MX); nothing where there are none. A TXT record is its strings
# put together, bytes beyond UTF-8 as surrogates; an MX record is the name of the exchanger. Raises Temporary.
Ask = Callable[[str, str], list[str]]


class Temporary(Exception):
    """DNS has no answer now, and may have one later."""


class Resolver:
    """Asks once for each name and type. Make one for each message: it reads resolv.conf, and time runs from then on.

    With a server it asks that one alone.
    """

    def __init__(
        self, seconds: float = SECONDS, all_seconds: float = ALL_SECONDS, server: str = "", port: int = 53
    ) -> None:
        self._seconds, self._server, self._port = seconds, server, port
        self._end = time.monotonic() + all_seconds
        self._known: dict[tuple[str, str], list[str] | Temporary] = {}
        self._resolver: Any = None

    def __call__(self, name: str, kind: str) -> list[str]:
        key = (name.lower().rstrip("."), kind)
        if key not in self._known:
            try:
                self._known[key] = self._ask(*key)
            except Temporary as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, Temporary):
            raise found
        return found

    def _ask(self, name: str, kind: str) -> list[str]:
        import dns.exception
        import dns.name
        import dns.resolver

        left = min(self._seconds, self._end - time.monotonic())
        if left <= 0:
            raise Temporary(f"there was no time left to ask DNS for {kind} of {name}")
        try:
            asked = dns.name.from_text(name)
        except (dns.exception.DNSException, UnicodeError, ValueError):
            return []  # not a name, so there is nothing
        try:
            if self._resolver is None:
                self._resolver = dns.resolver.Resolver(configure=not self._server)
                if self._server:
                    self._resolver.nameservers = [self._server]
                    self._resolver.port = self._port
            answer = self._resolver.resolve(asked, kind, lifetime=left, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise Temporary(f"DNS has no answer for {kind} of {name}: {error}") from error
        if kind == "TXT":
            return [b"".join(record.strings).decode("utf-8", "surrogateescape") for record in answer]
        if kind == "MX":
            return [record.exchange.to_text(omit_final_dot=True) for record in answer]
        return [record.to_text() for record in answer]

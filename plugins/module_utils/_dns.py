# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the servers of resolv.conf, which are the ones that Courier asks; or another one."""

from __future__ import annotations

import ipaddress
import traceback
from typing import Any

from ._courier.spf import NoAnswer

__all__ = ["MISSING", "RESOLVER_SPEC", "NoAnswer", "Resolver", "ask"]

try:
    import dns.exception
    import dns.resolver
except ImportError:
    MISSING: str | None = traceback.format_exc()  # pylint: disable=unsupported-binary-operation
else:
    MISSING = None

RESOLVER_SPEC: dict[str, Any] = {
    "resolver": {"type": "str", "default": ""},
    "timeout": {"type": "int", "default": 10},
}


def ask(name: str, kind: str) -> list[str]:
    """What SPF wants of a name's records of one type, in order; nothing where there are none. Raises NoAnswer."""
    try:
        return Resolver(timeout=20).ask_for_spf(name, kind)
    except ValueError as error:  # resolv.conf
        raise NoAnswer(str(error)) from error


class Resolver:
    """Asks each question once, and keeps the answer. Threads may share it. Raises ValueError for what is no address."""

    def __init__(self, server: str = "", *, port: int = 53, timeout: int = 10) -> None:
        if server:
            try:
                address = str(ipaddress.ip_address(server))
            except ValueError:
                raise ValueError(
                    f"resolver is {server!r}, which is no address; write 192.0.2.53 or 2001:db8::53"
                ) from None
            self._resolver = dns.resolver.Resolver(configure=False)
            self._resolver.nameservers = [address]
        else:
            try:
                self._resolver = dns.resolver.Resolver()
            except (dns.exception.DNSException, OSError) as error:
                raise ValueError(f"resolv.conf names no name server to ask: {error}; write a resolver") from error
        self._resolver.port = port
        self._resolver.lifetime = timeout
        self._known: dict[tuple[str, str], list[str] | NoAnswer] = {}

    def ask_for_data(self, name: str, kind: str) -> list[str]:
        """The data of a name's records, in order, an MX with its priority. Raises NoAnswer."""
        self.prefetch((name, kind))
        known = self._known[name, kind]
        if isinstance(known, NoAnswer):
            raise known
        return known

    def ask_for_spf(self, name: str, kind: str) -> list[str]:
        """The same, but for an MX, of which SPF wants the host only."""
        data = self.ask_for_data(name, kind)
        return sorted(one.split()[-1].removesuffix(".") for one in data) if kind == "MX" else data

    def prefetch(self, question: tuple[str, str]) -> None:
        """Ask, and keep what came."""
        if question not in self._known:
            self._known[question] = self._ask(*question)

    def _ask(self, name: str, kind: str) -> list[str] | NoAnswer:
        try:
            answer = self._resolver.resolve(f"{name}.", kind)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError) as error:
            return NoAnswer(f"DNS has no answer for {kind} of {name}: {error}")
        if kind == "TXT":
            return sorted(b"".join(record.strings).decode(errors="replace") for record in answer)
        return sorted(record.to_text() for record in answer)

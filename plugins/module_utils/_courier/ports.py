# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where couriertcpd listens: ADDRESS and PORT of esmtpd.

PORT is a list with commas of ports, each of which may have an address of its own before a dot, 192.0.2.25.25 or
2001:db8::25.25 (tried with 1.0.16 and 1.4.1); ADDRESS is for those that have none, and 0 is every address.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

_LOOPBACK = ("127.0.0.1", "::1")
_SMTP = ("25", "smtp")


class PortError(ValueError):
    """What nobody can listen on."""


def port(addresses: Iterable[str], variable: str = "mail_smtp_addresses") -> str:
    """PORT for port 25 on these addresses, and on the loopback, where this host's own programs are."""
    found = dict.fromkeys(_LOOPBACK)
    for address in addresses:
        found[_address(address, variable)] = None
    return ",".join(f"{address}.25" for address in found)


def takes(address: str, settings_address: str, settings_port: str) -> bool:
    """Whether port 25 of an address is couriertcpd's with these settings."""
    wanted = ipaddress.ip_address(address)
    for entry in settings_port.split(","):
        own, _dot, number = entry.strip().rpartition(".")
        where = own or settings_address.strip()
        if number in _SMTP and (where in ("", "0", "0.0.0.0", "::") or _same(where, wanted)):  # noqa: S104 -- compared
            return True
    return False


def _same(where: str, wanted: object) -> bool:
    try:
        return ipaddress.ip_address(where) == wanted
    except ValueError:
        return False


def _address(text: str, variable: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise PortError(
            f"{variable} has {text!r}, which is no address; write those of this host, 192.0.2.25 or 2001:db8::25"
        ) from None

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask the servers of resolv.conf, which are the ones that Courier asks."""

from __future__ import annotations

import traceback

try:
    import dns.exception
    import dns.resolver
except ImportError:
    MISSING: str | None = traceback.format_exc()  # pylint: disable=unsupported-binary-operation
else:
    MISSING = None


class NoAnswer(Exception):
    """What was asked, and what became of it."""


def ask(name: str, kind: str) -> list[str]:
    """The data of a name's records of one type, in order; nothing where there are none. Raises NoAnswer."""
    try:
        answer = dns.resolver.resolve(name, kind, lifetime=20)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise NoAnswer(f"DNS has no answer for {kind} of {name}: {error}") from error
    if kind == "TXT":
        return sorted(b"".join(record.strings).decode(errors="replace") for record in answer)
    if kind == "MX":
        return sorted(record.exchange.to_text(omit_final_dot=True) for record in answer)
    return sorted(record.to_text() for record in answer)

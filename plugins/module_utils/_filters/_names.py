# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Local names of addresses whose mail is thrown away, as they stand in aliases, in aliasdir and in control files.

An alias is expanded before a filter sees the recipient, so the name that it leads to says what the address was.
"""

from __future__ import annotations

import re

TRAP = "trap"
REFUSED = "refused"
SINK = "sink"
FORWARD = "forward"
# What addresses of a whole domain become that only bounces are for.
SRS = "srs"
PROGRAM = "program"
# The alias of those addresses whose mail is reports of others, which the watch reads (role monitoring).
REPORTS = "watch-take"


def local_name(kind: str, address: str) -> str:
    """The name for an address or a domain.

    It has one hyphen, because Courier cuts names at hyphens when it looks for files, and no two addresses share it.
    """
    return f"{kind}-{re.sub('[^a-z0-9.]', _escaped, address.removeprefix('@').lower())}"


def stands_for(kind: str, recipient: str, address: str) -> bool:
    """Whether a recipient is what an address became, in whatever local domain."""
    return recipient.rpartition("@")[0].lower() == local_name(kind, address)


def is_for_reports(recipient: str) -> bool:
    """Whether a recipient is the program that reads reports. No client can claim this name for another recipient."""
    return stands_for(PROGRAM, recipient, REPORTS)


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"_{byte:02x}" for byte in match[0].encode())

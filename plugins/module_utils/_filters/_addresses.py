# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose mailboxes are here, as the role writes it down for the filters."""

from __future__ import annotations

import json

PATH = "/etc/pythonfilter-addresses.json"


def mailboxes(path: str = PATH) -> frozenset[str]:
    """The addresses that have a mailbox on this host; nobody's, where nothing is written down."""
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except FileNotFoundError:
        return frozenset()
    return frozenset(address.lower() for address in found.get("mailboxes", []))

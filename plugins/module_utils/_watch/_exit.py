# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the commands of the watch end (sysexits.h)."""

from __future__ import annotations

import sys

USAGE = 64
UNAVAILABLE = 69
TEMPORARY = 75  # Courier keeps the message and comes again
CONFIGURATION = 78


def fail(code: int, text: str) -> int:
    """Say why, and return the code."""
    sys.stderr.write(f"courier-mail-watch: {text}\n")
    return code

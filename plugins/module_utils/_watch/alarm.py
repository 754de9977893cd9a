# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch alarm."""

from __future__ import annotations

from collections.abc import Sequence


def main(_arguments: Sequence[str]) -> int:
    """Nothing is told yet."""
    return 0

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts of one inventory watch about each other, and which addresses the watch reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

_HAND = "/usr/local/lib/courier-mail-watch/hand"


def watch_aliases(addresses: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Aliases that give mail to the watch. The documentation is in watch_aliases.yml."""
    wanted = list(addresses)
    # By a name of its own, which filters see as the recipient and no client can claim.
    words = dict.fromkeys(one["word"] for one in wanted)
    programs = [{"name": f"watch-{word}", "targets": [f"|{_HAND} {word}"]} for word in words]
    return programs + [
        {"name": one["name"], "targets": [f"watch-{one['word']}", *one.get("copies", ())]} for one in wanted
    ]


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {
            "watch_aliases": watch_aliases,
        }

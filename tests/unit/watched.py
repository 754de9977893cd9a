# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What root sees of a host where everything runs."""

from __future__ import annotations

from typing import Any

NOW = 1_800_000_000.0
QUEUE: dict[str, Any] = {
    "states": {"waiting": 1, "deferred": 2, "cancelled": 0},
    "ages": {"5m": 3},
    "oldest": 60.0,
    "unread": 0,
}
UP: dict[str, Any] = {"state": "active", "restarts": 0}
ROOM = {"size": 100, "free": 50, "inodes": 100, "free_inodes": 50}
SEEN: dict[str, Any] = {
    "at": NOW,
    "errors": {},
    "queue": QUEUE,
    "units": {"courier.service": UP, "a.timer": UP},
    "failed": ["x.service"],
    "sockets": {"clamd": True},
    "backlogs": {"filters": 0},
    "certificates": {"/x.pem": NOW},
    "room": {"/": ROOM},
    "held": 0,
    "denied": 7,
    "own_lists": {"block": 3},
    "lists": {"bl.example.net": {"broken": "no", "since": 1.0}},
    "bans": {"sshd": 4},
    "fetched": {"pop": NOW},
    "backup": {"finished": NOW, "proved": NOW, "bytes": 5, "minutes": 1, "restore_minutes": 2, "checked": NOW},
    "upgrade": {"stage": "done", "at": NOW},
}

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Courier last said of a letter that is late, for whoever reads the alarm."""

from __future__ import annotations

import subprocess

from ._proof_letter import clean

_SECONDS = 5
_LINES = 5000


def last_line(sender: str, to: str, since: float) -> str:
    """The last thing that Courier said of a delivery from one to the other, or nothing."""
    command = ["/usr/bin/journalctl", "-q", "--no-pager", "-o", "short-iso", "-r", "-n", str(_LINES)]
    # Of processes that end at once the journal does not know the unit.
    command += ["-t", "courierd", "-t", "courieresmtp", "-t", "courierlocal", f"--since=@{int(since)}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 -- ours
    except (OSError, subprocess.SubprocessError):
        return ""
    wanted = [f"from=<{sender}>".lower(), f"addr=<{to}>".lower()]
    found = [line for line in done.stdout.decode(errors="replace").splitlines() if _about(line.lower(), wanted)]
    # The last line of an attempt only says how it ended, and the one before in which words.
    words = next((line for line in found if ",status: " not in line and ",module=" not in line), "")
    return clean(words or next(iter(found), ""))


def _about(line: str, wanted: list[str]) -> bool:
    return all(one in line for one in wanted)

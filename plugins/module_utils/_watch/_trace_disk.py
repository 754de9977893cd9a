# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the disk knows of a message beside the journal: when it is tried next, and from which mailbox it was fetched."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from contextlib import suppress

QUEUE = "/var/lib/courier"
FETCHMAIL = "/etc/fetchmail"


def next_try(file: int, id_: str, queue: str = QUEUE) -> float | None:
    """When the message with this file is tried next; 0 where it is not in the queue, None where nobody knows.

    The queue has a name for each message: C, the number of its file, and the time (courier/libs/comqueuename.c). A
    number is given again when a message is gone, so the file itself must have the id.
    """
    waiting = os.path.join(queue, "msgq")
    if not file or not os.access(waiting, os.R_OK | os.X_OK):
        return None
    try:
        with open(os.path.join(queue, "msgs", str(file % 100), f"C{file}"), encoding="latin-1") as stream:
            if not any(line.startswith("M") and line.rstrip("\n").endswith(id_) for line in stream):
                return 0.0
    except FileNotFoundError:
        return 0.0
    except OSError:
        return None
    times = (path.rpartition(".")[2] for path in glob.glob(os.path.join(glob.escape(waiting), "*", f"C{file}.*")))
    return max((float(one) for one in times if one.isdigit()), default=None)


def source(name: str) -> str:
    """The address that the mail of a fetched mailbox comes from, as the role fetchmail has it (courier_fetch)."""
    digest = hashlib.sha256(name.encode()).digest()
    return f"127.25.{1 + digest[0] % 254}.{1 + digest[1] % 254}"


def fetched(directory: str = FETCHMAIL) -> dict[str, str]:
    """What the mailboxes elsewhere are called, by the address that their mail comes from."""
    found = {}
    for path in glob.glob(os.path.join(glob.escape(directory), "*.json")):
        with suppress(OSError, ValueError, KeyError, TypeError), open(path, encoding="utf-8") as stream:
            found[source(os.path.basename(path).removesuffix(".json"))] = str(json.load(stream)["label"])
    return found

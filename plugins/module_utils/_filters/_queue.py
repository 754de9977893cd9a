# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody sent and is not delivered yet: the control files of Courier's queue."""

from __future__ import annotations

import glob
import os
import subprocess
from typing import NamedTuple

from ._message import Message
from ._origin import origin

DIRECTORY = "/var/lib/courier/msgs"
_CANCELMSG = "cancelmsg"
_SECONDS = 60


class Waiting(NamedTuple):
    """A message that waits."""

    id: str
    recipients: list[str]  # who have it not yet


def sent_by(key: str, directory: str = DIRECTORY) -> list[Waiting]:
    """The messages of somebody, by the key that the filter rate counts him under. What is cancelled does not wait."""
    found = []
    for control in sorted(glob.glob(f"{directory}/*/C*")):
        number = os.path.basename(control)[1:].partition(".")[0]
        try:
            message = Message(os.path.join(os.path.dirname(control), f"D{number}"), [control])
            waits = origin(message).key == key and message.record("X") is None
        except OSError:  # it was delivered meanwhile
            continue
        recipients = [recipient.address for recipient in message.recipients]
        if waits and recipients:
            found.append(Waiting(message.id, recipients))
    return found


def cancel(number: str, reason: str) -> bool:
    """Return a message to its sender with a reason, and say whether that was to be done."""
    done = subprocess.run(  # noqa: S603 -- arguments are ours
        [_CANCELMSG, number, reason], timeout=_SECONDS, check=False, capture_output=True
    )
    return done.returncode == 0

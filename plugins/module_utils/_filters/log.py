# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log one line for each message, with what every filter thought of it.

It is first in the chain, and writes when the chain is done. The line is `courier_mail: ` and JSON in ASCII, so that
nothing in an address or a reply can end it or begin another. The subject is not in it: it is what the letter says, and
a log is read by people it was not written to.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from ._message import Message
from ._verdict import PASS, Outcome, Verdict

_SHOWN = 20  # recipients; journald cuts a line that has more than 48 KiB in two
_LONGEST = 500  # characters of a value


@dataclass(frozen=True)
class Settings:
    """There is nothing to set."""


class Filter:
    """Lets everything in."""

    def __init__(self, _settings: Settings) -> None:
        pass

    def check(self, _message: Message) -> Verdict:
        return PASS

    def finish(self, message: Message, outcome: Outcome) -> None:
        """Write the line."""
        sys.stderr.write(line(message, outcome))
        sys.stderr.flush()


def line(message: Message, outcome: Outcome) -> str:
    """The line of a message."""
    recipients = message.recipients
    entry = {
        "id": message.id,
        "from": message.sender,
        "to": [one.address for one in recipients][:_SHOWN],
        # What was written, where aliases led elsewhere; a client may claim anything (ORCPT of RFC 3461).
        "written": list(dict.fromkeys(one.original for one in recipients if one.original))[:_SHOWN],
        "recipients": len(recipients),
        "client": message.client,
        "login": message.login,
        "source": message.source,
        "size": message.size,
        **outcome.as_log(),
    }
    return f"courier_mail: {json.dumps(_cut(entry))}\n"


def _cut(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one) for one in value]
    return value

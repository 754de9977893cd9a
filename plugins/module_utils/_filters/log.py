# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log each message: one line with what it is found by, one with what every filter thought of it.

It is first in the chain, and writes when the chain is done. The lines are `courier_mail_header: ` and `courier_mail: `
with JSON in ASCII, so that nothing in an address or a reply can end one or begin another. The subject is in none: it is
what the letter says, and a log is read by people it was not written to.

Courier logs neither Message-ID nor From. They are in a line of their own because journald compresses what has 512 bytes
and more, and in that nothing can be looked for in a hurry (_watch/_trace_journal.py).
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from typing import Any

from ._message import Message
from ._verdict import PASS, Outcome, Verdict

_SHOWN = 20  # recipients; journald cuts a line that has more than 48 KiB in two
_LONGEST = 500  # characters of a value
_SHORT = 440  # of the JSON in the line that must not be compressed
_LOOKED_AT = 2000  # characters of a field
ID_SHOWN = 200  # characters of a Message-ID
# Courier's own field, whose last comment before `by` says how the client came. What the client calls itself is before.
_TLS = re.compile(r".*\]\) \((?:AUTH: [^()]*)?(?:SSL|TLS): *(TLSv?[\d.]+)[^()]*\) by [^\[\]]*")
# email.utils runs out of stack at a thousand parentheses.
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"\\]+@[^\s<>()\[\],;:\"\\]+")


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
        """Write the lines. What nobody foresaw in a header shall not cost the other one."""
        sys.stderr.write(line(message, outcome))
        sys.stderr.write(header(message, outcome))
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


def header(message: Message, outcome: Outcome) -> str:
    """The line with what people look for a message by. Where not all has room, what is last gives way."""
    entry: dict[str, Any] = {"id": message.id, "message_id": _first(message, "message-id")[:ID_SHOWN]}
    entry |= {"client": message.client, "tls": _tls(message)}
    people = {
        "from": _addresses(message, "from"),
        "written": [one.original for one in message.recipients if one.original],
        "to": _addresses(message, "to"),
    }
    if outcome.verdict.action in ("refuse", "defer"):
        # Of what it takes Courier says these itself.
        people = {"sender": [message.sender], "recipients": [one.address for one in message.recipients], **people}
    for name, addresses in people.items():
        entry[name] = []
        for address in list(dict.fromkeys(addresses))[:_SHOWN]:
            if len(json.dumps(entry | {name: [*entry[name], address]})) > _SHORT:
                break
            entry[name].append(address)
    return f"courier_mail_header: {json.dumps(entry)}\n"


def _first(message: Message, name: str) -> str:
    return " ".join(next(iter(message.values(name)), "")[:_LOOKED_AT].split())


def _addresses(message: Message, name: str) -> list[str]:
    return _ADDRESS.findall(_first(message, name))


def _tls(message: Message) -> str:
    """The version, where the client came over TLS."""
    found = _TLS.fullmatch(_first(message, "received")) if message.client else None
    return found[1] if found else ""


def _cut(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}..."
    if isinstance(value, dict):
        return {key: _cut(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cut(one) for one in value]
    return value

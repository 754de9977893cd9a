# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of mail that was fetched from a mailbox elsewhere, and that a filter refuses.

The client is fetchmail: a refusal reaches nobody who wrote the message, and either the only copy is lost, or it is
fetched again for ever. So what is refused because of what it says goes into Junk, where those after the filter still
look at it. Where a file in it is dangerous, a notice takes its place. What there is no room for stays where it is.
"""

from __future__ import annotations

import re

from ._addresses import Addresses
from ._junk import to_junk
from ._message import Message
from ._origin import origin
from ._verdict import Verdict, accept, defer

FIELD = "X-Courier-Mail-Refused"
# Filters that refuse what nobody shall open.
DANGEROUS = ("attachments", "clamd")
# Filters that refuse now what they may let pass later.
WAITING = ("room",)
_NOTICE = """
What this message said is gone: on the way from another mailbox into this one it was found to be dangerous, and there
is nobody who could still be told. Whoever is named above may not have written it.

{reason}
"""


def is_fetched(message: Message) -> bool:
    return origin(message).kind == "fetched"


def instead(name: str, verdict: Verdict, message: Message, known: Addresses) -> Verdict:
    """What is done instead of the refusal of a filter."""
    note = f"fetched, so not refused: {verdict.note or verdict.reply}"
    reason = re.sub(r"[^ -~]", "?", re.sub(r"^\d{3} (\d\.\d+\.\d+ )?", "", verdict.reply))
    if name in WAITING:
        return defer(f"452 4.2.2 {reason}", f"fetched, so it waits where it is: {verdict.note}")
    message.remove(FIELD)
    message.add(FIELD, f"{name}: {reason}"[:900])
    if name in DANGEROUS:
        _replace(message, reason)
        return accept(note)
    to_junk(message, known, f"Fetched, and refused by {name}")
    return Verdict(note=f"{note}; into Junk")


def _replace(message: Message, reason: str) -> None:
    message.remove("Content-*", "MIME-Version")
    message.add("MIME-Version", "1.0")
    message.add("Content-Type", "text/plain; charset=us-ascii")
    message.commit()
    end, notice = message.body, _NOTICE.format(reason=reason).encode("ascii")
    with open(message.text, "r+b") as stream:
        stream.seek(end)
        stream.truncate()
        stream.write(notice)
    message.size = end + len(notice)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a message into the folders that people have for spam."""

from __future__ import annotations

from ._addresses import Addresses
from ._message import Message, Recipient

FLAG = "X-Spam-Flag"
EXTENSION = "-junk"  # .courier-junk in the home of each account delivers into the folder


def to_junk(message: Message, known: Addresses, reason: str) -> None:
    """Mark a message as spam, and give it to the Junk folder of each recipient who has a mailbox here."""
    message.remove(FLAG)
    message.add(FLAG, "YES")
    for recipient in message.recipients:
        redirect(message, recipient, known, reason)


def owner(address: str) -> str:
    """Whose an address is, also after his mail was given to his Junk folder."""
    local_part, at, domain = address.rpartition("@")
    return f"{local_part.removesuffix(EXTENSION)}{at}{domain}"


def redirect(message: Message, recipient: Recipient, known: Addresses, reason: str) -> bool:
    """Give it to the Junk folder of one recipient, and say whether he has a mailbox here."""
    if not known.is_mailbox(recipient.address):
        return False
    local_part, _at, domain = recipient.address.rpartition("@")
    message.redirect(recipient, f"{local_part}{EXTENSION}@{domain}", reason)
    return True

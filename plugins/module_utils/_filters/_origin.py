# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose mail a message is."""

from __future__ import annotations

import ipaddress
import pwd
import re
from typing import NamedTuple

from ._message import Message
from ._store import site

__all__ = ["FETCHED", "Origin", "is_trusted", "is_user", "origin", "site"]

# Where mail comes from that was fetched from mailboxes elsewhere: the role fetchmail gives each an address of its own,
# and smtpaccess no rights.
FETCHED = ipaddress.ip_network("127.25.0.0/16")
_UID = re.compile(r"\(uid (\d+)\)")


class Origin(NamedTuple):
    """Who sends a message through us. Strangers send to us, and what is fetched they sent to a mailbox elsewhere."""

    kind: str  # account, relay (a host that need not log in), local (a program of this machine), fetched or stranger
    key: str  # the login, the address of the host, or "local" with the number of the user


def origin(message: Message) -> Origin:
    """Who sent it. Whoever logged in is himself wherever he is."""
    if message.login:
        return Origin("account", message.login.lower())
    client = message.client
    if message.source == "local":
        # Courier's own field is the first, and says which user it was. What people's .courier files forward is that
        # of the owner of the mailboxes.
        uid = _UID.search(next(iter(message.values("received")), ""))
        return Origin("local", f"local {uid[1]}" if uid else "local")
    if message.source == "authsmtp" or message.option("RELAYCLIENT") is not None:
        return Origin("relay", client or "")
    if client and ipaddress.ip_address(client) in FETCHED:
        return Origin("fetched", client)
    return Origin("stranger", client or "")


def is_user(who: Origin, name: str) -> bool:
    """Whether it was this user of the machine, which may have been made after the filters were."""
    try:
        return who == Origin("local", f"local {pwd.getpwnam(name).pw_uid}")
    except KeyError:
        return False


def is_trusted(client: str) -> bool:
    """Whether smtpaccess has a peer whom we trust, by the mark that whitelist_block heeds: BLOCK without a value."""
    try:
        from courier import config  # type: ignore[import-not-found] # pythonfilter's
    except ImportError:
        return False  # not on a host
    return bool(client) and config.get_smtpaccess_val("BLOCK", client) == ""

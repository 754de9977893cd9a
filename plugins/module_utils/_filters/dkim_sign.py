# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs what our people, our other servers and programs of this machine send, when everything else has been said.

With the keys of the domain in From, or of the closest one above it; else with those of the login's domain; else with
the default. What a program of this machine only passes on is left alone: nobody knows that it is from whom it says, and
whoever is told to forward would lend our name to everybody.
"""

from __future__ import annotations

import contextlib
import pwd
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import _signing
from ._message import Message
from ._origin import origin
from ._settings import refuse
from ._signing import Key, Keys
from ._verdict import PASS, Verdict
from .sender_login import written

SHIELDED = "X-Courier-Mail-Shielded"
ORIGINS = ("account", "relay", "local")
_FIELD = "DKIM-Signature"


@dataclass(frozen=True)
class Settings:
    # Whose mail is signed: account (who logs in), relay (hosts that need not), local (programs of this machine).
    origins: list[str] = field(default_factory=lambda: list(ORIGINS))
    # The user who forwards mail. What he hands over is signed only if its author's address became one of ours, which he
    # says with the field X-Courier-Mail-Shielded.
    forwarder: str = "courier-srs"
    keys: str = _signing.PATH

    def __post_init__(self) -> None:
        for one in self.origins:
            if one not in ORIGINS:
                refuse("origins", one, f"some of {', '.join(ORIGINS)}")
        if not re.fullmatch(r"[a-z_][a-z0-9_-]*", self.forwarder):
            refuse("forwarder", self.forwarder, "the name of a user, such as courier-srs")
        if not self.keys.startswith("/"):
            refuse("keys", self.keys, f"an absolute path such as {_signing.PATH}")


class Filter:
    """See the module."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read = _signing.Read(settings.keys)
        _needed()

    def check(self, _message: Message) -> Verdict:
        return PASS

    def seal(self, message: Message) -> Verdict:
        """Sign, when no other filter changes the message any more. Raises Down."""
        kind, who = origin(message)
        shielded = bool(message.values(SHIELDED)) and self._forwards(who)
        message.remove(SHIELDED)
        if kind not in self._settings.origins:
            return PASS
        if kind == "local" and not shielded and (self._forwards(who) or _passed_on(message)):
            return Verdict(note="passed on, not signed")
        keys = self._read()
        found = _choose(keys, message, who if kind == "account" else "", only_from=shielded) if keys else None
        if not found:
            if not shielded:
                sys.stderr.write(f"courier_mail: dkim_sign has no key for {message.id}, which goes unsigned\n")
            return Verdict(note="no key")
        domain, wanted = found
        there = _signatures(message)
        missing = [key for key in wanted if (domain, key.selector.lower()) not in there]
        if missing:
            message.commit()
            for raw in reversed(_signing.sign(message, domain, missing)):
                message.put(raw)
        return Verdict(note=f"signed by {domain}" if missing else f"signed by {domain} before")

    def _forwards(self, who: str) -> bool:
        """Whether this is the user who forwards."""
        with contextlib.suppress(KeyError):
            return who == f"local {pwd.getpwnam(self._settings.forwarder).pw_uid}"
        return False


def _needed() -> None:
    """What signing needs is there; where it is not, the filter is down from its start."""
    import dkim  # noqa: F401 # pylint: disable=unused-import
    import nacl.signing  # noqa: F401 # pylint: disable=unused-import


def _passed_on(message: Message) -> bool:
    """Whether somebody received this before it was handed to us: Courier's own Received is the first."""
    return len(message.values("received")) > 1


def _choose(keys: Keys, message: Message, login: str, *, only_from: bool) -> tuple[str, Sequence[Key]] | None:
    authors = [address for value in message.values("from") for address in written(value)]
    for address in authors:
        if found := keys.of(address.rpartition("@")[2]):
            return found
    if only_from:
        return None
    return (keys.of(login.rpartition("@")[2]) if "@" in login else None) or keys.default()


def _signatures(message: Message) -> set[tuple[str, str]]:
    """Domain and selector of the signatures that are there and look like some."""
    found = set()
    for value in message.values(_FIELD):
        tags = {tag.strip(): part.strip() for tag, _equals, part in (one.partition("=") for one in value.split(";"))}
        if tags.get("b") and tags.get("bh"):
            found.add((tags.get("d", "").lower(), tags.get("s", "").lower()))
    return found

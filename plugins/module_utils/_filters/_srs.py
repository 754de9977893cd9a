# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Sender Rewriting Scheme: senders of ours for mail that we pass on, from which bounces find the first sender.

SRS0-HASH=TT=example.net=bob@mx1.example.com stands for bob@example.net, and SRS1-… for the SRS0 address that somebody
else made. The hash is made with a secret, so that nobody gets bounces delivered through us that are for others. What
follows SRS0 is a hyphen, at which Courier looks for a file for SRS0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ._names import SRS

TAGGED = re.compile(rf"(\"?)(?:{SRS}-)?(srs[01][-+=].*)\1", re.IGNORECASE | re.DOTALL)
_ADDRESS = re.compile(r"[^\x00-\x20\x7f<>]+@[^\x00-\x20\x7f<>@]+")


class NoSrs(ValueError):
    """What is no sender that can be rewritten, or no address that we made, as the second half of a sentence."""


class Rewriter:
    """Makes senders, and reads them again. The first secret makes, all of them read."""

    def __init__(self, secrets: Sequence[str], domain: str, max_age: int) -> None:
        from SRS.Guarded import Guarded

        self._domain = domain
        # The library knows them by a tuple: a text would be one secret.
        self._library: Any = Guarded(tuple(secrets), maxage=max_age, separator="-", alwaysrewrite=True)

    def forward(self, sender: str) -> str:
        """The sender to pass mail on with. That of notices is nobody, and stays so."""
        if not sender:
            return ""
        if not _ADDRESS.fullmatch(sender):
            raise NoSrs("is no sender that can be rewritten")
        try:
            return str(self._library.forward(sender, self._domain))
        except (AssertionError, ValueError, IndexError) as error:
            raise NoSrs("is no sender that can be rewritten") from error

    def reverse(self, address: str) -> str:
        """Whom the bounce is for, of the address as the client wrote it or as it is after aliases."""
        found = TAGGED.fullmatch(address.rpartition("@")[0])
        if not found:
            raise NoSrs("is no address of a rewritten sender")
        try:
            said = str(self._library.reverse(f"{found[1]}{found[2]}{found[1]}@{self._domain}"))
        except (AssertionError, ValueError, IndexError, TypeError) as error:
            why = "is too old" if "timestamp" in str(error).lower() else "was not made here"
            raise NoSrs(why) from error
        if not _ADDRESS.fullmatch(said):
            raise NoSrs("was not made here")
        return said

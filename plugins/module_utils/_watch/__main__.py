# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-watch: hands on to the part that its first word names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

from ._exit import UNAVAILABLE, USAGE
from ._places import Unfit, become

# Word: module of this package, whose main() gets the word and what follows it.
COMMANDS = {
    "alarm": "alarm",
    "count": "flow",
    "findings": "findings",
    "look": "look",
    "metrics": "metrics",
    "mail": "_hand",
    "arrived": "proofs",
    "prove": "proofs",
    "proofs": "proofs",
    "take": "reports",
    "reports": "reports",
    "registrations": "reports",
    "blocklists": "blocklists",
    "trace": "trace",
}
# Those that need root or are for whoever asks, and the one that becomes the owner of what it reads. Where root starts
# the others, they become the user of the watch.
AS_STARTED = ("look", "take", "trace")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command. Returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    word = given[0] if given else ""
    if word not in COMMANDS:
        sys.stderr.write(f"courier-mail-watch: there is no command {word!r}; there are {', '.join(COMMANDS)}\n")
        return USAGE
    if word not in AS_STARTED:
        try:
            become()
        except Unfit as error:
            sys.stderr.write(f"courier-mail-watch: {error}\n")
            return UNAVAILABLE
    part = importlib.import_module(f"{__package__}.{COMMANDS[word]}")
    code: int = part.main(given)
    return code


if __name__ == "__main__":
    raise SystemExit(main())

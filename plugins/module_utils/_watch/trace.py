# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command mailtrace, which is courier-mail-watch trace: the way of a message through this host, in plain words.

It ends with 0 where something is known, with 1 where nothing is, with 64 for a question that cannot be asked, and with
69 where the journal cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from ._trace_search import MOST, JournalError, QueryError, query, trace
from ._trace_story import as_text

FOUND, NOTHING, USAGE, UNAVAILABLE = 0, 1, 64, 69  # the last two are sysexits.h's
_WHEN = "such as 2026-11-26 10:02, 10:02, 30m, 2h, 3d"


def main(arguments: Sequence[str] | None = None) -> int:
    """Say what became of what. Returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    given = _parser().parse_args(words[1:] if words[:1] == ["trace"] else words)
    asked = {name: getattr(given, name) for name in ("id", "address", "host", "since", "until", "most")}
    for word in given.what:
        name = "id" if word.startswith("<") or "@" not in word else "address"
        if asked[name]:
            return _fail(USAGE, f"there are two of {name}, {asked[name]} and {word}; ask for one at a time")
        asked[name] = word
    try:
        found = trace(query(asked, time.time()), given.directory)
    except QueryError as error:
        return _fail(USAGE, str(error))
    except JournalError as error:
        return _fail(UNAVAILABLE, str(error))
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n" if given.json else as_text(found))
    return FOUND if found["messages"] or found["refusals"] else NOTHING


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="mailtrace", description="What became of a message, by this host's journal.")
    parser.add_argument("what", nargs="*", help="an address, or an id: Courier's, <Message-ID>, or another host's")
    parser.add_argument("--id", default="", help="Courier's id, a Message-ID, or the id that another host gave it")
    parser.add_argument("--address", default="", help="of the envelope, the header, or an account")
    parser.add_argument("--host", default="", help="address or name of the client, or name of the host that took it")
    parser.add_argument("--since", default="", help=f"not before ({_WHEN})")
    parser.add_argument("--until", default="", help="not after")
    parser.add_argument("--most", type=int, default=MOST, help="how many messages, the newest (%(default)s)")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--directory", default="", help="a journal that is somewhere else")
    return parser


def _fail(code: int, text: str) -> int:
    sys.stderr.write(f"mailtrace: {text}\n")
    return code


if __name__ == "__main__":
    raise SystemExit(main())

"""Take out of mailboxes what has been in Trash for long.

Courier does so when somebody logs in by IMAP. Who reads on his phone stays logged in for weeks, others read by POP3, or
not at all. As with Courier, the time counts since the message was put there, or its flags changed (ctime).
"""

from __future__ import annotations

import argparse
import os
import re
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

DAY = 86400
DEPTH = 4  # of homes below the mail root


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Take out of mailboxes what has been in a folder for too many days.")
    parser.add_argument("root", help="the directory that mailboxes are below")
    parser.add_argument("folders", help="folders and their days, such as 'Trash:30,Deleted Items:30'")
    parser.add_argument("--later", type=float, default=0, metavar="DAYS", help="as if it were so many days later")
    given = parser.parse_args(arguments)
    now = time.time() + given.later * DAY
    pairs = (one.rpartition(":") for one in given.folders.split(",") if one)
    days = {name: int(number) for name, _colon, number in pairs}
    gone = sum(expire(maildir, days, now) for maildir in maildirs(given.root))
    print(f"{gone} messages were old enough to go")


def maildirs(directory: str, depth: int = DEPTH) -> Iterator[str]:
    """The mailboxes below a directory."""
    for path in _directories(directory):
        name = os.path.basename(path)
        if name == "Maildir":
            yield path
        elif depth and not name.startswith("."):
            yield from maildirs(path, depth - 1)


def expire(maildir: str, days: dict[str, int], now: float) -> int:
    """How many messages went."""
    gone = 0
    for folder, number in days.items():
        for part in ("cur", "new"):
            for path, size in _older(f"{maildir}/.{folder}/{part}", now - number * DAY):
                with suppress(FileNotFoundError):  # its owner was faster
                    os.unlink(path)
                    gone += 1
                    if folder != "Trash":  # which Courier does not count
                        _take_off_quota(maildir, size)
    return gone


def _older(directory: str, then: float) -> list[tuple[str, int]]:
    found = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                seen = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(seen.st_mode) and not entry.name.startswith(".") and seen.st_ctime < then:
                    size = re.search(r",S=(\d+)", entry.name)
                    found.append((entry.path, int(size[1]) if size else seen.st_size))
    return found


def _take_off_quota(maildir: str, size: int) -> None:
    with suppress(FileNotFoundError):  # where there is no quota
        sizes = os.open(f"{maildir}/maildirsize", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        with open(sizes, "w", encoding="ascii") as stream:
            stream.write(f"{-size:12} {-1:12}\n")


def _directories(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


if __name__ == "__main__":
    main()

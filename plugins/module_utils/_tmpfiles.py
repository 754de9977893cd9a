# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-tmpfiles does at each boot, without what it would empty then.

A line of type D makes a directory, and empties it at boot. In directories of configuration and of the queue, that is
the loss of both. A second line for the same path does not help: both are carried out. Only a file of the same name
in /etc/tmpfiles.d is read instead of the package's.
"""

from __future__ import annotations

import re

# A line: its type, with signs that refine it, and the path, which may stand in quotes.
_LINE = re.compile(
    r"""^(?P<before>[ \t]*)D(?P<signs>[!+=~^$?-]*)(?P<rest>[ \t]+["']?(?P<path>/[^ \t\n"']*)["']?)(?P<fields>.*)$"""
)
# What is empty after a boot by itself, and is meant to be.
_PASSING = re.compile(r"/(run|tmp|var/run|var/tmp)(/|$)")


def kept(text: str) -> str | None:
    """The text of a package's file with what it empties kept, or None where it empties nothing that would last."""
    lines = text.splitlines()
    mended = [_LINE.sub(_mend, line) for line in lines]
    return None if mended == lines else "".join(f"{line}\n" for line in mended)


def emptied(text: str) -> list[str]:
    """The directories that a file has emptied at boot, and that would last without."""
    found = (_LINE.match(line) for line in text.splitlines())
    return [line["path"].rstrip("/") for line in found if line and not _PASSING.match(line["path"])]


def _mend(line: re.Match[str]) -> str:
    if _PASSING.match(line["path"]):
        return line[0]
    # With a colon, mode, owner and group are for a directory that is made. One that is there has what it was given.
    fields = re.split(r"([ \t]+)", line["fields"])
    for place in range(2, min(len(fields), 7), 2):
        if fields[place][:1] not in ("", ":", "-"):
            fields[place] = f":{fields[place]}"
    return f"{line['before']}d{line['signs']}{line['rest']}{''.join(fields)}"

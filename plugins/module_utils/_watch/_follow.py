# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lines about mail that the journal has got since the last time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ._trace_journal import SAYS, JournalError, Line

_FIELDS = ("MESSAGE", "SYSLOG_IDENTIFIER", "_UID", "_PID", "_SYSTEMD_UNIT")
_SECONDS = 30.0


class Read(NamedTuple):
    """A line, if it is one that is believed, and the place in the journal after which the next comes."""

    line: Line | None
    cursor: str
    at: float


def end(*arguments: str) -> tuple[str, float] | None:
    """The place of the last entry of the journal, and when it was written; None where there is none."""
    command = ["journalctl", "--no-pager", "--quiet", "--output=json", "--output-fields=_UID", "-n1", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_SECONDS)  # noqa: S603
    except (OSError, subprocess.SubprocessError) as error:
        raise JournalError(f"journalctl: {error}") from error
    for line in done.stdout.splitlines():
        entry = json.loads(line)
        return entry["__CURSOR"], float(entry["__REALTIME_TIMESTAMP"]) / 1e6
    if done.returncode and done.stderr.strip():
        raise JournalError(f"journalctl: {done.stderr.strip().splitlines()[-1]}")
    return None


def after(cursor: str, believed: Mapping[str, frozenset[int]] | None, *arguments: str) -> Iterator[Read]:
    """What came after a place. Raises JournalError where journalctl does not know how to go there."""
    names = [argument for identifier in SAYS for argument in ("-t", identifier)]
    # --all: what is not printable would be left out. As JSON no text can look like another entry.
    how = ["--no-pager", "--quiet", "--all", "--output=json", f"--output-fields={','.join(_FIELDS)}"]
    # Not --after-cursor, which passes over the next line as well where that of the cursor is gone.
    command = ["journalctl", *how, f"--cursor={cursor}", *names, *arguments]
    try:
        process = subprocess.Popen(  # noqa: S603 -- no shell
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    except OSError as error:
        raise JournalError(f"journalctl: {error}") from error
    with process:
        # Its errors are short, and no pipe is full of them.
        for raw in process.stdout or ():
            entry = json.loads(raw)
            if entry["__CURSOR"] == cursor:
                continue
            at = float(entry["__REALTIME_TIMESTAMP"]) / 1e6
            yield Read(_believe(entry, at, believed), entry["__CURSOR"], at)
        said = (process.stderr.read() if process.stderr else b"").decode(errors="replace").strip()
        # It ends with 1 where it found nothing.
        if process.wait() and said:
            raise JournalError(f"journalctl: {said.splitlines()[-1]}")


def _believe(entry: Mapping[str, Any], at: float, believed: Mapping[str, frozenset[int]] | None) -> Line | None:
    """The line. Anybody may call himself courierd; the number of the user is the kernel's word."""
    identifier, user, pid = (str(entry.get(name, "")) for name in ("SYSLOG_IDENTIFIER", "_UID", "_PID"))
    if identifier not in SAYS:
        return None
    if believed is not None and not (user.isdigit() and int(user) in believed[identifier]):
        return None
    number = int(pid) if pid.isdigit() else 0
    return Line(at, identifier, number, _text(entry.get("MESSAGE")), str(entry.get("_SYSTEMD_UNIT", "")))


def _text(said: Any) -> str:
    """A message, each byte a character; journalctl makes a list of numbers of what is no UTF-8."""
    if isinstance(said, list) and all(isinstance(one, int) for one in said):
        return bytes(said).decode("latin-1")
    return said.encode("utf-8", "replace").decode("latin-1") if isinstance(said, str) else ""

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal of a span of time from its beginning, line by line as it comes: a week of it need not fit into memory."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator, Sequence

from .._watch._trace_journal import Line

IDENTIFIERS = ("courierd", "courierdsn", "courieresmtp", "courieresmtpd", "courierlocal", "pythonfilter")
READERS = ("imapd", "imapd-ssl", "pop3d", "pop3d-ssl")


def parse(raw: Iterable[bytes]) -> Iterator[Line]:
    """The lines of `journalctl --output=short-unix`. What goes on over several lines is indented, and is none."""
    for one in raw:
        parts = one.rstrip(b"\n").split(b" ", 3)
        if len(parts) < 4 or not parts[0][:1].isdigit() or not parts[2].endswith(b":"):
            continue
        name, _bracket, pid = parts[2][:-1].partition(b"[")
        number = pid.rstrip(b"]")
        try:
            at = float(parts[0])
        except ValueError:
            continue
        yield Line(at, name.decode("latin-1"), int(number) if number.isdigit() else 0, parts[3].decode("latin-1"))


class Journal:
    """What Courier, its filters and its mailbox servers wrote.

    Anybody can call himself courierd. Which user it was, the kernel says.
    """

    def __init__(self, since: float, users: Sequence[int], directory: str = "") -> None:
        names = [argument for name in (*IDENTIFIERS, *READERS) for argument in ("-t", name)]
        place = [f"--directory={directory}"] if directory else []
        quiet = ["journalctl", "--no-pager", "--quiet", "--all", "--output=short-unix", f"--since=@{since:.0f}"]
        self._command = [*quiet, *place, *names, *(f"_UID={user}" for user in users)]

    def lines(self) -> Iterator[Line]:
        """All of them. Raises OSError where journalctl cannot be run, or fails."""
        with subprocess.Popen(  # noqa: S603 -- no shell, and nothing of it is an option
            self._command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            if process.stdout is None or process.stderr is None:
                return
            try:
                yield from parse(process.stdout)
                said = process.stderr.read().decode(errors="replace").strip()
                # It ends with 1 where it found nothing.
                if process.wait() and said:
                    raise OSError(f"journalctl: {said.splitlines()[-1]}")
            finally:
                process.kill()  # where no more is wanted

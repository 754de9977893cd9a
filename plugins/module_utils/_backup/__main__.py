# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command courier-mail-backup, on a host that is backed up."""

from __future__ import annotations

import contextlib
import dataclasses
import email.message
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence

from . import _state
from ._configuration import DIRECTORY, STATE, Settings, load
from ._restic import Restic, ResticError, environment
from ._take import Take, TakeError, alone, say

_USAGE = """\
courier-mail-backup WORD, of:
  run          take a backup now, as the timer does each night (better: systemctl start courier-mail-backup)
  prepare      make the repository, where there never was one
  check        read a part of the data in the repository
  status       say when the last backup was, and what became of it
  restic ...   call restic with the secrets of this host, such as: courier-mail-backup restic snapshots
"""
SENDMAIL = "/usr/sbin/sendmail"
USAGE = 64  # sysexits.h


def main(arguments: Sequence[str] | None = None, directory: str = DIRECTORY, state: str = STATE) -> int:
    """Run a command. Returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    word = given[0] if given else ""
    if word == "status":
        say(status(_state.read(state)))
        return 0
    if word not in ("run", "prepare", "check", "report", "restic"):
        sys.stderr.write(_USAGE)
        return USAGE
    if word == "report":
        return report(given[1], _known_failure(state))
    try:
        settings = settings_of(directory)
        restic = Restic(settings, environment(directory), directory)
        if word == "restic":
            os.execvpe("restic", restic.command(*given[1:]), restic.environment)  # noqa: S606, S607
        with alone(state):
            return _work(word, Take(settings, restic, state), state)
    except (TakeError, ResticError) as error:
        sys.stderr.write(f"courier-mail-backup: {error}\n")
        if word in ("run", "check"):
            _fail(str(error), state)
        return 1


def _fail(said: str, directory: str) -> _state.State:
    """Note why there is no backup, for whoever raises the alarm."""
    known = dataclasses.replace(_state.read(directory), error=said, failed=time.time())
    with contextlib.suppress(OSError):  # it has been said already
        _state.write(known, directory)
    return known


def _known_failure(directory: str) -> _state.State:
    """What is known of a unit that has failed. It may have been killed, and have said nothing."""
    known = _state.read(directory)
    return (
        known
        if known.error
        else _fail("it ended without saying why; see: journalctl -u courier-mail-backup", directory)
    )


def _work(word: str, take: Take, state: str) -> int:
    if word == "prepare":
        say("made" if take.prepare() else "there")
    elif word == "check":
        _state.write(take.check(_state.read(state)), state)
    else:
        say(status(take.run()))
    return 0


def settings_of(directory: str = DIRECTORY) -> Settings:
    """The settings of this host. Raises TakeError where it has none, or its password is gone."""
    try:
        with open(f"{directory}/backup.json", encoding="utf-8") as stream:
            settings = load(stream.read())
    except FileNotFoundError:
        raise TakeError(f"this host has no backup: {directory}/backup.json is not there") from None
    except (OSError, ValueError) as error:
        raise TakeError(f"{directory}/backup.json cannot be read: {error}") from error
    try:
        if not os.stat(f"{directory}/password").st_size:
            raise FileNotFoundError
    except FileNotFoundError:
        raise TakeError(
            f"{directory}/password is not there, or empty; write mail_backup.password and run courier.mail.backup"
        ) from None
    return settings


def status(state: _state.State) -> str:
    """What is known, for people."""
    took = f", in {state.restore_minutes} minutes" if state.restore_minutes else ""
    if not state.finished:
        said = "There is no backup yet."
    else:
        said = (
            f"Backup {state.snapshot[:8]} of {_at(state.finished)}: {state.messages} messages, "
            f"{state.bytes / 1e6:.1f} MB, {state.minutes} minutes. Data read: {_at(state.checked)}. "
            f"Restore proved: {_at(state.proved)}{took}."
        )
    return said + (f"\nThe last run failed at {_at(state.failed)}: {state.error}" if state.error else "")


def report(recipient: str, state: _state.State) -> int:
    """Write to a person that the backup failed."""
    if recipient == "-":
        return 0
    host = platform.node()
    message = email.message.EmailMessage()
    message["From"] = "backup <root>"
    message["To"] = recipient
    message["Subject"] = f"{host} has no backup of today"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{state.error}\n\n{status(state)}\n")
    done = subprocess.run([SENDMAIL, "-t"], input=message.as_bytes(), check=False, timeout=60)  # noqa: S603
    return done.returncode


def _at(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment)) if moment else "never"


if __name__ == "__main__":
    os.umask(0o077)  # copies of what others may not read
    raise SystemExit(main())

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the databases of the watch have in common."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator


def born(path: str) -> None:
    """Make the file: it says who writes to whom, so nobody but the owner and his group reads it."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o640))


def reading(path: str, seconds: float) -> sqlite3.Connection:
    """A database that is only read, and is not made. Seconds is how long others are waited for."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    database = sqlite3.connect(f"file:{quoted}?mode=ro", seconds, uri=True)
    try:
        database.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        database.close()
        # Where a log is kept and nobody has it open, the files beside it are gone, and who may not write cannot make
        # them. Then nobody changes it either. One that somebody has locked is being changed.
        locked = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
        if locked or os.path.exists(f"{path}-wal") or not os.path.exists(path):
            raise
        database = sqlite3.connect(f"file:{quoted}?mode=ro&immutable=1", seconds, uri=True)
    return database


@contextlib.contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing. It takes the lock at once, so that two never wait for each other."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")

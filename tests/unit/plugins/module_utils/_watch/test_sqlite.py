"""Databases of others, which the watch may read and not write."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.module_utils._watch._sqlite import reading

ROOT = Path(__file__).parents[5]
NOBODY = 65534
READ = """
import os, sys
sys.path.insert(0, sys.argv[1])
from plugins.module_utils._watch._sqlite import reading
if os.getuid() == 0:
    os.setgroups([])
    os.setgid({nobody})
    os.setuid({nobody})
print(reading(sys.argv[2], 1).execute("SELECT name FROM held").fetchall())
"""


@pytest.fixture
def directory():
    """A directory that others may enter and not write to."""
    directory = Path(f"/tmp/held.{os.getpid()}")
    directory.mkdir()
    yield directory
    directory.chmod(0o755)
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


def write(path, name):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE IF NOT EXISTS held (name TEXT)")
    database.execute("INSERT INTO held VALUES (?)", (name,))
    return database


def read_by_nobody(path):
    """What a user sees who may read the file and write nothing."""
    path.chmod(0o644)
    path.parent.chmod(0o555)
    program = [sys.executable, "-c", READ.format(nobody=NOBODY), str(ROOT), str(path)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout.strip() or done.stderr.splitlines()[-1]


def test_is_read_while_nobody_has_it_open(directory):
    write(directory / "rate.sqlite", "alice").close()
    assert not (directory / "rate.sqlite-wal").exists()
    assert read_by_nobody(directory / "rate.sqlite") == "[('alice',)]"


def test_what_is_being_changed_is_not_read(directory):
    path = directory / "flow.sqlite"
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("CREATE TABLE held (name TEXT)")
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        reading(str(path), 0.1)
    database.close()


def test_what_is_not_there_is_not_made(directory):
    with pytest.raises(sqlite3.OperationalError):
        reading(str(directory / "none.sqlite"), 1)
    assert list(directory.iterdir()) == []

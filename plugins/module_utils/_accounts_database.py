# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of accounts in PostgreSQL: what differs from the rows wanted, and how it gets them, all or none.

Several hosts may share it and run at the same moment, so one transaction looks and writes, and others wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from . import _postgresql
from ._courier.authpgsql import COLUMNS, SCHEMA, TABLE, VARIABLE, Row, connection, line

# Any number that nobody else locks.
_LOCK = 0x636F7572
_CREATE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {TABLE} (
    address text PRIMARY KEY, domain text NOT NULL, password_hash text,
    uid integer NOT NULL, gid integer NOT NULL, home text NOT NULL, quota text, name text);
"""
_GRANT = f"GRANT USAGE ON SCHEMA {SCHEMA} TO {{reader}}; GRANT SELECT ON {TABLE} TO {{reader}}"
# Rows are made of the names of this module; values go their own way.
_SELECT = f"SELECT {', '.join(COLUMNS)} FROM {TABLE} WHERE {{where}}"  # noqa: S608
_UPSERT = (
    f"INSERT INTO {TABLE} ({', '.join(COLUMNS)}) VALUES %s ON CONFLICT (address) DO UPDATE SET "  # noqa: S608
    + ", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS[1:])
)
_DELETE = f"DELETE FROM {TABLE} WHERE address = ANY(%s)"  # noqa: S608


class Difference(NamedTuple):
    """What a run changes in the table."""

    prepares: bool  # the table is not there, or not for the reader to read
    before: str  # the rows that go or change, as lines of userdb, with secrets
    after: str

    def __bool__(self) -> bool:
        return self.prepares or self.before != self.after


def reach(database: Mapping[str, Any]) -> None:
    """Ask both users in, as far as the host can yet. Raises DatabaseError."""
    _postgresql.reach(VARIABLE, database, [connection(database, writing=writing) for writing in (True, False)])


def bring(database: Mapping[str, Any], wanted: Sequence[Row], where: str, *, check: bool) -> Difference:
    """Bring the rows of our domains, which `where` finds, into the state wanted. Raises DatabaseError."""
    everything = Difference(True, "", "".join(map(line, wanted)))
    if check and not _postgresql.has_library():
        return everything
    with _connected(database, writing=True) as link, link.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (TABLE,))
        there = cursor.fetchone()[0]
        prepares = not there or not _may_read(cursor, database["user"])
        if check and not there:
            return everything
        if prepares and not check:
            _prepare(cursor, database["user"])
        cursor.execute(_SELECT.format(where=where))
        found = {row.address: row for row in map(Row._make, cursor.fetchall())}
        differing = [row for row in wanted if found.get(row.address) != row]
        gone = sorted(found.keys() - {row.address for row in wanted})
        before = [found[row.address] for row in differing if row.address in found] + [found[name] for name in gone]
        difference = Difference(prepares, "".join(map(line, before)), "".join(map(line, differing)))
        if check or not difference:
            return difference
        from psycopg2.extras import execute_values  # noqa: PLC0415 # hosts have it

        if differing:
            execute_values(cursor, _UPSERT, differing, page_size=1000)
        if gone:
            cursor.execute(_DELETE, (gone,))
        link.commit()
    return difference


def prove_reader(database: Mapping[str, Any]) -> None:
    """See that Courier's user reads the table and can do nothing else. Raises DatabaseError."""
    with _connected(database, writing=False) as link, link.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {TABLE}")  # noqa: S608
        cursor.execute("SELECT has_table_privilege(%s, 'INSERT, UPDATE, DELETE, TRUNCATE')", (TABLE,))
        if cursor.fetchone()[0]:
            raise _postgresql.DatabaseError(
                f"{VARIABLE}: user {database['user']!r} may write to {TABLE}, and shall only read; "
                "take the right away, or name another user"
            )


def _connected(database: Mapping[str, Any], *, writing: bool) -> AbstractContextManager[Any]:
    return _postgresql.connected(VARIABLE, connection(database, writing=writing))


def _may_read(cursor: Any, reader: str) -> bool:
    cursor.execute(
        "SELECT has_schema_privilege(%s, %s, 'USAGE') AND has_table_privilege(%s, %s, 'SELECT')",
        (reader, SCHEMA, reader, TABLE),
    )
    return bool(cursor.fetchone()[0])


def _prepare(cursor: Any, reader: str) -> None:
    from psycopg2.sql import SQL, Identifier  # noqa: PLC0415 # hosts have it

    cursor.execute(_CREATE)
    cursor.execute(SQL(_GRANT).format(reader=Identifier(reader)))

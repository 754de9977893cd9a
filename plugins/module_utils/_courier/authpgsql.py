# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts in PostgreSQL: what is said to the server, and the text of authpgsqlrc.

The rules are those of authconfigfile.C and authpgsqllib.cpp of courier-authlib, and of PQconnectdb. A line is a name,
blanks and the value. Blanks at the end are lost, a backslash there joins the next line, and the file does not count
without its marker. Nothing else has a meaning, so that only the connection itself needs quotes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from .. import _postgresql
from .domains import DomainError, normalise
from .userdb import PASSWORD_METHODS, Account, UserdbError, parse

SCHEMA = "courier_mail"
TABLE = f"{SCHEMA}.accounts"
COLUMNS = ("address", "domain", "password_hash", "uid", "gid", "home", "quota", "name")
VARIABLE = "mail_accounts_database"

# The first lines, and what Courier asks with. The reader cannot write, so nobody changes a password by Courier.
_FILE = """\
# Managed by Ansible
PGSQL_CONNECTION {connection}
PGSQL_CHARACTER_SET UTF8
PGSQL_USER_TABLE {table}
PGSQL_LOGIN_FIELD address
PGSQL_CRYPT_PWFIELD password_hash
PGSQL_UID_FIELD uid
PGSQL_GID_FIELD gid
PGSQL_HOME_FIELD home
PGSQL_QUOTA_FIELD quota
PGSQL_NAME_FIELD name
PGSQL_WHERE_CLAUSE {where}
##NAME: MARKER:0
"""
_SECRET = re.compile(r"(?<= password=)'(?:[^'\\]|\\.)*'")


class Row(NamedTuple):
    """An account as the table has it."""

    address: str
    domain: str
    password_hash: str | None
    uid: int
    gid: int
    home: str
    quota: str | None
    name: str | None


def refuse(database: Mapping[str, Any], methods: Collection[str]) -> None:
    """Refuse what could not be, or would not be safe. Raises ValueError, and repeats no password."""
    _postgresql.refuse(VARIABLE, database, "say who may log in", ("writer", "writer_password"))
    if database["user"] == database["writer"]:
        raise UserdbError(
            f"{VARIABLE}: user and writer are both {database['user']!r}; Courier's user may only read, "
            "so make another for the run"
        )
    if not set(methods) or not set(methods) <= set(PASSWORD_METHODS):
        raise UserdbError(
            f"{VARIABLE}: mail_auth_methods is {', '.join(methods) or 'empty'}. From a database, Courier could take "
            "CRAM with passwords in clear only, which is not done here; write PLAIN and LOGIN, or have no database"
        )


def connection(database: Mapping[str, Any], *, writing: bool) -> dict[str, str]:
    """What PQconnectdb wants to know."""
    user, password, program = ("user", "password", "authdaemond")
    if writing:
        user, password, program = ("writer", "writer_password", "courier.mail")
    return _postgresql.parameters(database, database[user], database[password]) | {"application_name": program}


def render(database: Mapping[str, Any], domains: Iterable[str]) -> str:
    """The text of authpgsqlrc."""
    quoted = " ".join(f"{key}={_quoted(value)}" for key, value in connection(database, writing=False).items())
    return _FILE.format(connection=quoted, table=TABLE, where=where(domains))


def where(domains: Iterable[str]) -> str:
    """Which rows are of these domains, in SQL. A host knows nobody else who is in the database."""
    try:
        names = sorted(set(map(normalise, domains)))
    except DomainError as error:
        raise UserdbError(str(error)) from None
    parts = [f"right(domain, {len(name)}) = {_literal(name)}" for name in names if name.startswith(".")]
    if whole := [_literal(name) for name in names if not name.startswith(".")]:
        parts.insert(0, f"domain IN ({', '.join(whole)})")
    return " OR ".join(parts) or "false"


def rows(text: str) -> list[Row]:
    """The rows for the accounts of a userdb."""
    return [_row(account) for account in parse(text)]


def line(row: Row) -> str:
    """A row as userdb would have it, for a diff."""
    fields = {
        "uid": row.uid,
        "gid": row.gid,
        "home": row.home,
        "quota": row.quota,
        "gecos": row.name,
        "systempw": row.password_hash,
    }
    return f"{row.address}\t{'|'.join(f'{key}={value}' for key, value in fields.items() if value is not None)}\n"


def without_password(text: str) -> str:
    """What a diff may show of authpgsqlrc."""
    return _SECRET.sub("(hidden)", text)


def _row(account: Account) -> Row:
    domain = account.address.rpartition("@")[2]
    return Row(
        account.address,
        domain,
        account.password_hash,
        account.uid,
        account.gid,
        account.home,
        account.quota,
        account.name,
    )


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _literal(value: str) -> str:
    doubled = value.replace("'", "''")
    return f"'{doubled}'"

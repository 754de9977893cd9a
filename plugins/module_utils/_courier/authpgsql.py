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

from .domains import DomainError, normalise
from .userdb import PASSWORD_METHODS, Account, UserdbError, parse

SCHEMA = "courier_mail"
TABLE = f"{SCHEMA}.accounts"
COLUMNS = ("address", "domain", "password_hash", "uid", "gid", "home", "quota", "name")
VARIABLE = "mail_accounts_database"

_VERIFIED = ("verify-full", "verify-ca")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HERE = re.compile(r"localhost|127(\.\d{1,3}){3}|::1|/.*")

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
    """Refuse what could not be, or would not be safe. Raises UserdbError, and repeats no password."""
    for key in ("host", "name", "user", "password", "writer", "writer_password"):
        value = database.get(key)
        if not value:
            raise UserdbError(f"{VARIABLE} has no {key}; it needs host, name, user, password, writer, writer_password")
        if _CONTROL.search(value):
            raise UserdbError(f"{VARIABLE}: {key} holds a line break or another control character")
    host, tls = database["host"], database["tls"]
    if re.search(r"[\s,]", host):
        raise UserdbError(f"{VARIABLE}: host is {host!r}; write one name or address, or the directory of a socket")
    if not 1 <= database["port"] <= 65535:
        raise UserdbError(f"{VARIABLE}: port is {database['port']}; write a number from 1 to 65535, such as 5432")
    if database["user"] == database["writer"]:
        raise UserdbError(
            f"{VARIABLE}: user and writer are both {database['user']!r}; Courier's user may only read, "
            "so make another for the run"
        )
    if tls not in _VERIFIED and not _HERE.fullmatch(host) and not (database.get("reason") or "").strip():
        raise UserdbError(
            f"{VARIABLE}: with tls {tls}, anybody on the way to {host} could say who may log in; "
            "write verify-full, or a reason"
        )
    if not set(methods) or not set(methods) <= set(PASSWORD_METHODS):
        raise UserdbError(
            f"{VARIABLE}: mail_auth_methods is {', '.join(methods) or 'empty'}. From a database, Courier could take "
            "CRAM with passwords in clear only, which is not done here; write PLAIN and LOGIN, or have no database"
        )


def connection(database: Mapping[str, Any], *, writing: bool) -> dict[str, str]:
    """What PQconnectdb wants to know. A server that is silent must not hold people for a quarter of an hour."""
    user, password = ("writer", "writer_password") if writing else ("user", "password")
    said = {
        "host": database["host"],
        "port": str(database["port"]),
        "dbname": database["name"],
        "user": database[user],
        "password": database[password],
        "sslmode": database["tls"],
        "gssencmode": "disable",
        "connect_timeout": "5",
        "keepalives_idle": "30",
        "tcp_user_timeout": "10000",
        "client_encoding": "UTF8",
        "application_name": "courier.mail" if writing else "authdaemond",
    }
    if database["tls"] in _VERIFIED:
        said["sslrootcert"] = database["ca"]
    return said


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

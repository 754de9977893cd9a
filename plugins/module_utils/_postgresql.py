# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server that an inventory names: what it may say of one, and connections to it.

Each function takes the name of the inventory's variable, which stands in what it refuses. What psycopg2 says of a
server holds no password.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

VERIFIED = ("verify-full", "verify-ca")
OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "host": {"type": "str"},
    "port": {"type": "int", "default": 5432},
    "name": {"type": "str"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "tls": {"type": "str", "choices": [*VERIFIED, "require", "disable"], "default": "verify-full"},
    "ca": {"type": "path", "default": "/etc/ssl/certs/ca-certificates.crt"},
    "reason": {"type": "str"},
}

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HERE = re.compile(r"localhost|127(\.\d{1,3}){3}|::1|/.*")


class DatabaseError(ValueError):
    """What is wrong with the database, in a sentence that names the variable."""


def refuse(variable: str, database: Mapping[str, Any], harm: str, more: Iterable[str] = ()) -> None:
    """Refuse what could not be, or would not be safe. Raises DatabaseError, and repeats no password.

    `harm` says what somebody on the way could do, and `more` names keys beside those that all servers need.
    """
    needed = ("host", "name", "user", "password", *more)
    for key in needed:
        value = database.get(key)
        if not value:
            raise DatabaseError(f"{variable} has no {key}; it needs {', '.join(needed)}")
        if _CONTROL.search(value):
            raise DatabaseError(f"{variable}: {key} holds a line break or another control character")
    host, tls = database["host"], database["tls"]
    if re.search(r"[\s,;]", host):
        raise DatabaseError(f"{variable}: host is {host!r}; write one name or address, or the directory of a socket")
    if not 1 <= database["port"] <= 65535:
        raise DatabaseError(f"{variable}: port is {database['port']}; write a number from 1 to 65535, such as 5432")
    if tls not in VERIFIED and not _HERE.fullmatch(host) and not (database.get("reason") or "").strip():
        raise DatabaseError(
            f"{variable}: with tls {tls}, anybody on the way to {host} could {harm}; write verify-full, or a reason"
        )


def parameters(database: Mapping[str, Any], user: str, password: str) -> dict[str, str]:
    """What PQconnectdb wants to know. A server that is silent must not hold people for a quarter of an hour."""
    said = {
        "host": database["host"],
        "port": str(database["port"]),
        "dbname": database["name"],
        "user": user,
        "password": password,
        "sslmode": database["tls"],
        "gssencmode": "disable",
        "connect_timeout": "5",
        "keepalives_idle": "30",
        "tcp_user_timeout": "10000",
        "client_encoding": "UTF8",
    }
    if database["tls"] in VERIFIED:
        said["sslrootcert"] = database["ca"]
    return said


def reach(variable: str, database: Mapping[str, Any], sessions: Iterable[Mapping[str, str]]) -> None:
    """Ask all of them in, as far as the host can yet. Raises DatabaseError."""
    if not has_library():
        _knock(variable, database)
        return
    for session in sessions:
        with connected(variable, session):
            pass


def has_library() -> bool:
    """Whether the host can talk to a server, or only knock."""
    try:
        import psycopg2  # noqa: F401, PLC0415 # hosts have it
    except ImportError:
        return False
    return True


@contextmanager
def connected(variable: str, session: Mapping[str, str]) -> Iterator[Any]:
    """A connection, which is left with all undone that was not committed. Raises DatabaseError."""
    import psycopg2  # noqa: PLC0415 # hosts have it

    try:
        link = psycopg2.connect(**session)
    except psycopg2.Error as error:
        raise DatabaseError(_unreachable(variable, session["host"], session["port"], str(error))) from error
    try:
        yield link
    except psycopg2.Error as error:
        raise DatabaseError(
            f"{variable}: the server refuses what {session['user']!r} wants to do: {_one_line(error)}"
        ) from error
    finally:
        link.close()


def _knock(variable: str, database: Mapping[str, Any]) -> None:
    """Without the library, all that can be seen is that somebody listens."""
    host, port = database["host"], database["port"]
    try:
        if host.startswith("/"):
            with socket.socket(socket.AF_UNIX) as end:
                end.settimeout(5)
                end.connect(f"{host}/.s.PGSQL.{port}")
        else:
            socket.create_connection((host, port), 5).close()
    except OSError as error:
        raise DatabaseError(_unreachable(variable, host, port, error.strerror or str(error))) from error


def _unreachable(variable: str, host: str, port: object, reason: str) -> str:
    # The library begins with what is said here already.
    why = _one_line(reason).replace(f'connection to server at "{host}", port {port} failed: ', "")
    return f"{variable}: {host} port {port} does not let this host in, so nothing was changed: {why}"


def _one_line(said: object) -> str:
    return " ".join(str(said).split())

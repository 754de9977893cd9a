"""Accounts in PostgreSQL, rule by rule: authconfigfile.C of courier-authlib, PQconnectdb."""

from __future__ import annotations

import re
import shlex

import pytest

from plugins.module_utils._courier import authpgsql
from plugins.module_utils._courier.userdb import Account, render

HASH = f"$6$saltsalt${'h' * 86}"
ODD = " a \\ b ' c # d \" e $(f) \\\\"
DATABASE = {
    "host": "db.example.com",
    "port": 5432,
    "name": "mail",
    "user": "reader",
    "password": ODD,
    "writer": "writer",
    "writer_password": "hunter2",
    "tls": "verify-full",
    "ca": "/etc/ssl/ca.pem",
    "reason": None,
}
PLAIN = ["PLAIN", "LOGIN"]
TAKEN = {
    "as it is": ({}, PLAIN),
    "one method": ({}, ["PLAIN"]),
    "the authority only": ({"tls": "verify-ca"}, PLAIN),
    "in clear on this host": ({"tls": "disable", "host": "127.0.0.1"}, PLAIN),
    "a socket": ({"tls": "disable", "host": "/run/postgresql"}, PLAIN),
    "any certificate, for a reason": ({"tls": "require", "reason": "the network is ours"}, PLAIN),
}
REFUSED = {
    "no host": ({"host": None}, PLAIN, "mail_accounts_database has no host; it needs host, name, user"),
    "no password": ({"password": ""}, PLAIN, "mail_accounts_database has no password; it needs"),
    "two lines": ({"password": "hunter2\nx"}, PLAIN, "password holds a line break or another control character"),
    "two hosts": ({"host": "a,b"}, PLAIN, "host is 'a,b'; write one name or address"),
    "no port": ({"port": 0}, PLAIN, "port is 0; write a number from 1 to 65535, such as 5432"),
    "a reader who writes": ({"writer": "reader"}, PLAIN, "user and writer are both 'reader'; Courier's user may only"),
    "in clear": ({"tls": "disable"}, PLAIN, "with tls disable, anybody on the way to db.example.com could say who may"),
    "any certificate": ({"tls": "require", "reason": " "}, PLAIN, "write verify-full, or a reason"),
    "CRAM": ({}, [*PLAIN, "CRAM-MD5"], "mail_auth_methods is PLAIN, LOGIN, CRAM-MD5. From a database, Courier could"),
    "no method": ({}, [], "mail_auth_methods is empty"),
}
WHERE = {
    "one": (["example.com"], "domain IN ('example.com')"),
    "several": (["b.example.com", "Example.COM"], "domain IN ('b.example.com', 'example.com')"),
    "all below": ([".example.com"], "right(domain, 12) = '.example.com'"),
    "both": (["a.test", ".example.com"], "domain IN ('a.test') OR right(domain, 12) = '.example.com'"),
    "another script": (["xn--bcher-kva.example.com"], "domain IN ('bücher.example.com')"),
    "none": ([], "false"),
}


def settings(text):
    """What authconfigfile.C makes of a text."""
    assert "##NAME: MARKER:0\n" in text
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert not [line for line in lines if line.endswith("\\")]
    return dict(re.split(r"\s+", line, maxsplit=1) for line in lines)


def conninfo(text):
    """What PQconnectdb makes of a connection: within quotes, a backslash takes the next character as it is."""
    found = re.findall(r"(\w+)='((?:[^'\\]|\\.)*)'(?: |$)", text)
    assert " ".join(f"{key}='{value}'" for key, value in found) == text
    return {key: re.sub(r"\\(.)", r"\1", value) for key, value in found}


@pytest.mark.parametrize(("changed", "methods"), TAKEN.values(), ids=TAKEN)
def test_takes(changed, methods):
    authpgsql.refuse(DATABASE | changed, methods)


@pytest.mark.parametrize(("changed", "methods", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(changed, methods, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)) as refusal:
        authpgsql.refuse(DATABASE | changed, methods)
    assert "hunter2" not in str(refusal.value)


@pytest.mark.parametrize(("domains", "clause"), WHERE.values(), ids=WHERE)
def test_finds_the_rows_of(domains, clause):
    assert authpgsql.where(domains) == clause


def test_a_password_survives_both_readers():
    found = conninfo(settings(authpgsql.render(DATABASE, ["example.com"]))["PGSQL_CONNECTION"])
    assert found["password"] == ODD
    assert (found["user"], found["sslmode"], found["sslrootcert"]) == ("reader", "verify-full", "/etc/ssl/ca.pem")
    assert "hunter2" not in str(found)


def test_a_server_that_need_not_prove_itself_needs_no_authority():
    assert "sslrootcert" not in authpgsql.connection(DATABASE | {"tls": "require"}, writing=True)


def test_a_difference_hides_the_password():
    shown = authpgsql.without_password(authpgsql.render(DATABASE, ["example.com"]))
    assert "password=(hidden) sslmode=" in shown
    assert len(shlex.split(shown.splitlines()[1])) > 5


def test_a_row_is_what_userdb_would_have():
    account = Account("zoe@example.com", HASH, "/srv/vmail/example.com/zoe", 5000, 5000, "1G", "Zoë")
    text = render([account], ["example.com"])
    (row,) = authpgsql.rows(text)
    assert (row.domain, row.quota, row.name) == ("example.com", "1073741824S", "Zoë")
    assert authpgsql.line(row) == text

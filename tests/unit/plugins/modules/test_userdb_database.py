"""The module with a database: what it refuses before it changes anything, and what it says without a library.

With a real server it is asked in molecule/default/tests/test_accounts_database.py.
"""

from __future__ import annotations

import os
import socket

import pytest

from plugins.modules import userdb
from tests.unit.run_module import run_module

HASH = f"$6$saltsalt${'h' * 86}"


@pytest.fixture
def server(monkeypatch):
    """Somebody listens, and the host has no library yet."""
    monkeypatch.setattr("plugins.module_utils._postgresql.has_library", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.fixture
def site(tmp_path, server):
    for name in ("courier", "vmail"):
        (tmp_path / name).mkdir()
    return {
        "accounts": [{"address": "alice@example.com", "password_hash": HASH}],
        "domains": ["example.com"],
        "mail_root": str(tmp_path / "vmail"),
        "uid": os.getuid() or 54321,
        "gid": os.getgid() or 54322,
        "directory": str(tmp_path / "courier"),
        "owner": str(os.getuid()),
        "group": str(os.getgid()),
        "database": {
            "host": "127.0.0.1",
            "port": server.getsockname()[1],
            "name": "mail",
            "user": "reader",
            "password": "hunter2",
            "writer": "writer",
            "writer_password": "hunter3",
        },
    }


def test_who_does_not_listen_is_named_and_nothing_changes(site, server, tmp_path):
    server.close()
    answer = run_module(userdb, **site)
    assert answer["msg"] == (
        f"mail_accounts_database: 127.0.0.1 port {site['database']['port']} does not let this host in, "
        "so nothing was changed: Connection refused"
    )
    assert not list(tmp_path.glob("*/*"))


def test_a_first_look_says_what_there_will_be(site, tmp_path):
    answer = run_module(userdb, check=True, **site)
    assert answer["changed"] is True
    assert answer["files"] == [f"{tmp_path}/courier/authpgsqlrc"]
    assert "alice@example.com\tuid=" in str(answer["diff"][1]["after"])
    assert not [secret for secret in (HASH, "hunter2", "hunter3") if secret in str(answer)]


def test_cram_is_refused(site):
    answer = run_module(userdb, **site, auth_methods=["PLAIN", "CRAM-MD5"])
    assert answer["msg"].startswith("mail_accounts_database: mail_auth_methods is PLAIN, CRAM-MD5. ")


def test_who_is_disabled_has_nothing_to_log_in_with(site):
    entry = site["accounts"][0] | {"disabled": True}
    entry |= dict.fromkeys(("hmac_md5", "hmac_sha1", "hmac_sha256", "home", "quota", "name"))
    params = site | {"accounts": [entry | {"courier": []}], "auth_methods": ["PLAIN"], "quota": None}
    params |= {"database": None, "forwarder": None, "inside": [], "extensions": {}, "folders": []}
    _accounts, text = userdb.plan(params | {"deliverer": "/deliver", "vacation_needs_end": False})
    assert text.startswith("alice@example.com\t")
    assert "pw=" not in text

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils._courier.tls import priority
from plugins.modules import esmtproutes
from tests.unit.run_module import run_module

PROVIDER = {"relay": "relay.example.net", "port": 587, "security": "required", "user": "bob", "password": "secret"}
ROUTES = [{"domain": "example.org"}, PROVIDER]
TEXT = "example.org:\n: relay.example.net,587 /SECURITY=REQUIRED\n"
CREDENTIALS = "relay.example.net,587 bob secret\n"
TLS = f"relay.example.net,587 verified {priority('modern')}\n"
ALL = {"esmtproutes": TEXT, "esmtpauthclient": CREDENTIALS, "esmtptls": TLS}


def run(directory: Path, routes: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    answer = run_module(
        esmtproutes, directory=str(directory), owner=str(os.getuid()), group=str(os.getgid()), routes=routes, **options
    )
    assert "secret" not in json.dumps(answer)
    return answer


def texts(directory: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in directory.iterdir()}


def test_writes_routes_and_logins(tmp_path: Path) -> None:
    answer = run(tmp_path, ROUTES)

    assert answer["changed"] is True
    assert answer["files"] == [f"{tmp_path}/esmtpauthclient", f"{tmp_path}/esmtproutes", f"{tmp_path}/esmtptls"]
    assert [diff["after"] for diff in answer["diff"]] == [TLS, "relay.example.net,587 bob ********\n", TEXT]
    assert texts(tmp_path) == ALL
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}


def test_leaves_alone_what_is_right(tmp_path: Path) -> None:
    run(tmp_path, ROUTES)
    answer = run(tmp_path, ROUTES)

    assert (answer["changed"], answer["files"], answer["diff"]) == (False, [], [])


def test_removes_the_logins_with_the_last_one(tmp_path: Path) -> None:
    run(tmp_path, ROUTES)
    answer = run(tmp_path, [])

    assert answer["changed"] is True
    assert texts(tmp_path) == {"esmtproutes": "", "esmtptls": ""}


def test_check_mode_writes_nothing(tmp_path: Path) -> None:
    answer = run(tmp_path, ROUTES, check=True)

    assert answer["changed"] is True
    assert texts(tmp_path) == {}


def test_relays_have_the_profile_of_all_unless_they_name_one(tmp_path: Path) -> None:
    own = PROVIDER | {"domain": "example.org", "port": 465, "security": "smtps", "tls_profile": "modern"}
    run(tmp_path, [own, PROVIDER], tls_profile="intermediate")

    assert texts(tmp_path)["esmtptls"].splitlines() == [
        f"relay.example.net,465 verified {priority('modern')}",
        f"relay.example.net,587 verified {priority('intermediate')}",
    ]


@pytest.mark.parametrize(
    ("routes", "sentence"),
    [
        (
            [PROVIDER, {"domain": "example.org"}],
            "route 2 (example.org) is never reached, because route 1 (the catch-all) matches first; "
            "move it up or leave it out",
        ),
        (
            [PROVIDER | {"password": "secret word"}],
            "the catch-all: the password holds a blank or a control character, which Courier cannot read",
        ),
        (
            [PROVIDER | {"domain": "example.org", "password": "secret2"}, PROVIDER],
            "route 2 (the catch-all) and route 1 (example.org) share the relay relay.example.net,587, and Courier "
            "keeps one login for it; give both the same user and password",
        ),
    ],
    ids=["a route", "a password", "a login"],
)
def test_a_refusal_leaves_the_files(tmp_path: Path, routes: list[dict[str, Any]], sentence: str) -> None:
    run(tmp_path, ROUTES)
    answer = run(tmp_path, routes)

    assert (answer["failed"], answer["msg"]) == (True, sentence)
    assert texts(tmp_path) == ALL

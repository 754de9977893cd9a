"""The module with real files: added, changed, removed, refused, and what it says of the hash."""

from __future__ import annotations

import stat

import pytest

from plugins.modules import account_file
from tests.unit.run_module import run_module

HASH = f"$6$saltsalt${'h' * 86}"


@pytest.fixture
def say(tmp_path):
    def say(action, *, check=False, **rest):
        arguments = {"directory": str(tmp_path / "accounts"), "address": "Bob@Example.com", "action": action}
        return run_module(account_file, check=check, **arguments, **rest)

    return say


@pytest.fixture
def file(tmp_path):
    return tmp_path / "accounts/bob@example.com.yml"


def test_an_account_comes_and_goes(say, file):
    assert say("add", password_hash=HASH, check=True)["changed"] is True
    assert not file.exists()
    answer = say("add", password_hash=HASH, settings={"quota": "1G"})
    assert answer["path"] == str(file)
    assert file.read_text() == f'quota: "1G"\npassword_hash: "{HASH}"\n'
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert HASH not in str(answer)
    assert say("remove")["changed"] is True
    assert not file.exists()


def test_a_change_leaves_the_rest(say, file):
    say("add", password_hash=HASH)
    file.write_text(f"# since May\n{file.read_text()}")
    assert say("change", settings={"disabled": True})["changed"] is True
    assert say("change", settings={"disabled": True})["changed"] is False
    assert file.read_text() == f'# since May\npassword_hash: "{HASH}"\ndisabled: true\n'
    say("change", settings={"disabled": None})
    assert file.read_text() == f'# since May\npassword_hash: "{HASH}"\n'


def test_who_is_there_is_not_added_and_who_is_not_is_not_changed(say):
    assert "has no file" in say("change")["msg"]
    assert "has no file" in say("remove")["msg"]
    say("add")
    assert "is an account already" in say("add")["msg"]


@pytest.mark.parametrize("address", ["bob", "../x@example.com", "a/b@example.com"])
def test_no_file_elsewhere(say, address, tmp_path):
    answer = run_module(account_file, directory=str(tmp_path), address=address, action="add")
    assert answer["failed"] is True
    assert list(tmp_path.iterdir()) == []

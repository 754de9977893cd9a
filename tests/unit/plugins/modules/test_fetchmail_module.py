from __future__ import annotations

import json
import os
import pwd
from pathlib import Path

import pytest

from plugins.action.validate import refusal
from plugins.modules import fetchmail
from tests.unit.run_module import run_module

BOB = {
    "host": "imap.example.net",
    "protocol": "imaps",
    "user": "bob",
    "password": "s3cret",
    "to": "bob@example.com",
    "name": "bob",
}
UNITS = {"fetchmail@.service": "[Unit]\n", "fetchmail-report@.service": "[Unit]\n"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run the module with a fetchmail and a systemctl that note what they are asked."""
    for name in ("DIRECTORY", "STATE", "UNITS", "PROGRAM"):
        place = tmp_path / name.lower()
        place.mkdir()
        monkeypatch.setattr(fetchmail, name, str(place))
    monkeypatch.setattr(fetchmail, "OWNER", pwd.getpwuid(os.getuid()).pw_name)
    monkeypatch.setattr(fetchmail, "GROUP", str(os.getgid()))
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("fetchmail", "systemctl"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho {name} "$@" >>{tmp_path}/asked\n. {tmp_path}/{name}.sh\n')
        program.chmod(0o755)
        (tmp_path / f"{name}.sh").write_text("")
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def run(*mailboxes, check=False):
        arguments = {"mailboxes": list(mailboxes), "recipients": ["bob@example.com"], "program": "#\n", "units": UNITS}
        return run_module(fetchmail, check=check, **arguments)

    return run


def asked(tmp_path):
    path = tmp_path / "asked"
    return path.read_text() if path.exists() else ""


def test_writes_what_only_fetchmail_may_read(run, tmp_path):
    answer = run(BOB)
    assert answer["changed"]
    file = tmp_path / "directory/bob.rc"
    assert file.stat().st_mode & 0o777 == 0o600
    assert 'user "bob" with password "s3cret"' in file.read_text()
    assert answer["units"][0]["name"] == "fetchmail@bob.service"
    assert json.loads((tmp_path / "directory/bob.json").read_text())["label"] == "bob at imap.example.net"
    assert "s3cret" not in json.dumps(answer)
    assert not run(BOB)["changed"]


def test_checks_without_changes(run, tmp_path):
    assert run(BOB, check=True)["changed"]
    assert not list(Path(tmp_path, "directory").iterdir())


def test_asks_fetchmail_before_it_writes(run, tmp_path):
    (tmp_path / "fetchmail.sh").write_text("echo 'fetchmail:/tmp/x.rc:7: syntax error at s3cret' >&2; exit 5\n")
    answer = run(BOB)
    assert answer["msg"] == f"fetchmail does not understand {tmp_path}/directory/bob.rc in line 7 (it ended with 5)"
    assert not list(Path(tmp_path, "directory").iterdir())


def test_what_leaves_is_stopped_and_removed_with_its_state(run, tmp_path):
    run(BOB, BOB | {"user": "carol", "name": "carol"})
    (tmp_path / "state/carol").mkdir()
    answer = run(BOB)
    assert answer["gone"] == ["carol"]
    assert "systemctl disable --now -- fetchmail@carol.service" in asked(tmp_path)
    assert sorted(path.name for path in Path(tmp_path, "directory").iterdir()) == ["bob.json", "bob.rc"]
    assert not (tmp_path / "state/carol").exists()


def test_what_a_run_that_died_has_left_enabled_is_found(run, tmp_path):
    wants = tmp_path / "units/multi-user.target.wants"
    wants.mkdir()
    (wants / "fetchmail@carol.service").symlink_to("/nowhere")
    assert run(BOB)["gone"] == ["carol"]


def test_nothing_is_left_of_the_last(run, tmp_path):
    run(BOB)
    (tmp_path / "units/fetchmail.service").symlink_to("/dev/null")
    answer = run()
    assert answer["gone"] == ["bob"]
    for place in ("directory", "units", "program"):
        assert not list(Path(tmp_path, place).iterdir()), place
    assert not run()["changed"]


def test_touches_nothing_of_others_where_there_was_none(run, tmp_path):
    (tmp_path / "units/fetchmail.service").symlink_to("/dev/null")
    assert not run()["changed"]
    assert (tmp_path / "units/fetchmail.service").is_symlink()


def test_is_refused_on_the_controller():
    given = {"mailboxes": [BOB | {"to": "nobody@example.com"}], "recipients": ["bob@example.com"]}
    assert "nobody here is nobody@example.com" in (refusal("fetchmail", given) or "")

"""The modules backup_run and restore: what they say when something goes wrong, and what they leave alone."""

from __future__ import annotations

import dataclasses
import time

import pytest
from ansible.module_utils import basic

from plugins.module_utils._backup import _bring, _state
from plugins.modules import backup_run, restore
from tests.unit.run_module import run_module


@pytest.fixture
def host(monkeypatch):
    """A host with a state and without anything else: what the module runs, happens here."""

    class Host:
        def __init__(self):
            self.state = _state.State()
            self.answers: list[tuple[int, str, str]] = []
            self.ran: list[list[str]] = []

    known = Host()

    def run(_module, command, **_more):
        known.ran.append(command)
        code, out, err = known.answers.pop(0)
        if code == 0 and "start" in command:
            known.state = dataclasses.replace(known.state, finished=time.time() + 1, error="")
        return code, out, err

    monkeypatch.setattr(basic.AnsibleModule, "run_command", run)
    monkeypatch.setattr(_state, "read", lambda: known.state)
    monkeypatch.setattr(_state, "write", lambda state: setattr(known, "state", state))
    return known


def test_a_backup_is_taken(host):
    host.answers = [(0, "", "")]
    answer = run_module(backup_run, step="run")
    assert answer["changed"]
    assert answer["state"]["error"] == ""
    assert host.ran == [["systemctl", "start", "courier-mail-backup.service"]]


def test_a_failure_says_why(host):
    host.answers = [(1, "", "Job for courier-mail-backup.service failed. See: journalctl -xe\n")]
    host.state = _state.State(finished=1.0, error="there is no room left for /b", failed=time.time() + 1)
    assert run_module(backup_run, step="run")["msg"] == "there is no new backup: there is no room left for /b"


def test_a_failure_of_yesterday_is_not_todays(host):
    host.answers = [(1, "", "Unit courier-mail-backup.service not found.\n")]
    host.state = _state.State(finished=1.0, error="there is no room left for /b", failed=2.0)
    assert "Unit courier-mail-backup.service not found" in run_module(backup_run, step="run")["msg"]


def test_a_repository_is_made_once(host):
    host.answers = [(0, "made\n", ""), (0, "there\n", ""), (1, "", "courier-mail-backup: no such password\n")]
    assert run_module(backup_run, step="prepare")["changed"]
    assert not run_module(backup_run, step="prepare")["changed"]
    assert run_module(backup_run, step="prepare")["msg"] == "no such password"


def test_a_proof_is_noted(host):
    host.state = _state.State(finished=1.0, minutes=0.4)
    run_module(backup_run, step="proved", minutes=2.5)
    assert host.state.proved > time.time() - 60
    assert (host.state.minutes, host.state.restore_minutes) == (0.4, 2.5)
    assert run_module(backup_run, step="prepare", check=True)["said"].endswith(", in 2.5 minutes.")


def test_a_proof_says_how_long_it_took(host):
    assert "minutes" in run_module(backup_run, step="proved")["msg"]
    assert host.state.proved == 0


@pytest.mark.parametrize("step", ["prepare", "run", "proved"])
def test_a_dry_run_does_nothing(host, step):
    run_module(backup_run, check=True, step=step, minutes=1)
    assert host.ran == []
    assert host.state == _state.State()


def test_a_restore_that_cannot_be_says_before_what_it_stops(monkeypatch):
    def nothing():
        raise _bring.BringError("this host has no backup")

    monkeypatch.setattr(restore, "settings_of", nothing)
    answer = run_module(restore, step="look")
    assert answer["msg"] == "The restore stops before anything is changed: this host has no backup"
    assert run_module(restore, step="place", snapshot="x")["msg"].startswith(
        "The restore stops before the services start"
    )


def test_rows_are_for_people():
    row = {"what": "queue", "wanted": 3, "equal": 1, "is_equal": False, "differing": ["a", "b"]}
    assert restore._line(row) == "differs  queue                  1 of 3  a, b"

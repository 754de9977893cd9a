"""The module backup: settings, secrets and a package for the host."""

from __future__ import annotations

import ast
import json
import subprocess
import sys

import pytest

from plugins.action.validate import refusals
from plugins.module_utils import _managed_file
from plugins.modules import backup
from tests.unit.run_module import run_module

GOOD = {
    "settings": {"repository": "/mnt/backup/mx1", "host": "mx1.example.com"},
    "password": "three ships in the harbour",
}
SSH = {
    "settings": {"repository": "sftp:backup@b.example.com:/srv/mx1", "host": "mx1.example.com"},
    "ssh_key": "-----BEGIN OPENSSH PRIVATE KEY-----\nxyz\n-----END OPENSSH PRIVATE KEY-----",
    "known_hosts": "b.example.com ssh-ed25519 AAAAC3Nz",
}
REFUSED = {
    "no password": ({"password": ""}, "backup_password is missing"),
    "no repository": ({"settings": {"host": "x"}}, "backup_repository is ''"),
    "ssh without a key": ({**SSH, "ssh_key": ""}, "backup_ssh_key is missing"),
    "ssh to anybody": ({**SSH, "known_hosts": "# none"}, "backup_known_hosts has no line of the target"),
    "S3 without a key": (
        {"settings": {"repository": "s3:https://h/b", "host": "x"}},
        "backup_environment has no AWS_ACCESS_KEY_ID",
    ),
}


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Places of a host that belong to whoever runs the test."""
    monkeypatch.setattr(backup, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(backup, "COMMAND", str(tmp_path / "courier-mail-backup"))
    monkeypatch.setattr(_managed_file, "_attributes_match", lambda _file: True)
    monkeypatch.setattr(_managed_file.os, "chown", lambda *_arguments, **_more: None)
    arguments = {"package": str(tmp_path / "lib/courier_mail_backup"), "directory": str(tmp_path / "etc")}
    for name in ("units", "lib/courier_mail_backup", "etc"):
        (tmp_path / name).mkdir(parents=True)
    return {**arguments, "units": {"courier-mail-backup.service": "[Unit]\n"}}


@pytest.mark.parametrize(("given", "said"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused_on_the_controller(given, said):
    (refused,) = refusals({"backup": {**GOOD, **given}})
    assert said in refused


def test_what_is_right_is_not():
    assert refusals({"backup": GOOD}) == []
    assert refusals({"backup": {**GOOD, **SSH}}) == []
    assert refusals({"backup": {"present": False}}) == []


def test_secrets_are_not_shown(places):
    answer = run_module(backup, **GOOD, **places, environment={"AWS_SECRET_ACCESS_KEY": "hidden key"})
    assert answer["changed"]
    shown = json.dumps(answer["diff"])
    assert "three ships" not in shown
    assert "hidden key" not in shown


def test_a_second_run_changes_nothing(places):
    run_module(backup, **GOOD, **places)
    assert not run_module(backup, **GOOD, **places)["changed"]


def test_what_nobody_wants_any_more_goes(places, tmp_path):
    run_module(backup, **{**GOOD, **SSH}, **places)
    assert (tmp_path / "etc/ssh_key").exists()
    run_module(backup, **GOOD, **places)
    assert not (tmp_path / "etc/ssh_key").exists()
    answer = run_module(backup, present=False, **places)
    assert answer["changed"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not run_module(backup, present=False, **places)["changed"]


def test_the_host_gets_a_package_that_runs_by_itself(places, tmp_path):
    run_module(backup, **GOOD, **places)
    package = tmp_path / "lib/courier_mail_backup"
    wanted = {"ansible", "yaml"}
    for file in package.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            assert not wanted & set(names), file
    program = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
        "from courier_mail_backup.__main__ import main; raise SystemExit(main(['status']))"
    )
    done = subprocess.run([sys.executable, "-IB", "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("There is no backup yet"), done.stderr

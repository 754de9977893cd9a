"""Keep and go back as Ansible asks for it, with a systemctl that a test plays."""

from __future__ import annotations

import json

import pytest

from plugins.module_utils import _revert
from plugins.modules import revert_point
from tests.unit.run_module import run_module

SYSTEMCTL = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
*list-units*) cat {running} ;;
show*) printf 'Id=courier.service\\nType=forking\\n\\nId=courier-mail-learn.service\\nType=oneshot\\n' ;;
is-active*) while [ $# -gt 2 ]; do shift; cat {state}; done ;;
esac
"""
RUNNING = (
    "courier.service loaded active running x\ncourier-mail-learn.service loaded active exited x\n"
    "courier-mail-watch-mail@3-77-0.service loaded active running x\ncourier-mail.slice loaded active active x\n"
)


@pytest.fixture
def host(tmp_path, monkeypatch):
    root = tmp_path / "root"
    (root / "etc/courier").mkdir(parents=True)
    (root / "etc/courier/me").write_text("old\n")
    (tmp_path / "running").write_text(RUNNING)
    (tmp_path / "state").write_text("active\n")
    program = tmp_path / "systemctl"
    places = {name: tmp_path / name for name in ("log", "running", "state")}
    program.write_text(SYSTEMCTL.format(**places))
    program.chmod(0o755)
    (tmp_path / "courier").write_text(f"#!/bin/sh\necho courier $* >>{places['log']}\n")
    (tmp_path / "courier").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(revert_point, "Keep", lambda directory: _revert.Keep(directory, str(root)))
    monkeypatch.setattr(revert_point, "_SETTLE", 0)
    monkeypatch.setattr(revert_point, "_PATIENCE", 0)
    return root


@pytest.fixture
def ask(tmp_path, host):
    def ask(state, **rest):
        given = {"paths": ["/etc/courier"], "units": ["courier*"]} if state == "kept" else {}
        return run_module(revert_point, state=state, directory=str(tmp_path / "kept"), **given, **rest)

    return ask


def said(tmp_path):
    return (tmp_path / "log").read_text()


def test_goes_back(ask, host, tmp_path):
    assert ask("kept")["changed"]
    (host / "etc/courier/me").write_text("new\n")
    (host / "etc/courier/esmtproutes").write_text("x\n")
    found = ask("compared")
    assert (found["changed"], found["first"]) == (False, False)
    assert found["paths"] == ["/etc/courier/esmtproutes", "/etc/courier/me"]
    assert found["directions"] == [""]
    back = ask("restored")
    assert back["changed"]
    assert back["restarted"] == ["courier.service"]
    assert (host / "etc/courier/me").read_text() == "old\n"
    assert "restart -- courier.service\n" in said(tmp_path)
    assert said(tmp_path).endswith("courier flush\n")
    assert "daemon-reload\n" in said(tmp_path)


def test_a_second_time_there_is_nothing_to_do(ask, host, tmp_path):
    ask("kept")
    (tmp_path / "log").write_text("")
    assert not ask("restored")["changed"]
    assert "restart" not in said(tmp_path)


def test_what_started_since_is_stopped(ask, host, tmp_path):
    ask("kept")
    (host / "etc/courier/me").write_text("new\n")
    (tmp_path / "running").write_text(f"{RUNNING}courier-tarbaby.service loaded active running x\n")
    assert ask("restored")["stopped"] == ["courier-tarbaby.service"]
    assert "stop -- courier-tarbaby.service\n" in said(tmp_path)


def test_what_does_not_run_with_it_is_said(ask, host, tmp_path):
    ask("kept")
    (host / "etc/courier/me").write_text("new\n")
    (tmp_path / "state").write_text("failed\n")
    answer = ask("restored")
    assert answer["failed"]
    assert "is back, and these do not run with it: courier.service" in answer["msg"]
    assert (host / "etc/courier/me").read_text() == "old\n"


def test_what_did_not_run_after_an_attempt_before_is_tried_again(ask, host, tmp_path):
    ask("kept")
    (tmp_path / "state").write_text("failed\n")
    assert ask("restored", check=True)["changed"]
    assert ask("restored")["failed"]
    (tmp_path / "state").write_text("active\n")
    assert not ask("restored")["changed"]


def test_a_host_without_courier_has_nothing_to_go_back_to(ask, host):
    (host / "etc/courier/me").unlink()
    ask("kept")
    (host / "etc/courier/me").write_text("new\n")
    assert ask("compared")["first"]
    answer = ask("restored")
    assert answer["failed"]
    assert "no Courier yet" in answer["msg"]
    assert (host / "etc/courier/me").read_text() == "new\n"


def test_nothing_was_kept(ask):
    assert ask("compared")["paths"] == []
    answer = ask("restored")
    assert answer["failed"]
    assert "nothing to go back to" in answer["msg"]


def test_a_dry_run_changes_nothing(ask, host, tmp_path):
    assert ask("kept", check=True)["changed"]
    assert not (tmp_path / "kept").exists()
    ask("kept")
    (host / "etc/courier/me").write_text("new\n")
    assert ask("restored", check=True)["paths"] == ["/etc/courier/me"]
    assert (host / "etc/courier/me").read_text() == "new\n"
    ask("proved", check=True)
    assert ask("compared")["name"]


def test_what_was_proved_is_no_longer_compared_with(ask, host):
    ask("kept")
    ask("proved")
    (host / "etc/courier/me").write_text("new\n")
    assert ask("compared")["name"] == ""
    # But people may still go back to it.
    assert ask("restored")["changed"]


def test_shows_nothing_of_what_it_keeps(ask, host):
    (host / "etc/courier/me").write_text("a secret\n")
    ask("kept")
    (host / "etc/courier/me").write_text("another secret\n")
    assert "secret" not in json.dumps([ask("compared"), ask("restored")])


@pytest.mark.parametrize("given", [{"megabytes": 0}, {"generations": 0}], ids=str)
def test_refuses(ask, given):
    answer = ask("kept", **given)
    assert answer["failed"]
    assert "write a number from 1 on" in answer["msg"]

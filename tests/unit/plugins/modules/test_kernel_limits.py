"""The module with files in the place of a kernel: raised, higher already, not to be raised."""

from __future__ import annotations

import os
from unittest import mock

import pytest

from plugins.modules import kernel_limits
from tests.unit.run_module import run_module

NAME = "fs.inotify.max_user_instances"


@pytest.fixture
def kernel(tmp_path):
    limit = tmp_path / "proc/fs/inotify/max_user_instances"
    limit.parent.mkdir(parents=True)
    limit.write_text("128\n")
    return limit


@pytest.fixture
def run(tmp_path, kernel):
    def run(number, **options):
        arguments = {"path": str(tmp_path / "limits.conf"), "proc": str(tmp_path / "proc"), "reason": "be patient"}
        return run_module(kernel_limits, at_least={NAME: number} if number else {}, **arguments, **options)

    return run


@pytest.fixture(autouse=True)
def warnings():
    with mock.patch("ansible.module_utils.basic.AnsibleModule.warn") as warn:
        yield warn


def test_a_low_limit_is_raised_and_written_down(run, kernel, tmp_path, warnings):
    answer = run(464)
    assert answer["changed"]
    assert answer["limits"] == {NAME: 464}
    assert kernel.read_text() == "464\n"
    assert (tmp_path / "limits.conf").read_text() == f"{NAME} = 464\n"
    assert run(464)["changed"] is False
    warnings.assert_not_called()


def test_a_high_limit_stays(run, kernel):
    kernel.write_text("1024\n")
    assert run(464)["limits"] == {NAME: 1024}
    assert kernel.read_text() == "1024\n"


def test_without_any_the_file_goes_and_the_limit_stays(run, kernel, tmp_path):
    run(464)
    assert run(None)["changed"]
    assert kernel.read_text() == "464\n"
    assert not (tmp_path / "limits.conf").exists()


def test_check_mode_raises_nothing(run, kernel, tmp_path):
    assert run(464, check=True)["changed"]
    assert kernel.read_text() == "128\n"
    assert not (tmp_path / "limits.conf").exists()


@pytest.mark.parametrize("check", [False, True])
def test_a_limit_that_cannot_be_raised_is_told_each_time(run, warnings, check, monkeypatch):
    def may_not(path, mode="r", **options):
        if mode == "w":
            raise PermissionError
        return open(path, mode, **options)

    monkeypatch.setattr(kernel_limits, "open", may_not, raising=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    for _run in range(2):
        answer = run(464, check=check)
        assert answer["limits"] == {NAME: 128}
    assert warnings.call_count == 2
    (sentence,) = warnings.call_args.args
    assert sentence.startswith(f"{NAME} is 128 and should be 464, and this host may not raise it")
    assert sentence.endswith("or be patient")


REFUSED = {
    "no name": ({"max instances": 3}, "'max instances' is no limit of the kernel"),
    "a way out": ({"../etc/passwd": 3}, "'../etc/passwd' is no limit of the kernel"),
    "no number": ({NAME: "many"}, f"{NAME} cannot be 'many'"),
    "nothing": ({NAME: 0}, f"{NAME} cannot be 0"),
    "a limit that there is not": ({"fs.inotify.other": 3}, "this kernel has no such limit"),
}


@pytest.mark.parametrize(("limits", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(kernel, tmp_path, limits, sentence):
    answer = run_module(
        kernel_limits, at_least=limits, path=str(tmp_path / "x"), proc=str(tmp_path / "proc"), reason="x"
    )
    assert sentence in answer["msg"]
    assert not (tmp_path / "x").exists()

"""The action that writes the report, as a task calls it."""

from __future__ import annotations

import json
from unittest import mock

import pytest

from plugins.action.report import ActionModule


@pytest.fixture
def run(tmp_path):
    def run(*, check=False, **arguments):
        given = {"hosts": [{"name": "mx1.example.com"}], "directory": str(tmp_path)} | arguments
        task = mock.Mock(args=given, check_mode=check, async_val=0, action="courier.mail.report")
        action = ActionModule(task, mock.MagicMock(), mock.Mock(), mock.Mock(), mock.Mock(), mock.Mock())
        return action.run(task_vars={})

    return run


def test_writes_both_files(run, tmp_path):
    answer = run(limits={"queue_hours": 1})
    assert answer["changed"]
    assert answer["files"] == [str(tmp_path / "report.html"), str(tmp_path / "report.json")]
    assert json.loads((tmp_path / "report.json").read_text())["needs"] == answer["needs"]
    assert "nothing could be asked there" in answer["table"][-1]


def test_only_says_what_it_would_write(run, tmp_path):
    assert run(check=True)["files"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hosts": [{"name": "mx1", "site": "../x"}]}, "part of a file's name"),
        ({"hosts": [{}]}, "missing required arguments: name"),
        ({"limits": {"queue": 1}}, "there is no limit queue"),
        ({"directory": "/dev/null/x"}, "Not a directory"),
    ],
    ids=str,
)
def test_refuses(run, arguments, said):
    answer = run(**arguments)
    assert answer["failed"]
    assert said in answer["msg"]

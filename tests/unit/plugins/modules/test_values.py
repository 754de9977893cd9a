from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from plugins.module_utils._courier.values import FILES
from plugins.modules import values
from tests.unit.run_module import run_module


@pytest.fixture
def directory(tmp_path):
    (tmp_path / "queuetime").write_text("1w\n")
    (tmp_path / "queuetime").chmod(0o644)
    (tmp_path / "esmtphelo").write_text("old.example.com\n")
    return tmp_path


def run(directory, *, check=False, **wanted):
    return run_module(
        values,
        check=check,
        directory=str(directory),
        owner=str(os.getuid()),
        group=str(os.getgid()),
        values=wanted,
    )


def test_writes_one_file_for_each_value(directory):
    answer = run(directory, me="mx1.example.com", queuetime="2d", esmtphelo=None, locallowercase=True)
    assert answer["changed"]
    assert answer["files"] == [f"{directory}/{name}" for name in ("esmtphelo", "locallowercase", "me", "queuetime")]
    assert {path.name: path.read_text() for path in directory.iterdir()} == {
        "me": "mx1.example.com\n",
        "queuetime": "2d\n",
        "locallowercase": "",
        ".removed": "",
    }
    assert (directory / "me").stat().st_mode & 0o777 == 0o644


def test_changes_nothing_that_is_so_already(directory):
    answer = run(directory, queuetime="1w", warntime=None, locallowercase=False)
    assert not answer["changed"]
    assert answer["files"] == []


def test_check_mode_writes_nothing(directory):
    answer = run(directory, check=True, queuetime="2d", esmtphelo=None)
    assert answer["changed"]
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [
        ("1w\n", "2d\n"),
        ("old.example.com\n", ""),
    ]
    assert (directory / "queuetime").read_text() == "1w\n"
    assert (directory / "esmtphelo").exists()


def test_a_refusal_leaves_every_file_as_it_was(directory):
    answer = run(directory, queuetime="2d", sizelimit="25M")
    assert answer["msg"] == "sizelimit: Courier would read '25M' as 25 bytes; write 26214400"
    assert (directory / "queuetime").read_text() == "1w\n"
    assert not (directory / "sizelimit").exists()


@pytest.mark.parametrize("name", FILES)
def test_the_documentation_names_every_file(name):
    described = " ".join(yaml.safe_load(values.DOCUMENTATION)["options"]["values"]["description"])
    assert f"V({name})" in described


def test_the_role_leaves_no_value_behind():
    told = yaml.safe_load((Path(__file__).parents[4] / "roles/courier_mta/vars/main.yml").read_text())
    names = [name for part in ("left_to_courier", "files", "dsn") for name in told[f"__courier_mta_{part}"]]
    # Its own module.dsn says no more than the one that we would write.
    assert sorted([*names, "module.dsn"]) == sorted(FILES)

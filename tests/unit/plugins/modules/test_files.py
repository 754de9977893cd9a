from __future__ import annotations

import os

import pytest

from plugins.modules import files
from tests.unit.run_module import run_module

ME = {"owner": str(os.getuid()), "group": str(os.getgid())}


def run(tmp_path, *, check=False):
    return run_module(
        files,
        check=check,
        directories=[{"path": str(tmp_path / "a/b"), "mode": "0750", **ME}],
        files=[
            {"path": str(tmp_path / "a/b/text"), "content": "one\n", "mode": "0600", **ME},
            {"path": str(tmp_path / "gone"), **ME},
        ],
        links={str(tmp_path / "link"): "/dev/null", str(tmp_path / "no-link"): None},
    )


def test_lays_directories_files_and_links(tmp_path):
    (tmp_path / "gone").write_text("")
    (tmp_path / "no-link").symlink_to("/dev/null")
    (tmp_path / "link").symlink_to("/elsewhere")
    answer = run(tmp_path)
    assert answer["changed"]
    assert answer["files"] == [str(tmp_path / name) for name in ("a/b", "link", "no-link", "a/b/text", "gone")]
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "a/b/text").read_text() == "one\n"
    assert (tmp_path / "a/b/text").stat().st_mode & 0o777 == 0o600
    assert os.readlink(tmp_path / "link") == "/dev/null"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "link"]
    assert not run(tmp_path)["changed"]


def test_puts_modes_right(tmp_path):
    run(tmp_path)
    (tmp_path / "a/b").chmod(0o777)
    answer = run(tmp_path)
    assert answer["files"] == [str(tmp_path / "a/b")]
    assert (answer["diff"][0]["before"][-5:], answer["diff"][0]["after"][-5:]) == ("0777\n", "0750\n")
    assert (tmp_path / "a/b").stat().st_mode & 0o777 == 0o750


def test_check_mode_lays_nothing(tmp_path):
    answer = run(tmp_path, check=True)
    assert answer["changed"]
    assert answer["diff"][-1]["after"] == "one\n"
    assert not list(tmp_path.iterdir())


def test_check_mode_does_without_owners_who_come_with_a_package(tmp_path):
    answer = run_module(files, check=True, directories=[{"path": str(tmp_path), "owner": "nobody-yet"}])
    assert answer["changed"]


@pytest.mark.parametrize("mode", ["644", "0644"])
def test_takes_modes_of_three_and_four_digits(tmp_path, mode):
    path = tmp_path / "text"
    run_module(files, files=[{"path": str(path), "content": "", "mode": mode, **ME}])
    assert path.stat().st_mode & 0o7777 == 0o644


@pytest.mark.parametrize("mode", ["u=rw", "0o644", "9"])
def test_refuses_modes_that_are_not_octal(tmp_path, mode):
    answer = run_module(files, files=[{"path": str(tmp_path / "text"), "content": "", "mode": mode, **ME}])
    assert "write octal digits in quotes" in answer["msg"]
    assert not list(tmp_path.iterdir())


def test_refuses_to_put_a_link_in_the_place_of_something_else(tmp_path):
    (tmp_path / "unit").write_text("[Unit]\n")
    answer = run_module(files, links={str(tmp_path / "unit"): "/dev/null"})
    assert answer["failed"]
    assert "cannot be made" in answer["msg"]
    assert (tmp_path / "unit").read_text() == "[Unit]\n"


@pytest.mark.parametrize(("command", "left"), [("true", "two\n"), ("false", "one\n")])
def test_a_command_accepts_what_has_changed_or_all_is_as_before(tmp_path, command, left):
    path = tmp_path / "text"
    path.write_text("one\n")
    wanted = [{"path": str(path), "content": "two\n", **ME}, {"path": str(tmp_path / "new"), "content": "", **ME}]
    answer = run_module(files, files=wanted, accepted_by=[command])
    assert bool(answer.get("failed")) == (command == "false")
    assert path.read_text() == left
    assert (tmp_path / "new").exists() == (command == "true")


def test_a_command_is_not_asked_about_what_it_knows(tmp_path):
    path = tmp_path / "text"
    wanted = [{"path": str(path), "content": "one\n", **ME}]
    run_module(files, files=wanted)
    assert not run_module(files, files=wanted, accepted_by=["false"]).get("failed")
    assert run_module(files, check=True, files=[{**wanted[0], "content": "two\n"}], accepted_by=["false"])["changed"]

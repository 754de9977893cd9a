from __future__ import annotations

import stat

import pytest

from plugins.modules import adopt_info, adopted_aside
from tests.unit.adopted_host import lay, read
from tests.unit.run_module import run_module


def test_it_says_what_the_host_says(tmp_path, monkeypatch):
    monkeypatch.setattr(adopt_info, "read", lambda name: read(lay(tmp_path), name))
    answer = run_module(adopt_info, name="mx1.example.com")
    assert not answer["changed"]
    assert answer["host"]["files"]["/etc/courier/me"] == "mx1.example.com\n"


def test_who_may_not_read_is_told_so(monkeypatch):
    def refuse(_name):
        raise PermissionError(13, "Permission denied", "/etc/shadow")

    monkeypatch.setattr(adopt_info, "read", refuse)
    answer = run_module(adopt_info, name="mx1.example.com")
    assert answer["msg"] == "/etc/shadow cannot be read: Permission denied; run this as root"


@pytest.fixture
def courier(tmp_path):
    for name in ("smtpaccess/attackers", "hosteddomains"):
        path = tmp_path / "courier" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{name}\n")
    return tmp_path / "courier"


@pytest.fixture
def aside(courier, tmp_path):
    def go(*names, check=False):
        files = [str(courier / name) for name in names]
        return run_module(adopted_aside, check=check, files=files, to=str(tmp_path / "aside"))

    return go


def test_a_file_is_moved_and_kept(aside, courier, tmp_path):
    answer = aside("smtpaccess/attackers", "smtpaccess/gone")
    path = courier / "smtpaccess/attackers"
    assert answer["files"] == [str(path)]
    assert not path.exists()
    assert (tmp_path / f"aside{path}").read_text() == "smtpaccess/attackers\n"
    assert stat.S_IMODE((tmp_path / "aside").stat().st_mode) == 0o700
    assert not aside("smtpaccess/attackers")["changed"]


def test_what_was_set_aside_before_is_kept_too(aside, courier, tmp_path):
    aside("smtpaccess/attackers")
    (courier / "smtpaccess/attackers").write_text("again\n")
    aside("smtpaccess/attackers")
    place = tmp_path / f"aside{courier}/smtpaccess"
    assert sorted(path.name for path in place.iterdir()) == ["attackers", "attackers.1"]


def test_a_directory_comes_in_the_place_of_a_list(aside, courier):
    aside("hosteddomains")
    assert (courier / "hosteddomains").is_dir()
    assert not aside("hosteddomains")["changed"]


def test_check_mode_moves_nothing(aside, courier):
    answer = aside("smtpaccess/attackers", check=True)
    assert answer["changed"]
    assert answer["diff"][0]["before_header"] == str(courier / "smtpaccess/attackers")
    assert (courier / "smtpaccess/attackers").exists()

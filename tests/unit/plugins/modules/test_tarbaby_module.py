from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from plugins.action.validate import refusal
from plugins.modules import tarbaby
from tests.unit.run_module import run_module

WHOLE = {
    "addresses": ["192.0.2.26", "2001:db8::26"],
    "settings": {"host": "tarbaby.example.com"},
    "service": "[Unit]\n",
}
ONE_COURIER = {"ADDRESS": "0", "PORT": "smtp"}

REFUSED = {
    "an address that is Courier's": (
        {"exchanger": ONE_COURIER},
        "tarbaby_addresses has 192.0.2.26, and Courier's port 25 listens there too (ADDRESS 0, PORT smtp). A tarbaby "
        "that shares its address with a real exchanger takes that one's mail: write the addresses of the real one as "
        "mail_smtp_addresses, or give the tarbaby another",
    ),
    "all addresses beside Courier": (
        {"addresses": ["::"], "exchanger": {"ADDRESS": "127.0.0.1", "PORT": "smtp"}},
        "tarbaby_addresses has ::, and this host has a real exchanger; write a second address of the host, which is "
        "the tarbaby's alone",
    ),
    "what is no address": (
        {"addresses": ["tarbaby.example.com"]},
        "tarbaby_addresses has 'tarbaby.example.com', which is no address; write 192.0.2.26 or 2001:db8::26",
    ),
    "no address": (
        {"addresses": []},
        "tarbaby_addresses is empty; write the addresses that it has, or tarbaby_running: false",
    ),
    "a setting that is none": (
        {"settings": {"replay": "451 Later"}},
        "tarbaby_settings: there is no setting replay; did you mean reply?",
    ),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The module in a directory of the test, whose files are the tester's."""
    for name in ("UNITS", "PROGRAM"):
        monkeypatch.setattr(tarbaby, name, str(tmp_path / name.lower()))
    for name in ("COMMAND", "CONFIGURATION"):
        monkeypatch.setattr(tarbaby, name, str(tmp_path / name.lower()))
    (tmp_path / "units").mkdir()
    me = {"owner": str(os.getuid()), "group": str(os.getgid())}
    file, directory = tarbaby.File, tarbaby.Directory
    monkeypatch.setattr(tarbaby, "File", lambda path, text, *_rest: file(path, text, **me))
    monkeypatch.setattr(tarbaby, "Directory", lambda path: directory(path, **me))
    return lambda **given: run_module(tarbaby, **WHOLE | given)


def test_writes_what_it_needs_and_nothing_else(run, tmp_path):
    assert run()["changed"]
    assert not run()["changed"]
    assert {path.name for path in (tmp_path / "program/courier_tarbaby").iterdir()} == {
        "__init__.py", "_settings.py", "_store.py", "_tarbaby.py",
    }  # fmt: skip
    socket = (tmp_path / "units/courier-tarbaby.socket").read_text()
    assert "\nListenStream=192.0.2.26:25\nListenStream=[2001:db8::26]:25\n" in socket


def test_the_program_runs_alone(run, tmp_path):
    run()
    done = subprocess.run(
        [sys.executable, "-IB", str(tmp_path / "program"), "--help"], capture_output=True, text=True, check=True
    )
    assert "courier-tarbaby" in done.stdout


@pytest.mark.parametrize(("given", "what"), REFUSED.values(), ids=REFUSED)
def test_refuses(run, given, what):
    assert run(**given)["msg"] == what
    assert refusal("tarbaby", WHOLE | given) == what


def test_takes_an_address_beside_that_of_courier():
    exchanger = {"ADDRESS": "0", "PORT": "127.0.0.1.25,192.0.2.25.25"}
    assert refusal("tarbaby", WHOLE | {"exchanger": exchanger}) is None
    assert refusal("tarbaby", WHOLE | {"addresses": ["0.0.0.0", "::"]}) is None


def test_the_unit_can_make_no_connection_and_see_no_mail():
    unit = (Path(__file__).parents[4] / "roles/tarbaby/files/courier-tarbaby.service").read_text().splitlines()
    assert "RestrictAddressFamilies=AF_UNIX" in unit
    assert any(line.startswith("InaccessiblePaths=-/etc/courier -/var/lib/courier") for line in unit)
    assert "User=courier-tarbaby" in unit

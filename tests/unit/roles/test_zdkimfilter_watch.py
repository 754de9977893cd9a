"""The program that watches zdkimfilter: whom it waits for, and what it does then."""

from __future__ import annotations

import socket
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/zdkimfilter/files/watch.py"
# Listens, says so, and dies when somebody has asked and its standard input ends.
LISTENER = """
import socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.bind(sys.argv[1])
    server.listen()
    print("listening", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader = SourceFileLoader("watch", str(PROGRAM))
    program = module_from_spec(spec_from_loader("watch", loader))
    loader.exec_module(program)
    return program


@pytest.fixture
def said(watch, tmp_path, monkeypatch):
    """What systemd is told, and what is started."""
    said = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path))

        def run(command, **_options):
            said.append(" ".join(command))
            return subprocess.CompletedProcess(command, 0, stdout="Invalid name x at line 2\n")

        monkeypatch.setattr(watch.subprocess, "run", run)
        monkeypatch.setattr(watch.signal, "signal", lambda *_: None)
        said.append(systemd)
        yield said


def test_has_it_started_anew_when_it_dies(watch, said, tmp_path, monkeypatch):
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER, tmp_path / "socket"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "listening\n"
    waited = watch._wait

    def wait(descriptor):
        assert said[0].recv(100) == b"READY=1"
        assert said[1:] == []  # it lives
        process.stdin.close()
        waited(descriptor)
        assert process.poll() is not None

    monkeypatch.setattr(watch, "_wait", wait)
    assert watch.main(str(tmp_path / "socket"), 10, 0) == 1
    assert said[1:] == ["systemctl --no-block restart courierfilter"]
    process.wait()


def test_says_that_nobody_listens(watch, said, tmp_path, capsys):
    assert watch.main(str(tmp_path / "socket"), 0.1, 0) == 1
    assert said[1:] == ["journalctl --no-pager --output=cat --lines=8 --unit=courierfilter"]
    told = capsys.readouterr().err
    assert f"zdkimfilter does not listen on {tmp_path}/socket" in told
    assert "Invalid name x at line 2" in told
    assert (tmp_path / "failed").exists()  # which has the role start courierfilter anew


def test_a_socket_that_nobody_serves_is_no_listener(watch, said, tmp_path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "socket"))
        dead.listen()
    assert watch.main(str(tmp_path / "socket"), 0.1, 0) == 1

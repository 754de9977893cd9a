"""pythonfilter's own way of serving, on a socket that it has not made."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# What of pythonfilter's main matters here: when it makes its socket, what it does with it, and when it ends.
PROGRAM = """
    import os, select, sys
    try:
        os.fstat(3)
        sys.exit("descriptor 3 is courierfilter's")
    except OSError:
        pass
    def create_socket(): sys.exit("made a socket of its own")
    def close_socket(path, listening): sys.exit("removed the socket")
    def main():
        listening, path = create_socket()
        while sys.stdin not in (ready := select.select([sys.stdin, listening], [], [])[0]):
            connection, _ = listening.accept()
            connection.send(b"200 Ok")
            connection.close()
        close_socket(path, listening)
        print("done", flush=True)
"""


@pytest.fixture
def served(tmp_path):
    """The program, as systemd starts it: its socket is descriptor 3, and it says when it is ready."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/pythonfilter").write_text(textwrap.dedent(PROGRAM))
    start = (
        f"import os, sys; os.dup2({{}}, 3); sys.prefix = {str(tmp_path)!r}\n"
        "from plugins.module_utils._filters import _serve; _serve.main()"
    )
    with (
        socket.socket(socket.AF_UNIX) as listening,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified,
    ):
        listening.bind(str(tmp_path / "filter"))
        listening.listen()
        notified.bind(str(tmp_path / "notify"))
        notified.settimeout(20)
        descriptor = os.dup2(listening.fileno(), 100)
        process = subprocess.Popen(
            [sys.executable, "-c", start.format(descriptor)],
            cwd=Path(__file__).parents[5],
            env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
            pass_fds=[descriptor],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        os.close(descriptor)
        try:
            yield process, notified, tmp_path / "filter"
        finally:
            process.kill()
            process.wait()


def ask(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(path))
        return client.recv(100)


def test_serves_on_the_socket_of_systemd_and_leaves_it_there(served):
    process, notified, path = served
    assert notified.recv(100) == b"READY=1"
    assert ask(path) == b"200 Ok"
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=10)[0] == "done\n"
    assert process.returncode == 0
    assert path.exists()


def test_who_comes_while_it_is_away_waits(served):
    process, notified, path = served
    assert notified.recv(100) == b"READY=1"
    process.send_signal(signal.SIGKILL)
    process.wait()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))  # systemd listens on
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)

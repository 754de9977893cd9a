# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pythonfilter on a socket that systemd holds.

courierfilter starts pythonfilter once, and where it dies, or cannot start, or is stopped, Courier lets mail pass that
nobody has looked at. Here the socket is systemd's: it is there before the first listener opens, stays when the program
goes, and mail waits at it until systemd has started the program again. The program itself is pythonfilter's own.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import signal
import socket
import sys
from types import ModuleType

_FIRST = 3  # the descriptor of systemd's first socket


def main() -> None:
    """Serve until SIGTERM, and finish what is being filtered."""
    # pythonfilter ends when its standard input does.
    reading, writing = os.pipe()
    sys.stdin = os.fdopen(reading)
    # It takes an open descriptor 3 for courierfilter's, and would close it.
    listening = socket.socket(fileno=os.dup(_FIRST))
    os.close(_FIRST)
    signal.signal(signal.SIGTERM, lambda _number, _frame: os.close(writing))
    program = load(os.path.join(sys.prefix, "bin", "pythonfilter"))
    set_socket(program, listening)
    program.main()


def load(path: str) -> ModuleType:
    """A program as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("pythonfilter_program", path)
    spec = importlib.util.spec_from_loader(loader.name, loader)
    if spec is None:
        raise ImportError(f"{path} cannot be loaded")
    program = importlib.util.module_from_spec(spec)
    loader.exec_module(program)
    return program


def set_socket(program: ModuleType, listening: socket.socket) -> None:
    """Let it use this socket, and not make one and remove it again."""

    def create() -> tuple[socket.socket, str]:
        ready()
        return listening, ""

    def close(_path: str, _socket: socket.socket) -> None:
        listening.close()

    program.create_socket = create  # type: ignore[attr-defined]
    program.close_socket = close  # type: ignore[attr-defined]


def ready() -> None:
    """Tell systemd that the filters are made (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(address.replace("@", "\0", 1))
            notify.send(b"READY=1")


if __name__ == "__main__":
    main()

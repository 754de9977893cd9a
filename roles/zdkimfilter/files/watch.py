# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for zdkimfilter, tell systemd when it listens, and have courierfilter start it anew when it has died.

The socket knows who listens, so that no PID file is believed. zdkimfilter notes that it was called and asked nothing.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

SOCKET = "/var/lib/courier/allfilters/000-zdkimfilter"
# Seconds that it may take to listen. courierfilter has waited for it, so it does already, or has died.
PATIENCE = 10.0
# Seconds before the next start, so that one that dies at once is not started more often than systemd allows.
PAUSE = 5.0
# Has the time at which it was not there, for the role: courierfilter is then to start anew, though nothing has changed.
FAILED = "failed"


def main(path: str = SOCKET, patience: float = PATIENCE, pause: float = PAUSE) -> int:
    """Return when it has died, or was never there."""
    process = _listener(path, time.monotonic() + patience)
    if process is None:
        Path(os.environ.get("RUNTIME_DIRECTORY", "/nonexistent"), FAILED).touch()
        print(f"zdkimfilter does not listen on {path}; what was said last:\n{_said()}", file=sys.stderr)
        return 1
    _notify("READY=1")
    # systemd stops this program before courierfilter, and it then has nothing to do.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _wait(process)
    print("zdkimfilter has died; courierfilter starts anew", file=sys.stderr)
    time.sleep(pause)
    subprocess.run(["systemctl", "--no-block", "restart", "courierfilter"], check=True)
    return 1


def _listener(path: str, deadline: float) -> int | None:
    """The process that listens, as a descriptor that is readable when it ends."""
    while time.monotonic() < deadline:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(path)
                told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return os.pidfd_open(struct.unpack("3i", told)[0])
        except OSError:  # not yet, or no longer
            time.sleep(0.2)
    return None


def _said() -> str:
    """The last words of those that courierfilter has started, for whoever reads the journal of this unit."""
    journal = ["journalctl", "--no-pager", "--output=cat", "--lines=8", "--unit=courierfilter"]
    return subprocess.run(journal, check=False, capture_output=True, text=True).stdout.strip()


def _wait(process: int) -> None:
    poll = select.poll()
    poll.register(process, select.POLLIN)
    poll.poll()


def _notify(state: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.connect(address.replace("@", "\0", 1) if address.startswith("@") else address)
            connection.sendall(state.encode())


if __name__ == "__main__":
    sys.exit(main())

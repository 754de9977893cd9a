"""Be inside a container of this machine: for the connection of Ansible to the bed, and for the tests that talk to it.

For each command that the engine runs in a container it takes some 50 ms, and a bed is thousands of commands. The
kernel takes 4.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path

ENGINE = "/var/run/docker.sock"
# What the engine would give to a command of root.
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "container=docker")


class NotRunning(Exception):
    """There is no such container, or nothing runs in it."""


class _Engine(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(ENGINE)


def first_process(container: str) -> int:
    """The process of this machine that is the first of a container. Raises NotRunning."""
    engine = _Engine("engine")
    try:
        engine.request("GET", f"/containers/{container}/json")
        said = json.load(engine.getresponse())
    except OSError as error:
        raise NotRunning(f"the engine does not answer at {ENGINE}: {error}") from error
    finally:
        engine.close()
    if not (process := said.get("State", {}).get("Pid", 0)):
        raise NotRunning(f"{container} does not run: {said.get('message') or said['State']}")
    return int(process)


def entering(container: str) -> list[str]:
    """The words before a command that put it into a container, with the rights that root has there, and no others."""
    process = first_process(container)
    status = Path(f"/proc/{process}/status").read_text()
    (bounds,) = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapBnd:")]
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    lost = ",".join(f"-cap_{number}" for number in range(last + 1) if not bounds >> number & 1)
    rights = ["setpriv", f"--bounding-set={lost}"] if lost else []
    return ["nsenter", f"--target={process}", "--all", *rights, "env", "-i", *ENVIRONMENT]

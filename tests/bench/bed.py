"""The hosts of the benchmark: playbooks and programs that run on them."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import docker

from tests.playbook import play as run_playbook

INVENTORY = ("--inventory=inventories/demo", "--inventory=tests/bench/hosts.yml")


class Figure(NamedTuple):
    """A row of the table."""

    what: str
    measured: str
    compared: str
    ratio: str
    aim: str


class Run(NamedTuple):
    seconds: float
    results: list[dict]


def play(playbook: str, *arguments: str) -> Run:
    """Run a playbook; it must succeed."""
    start = time.monotonic()
    done, results = run_playbook(
        *INVENTORY, *arguments, playbook, ANSIBLE_GATHERING="smart", ANSIBLE_LOCALHOST_WARNING="false"
    )
    seconds = time.monotonic() - start
    if done.returncode:
        sys.exit(f"{playbook} failed:\n{done.stdout}\n{done.stderr}")
    return Run(seconds, results)


def inside(host: str, *command: str) -> str:
    container = f"courier-bench-{host}"
    return subprocess.run(["docker", "exec", container, *command], check=True, capture_output=True, text=True).stdout


def processor_seconds(container: str) -> float:
    """What all processes of a host have taken since it started."""
    return (
        docker.from_env().containers.get(container).stats(stream=False)["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9
    )


def mebibytes(host: str) -> float:
    """Memory of all processes of a host, what several share counted once (the sum of their PSS)."""
    processes = docker.from_env().containers.get(f"courier-bench-{host}").top(ps_args="-eo pid")["Processes"]
    return sum(_kibibytes(Path(f"/proc/{pid}/smaps_rollup")) for (pid,) in processes) / 1024


def _kibibytes(rollup: Path) -> int:
    try:
        return next(int(line.split()[1]) for line in rollup.read_text().splitlines() if line.startswith("Pss:"))
    except (OSError, StopIteration):  # it is gone, or on its way
        return 0

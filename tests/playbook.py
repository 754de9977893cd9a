"""Run a playbook and know what each of its tasks did: for the conversations of Molecule and for the benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]


class Play(NamedTuple):
    """How ansible-playbook ended, and one dictionary for each task and host, as the callback `record` writes it."""

    done: subprocess.CompletedProcess[str]
    record: list[dict[str, Any]]


def sources() -> list[str]:
    """The arguments that name the inventory of the bed."""
    return [f"--inventory={source}" for source in os.environ["BED_INVENTORY"].split(":")]


def play_on_bed(*arguments: str) -> Play:
    """Call ansible-playbook for the hosts of the bed, and print what it says."""
    played = play(*sources(), *arguments, ANSIBLE_FORKS="10")
    print(played.done.stdout, played.done.stderr)
    return played


def play(*arguments: str, **settings: str) -> Play:
    """Call ansible-playbook with arguments of its own; settings are variables of the environment."""
    with tempfile.TemporaryDirectory() as directory:
        record = Path(directory, "record")
        record.touch()  # a run that dies of its arguments writes none
        recorded = {
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "molecule/shared/callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "faster,record",
            "ANSIBLE_PIPELINING": "true",
            # Molecule has others: a format that breaks lines where it likes, and errors apart from what they belong to.
            "ANSIBLE_CALLBACK_RESULT_FORMAT": "json",
            "ANSIBLE_DISPLAY_FAILED_STDERR": "false",
            "BED_RECORD": str(record),
        }
        done = subprocess.run(
            ["ansible-playbook", *arguments],
            cwd=ROOT,
            env=os.environ | recorded | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        return Play(done, [json.loads(line) for line in record.read_text().splitlines()])

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run did, for programs: one JSON object a line and task and host, in the file that BED_RECORD names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: record
type: aggregate
short_description: Write the results of tasks as JSON lines
description: One object for each task and host. Tests and benchmarks read it; people read what other callbacks write.
requirements: [enable it in the configuration]
options:
  record:
    description: The file to write.
    env: [{name: BED_RECORD}]
    required: true
"""

import json
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "record"
    CALLBACK_NEEDS_ENABLED = True

    started: float

    def v2_playbook_on_start(self, playbook: Any) -> None:
        Path(self.get_option("record")).write_text("")

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        self.started = time.monotonic()

    def v2_runner_on_ok(self, result: Any) -> None:
        self._write(result, "changed" if result.result.get("changed") else "ok")

    def v2_runner_on_skipped(self, result: Any) -> None:
        self._write(result, "skipped")

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        self._write(result, "failed")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        self._write(result, "unreachable")

    def _write(self, result: Any, outcome: str) -> None:
        line = {
            "host": result.host.get_name(),
            "task": result.task.get_name(),
            "action": result.task.action,
            "outcome": outcome,
            "seconds": time.monotonic() - self.started,
            "result": result.result,
        }
        with open(self.get_option("record"), "a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(line, default=str)}\n")

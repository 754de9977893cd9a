# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of the playbook adopted would change, for the last of them; in other playbooks it does nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: adopted
type: aggregate
short_description: Keep the differences that tasks show
description:
  - Ansible loads it with every playbook that lies beside it. In the playbook C(adopted) it keeps, in the temporary
    directory of the run, what each task has changed, for M(courier.mail.adopted_differences).
"""

import json
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase

RECORD = "courier-mail-adopted.jsonl"


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "adopted"
    CALLBACK_NEEDS_ENABLED = False

    kept: Path | None = None

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if Path(playbook._file_name).stem == "adopted":
            self.kept = Path(constants.DEFAULT_LOCAL_TMP) / RECORD
            self.kept.write_text("")

    def v2_runner_on_ok(self, result: Any) -> None:
        said = getattr(result, "result", None) or result._result
        if self.kept is None or not said.get("changed"):
            return
        task = getattr(result, "task", None) or result._task
        host = getattr(result, "host", None) or result._host
        role, _separator, name = task.get_name().rpartition(" : ")
        line = {
            "host": host.get_name(),
            "task": f"{role.rpartition('.')[2]}: {name}",
            "changed": True,
            "diff": [part for one in (said, *said.get("results", [])) for part in _parts(one.get("diff"))],
        }
        with open(self.kept, "a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(line, default=str)}\n")


def _parts(diff: Any) -> list[Any]:
    return [diff] if isinstance(diff, dict) else list(diff or [])

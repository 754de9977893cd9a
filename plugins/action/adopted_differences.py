# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge a check run on an adopted host. The documentation is in plugins/modules/adopted_differences.py."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..module_utils._adopt._differences import Difference, judge
from ..module_utils._adopt._plan import Explained

SPEC = {
    "explained": {"type": "list", "elements": "dict", "required": True},
    "before": {"type": "dict", "required": True},
}
# Written by playbooks/callback_plugins/adopted.py, in the directory that is this run's alone.
RECORD = "courier-mail-adopted.jsonl"


class ActionModule(ActionBase):
    """Never connects to the host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars) | {"changed": False}
        if not self._task.check_mode:
            return result | {"skipped": True, "msg": "the run has changed the host; there is nothing to compare"}
        validated = ArgumentSpecValidator(SPEC).validate(dict(self._task.args))
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        params = validated.validated_parameters
        path = Path(constants.DEFAULT_LOCAL_TMP) / RECORD
        if not path.exists():
            raise AnsibleActionFail("nothing was recorded; run the playbook courier.mail.adopted, with --check --diff")
        explained = [Explained(one["path"], one["items"], one["why"]) for one in params["explained"]]
        found = judge(records(path, (task_vars or {})["inventory_hostname"]), explained, params["before"])
        unexplained = [one for one in found if not one.why]
        result |= {"table": table(found), "unexplained": [_shown(one) for one in unexplained]}
        if unexplained:
            lines = [f"  {_title(one)}: {one.detail}" for one in unexplained]
            result |= {
                "failed": True,
                "msg": f"{len(unexplained)} of {len(found)} differences are explained nowhere:\n" + "\n".join(lines),
            }
        return result


def records(path: Path, host: str) -> Iterator[dict[str, Any]]:
    """What tasks did on a host."""
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            if record["host"] == host:
                yield record


def table(found: list[Difference]) -> list[str]:
    """What people read."""
    unexplained = [f"NOT EXPLAINED  {_title(one)}: {one.detail}" for one in found if not one.why]
    return unexplained + [f"explained      {_title(one)}: {one.why}" for one in found if one.why]


def _title(one: Difference) -> str:
    return one.path if one.item == "*" else f"{one.path}: {one.item}"


def _shown(one: Difference) -> dict[str, str]:
    return {"path": one.path, "item": one.item, "detail": one.detail}

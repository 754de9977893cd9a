"""Run a module in this process, as Ansible would, and return what it answers."""

from __future__ import annotations

import contextlib
import json
from types import ModuleType
from typing import Any
from unittest import mock

from ansible.module_utils import basic


class Exit(Exception):
    """The module is done. Its answer was noted."""


def run_module(plugin: ModuleType, /, *, check: bool = False, **arguments: Any) -> dict[str, Any]:
    """The module's answer; `failed` is in it when the module refused."""
    arguments |= {"_ansible_check_mode": check, "_ansible_diff": True}
    answers: list[dict[str, Any]] = []

    def leave(_module: basic.AnsibleModule, **answer: Any) -> None:
        answers.append(answer)
        raise Exit

    def fail(module: basic.AnsibleModule, msg: str, **answer: Any) -> None:
        leave(module, failed=True, msg=msg, **answer)

    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()),
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        mock.patch.object(basic.AnsibleModule, "exit_json", leave),
        mock.patch.object(basic.AnsibleModule, "fail_json", fail),
        contextlib.suppress(Exit),
    ):
        plugin.main()
    return answers[0]

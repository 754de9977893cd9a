# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a hand-made host, and write its inventory. The documentation is in plugins/modules/adopt.py."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.parsing.vault import VaultLib, VaultSecret
from ansible.plugins.action import ActionBase

from ..module_utils._adopt._adopting import AdoptError, written
from ..module_utils._adopt._host import from_data

SPEC = {
    "directory": {"type": "path", "default": "adopted"},
    "replace": {"type": "bool", "default": False},
    "vault_password": {"type": "str", "no_log": True},
}


class ActionModule(ActionBase):
    """What the host says stays in here: the result has names of files, and no secret."""

    TRANSFERS_FILES = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(SPEC).validate(dict(self._task.args))
        if validated.error_messages:
            raise AnsibleActionFail("; ".join(validated.error_messages))
        params = validated.validated_parameters
        variables = task_vars or {}
        name = variables["inventory_hostname"]
        seen = self._execute_module(
            "courier.mail.adopt_info", {"name": _full_name(variables, name)}, task_vars=variables
        )
        if seen.get("failed"):
            return result | {key: seen[key] for key in ("failed", "msg") if key in seen}
        try:
            found = written(from_data(seen["host"]), name)
        except AdoptError as error:
            raise AnsibleActionFail(str(error)) from error
        path, text = found.secrets
        directory = Path(params["directory"]).expanduser()
        if params["vault_password"]:
            text = encrypted(text, params["vault_password"], _text(directory / path))
        else:
            place = directory / path
            result["warnings"] = [f"{place} holds secrets in clear; encrypt it: ansible-vault encrypt {place}"]
        files = {**found.files, path: text}
        changed = write(directory, files, {path}, replace=params["replace"], check=self._task.check_mode)
        notes = [note._asdict() for note in found.notes]
        counts = dict(Counter(note.kind for note in found.notes))
        return result | {"changed": bool(changed), "files": changed, "notes": notes, "counts": counts}


def write(
    directory: Path, files: Mapping[str, str], secret: set[str], *, replace: bool = False, check: bool = False
) -> list[str]:
    """Write the files that are not there as they shall be, and return their paths; all of them, or none."""
    differing = [name for name in sorted(files) if _text(directory / name) != files[name]]
    edited = [str(directory / name) for name in differing if (directory / name).exists()]
    if edited and not replace:
        raise AnsibleActionFail(
            f"{', '.join(edited)} is there already and says something else; "
            "write another directory, or replace: true to lose what is there"
        )
    for name in () if check else differing:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = 0o600 if name in secret else 0o644
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
            stream.write(files[name])
    return [str(directory / name) for name in differing]


def encrypted(text: str, password: str, before: str | None = None) -> str:
    """The text as ansible-vault has it: what is there already, where that is the same."""
    secret = VaultSecret(password.encode())
    vault = VaultLib([("default", secret)])
    with contextlib.suppress(AnsibleError):
        if before and vault.decrypt(before.encode()).decode() == text:
            return before
    return str(vault.encrypt(text.encode(), secret).decode())


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _full_name(variables: Mapping[str, Any], name: str) -> str:
    facts = variables.get("ansible_facts") or {}
    return str(facts.get("fqdn") or name)

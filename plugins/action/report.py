# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the report of a site, on the controller. The documentation is in plugins/modules/report.py."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.plugins.action import ActionBase

from ..plugin_utils._report._document import document
from ..plugin_utils._report._needs import Limits
from ..plugin_utils._report._page import page

HOST: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "site": {"type": "str", "default": ""},
    "kind": {"type": "str", "default": ""},
    "domains": {"type": "list", "elements": "str", "default": []},
    "report": {"type": "dict"},
    "troubles": {"type": "dict"},
    "seconds": {"type": "dict"},
    "mailboxes": {"type": "list", "elements": "dict"},
}
SPEC: dict[str, Any] = {
    "hosts": {"type": "list", "elements": "dict", "required": True, "options": HOST},
    "directory": {"type": "path", "default": "."},
    "days": {"type": "int", "default": 7},
    "limits": {"type": "dict", "default": {}},
}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")


class ReportError(ValueError):
    """What makes no sense, in a sentence that says what to write instead."""


class ActionModule(ActionBase):
    """Never connects to the host."""

    TRANSFERS_FILES = False
    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        validated = ArgumentSpecValidator(SPEC).validate(dict(self._task.args))
        if validated.error_messages:
            return result | {"failed": True, "msg": "; ".join(validated.error_messages)}
        try:
            texts, needs = written(plain(validated.validated_parameters), time.time())
            if not self._task.check_mode:
                for path, text in texts.items():
                    put(path, text)
        except (ReportError, OSError) as error:
            return result | {"failed": True, "msg": str(error)}
        table = [f"{one['state']:<7}  {one['host']}  {one['subject']}: {one['said']}" for one in needs]
        return result | {"changed": True, "files": sorted(texts), "needs": needs, "table": [*sorted(texts), *table]}


def written(given: Mapping[str, Any], now: float) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The texts of all files, by path, and what needs a human."""
    limits = _limits(given["limits"])
    sites = sorted({host["site"] for host in given["hosts"]})
    texts: dict[str, str] = {}
    needs: list[dict[str, str]] = []
    for site in sites:
        if site and not _NAME.fullmatch(site):
            raise ReportError(
                f"the site {site!r} becomes part of a file's name; write letters, digits, dots and hyphens"
            )
        of_it = [host for host in given["hosts"] if host["site"] == site]
        found = document(of_it, site, given["days"], limits, now)
        name = f"report-{site}" if site else "report"
        # Otherwise it would go beside the playbook, into the collection.
        path = os.path.join(os.environ.get("PWD", "."), given["directory"], name)
        texts[f"{path}.html"] = page(found)
        texts[f"{path}.json"] = json.dumps(found, indent=1) + "\n"
        needs += found["needs"]
    return texts, needs


def put(path: str, text: str) -> None:
    """Whoever reads it meanwhile has the old one or the new one. It names people, so it is not for everybody."""
    directory, name = os.path.split(path)
    pathlib.Path(directory).mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
            os.fchmod(descriptor, 0o640)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def plain(value: Any) -> Any:
    """Without what Ansible knows of each text."""
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, str):
        return "".join(value)
    return value


def _limits(given: Mapping[str, Any]) -> Limits:
    names = [field.name for field in dataclasses.fields(Limits)]
    for name, value in given.items():
        if name not in names:
            raise ReportError(f"there is no limit {name}; there are {', '.join(names)}")
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ReportError(f"the limit {name} is {value!r}; write a whole number from 1 on")
    return Limits(**given)

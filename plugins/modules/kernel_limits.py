# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kernel_limits
short_description: Have limits of the kernel that are at least so high
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Raises limits below C(/proc/sys) that are lower, and writes them down for the next boot. One that is higher stays.
  - In a container the kernel is somebody else's, and often cannot be told. Then each run warns, for as long as the
    limit is too low.
options:
  at_least:
    description: The limits, by their names of sysctl(8). Without any, O(path) is removed, and nothing is lowered.
    type: dict
    default: {}
  path:
    description:
      - The file for the next boot. Files of C(/etc/sysctl.d) are read in the order of their names, and the last one
        counts; so one of yours with a higher limit should come later.
    type: path
    required: true
  reason:
    description: What becomes of what is above the limit, as the end of the warning.
    type: str
    required: true
  proc:
    description: Where the kernel has its limits.
    type: path
    default: /proc/sys
attributes:
  check_mode:
    description: Says what would be raised and written.
    support: full
  diff_mode:
    description: Shows the file, and limits that are raised.
    support: full
"""

EXAMPLES = r"""
- name: Let each session be told of new mail
  courier.mail.kernel_limits:
    at_least:
      fs.inotify.max_user_instances: 464
    path: /etc/sysctl.d/10-courier-imap.conf
    reason: other sessions hear of new mail late
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/sysctl.d/10-courier-imap.conf]
limits:
  description: The limits as they are now.
  returned: success
  type: dict
  sample: {fs.inotify.max_user_instances: 464}
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import File, ensure

SPEC: dict[str, Any] = {
    "at_least": {"type": "dict", "default": {}},
    "path": {"type": "path", "required": True},
    "reason": {"type": "str", "required": True},
    "proc": {"type": "path", "default": "/proc/sys"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        wanted = plan(module.params)
        limits = {name: _current(module.params["proc"], name) for name in wanted}
    except ValueError as error:
        module.fail_json(msg=str(error))
    text = "".join(f"{name} = {number}\n" for name, number in wanted.items())
    result = ensure(module, [File(module.params["path"], text or None, "root", "root", 0o644)])
    for name, number in wanted.items():
        before = limits[name]
        if before >= number:
            continue
        if not _may_raise(module, name, number):
            module.warn(
                f"{name} is {before} and should be {number}, and this host may not raise it, as in a container; "
                f"raise it on the machine that runs this host, or {module.params['reason']}"
            )
            continue
        limits[name] = before if module.check_mode else _current(module.params["proc"], name)
        result["changed"] = True
        result["diff"].append(
            {"before_header": name, "after_header": name, "before": f"{before}\n", "after": f"{number}\n"}
        )
    module.exit_json(**result, limits=limits)


def plan(params: dict[str, Any]) -> dict[str, int]:
    """The limits as numbers. Touches nothing; raises ValueError."""
    wanted = {}
    for name, value in params["at_least"].items():
        if not re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)+", name):
            raise ValueError(f"{name!r} is no limit of the kernel; write a name such as fs.inotify.max_user_instances")
        if not re.fullmatch(r"[1-9][0-9]{0,17}", str(value)):
            raise ValueError(f"{name} cannot be {value!r}; write a whole number")
        wanted[name] = int(value)
    return wanted


def _path(proc: str, name: str) -> str:
    return os.path.join(proc, *name.split("."))


def _current(proc: str, name: str) -> int:
    try:
        with open(_path(proc, name), encoding="ascii") as stream:
            return int(stream.read())
    except (OSError, ValueError) as error:
        raise ValueError(f"{name}: this kernel has no such limit: {error}") from None


def _may_raise(module: AnsibleModule, name: str, number: int) -> bool:
    path = _path(module.params["proc"], name)
    if module.check_mode:
        return os.access(path, os.W_OK)
    try:
        with open(path, "w", encoding="ascii") as stream:
            stream.write(f"{number}\n")
    except OSError:
        return False
    return _current(module.params["proc"], name) >= number


if __name__ == "__main__":
    main()

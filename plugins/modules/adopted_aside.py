# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: adopted_aside
short_description: Set aside files of an adopted host whose content is said elsewhere now
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Courier compiles all files of a directory together, such as those in C(smtpaccess). What ours say would be there
    twice, which the compilers refuse, or would stay when it leaves the inventory.
  - Moves each of O(files) into O(to), below its own path, readable by root alone. What is there from an earlier time
    gets a number. What Courier compiled of them stays, so that mail goes on until the roles have written theirs.
  - Where a directory of the collection has to be in the place of a file, as with C(hosteddomains), it is made.
options:
  files:
    description: The files, as C(adopted.json) names them. What is not there is passed over.
    type: list
    elements: path
    required: true
  to:
    description: Where they go.
    type: path
    default: /var/backups/courier-mail-adopted
attributes:
  check_mode:
    description: Says what would be moved.
    support: full
  diff_mode:
    description: Shows what is moved.
    support: full
"""

EXAMPLES = r"""
- name: Set aside what is said elsewhere now
  courier.mail.adopted_aside:
    files: "{{ adopted_aside }}"
"""

RETURN = r"""
files:
  description: The files that were moved, or would be.
  type: list
  elements: str
  returned: success
  sample: [/etc/courier/smtpaccess/attackers]
"""

import os
import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

# Files in the place of which a directory has to be.
_DIRECTORIES = ("hosteddomains",)


def main() -> None:
    spec = {
        "files": {"type": "list", "elements": "path", "required": True},
        "to": {"type": "path", "default": "/var/backups/courier-mail-adopted"},
    }
    module = AnsibleModule(argument_spec=spec, supports_check_mode=True)
    to = module.params["to"]
    there = [path for path in module.params["files"] if os.path.isfile(path)]
    try:
        for path in [] if module.check_mode else there:
            set_aside(path, to)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be set aside in {to}: {error.strerror}")
    diff = [{"before_header": path, "after_header": path, "before": f"{path}\n", "after": ""} for path in there]
    module.exit_json(changed=bool(there), files=there, diff=diff)


def set_aside(path: str, to: str) -> None:
    """Move a file below a directory that root alone can read."""
    Path(to).mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = f"{to}{path}"
    place, number = wanted, 0
    while os.path.lexists(place):
        number += 1
        place = f"{wanted}.{number}"
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    seen = os.stat(Path(path).parent)
    shutil.move(path, place)
    if os.path.basename(path) in _DIRECTORIES:
        Path(path).mkdir(mode=0o750)
        os.chown(path, seen.st_uid, seen.st_gid)


if __name__ == "__main__":
    main()

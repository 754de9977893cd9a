# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Have files, directories and links that nobody else writes
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes directories and links, and writes or removes files, in this order and in one task, where
    M(ansible.builtin.file) and M(ansible.builtin.copy) would be a task each. For what a role lays beside a package,
    such as a program and what systemd is told of a unit.
  - Files are written all or none, each under another name and then moved into place.
options:
  files:
    description: Files.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is. The directory must exist, or be in O(directories).
        type: path
        required: true
      content:
        description: Its text. Without one it is removed.
        type: str
      owner:
        description: Whose it is, by name or number.
        type: str
        default: root
      group:
        description: Its group, by name or number.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits.
        type: str
        default: "0644"
  directories:
    description: Directories. Those above one are made with it, as O(directories[].owner) V(root) and mode V(0755).
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Where it is.
        type: path
        required: true
      owner:
        description: Whose it is, by name or number.
        type: str
        default: root
      group:
        description: Its group, by name or number.
        type: str
        default: root
      mode:
        description: Its mode, in octal digits.
        type: str
        default: "0755"
  links:
    description:
      - Symbolic links and what they point to. V(null) removes a link, and nothing that is none.
      - A link in C(/etc/systemd/system) to C(/dev/null) is how systemd masks a unit.
    type: dict
    default: {}
  accepted_by:
    description:
      - A command that is asked when files have changed, such as V([nginx, -t, -q]). If it fails, all files are as they
        were before, which is also what a daemon finds that is restarted later.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Reports what would change. Owners need not exist yet.
    support: full
  diff_mode:
    description: Shows texts before and after, and attributes and targets where those differ.
    support: full
"""

EXAMPLES = r"""
- name: Let the daemon come back when it dies, and the timer beside it rest
  courier.mail.files:
    directories:
      - path: /etc/systemd/system/clamav-daemon.service.d
    files:
      - path: /etc/systemd/system/clamav-daemon.service.d/courier-mail.conf
        content: |
          [Service]
          Restart=always
    links:
      /etc/systemd/system/clamav-freshclam-once.timer: /dev/null
"""

RETURN = r"""
files:
  description: The files, directories and links that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/systemd/system/clamav-daemon.service.d/courier-mail.conf]
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import Directory, File, Link, ensure, ensure_places, together

_FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0644"},
}
_DIRECTORY = {
    "path": {"type": "path", "required": True},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str", "default": "0755"},
}
SPEC: dict[str, Any] = {
    "files": {"type": "list", "elements": "dict", "default": [], "options": _FILE},
    "directories": {"type": "list", "elements": "dict", "default": [], "options": _DIRECTORY},
    "links": {"type": "dict", "default": {}},
    "accepted_by": {"type": "list", "elements": "str", "default": []},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        files = [
            File(one["path"], one["content"], one["owner"], one["group"], _mode(one)) for one in module.params["files"]
        ]
        directories = [
            Directory(one["path"], one["owner"], one["group"], _mode(one)) for one in module.params["directories"]
        ]
    except ValueError as error:
        module.fail_json(msg=str(error))
    links = [Link(path, target) for path, target in module.params["links"].items()]
    places = ensure_places(module, [*directories, *links])
    module.exit_json(**together(places, ensure(module, files, accepted_by=module.params["accepted_by"])))


def _mode(one: dict[str, str]) -> int:
    if not re.fullmatch("[0-7]{3,4}", one["mode"]):
        raise ValueError(f"mode of {one['path']} is {one['mode']!r}; write octal digits in quotes, such as '0644'")
    return int(one["mode"], 8)


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tmpfiles
short_description: Keep what packages would have emptied at the next boot
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - The packages of Courier 2 tell C(systemd-tmpfiles) to empty directories of its configuration and of its queue at
    each boot (lines of type C(D)). For each such file of theirs, this module writes one of the same name, which systemd
    reads instead, and in which these lines make the directory where it is missing, and leave it and what is in it alone
    where it is there (type C(d), with a colon before mode, owner and group).
  - It takes the packages' text as it is now, so that what else a newer package says there comes along with the next
    run. Where a package empties nothing any more, what this module wrote goes.
  - What is below C(/run), C(/tmp) and C(/var/tmp) may be emptied.
options:
  name:
    description: The names of the packages' files, in which V(*) stands for anything.
    type: str
    default: courier*.conf
  packages:
    description: Where packages have their files.
    type: path
    default: /usr/lib/tmpfiles.d
  directory:
    description: Where systemd looks first.
    type: path
    default: /etc/tmpfiles.d
attributes:
  check_mode:
    description: Reports what would change. What packages say that are not installed yet, it cannot know.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Keep the queue and the configuration over a reboot
  courier.mail.tmpfiles:
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/tmpfiles.d/courier-mta.conf]
kept:
  description: The directories that a boot would empty without.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/aliases, /var/lib/courier/msgs]
"""

import os
from fnmatch import fnmatch
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import File, ensure, read
from ..module_utils._tmpfiles import emptied, kept

MARK = "# Written by Ansible (courier.mail.tmpfiles) from the package's file, in which D empties at boot.\n"
SPEC: dict[str, Any] = {
    "name": {"type": "str", "default": "courier*.conf"},
    "packages": {"type": "path", "default": "/usr/lib/tmpfiles.d"},
    "directory": {"type": "path", "default": "/etc/tmpfiles.d"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    pattern, packages, directory = (module.params[name] for name in ("name", "packages", "directory"))
    given = {name: read(os.path.join(packages, name)) or "" for name in _names(packages, pattern)}
    files, keeps = [], []
    for name in sorted({*given, *_names(directory, pattern)}):
        path = os.path.join(directory, name)
        text = kept(given.get(name, ""))
        if text is None and not (read(path) or "").startswith(MARK):
            continue  # nothing of ours
        files.append(File(path, None if text is None else MARK + text, "root", "root", 0o644))
        keeps += emptied(given.get(name, ""))
    module.exit_json(**ensure(module, files), kept=keeps)


def _names(directory: str, pattern: str) -> list[str]:
    return [name for name in os.listdir(directory) if fnmatch(name, pattern)] if os.path.isdir(directory) else []


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Say what is backed up of a mail host, where it goes and how long it is kept
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes the settings and secrets of the command C(courier-mail-backup), its package and the units that run it.
  - Only root reads the settings, since the address of a repository may hold a password, and the secrets. None of them
    is an argument of a program, and none is shown in a diff.
  - Refuses a repository that restic would not understand, a password that is missing or short, and a target that lacks
    its secrets.
  - Neither makes a repository nor takes a backup; that is M(courier.mail.backup_run).
options:
  present:
    description: Whether this host is backed up. If not, all that is here is removed. The repository stays where it is.
    type: bool
    default: true
  settings:
    description:
      - What is taken, where it goes and how long it is kept. The role has a variable for each, and describes it.
    type: dict
    default: {}
  password:
    description: What the repository is encrypted with. Who has lost it has lost the backup.
    type: str
    default: ""
  environment:
    description: Secrets of the target, such as C(AWS_SECRET_ACCESS_KEY), by the names that restic knows.
    type: dict
    default: {}
  ssh_key:
    description: The private key with which ssh logs in at a target that begins with C(sftp:), as ssh-keygen makes it.
    type: str
    default: ""
  known_hosts:
    description: Lines of C(known_hosts) for that target. ssh believes no other host.
    type: str
    default: ""
  units:
    description: Units of systemd that belong to it, by their names, as texts.
    type: dict
    default: {}
  package:
    description: Where the package is put. The directory must be there; other files in it are removed.
    type: path
    default: /usr/local/lib/courier-mail-backup/courier_mail_backup
  directory:
    description: Where settings and secrets are. The directory must be there.
    type: path
    default: /etc/courier-mail-backup
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows what changes, and no secret.
"""

EXAMPLES = r"""
- name: Have a backup
  courier.mail.backup:
    settings:
      repository: sftp:backup@backup.example.net:/srv/backups/mx1
      host: mx1.example.com
    password: "{{ vault_backup_password }}"
    ssh_key: "{{ vault_backup_key }}"
    known_hosts: backup.example.net ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExampleExa
"""

RETURN = r"""
files:
  description: The files that were written or removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier-mail-backup/backup.json]
"""

import json
import os
import re
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._backup._catalogue import sources
from ..module_utils._backup._configuration import (
    check,
    check_environment,
    check_password,
    dump,
    without_password,
)
from ..module_utils._managed_file import File, Files, run

UNITS = "/etc/systemd/system"
COMMAND = "/usr/local/sbin/courier-mail-backup"
SPEC: dict[str, Any] = {
    "present": {"type": "bool", "default": True},
    "settings": {"type": "dict", "default": {}},
    "password": {"type": "str", "default": "", "no_log": True},
    "environment": {"type": "dict", "default": {}, "no_log": True},
    "ssh_key": {"type": "str", "default": "", "no_log": True},
    "known_hosts": {"type": "str", "default": ""},
    "units": {"type": "dict", "default": {}},
    "package": {"type": "path", "default": "/usr/local/lib/courier-mail-backup/courier_mail_backup"},
    "directory": {"type": "path", "default": "/etc/courier-mail-backup"},
}
# -B: without it Python would write compiled files beside the package, which then would look as if it had changed.
_PROGRAM = """\
#!/bin/sh
PYTHONPATH={above} exec /usr/bin/python3 -B -m {package} "$@"
"""


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), _plan_here)


def plan(params: dict[str, Any]) -> Files:
    """What is written, wherever it is asked."""
    if not params["present"]:
        return Files([])
    settings = check({**params["settings"], "ssh": bool(params["ssh_key"])})
    check_password(params["password"])
    check_environment(params["environment"], settings.repository)
    _check_ssh(params, settings.repository)
    directory, package = params["directory"], params["package"]
    texts: dict[str, tuple[str, Callable[[str], str]]] = {
        "backup.json": (dump(settings), without_password),
        "password": (params["password"] + "\n", _hidden),
        "environment.json": (json.dumps(params["environment"], sort_keys=True) + "\n", _hidden),
    }
    if params["ssh_key"]:
        texts["ssh_key"] = (params["ssh_key"].rstrip("\n") + "\n", _hidden)
        texts["known_hosts"] = (params["known_hosts"].rstrip("\n") + "\n", str)
    secrets = [
        File(os.path.join(directory, name), text, "root", "root", 0o600, shown) for name, (text, shown) in texts.items()
    ]
    above, name = os.path.split(package)
    return Files(
        [
            *(File(os.path.join(package, name), text, "root", "root", 0o644) for name, text in sources().items()),
            *secrets,
            *(File(os.path.join(UNITS, name), text, "root", "root", 0o644) for name, text in params["units"].items()),
            File(COMMAND, _PROGRAM.format(above=above, package=name), "root", "root", 0o755),
        ]
    )


def _plan_here(params: dict[str, Any]) -> Files:
    """And what is taken away on this host."""
    wanted = plan(params)
    kept = {file.path for file in wanted.files}
    found = [
        entry.path
        for directory in (params["directory"], params["package"])
        if os.path.isdir(directory)
        for entry in os.scandir(directory)
        if entry.is_file()
    ]
    if not params["present"]:
        found += [os.path.join(UNITS, name) for name in params["units"]]
        # Without it nobody is told that the last backup is old.
        found += [COMMAND, "/var/lib/courier-mail-backup/state.json"]
    gone = [File(path, None, shown=_hidden) for path in sorted(found) if path not in kept]
    return wanted._replace(files=[*wanted.files, *gone])


def _check_ssh(params: dict[str, Any], repository: str) -> None:
    if not repository.startswith("sftp:"):
        return
    if "PRIVATE KEY-----" not in params["ssh_key"]:
        raise ValueError(
            "backup_ssh_key is missing or no private key, which a target that begins with sftp: needs; "
            "make one with: ssh-keygen -t ed25519 -N '' -f backup_key"
        )
    if not re.search(r"^[^#\s]+ (ssh|ecdsa|sk)-\S+ \S+", params["known_hosts"], re.MULTILINE):
        raise ValueError(
            "backup_known_hosts has no line of the target, without which ssh would believe any host; "
            "get it with: ssh-keyscan HOST, and compare it with what the host itself says"
        )


def _hidden(text: str) -> str:
    return "(hidden)\n" if text else ""


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fail2ban
short_description: Write what fail2ban reads, its jails and whom it never bans
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(jail.d/courier-mail.local) and C(fail2ban.d/courier-mail.local), which win over the package's files, and
    the login names that somebody has, for the program that the jails ask.
  - fail2ban passes over settings that it does not know, and over times that are none. Both are refused, as are bans
    that last longer than its database remembers, because a restart would end them.
  - Where fail2ban is installed, it is shown the files beside all others that it has. What it refuses is not written.
options:
  default:
    description: Settings of all jails, in fail2ban's words (jail.conf(5)), without C(ignoreip).
    type: dict
    default: {}
  jails:
    description: Settings of each jail by its name.
    type: dict
    default: {}
  ignored:
    description: Addresses and networks that are never banned, beside the loopback.
    type: list
    elements: str
    default: []
  remembered:
    description: How long the database keeps a ban, such as V(8w).
    type: str
    default: 8w
  accounts:
    description: Login names that somebody has.
    type: list
    elements: str
    default: []
  directory:
    description: Where fail2ban has its configuration. The directories C(jail.d) and C(fail2ban.d) must be there.
    type: path
    default: /etc/fail2ban
attributes:
  check_mode:
    description: Reports what would change, and asks fail2ban.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Say who is banned for what
  courier.mail.fail2ban:
    default: {bantime: 1h, bantime.increment: true}
    jails:
      sshd: {enabled: true, backend: systemd, maxretry: 4}
    ignored: [192.0.2.0/24, "2001:db8::/32"]
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/fail2ban/jail.d/courier-mail.local]
"""

import os
import shutil
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._fail2ban import HEADER, BanError, render, seconds
from ..module_utils._managed_file import File, Files, read, run

SPEC: dict[str, Any] = {
    "default": {"type": "dict", "default": {}},
    "jails": {"type": "dict", "default": {}},
    "ignored": {"type": "list", "elements": "str", "default": []},
    "remembered": {"type": "str", "default": "8w"},
    "accounts": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "default": "/etc/fail2ban"},
}
_JAILS = "jail.d/courier-mail.local"
_SERVER = "fail2ban.d/courier-mail.local"
_ACCOUNTS = "courier-mail-accounts"


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan, check)


def plan(params: dict[str, Any]) -> Files:
    remembered = params["remembered"]
    jails = render(params["default"], params["jails"], params["ignored"], remembered)
    server = f"{HEADER}\n[Definition]\ndbpurgeage = {seconds('remembered', remembered)}\n"
    accounts = "".join(f"{one}\n" for one in sorted({one.lower() for one in params["accounts"]}))
    texts = {_JAILS: jails, _SERVER: server}
    return Files(
        [
            *(
                File(os.path.join(params["directory"], name), text, "root", "root", 0o644)
                for name, text in texts.items()
            ),
            File(os.path.join(params["directory"], _ACCOUNTS), accounts, "root", "root", 0o600),
        ]
    )


def check(module: AnsibleModule, files: Files) -> None:
    """Ask the host's fail2ban, if it is there, what it makes of its directory with the files as they will be."""
    client, directory = module.get_bin_path("fail2ban-client"), module.params["directory"]
    if not client or all(read(file.path) == file.text for file in files.files):
        return
    with tempfile.TemporaryDirectory() as place:
        copy = f"{place}/fail2ban"
        shutil.copytree(directory, copy)
        for file in files.files:
            path = os.path.join(copy, os.path.relpath(file.path, directory))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(file.text or "")
        code, out, said = module.run_command([client, "-c", copy, "--test"])
    if code != 0:
        # What is wrong, where, and at last that something is.
        lines = [line.partition("ERROR")[2].strip() for line in f"{out}\n{said}".splitlines() if "ERROR" in line]
        reason = "; ".join(lines[:-1] or lines) or (said or out).strip()
        raise BanError(f"fail2ban refuses its settings: {reason.replace(copy, directory)}")


if __name__ == "__main__":
    main()

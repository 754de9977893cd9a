# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailbox_archive
short_description: Put the mailbox of somebody who has left into an archive
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Packs a home below O(mail_root) into a file that only root can read, compares the file with the home, and then
    removes the home. If they differ, because somebody is still logged in for example, nothing is removed.
  - The home is read and removed with the rights of the mail user, so a link in it leads nowhere that he may not go.
options:
  home:
    description: The home, below O(mail_root).
    type: path
    required: true
  name:
    description: What the archive is called after, such as the address.
    type: str
    required: true
  directory:
    description: Where archives go. It is made if it is not there.
    type: path
    default: /var/backups/courier-mail
extends_documentation_fragment: [courier.mail.maildir]
attributes:
  check_mode:
    description: Says whether there is a mailbox.
    support: full
  diff_mode:
    description: Names the home and the archive.
    support: full
"""

EXAMPLES = r"""
- name: Put away the mail of Bob, who has left
  courier.mail.mailbox_archive:
    mail_root: /srv/vmail
    home: /srv/vmail/example.com/bob
    uid: 5000
    gid: 5000
    name: bob@example.com
"""

RETURN = r"""
path:
  description: The archive. Empty where there was no mailbox.
  returned: success
  type: str
  sample: /var/backups/courier-mail/bob@example.com-20260728T101500Z.tar.gz
"""

import os
import re
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._maildir import MAILDIR_SPEC

SPEC = {
    "home": {"type": "path", "required": True},
    **MAILDIR_SPEC,
    "name": {"type": "str", "required": True},
    "directory": {"type": "path", "default": "/var/backups/courier-mail"},
}


class ArchiveError(Exception):
    """Why the mailbox stays where it is."""


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = module.params
    root, home = os.path.normpath(params["mail_root"]), os.path.normpath(params["home"])
    if not home.startswith(f"{root}/"):
        module.fail_json(msg=f"home {home} is not below the mail root {root}")
    if not os.path.isdir(home):
        module.exit_json(changed=False, path="")
    # Read by people, and by shells.
    name = re.sub(r"[^\w@.+=-]", "_", params["name"]).lstrip(".")
    path = f"{params['directory']}/{name}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.tar.gz"
    if not module.check_mode:
        os.makedirs(params["directory"], 0o700, exist_ok=True)
        try:
            archive(home, path, params["uid"], params["gid"])
        except (ArchiveError, OSError) as error:
            module.fail_json(msg=f"{home} stays where it is: {error}")
    difference = {"before_header": home, "after_header": path, "before": f"{home}\n", "after": f"{path}\n"}
    module.exit_json(changed=True, path=path, diff=difference)


def archive(home: str, path: str, uid: int, gid: int) -> None:
    """Pack, compare, remove. Raises ArchiveError and leaves no archive then."""
    above, name = os.path.split(home)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w+b") as stream:
            _tar(["--create", "--gzip", "--file=-", f"--directory={above}", "--", name], uid, gid, stdout=descriptor)
            stream.flush()
            os.fsync(descriptor)
            os.lseek(descriptor, 0, os.SEEK_SET)
            _tar(["--compare", "--gzip", "--file=-", f"--directory={above}"], uid, gid, stdin=descriptor)
    except BaseException:
        os.unlink(path)
        raise
    _run(["rm", "--recursive", "--force", "--", home], uid, gid)


def _tar(arguments: list[str], uid: int, gid: int, stdin: int | None = None, stdout: int | None = None) -> None:
    _run(["tar", *arguments], uid, gid, stdin, stdout)


def _run(command: list[str], uid: int, gid: int, stdin: int | None = None, stdout: int | None = None) -> None:
    """Run a program with the rights of the mail user."""
    root = os.geteuid() == 0  # only root can be somebody else
    done = subprocess.run(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL if stdin is None else stdin,
        stdout=subprocess.PIPE if stdout is None else stdout,
        stderr=subprocess.PIPE,
        check=False,
        cwd="/",
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        user=uid if root else None,
        group=gid if root else None,
        extra_groups=[] if root else None,
    )
    if done.returncode:
        said = (done.stderr or done.stdout or b"").decode(errors="replace").strip()
        raise ArchiveError(f"{command[0]}: {said.splitlines()[0] if said else f'ended with {done.returncode}'}")


if __name__ == "__main__":
    main()

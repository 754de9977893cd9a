# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: adopt_info
short_description: What a hand-made Courier host says, as M(courier.mail.adopt) reads it
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Reads the texts below C(/etc/courier), C(/etc/fetchmailrc), C(/etc/pythonfilter.conf) and the like, the C(.courier)
    files of accounts, the users and groups of the system, which packages there are, and where Maildirs are.
  - The result holds secrets, namely hashes, passwords and the key of the certificate. Use M(courier.mail.adopt), which
    keeps them to itself, or V(no_log) on the task.
  - Changes nothing. Must run as root.
options:
  name:
    description: The full name of the host, for one that has no file C(me).
    type: str
    required: true
extends_documentation_fragment: [courier.mail.looking]
"""

EXAMPLES = r"""
- name: Read the host
  courier.mail.adopt_info:
    name: mx1.example.com
  register: hand_made
  no_log: true
"""

RETURN = r"""
host:
  description: Files by their paths, and what else there is.
  type: dict
  returned: success
  contains:
    name:
      description: The name that was given.
      type: str
    files:
      description: Texts by path.
      type: dict
    unread:
      description: Files that were not read, by path, with the reason.
      type: dict
    pristine:
      description: Files that are as their packages brought them.
      type: list
      elements: str
    users:
      description: Users of the system by name, with uid, gid, home, full name and hash.
      type: dict
    groups:
      description: Names of groups by their numbers.
      type: dict
    mailboxes:
      description: Maildirs by path, with uid and gid.
      type: dict
    packages:
      description: Installed packages with their versions.
      type: dict
    directories:
      description: Directories below C(/etc/courier).
      type: list
      elements: str
    packaged_certificates:
      description: Certificates that the packages made, for nobody.
      type: list
      elements: str
    enabled:
      description: Units that start with the host.
      type: list
      elements: str
    filters:
      description: Filters that courierfilter starts.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._adopt._host import as_data, read


def main() -> None:
    module = AnsibleModule(argument_spec={"name": {"type": "str", "required": True}}, supports_check_mode=True)
    try:
        host = read(module.params["name"])
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be read: {error.strerror}; run this as root")
    module.exit_json(changed=False, host=as_data(host))


if __name__ == "__main__":
    main()

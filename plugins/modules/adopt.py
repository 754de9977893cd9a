# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: adopt
short_description: Read a hand-made Courier host into inventory files
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Reads C(/etc/courier), the accounts in C(userdb) or of the system, their C(.courier) files, C(/etc/fetchmailrc),
    C(/etc/pythonfilter.conf) and what belongs to them, and writes an inventory that says the same in the words of this
    collection, each entry with the file and line that it came from. On the host nothing is changed.
  - On the controller, O(directory) gets C(NAME.yml), which has the host in the group C(mail_servers), and
    C(host_vars/NAME/) with C(site.yml), C(people.yml), C(addresses.yml), C(routes.yml), C(peers.yml), C(policy.yml),
    C(services.yml), C(settings.yml), C(secrets.yml), C(adopted.md) and C(adopted.json).
  - Hashes, passwords and the key of the certificate are in C(secrets.yml) alone, which only its owner can read (mode
    V(0600)), encrypted where O(vault_password) is given. They are never shown and never returned.
  - C(adopted.md) has, with file and line and what to do, what has no place in the inventory, what was understood by a
    guess, what has to be done by hand, what stays as it is, and what a run of the roles will change and why.
    C(adopted.json) has the same for the playbook C(courier.mail.adopted).
  - Files that are there already and differ are not overwritten without O(replace).
notes:
  - Must run as root on the host.
options:
  directory:
    description: The directory on the controller, which is made if it is not there.
    type: path
    default: adopted
  replace:
    description: Whether files of an earlier run are overwritten. What you have changed in them is lost.
    type: bool
    default: false
  vault_password:
    description:
      - The password with which C(secrets.yml) is encrypted. Without one it is in clear, and a warning says so.
    type: str
attributes:
  action:
    support: full
    description: Reads on the host, and writes on the controller.
  check_mode:
    support: full
    description: Reads and writes nothing.
  diff_mode:
    support: none
    description: Shows the names of files only, since people and their addresses are in them.
"""

EXAMPLES = r"""
- name: Read a host that was set up by hand
  courier.mail.adopt:
    directory: "{{ playbook_dir }}/inventory"
    vault_password: "{{ lookup('ansible.builtin.file', '~/.vault-password') }}"
  become: true
"""

RETURN = r"""
files:
  description: The files that were written, or would be in check mode.
  type: list
  elements: str
  returned: success
  sample: [adopted/host_vars/mx1.example.com/site.yml]
notes:
  description: What was not taken as it stood.
  type: list
  elements: dict
  returned: success
  contains:
    kind:
      description: One of C(move), C(left), C(guess), C(replaced) and C(stays).
      type: str
    source:
      description: The file, and the line if there is one.
      type: str
    what:
      description: What it is about.
      type: str
    todo:
      description: What to do, if anything.
      type: str
counts:
  description: How many notes there are of each kind.
  type: dict
  returned: success
  sample: {guess: 3, left: 1}
"""

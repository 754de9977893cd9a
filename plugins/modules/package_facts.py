# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: package_facts
short_description: The packages of a Debian host, as facts
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Sets the fact C(package_versions) from one question to C(dpkg-query). M(ansible.builtin.package_facts) opens apt's
    cache, with all packages that could be installed, and takes more than a second of a processor for it. Ansible copies
    the facts of a host for each task that looks at that host, so this one has no more than names and versions.
  - A package that was removed but for its configuration, or is only half set up, is not there.
  - Changes nothing.
extends_documentation_fragment: [courier.mail.looking]
"""

EXAMPLES = r"""
- name: Know the installed packages
  courier.mail.package_facts:
"""

RETURN = r"""
ansible_facts:
  description: What becomes a fact.
  returned: success
  type: dict
  contains:
    package_versions:
      description: The version of each package, by its name. Architectures of one package have one version.
      type: dict
      sample: {courier-base: 1.4.1-3}
"""

from ansible.module_utils.basic import AnsibleModule

# Of dpkg(1): it is there and set up, and at most others have yet to hear of it.
THERE = ("installed", "triggers-awaited", "triggers-pending")
FORMAT = "${db:Status-Status} ${Package} ${Version}\n"


def versions(listed: str) -> dict[str, str]:
    """What dpkg-query listed: versions by name."""
    # What is not installed may have no version.
    lines = (line.split(" ") for line in listed.splitlines())
    return {name: version for status, name, version in lines if status in THERE}


def main() -> None:
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    query = [module.get_bin_path("dpkg-query", required=True), "--show", "--showformat", FORMAT]
    _code, listed, _said = module.run_command(query, check_rc=True)
    module.exit_json(changed=False, ansible_facts={"package_versions": versions(listed)})


if __name__ == "__main__":
    main()

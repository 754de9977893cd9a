# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: autoconfig
short_description: Tell mail programs how to set themselves up
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(/etc/courier-autoconfig.json), which the program C(courier-autoconfig) reads, the program, what systemd has
    to know of it, and a site of nginx. nginx must take the site, or all is as before.
  - Refuses where programs would be sent to doors that are closed, or to names for which there is no certificate.
options:
  hostname:
    description: The name of the mail server, under which its doors are and the certificate is.
    type: str
    required: true
  domains:
    description: Domains whose people have their mail here.
    type: list
    elements: str
    required: true
  apexes:
    description: Those of O(domains) whose own names lead to this host, too.
    type: list
    elements: str
    default: []
  listeners:
    description: The doors that are open, of V(imap), V(imaps), V(pop3s), V(submission), V(smtps). Others do not count.
    type: list
    elements: str
    default: []
  methods:
    description: The methods of AUTH that port 587 and 465 take.
    type: list
    elements: str
    default: [PLAIN, LOGIN]
  policies:
    description: Texts of MTA-STS, by domain.
    type: dict
    default: {}
  names:
    description: The names that nginx has for this, which the certificate has to hold.
    type: list
    elements: str
    default: []
  certificate_names:
    description: The names that the certificate is for.
    type: list
    elements: str
    default: []
  files:
    description: Other texts that are written with it, by their paths.
    type: dict
    default: {}
  program:
    description: The text of the program.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows what changes.
"""

EXAMPLES = r"""
- name: Tell mail programs where our doors are
  courier.mail.autoconfig:
    hostname: mx1.example.com
    domains: [example.com]
    listeners: [imaps, submission]
    names: [autoconfig.example.com, autodiscover.example.com]
    certificate_names: [mx1.example.com, autoconfig.example.com, autodiscover.example.com]
    program: "{{ lookup('ansible.builtin.file', 'courier_autoconfig.py') }}"
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier-autoconfig.json]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier import autoconfig
from ..module_utils._managed_file import File, ensure

CONFIGURATION = "/etc/courier-autoconfig.json"
PROGRAM = "/usr/local/lib/courier-autoconfig"
ACCEPTED_BY = ("nginx", "-t", "-q")
_LIST: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
SPEC: dict[str, Any] = {
    "hostname": {"type": "str", "required": True},
    "domains": {"type": "list", "elements": "str", "required": True},
    "apexes": _LIST,
    "listeners": _LIST,
    "methods": {"type": "list", "elements": "str", "default": ["PLAIN", "LOGIN"]},
    "policies": {"type": "dict", "default": {}},
    "names": _LIST,
    "certificate_names": _LIST,
    "files": {"type": "dict", "default": {}},
    "program": {"type": "str", "default": ""},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        files = plan(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**ensure(module, files, accepted_by=ACCEPTED_BY))


def plan(params: dict[str, Any]) -> list[File]:
    """What is written, wherever it is asked."""
    if not params["domains"]:
        raise ValueError(
            "mail_autoconfig is true, and this host has no domain with mailboxes; write mail_domains, or leave it out"
        )
    site = autoconfig.Site(**{name: params[name] for name in autoconfig.Site._fields})
    text = autoconfig.configuration(site)
    autoconfig.refuse_uncertified(params["names"], params["certificate_names"])
    return [
        File(PROGRAM, params["program"], "root", "root", 0o755),
        File(CONFIGURATION, text, "root", "root", 0o644),
        *(File(path, str(one), "root", "root", 0o644) for path, one in params["files"].items()),
    ]


if __name__ == "__main__":
    main()

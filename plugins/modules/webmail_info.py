# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: webmail_info
short_description: Prove that a webmail shows its login page, and that it reaches its mail servers
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Asks this host's web server for the login page, under the webmail's name, and the webmail's mail servers over IMAP
    and SMTP, with their certificates verified. Nobody logs in.
  - Where people could not log in, fails or says so, with a sentence that says what is to be done.
options:
  host:
    description: The name that browsers call.
    type: str
    required: true
  certificate:
    description: PEM file on the host with the certificate that the web server shows, which must hold the name.
    type: path
    required: true
  authorities:
    description: PEM file on the host with the authorities whose certificates of mail servers are taken.
    type: path
    required: true
  backends:
    description: The mail servers, as M(courier.mail.horde) has them.
    type: list
    elements: dict
    required: true
  timeout:
    description: Seconds after which a login page that does not come has failed.
    type: int
    default: 30
  served:
    description: >-
      Whether the webmail is there. Otherwise all that is seen is whether somebody listens where its IMAP servers are,
      in check mode as well.
    type: bool
    default: true
  strict:
    description: Whether it is a failure if people could not log in. Otherwise RV(ok) says so.
    type: bool
    default: true
attributes:
  check_mode:
    description: Proves nothing, unless O(served) is false.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
"""

EXAMPLES = r"""
- name: Prove that people can log in
  courier.mail.webmail_info:
    host: webmail.example.com
    certificate: /etc/ssl/mail/mail.crt
    authorities: /etc/ssl/certs/ca-certificates.crt
    backends:
      - {name: mail, host: mx1.example.com, domain: example.com}
"""

RETURN = r"""
proved:
  description: What answered, before anything that did not.
  type: list
  elements: str
  returned: success
  sample: [imap mx1.example.com:993, smtp mx1.example.com:587, "https webmail.example.com: 200 OK"]
ok:
  description: Whether people could log in.
  type: bool
  returned: success, not in check mode
said:
  description: What is wrong, where they could not.
  type: str
  returned: success, not in check mode
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._webmail import NotServed, imap, listens, login_page, submission


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "host": {"type": "str", "required": True},
            "certificate": {"type": "path", "required": True},
            "authorities": {"type": "path", "required": True},
            "backends": {"type": "list", "elements": "dict", "required": True},
            "timeout": {"type": "int", "default": 30},
            "served": {"type": "bool", "default": True},
            "strict": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    proved: list[str] = []
    if module.check_mode and module.params["served"]:
        module.exit_json(changed=False, proved=proved)
    wrong = ""
    try:
        _prove(module, proved)
    except NotServed as error:
        if module.params["strict"]:
            module.fail_json(msg=str(error), proved=proved)
        wrong = str(error)
    module.exit_json(changed=False, proved=proved, ok=not wrong, said=wrong)


def _prove(module: AnsibleModule, proved: list[str]) -> None:
    params = module.params
    doors = [(one["host"], int(one.get("port") or 993)) for one in params["backends"]]
    if not params["served"]:
        for host, port in doors:
            listens(host, port)
        return
    for one, (host, port) in zip(params["backends"], doors, strict=True):
        imap(host, port, params["authorities"])
        proved.append(f"imap {host}:{port}")
        smtp_host, smtp_port = one.get("smtp_host") or host, int(one.get("smtp_port") or 587)
        submission(smtp_host, smtp_port, params["authorities"])
        proved.append(f"smtp {smtp_host}:{smtp_port}")
    deadline = time.monotonic() + params["timeout"]
    while True:
        try:
            status = login_page(params["host"], params["certificate"])
            break
        except NotServed:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
    proved.append(f"https {params['host']}: {status}")


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: forwarding
short_description: Tell the forwarding service under which names mail goes on, and keep the secrets of SRS
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(/etc/courier/forward.json), C(/etc/courier/srs-secrets) and the units of the service C(courier-forward).
  - Makes a secret when none is given and the host has none. Only root reads the file; systemd hands it to the service.
  - Refuses mail that would go in a circle, on this host or over several.
  - The service reads all this when it starts; restart it when something changed.
options:
  settings:
    description: Settings of the service.
    type: dict
    required: true
  secrets:
    description:
      - The first makes addresses, and all of them read those that come back. Each has 16 characters or more.
      - Without any, the host's own are kept. To have another there, put it into the first line of the file.
    type: list
    elements: str
    default: []
  forwards:
    description: Who passes mail on to whom, as it comes from the filter P(courier.mail.forwards#filter).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: An address, or C(@example.com) for whatever nobody has there.
        type: str
        required: true
      targets:
        description: Addresses that its mail goes on to.
        type: list
        elements: str
        required: true
      account:
        description: Whether an account does so, and not an alias.
        type: bool
        default: false
  units:
    description: Units of systemd that belong to it, by their names, as texts.
    type: dict
    default: {}
  directory:
    description: The directory of the configuration.
    type: path
    default: /etc/courier
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows what changes, and no secret.
"""

EXAMPLES = r"""
- name: Pass mail on with senders of this host
  courier.mail.forwarding:
    settings:
      domain: mx1.example.com
      users: [courier, vmail]
      ours: [example.com, mx1.example.com]
"""

RETURN = r"""
files:
  description: The files that were written.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/forward.json]
"""

import json
import os
import re
import secrets
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.forwards import Forward, refuse_loops
from ..module_utils._filters._forward import Settings
from ..module_utils._filters._settings import SettingsError, build
from ..module_utils._managed_file import File, Files, read, run

UNITS = "/etc/systemd/system"
FORWARD: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "targets": {"type": "list", "elements": "str", "required": True},
    "account": {"type": "bool", "default": False},
}
SPEC: dict[str, Any] = {
    "settings": {"type": "dict", "required": True},
    "secrets": {"type": "list", "elements": "str", "default": [], "no_log": True},
    "forwards": {"type": "list", "elements": "dict", "options": FORWARD, "default": []},
    "units": {"type": "dict", "default": {}},
    "directory": {"type": "path", "default": "/etc/courier"},
}
_SHORTEST = 16


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), _plan_here)


def plan(params: dict[str, Any]) -> Files:
    """What is written, wherever it is asked."""
    try:
        build(Settings, params["settings"])
    except SettingsError as error:
        raise SettingsError(f"the forwarding service: {error}") from error
    refuse_loops(Forward(one["name"], one["targets"], one["account"]) for one in params["forwards"])
    _check(params["secrets"])
    text = json.dumps(params["settings"], indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    units = [File(os.path.join(UNITS, name), unit, "root", "root", 0o644) for name, unit in params["units"].items()]
    files = [File(f"{params['directory']}/forward.json", text), *units]
    if params["secrets"]:
        files.append(_secrets(params, "".join(f"{one}\n" for one in params["secrets"])))
    return Files(files)


def _plan_here(params: dict[str, Any]) -> Files:
    """And the host's own secrets, where none are given."""
    wanted = plan(params)
    if params["secrets"]:
        return wanted
    found = read(f"{params['directory']}/srs-secrets") or ""
    own = [line for line in found.splitlines() if line.strip() and not line.startswith("#")]
    _check(own, f"{params['directory']}/srs-secrets")
    text = found if own else f"{secrets.token_urlsafe(32)}\n"
    return wanted._replace(files=[*wanted.files, _secrets(params, text)])


def _secrets(params: dict[str, Any], text: str) -> File:
    return File(f"{params['directory']}/srs-secrets", text, "root", "root", 0o600, _shown)


def _shown(text: str) -> str:
    return "".join(f"secret {number}: (hidden)\n" for number, _line in enumerate(text.splitlines(), 1))


def _check(given: list[str], where: str = "mail_srs_secrets") -> None:
    for number, one in enumerate(given, 1):
        if len(one) < _SHORTEST or not re.fullmatch(r"(?!#)[!-~]+", one):
            raise ValueError(
                f"{where}: secret {number} is not {_SHORTEST} characters or more, without blanks and a # in front; "
                "make it with: openssl rand -base64 24"
            )
    if len(set(given)) < len(given):
        raise ValueError(f"{where} has a secret twice; keep its first place")


if __name__ == "__main__":
    main()

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What units of systemd may not do, as drop-ins."""

from __future__ import annotations

DOCUMENTATION = r"""
name: hardening
short_description: Drop-ins that take rights from units
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes a drop-in for each unit, as M(courier.mail.files) takes them. What is not wanted, or has no option left, is a
    drop-in that is removed.
positional: _input
options:
  _input:
    description: The options of section C([Service]) by unit, each a dictionary.
    type: dict
    required: true
  wanted:
    description: Whether there shall be any.
    type: bool
    default: true
  exceptions:
    description: By unit, options that are left out of its drop-in; V(all) for all of them.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Take rights from Courier
  courier.mail.files: "{{ units | courier.mail.hardening(exceptions={'courier.service': ['PrivateTmp']}) }}"
  vars:
    units:
      courier.service: {PrivateTmp: true, ProtectSystem: full}
"""

RETURN = r"""
_value:
  description: The arguments C(files) and C(directories) of M(courier.mail.files).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

NAME = "courier-mail-hardening.conf"
UNITS = "/etc/systemd/system"
_ALL = "all"


def hardening(
    units: Mapping[str, Mapping[str, Any]],
    wanted: bool = True,
    exceptions: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    for unit, names in (exceptions or {}).items():
        if unit not in units:
            raise AnsibleFilterError(
                f"mail_hardening_exceptions has {unit}, which is no unit that anything is taken from; "
                f"write one of {', '.join(units)}"
            )
        unknown = [name for name in names if name not in units[unit] and name != _ALL]
        if isinstance(names, str) or unknown:
            raise AnsibleFilterError(
                f"mail_hardening_exceptions of {unit} has {names if isinstance(names, str) else unknown[0]}; "
                f"write a list of {', '.join(units[unit])}, or [{_ALL}]"
            )
    files = []
    for unit, given in units.items():
        left_out = (exceptions or {}).get(unit, ())
        options = {
            name: value for name, value in given.items() if wanted and name not in left_out and _ALL not in left_out
        }
        files.append({"path": f"{UNITS}/{unit}.d/{NAME}", "content": _text(options) if options else None})
    return {"files": files, "directories": [{"path": f"{UNITS}/{unit}.d"} for unit in units]}


def _text(options: Mapping[str, Any]) -> str:
    lines = [f"{name}={str(value).lower() if isinstance(value, bool) else value}\n" for name, value in options.items()]
    return (
        "# Written by Ansible (role mailhost). mail_hardening_exceptions says what is not to be here.\n[Service]\n"
        + "".join(lines)
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"hardening": hardening}

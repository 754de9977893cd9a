# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units of systemd that come back whatever they ended with, as drop-ins."""

from __future__ import annotations

DOCUMENTATION = r"""
name: restarts
short_description: Drop-ins that have systemd start units again
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Makes a drop-in for each unit, as M(courier.mail.files) takes them. With it systemd starts the unit again whenever
    it has ended without being told to, and never gives up. When the host goes down, the unit stops before the network.
positional: _input
options:
  _input:
    description: Seconds between an end and the next start, by unit.
    type: dict
    required: true
  mounts:
    description: Paths without whose file systems the units do not start.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Have Courier come back
  courier.mail.files: "{{ {'courier.service': 2} | courier.mail.restarts(['/var/lib/courier']) }}"
"""

RETURN = r"""
_value:
  description: The arguments C(files) and C(directories) of M(courier.mail.files).
  type: dict
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

NAME = "courier-mail-restart.conf"
UNITS = "/etc/systemd/system"


def restarts(units: Mapping[str, int], mounts: Sequence[str] = ()) -> dict[str, Any]:
    for path in mounts:
        if not path.startswith("/") or any(sign.isspace() or sign in "%\"'\\" for sign in path):
            raise AnsibleFilterError(f"systemd cannot be told of {path!r}; write a path without blanks and quotes")
    return {
        "files": [
            {"path": f"{UNITS}/{unit}.d/{NAME}", "content": _text(seconds, mounts)} for unit, seconds in units.items()
        ],
        "directories": [{"path": f"{UNITS}/{unit}.d"} for unit in units],
    }


def _text(seconds: int, mounts: Sequence[str]) -> str:
    needs = f"RequiresMountsFor={' '.join(mounts)}\n" if mounts else ""
    return (
        f"# Written by Ansible (role mailhost).\n[Unit]\nAfter=network.target\nStartLimitIntervalSec=0\n{needs}\n"
        # An end that nobody asked for is one, however polite. fail2ban's own unit stays down after some.
        f"[Service]\nRestart=always\nRestartSec={seconds}\nRestartPreventExitStatus=\n"
    )


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"restarts": restarts}

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rbldnsd
short_description: Serve lists of our own by DNS
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes what each zone has beside the listed networks, and a unit of systemd that runs rbldnsd on them.
  - The networks are in files beside these, which C(courier-mail zones) writes and rbldnsd rereads by itself.
  - Without zones the unit and the files are removed.
options:
  zones:
    description: The zones by kind, C(block) and C(allow).
    type: dict
    default: {}
  addresses:
    description: Addresses to listen on.
    type: list
    elements: str
    default: [127.0.0.1]
  port:
    description: Port to listen on.
    type: int
    default: 8053
  host:
    description: The name of this host, which is the name server of the zones.
    type: str
    required: true
  contact:
    description: Who is responsible for the zones, an address; the host's postmaster unless given.
    type: str
    default: ""
  units:
    description: Units of systemd that belong to it, by their names, as texts.
    type: dict
    default: {}
  directory:
    description: Where the files are. The directory must be there while there are zones.
    type: path
    default: /var/lib/courier-rbldnsd
attributes:
  check_mode:
    support: full
    description: Says what would change.
  diff_mode:
    support: full
    description: Shows what changes.
"""

EXAMPLES = r"""
- name: Let others know whom we refuse
  courier.mail.rbldnsd:
    zones: {block: bl.example.com}
    addresses: [192.0.2.25]
    port: 53
    host: mx1.example.com
"""

RETURN = r"""
files:
  description: The files that were written or removed.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/courier-rbldnsd.service]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.rbldnsd import KINDS, Zones, command, files, listed
from ..module_utils._managed_file import File, Files, run

UNIT = "/etc/systemd/system/courier-rbldnsd.service"
SPEC: dict[str, Any] = {
    "zones": {"type": "dict", "default": {}},
    "addresses": {"type": "list", "elements": "str", "default": ["127.0.0.1"]},
    "port": {"type": "int", "default": 8053},
    "host": {"type": "str", "required": True},
    "contact": {"type": "str", "default": ""},
    "units": {"type": "dict", "default": {}},
    "directory": {"type": "path", "default": "/var/lib/courier-rbldnsd"},
}
_SERVICE = """\
# Written by Ansible (courier.mail.rbldnsd).
[Unit]
Description=Our own lists of addresses in DNS (rbldnsd)
After=network-online.target
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStartPre=+/usr/bin/touch -a {touched}
ExecStart={command}
User=rbldns
Group=rbldns
AmbientCapabilities=CAP_NET_BIND_SERVICE
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=true
PrivateTmp=true
PrivateDevices=true
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan)


def plan(params: dict[str, Any]) -> Files:
    """What is written, wherever it is asked."""
    wanted = Zones(*(params[name] for name in ("zones", "addresses", "port", "host", "contact")))
    directory = params["directory"]
    here = files(wanted)
    unit = None
    if here:
        touched = " ".join(os.path.join(directory, name) for name in listed(wanted))
        unit = _SERVICE.format(touched=touched, command=" ".join(command(wanted, directory)))
    units = {UNIT: unit} | {
        f"/etc/systemd/system/{name}": text if here else None for name, text in params["units"].items()
    }
    texts = {f"{kind}{version}": None for kind in KINDS for version in (4, 6)} | here
    gone = [f"{name}.listed" for name, text in texts.items() if text is None]
    return Files(
        [
            *(File(os.path.join(directory, name), text, "root", "root", 0o644) for name, text in texts.items()),
            *(File(os.path.join(directory, name), None) for name in gone),
            *(File(path, text, "root", "root", 0o644) for path, text in units.items()),
        ]
    )


if __name__ == "__main__":
    main()

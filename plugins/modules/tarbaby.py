# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tarbaby
short_description: Have a mail exchanger that takes nothing
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes a program that answers every recipient with 451, its settings in C(/etc/courier-tarbaby.json), and what
    systemd has to know of it. The sockets are systemd's.
  - Refuses an address on which Courier's port 25 listens.
options:
  addresses:
    description:
      - The addresses whose port 25 it has. C(0.0.0.0) and C(::) are all of the host, where no Courier runs.
    type: list
    elements: str
    required: true
  settings:
    description:
      - What it is told.
      - C(host), its name in the greeting. C(domains), those with exchangers that a sender has to ask first. C(reply),
        what each recipient is answered with, V(451 4.7.1 Please try another MX) by default. C(idle) (60) and C(longest)
        (300), the seconds without a command and of a whole connection. C(connections) (200), C(per_source) (10) and
        C(recipients) (100), how many there may be of them at a time, of one source, and of one connection. C(readers),
        networks of mail servers that may ask by SMTP who came.
    type: dict
    default: {}
  exchanger:
    description: C(ADDRESS) and C(PORT) of Courier's C(esmtpd) on this host. Empty where there is none.
    type: dict
    default: {}
  service:
    description: The unit of the program, as a text.
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
- name: Let whoever asks the last exchanger first ask again
  courier.mail.tarbaby:
    addresses: [192.0.2.26, "2001:db8::26"]
    settings:
      host: tarbaby.example.com
      domains: [example.com]
    exchanger:
      ADDRESS: "0"
      PORT: 127.0.0.1.25,192.0.2.25.25
    service: "{{ lookup('ansible.builtin.file', 'courier-tarbaby.service') }}"
"""

RETURN = r"""
files:
  description: The files and directories that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier-tarbaby.json]
"""

import ipaddress
import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.ports import takes
from ..module_utils._filters._catalogue import sources
from ..module_utils._filters._settings import SettingsError, build
from ..module_utils._filters._tarbaby import CONFIGURATION, Settings
from ..module_utils._managed_file import Directory, File, ensure, ensure_places, together

UNITS = "/etc/systemd/system"
PROGRAM = "/usr/local/lib/courier-tarbaby"
COMMAND = "/usr/local/sbin/courier-tarbaby"
USER = "courier-tarbaby"
SPEC: dict[str, Any] = {
    "addresses": {"type": "list", "elements": "str", "required": True},
    "settings": {"type": "dict", "default": {}},
    "exchanger": {"type": "dict", "default": {}},
    "service": {"type": "str", "default": ""},
}
# What it needs, and nothing that delivers.
_PARTS = ("_settings.py", "_store.py", "_tarbaby.py")
_MAIN = "from courier_tarbaby._tarbaby import main\n\nraise SystemExit(main())\n"
# Whatever it has written, nobody reads as root.
_COMMAND = f"""#!/bin/sh
exec setpriv --reuid={USER} --regid={USER} --clear-groups /usr/bin/python3 -IB {PROGRAM} "$@"
"""
_SOCKET = """# Written by Ansible (courier.mail.tarbaby).
[Unit]
Description=Port 25 of the mail exchanger that takes nothing

[Socket]
{listen}
BindIPv6Only=ipv6-only
# The address may come later than this.
FreeBind=true
# A program that cannot start is no reason to give the port up.
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        files = plan(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    places = ensure_places(module, [Directory(f"{PROGRAM}/courier_tarbaby")])
    module.exit_json(**together(places, ensure(module, files)))


def plan(params: dict[str, Any]) -> list[File]:
    """What is written, wherever it is asked."""
    try:
        build(Settings, params["settings"])
    except SettingsError as error:
        raise SettingsError(f"tarbaby_settings: {error}") from error
    listen = [_listen(address, params["exchanger"]) for address in params["addresses"]]
    if not listen:
        raise ValueError("tarbaby_addresses is empty; write the addresses that it has, or tarbaby_running: false")
    package = sources()
    return [
        _file(f"{PROGRAM}/__main__.py", _MAIN),
        _file(f"{PROGRAM}/courier_tarbaby/__init__.py", ""),
        *(_file(f"{PROGRAM}/courier_tarbaby/{name}", package[name]) for name in _PARTS),
        _file(COMMAND, _COMMAND, 0o755),
        _file(CONFIGURATION, json.dumps(params["settings"], indent=1, sort_keys=True) + "\n"),
        _file(f"{UNITS}/courier-tarbaby.socket", _SOCKET.format(listen="\n".join(listen))),
        _file(f"{UNITS}/courier-tarbaby.service", params["service"]),
    ]


def _file(path: str, text: str, mode: int = 0o644) -> File:
    return File(path, text, "root", "root", mode)


def _listen(text: str, exchanger: dict[str, Any]) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise ValueError(
            f"tarbaby_addresses has {text!r}, which is no address; write 192.0.2.26 or 2001:db8::26"
        ) from None
    if exchanger:
        own, port = str(exchanger.get("ADDRESS", "0")), str(exchanger.get("PORT", "smtp"))
        if address.is_unspecified or address.is_loopback:
            raise ValueError(
                f"tarbaby_addresses has {text}, and this host has a real exchanger; "
                "write a second address of the host, which is the tarbaby's alone"
            )
        if takes(text, own, port):
            raise ValueError(
                f"tarbaby_addresses has {text}, and Courier's port 25 listens there too (ADDRESS {own}, PORT {port}). "
                "A tarbaby that shares its address with a real exchanger takes that one's mail: write the addresses "
                "of the real one as mail_smtp_addresses, or give the tarbaby another"
            )
    return f"ListenStream=[{address}]:25" if address.version == 6 else f"ListenStream={address}:25"


if __name__ == "__main__":
    main()

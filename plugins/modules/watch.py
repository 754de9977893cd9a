# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: watch
short_description: Put what watches a mail service on a host, with its settings and units
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes the package C(courier_mail_watch), which needs nothing but the standard library and packages of Debian, the
    commands C(courier-mail-watch) and C(mailtrace), the settings of each part as
    C(/etc/courier-mail-watch/PART.json), and units.
  - Refuses settings that are unknown or make no sense.
  - Files of parts that are not wanted any more are removed, and where no part is wanted, the package and the command.
    What was found out stays, in C(/var/lib/courier-mail-watch).
options:
  parts:
    description: Settings of the parts that are wanted, by the name of the part, as docs/monitoring.md lists them.
    type: dict
    default: {}
  secrets:
    description:
      - Settings that nobody may see, by the name of the part. They are written to C(PART.secrets.json) beside the
        others.
    type: dict
    default: {}
  units:
    description: Units of systemd, by their names, as texts.
    type: dict
    default: {}
  textfiles:
    description:
      - The directory where an exporter of Prometheus looks for files; made where it is not there. Empty for none.
    type: path
    default: /var/lib/prometheus/node-exporter
  exporter:
    description:
      - Where Debian's exporter listens, an address and a port each. An empty list takes back what was said of that;
        without a list it stays.
    type: list
    elements: str
  programs:
    description:
      - Programs that others run, by their names in C(/usr/local/lib/courier-mail-watch), as texts of Python. They run
        isolated, and without the modules of the host that Python looks for at each start.
    type: dict
    default: {}
  present:
    description: Whether it is there at all. Otherwise everything but what was found out is removed.
    type: bool
    default: true
attributes:
  check_mode:
    support: full
    description: Says what would change. The user need not exist yet.
  diff_mode:
    support: full
    description: Shows what changes, without secrets.
"""

EXAMPLES = r"""
- name: Tell the operator what is bad
  courier.mail.watch:
    parts:
      alarm:
        host: mx1.example.com
        mail: [alice@example.com]
    secrets:
      alarm:
        webhook_keys: {operations: "{{ vault_webhook_key }}"}
"""

RETURN = r"""
files:
  description: The files and directories that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier-mail-watch/alarm.json]
"""

import ipaddress
import json
import os
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import Directory, File, Link, ensure, ensure_places, together
from ..module_utils._watch._catalogue import check, sources
from ..module_utils._watch._places import ETC, STATE, USER
from ..module_utils._watch.metrics import FILE

UNITS = "/etc/systemd/system"
TEXTFILES = "/var/lib/prometheus/node-exporter"
PROGRAM = "/usr/local/lib/courier-mail-watch"
PACKAGE = f"{PROGRAM}/courier_mail_watch"
COMMAND = "/usr/local/sbin/courier-mail-watch"
_MAIN = "from courier_mail_watch.__main__ import main\n\nraise SystemExit(main())\n"
_COMMAND = f'#!/bin/sh\nexec /usr/bin/python3 -IB {PROGRAM} "$@"\n'
_NAME = "courier_mail.prom"
_EXPORTER = "prometheus-node-exporter.service.d"
# Debian's default is all addresses. What /etc/default says comes first.
_LISTENS = """# Written by Ansible (courier.mail.watch).
[Unit]
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=2
ExecStart=
ExecStart=/usr/bin/prometheus-node-exporter $ARGS --collector.textfile.directory={textfiles} {addresses}
"""
# What people call who want to know where their mail is.
_TRACE = "/usr/local/bin/mailtrace"
_TRACE_COMMAND = f'#!/bin/sh\nexec {COMMAND} trace "$@"\n'
SPEC: dict[str, Any] = {
    "parts": {"type": "dict", "default": {}},
    "secrets": {"type": "dict", "default": {}, "no_log": True},
    "units": {"type": "dict", "default": {}},
    "textfiles": {"type": "path", "default": TEXTFILES},
    "exporter": {"type": "list", "elements": "str"},
    "programs": {"type": "dict", "default": {}},
    "present": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        wanted = plan(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    for warning in unheard(module.params["parts"]):
        module.warn(warning)
    files = [*wanted, *_left(wanted)]
    places = ensure_places(module, _places_of(module.params))
    module.exit_json(**together(places, ensure(module, files)))


def unheard(parts: dict[str, Any]) -> list[str]:
    """Alarms that nobody would hear."""
    alarm = parts.get("alarm")
    if alarm is None or alarm.get("mail") or alarm.get("webhooks"):
        return []
    return [
        "nobody hears of what is bad on this host, which is in the journal only; write mail_contact or "
        "mail_alarm_webhooks, or monitoring_contact on a host without mail"
    ]


def _places_of(params: dict[str, Any]) -> list[Directory | Link]:
    """Directories, and a link for whoever collects the numbers."""
    textfiles = params["textfiles"] if params["present"] else ""
    gone = [Link(f"{one}/{_NAME}", None) for one in (TEXTFILES,) if one != textfiles]
    if not params["present"]:
        return list(gone)
    return [
        Directory(PACKAGE),
        Directory(ETC, "root", USER, 0o750),
        Directory(STATE, USER, USER, 0o750),
        *([Directory(f"{UNITS}/{_EXPORTER}")] if params["exporter"] else []),
        # The package has it, and may have given it to somebody.
        *([Directory(textfiles)] if textfiles and not os.path.isdir(textfiles) else []),
        *([Link(f"{textfiles}/{_NAME}", FILE)] if textfiles else []),
        *gone,
    ]


def plan(params: dict[str, Any]) -> list[File]:
    """What is written, wherever it is asked."""
    parts, secrets = params["parts"], params["secrets"]
    for part in (*parts, *secrets):
        if part not in parts:
            raise ValueError(f"{part}: there are secrets and no settings; write both, or neither")
        check(part, parts[part], secrets.get(part, {}))
    there = params["present"]
    exporter = params["exporter"]
    for one in exporter or ():
        _check_address(one)
    addresses = " ".join(f"--web.listen-address={one}" for one in exporter or ())
    listens = _LISTENS.format(textfiles=params["textfiles"] or TEXTFILES, addresses=addresses) if addresses else None
    return [
        *(_file(f"{PACKAGE}/{name}", text if there else None) for name, text in sources().items()),
        _file(f"{PROGRAM}/__main__.py", _MAIN if there else None),
        _file(COMMAND, _COMMAND if there else None, 0o755),
        _file(_TRACE, _TRACE_COMMAND if there else None, 0o755),
        *(_settings(f"{part}.json", given) for part, given in parts.items() if there),
        *(_settings(f"{part}.secrets.json", given, _masked) for part, given in secrets.items() if there and given),
        *([] if exporter is None else [_file(f"{UNITS}/{_EXPORTER}/courier-mail.conf", listens if there else None)]),
        *(
            _file(f"{PROGRAM}/{name}", f"#!/usr/bin/python3 -IS\n{text}\n" if there else None, 0o755)
            for name, text in params["programs"].items()
        ),
        *(_file(f"{UNITS}/{name}", text if there else None) for name, text in params["units"].items()),
    ]


def _check_address(text: str) -> None:
    address, _colon, port = text.rpartition(":")
    try:
        bare = address[1:-1] if address.startswith("[") and address.endswith("]") else address
        fits = (ipaddress.ip_address(bare).version == 6) == address.startswith("[") and 0 < int(port) < 1 << 16
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"monitoring_exporter_addresses has {text!r}; write an address and a port, 127.0.0.1:9100 or [::1]:9100"
        )


def _left(wanted: list[File]) -> list[File]:
    """What an earlier run has put there and nobody wants any more."""
    kept = {file.path for file in wanted}
    found = [
        entry.path
        for directory, suffix in ((PACKAGE, ".py"), (ETC, ".json"))
        if os.path.isdir(directory)
        for entry in os.scandir(directory)
        if entry.is_file(follow_symlinks=False) and entry.name.endswith(suffix)
    ]
    return [_file(path, None) for path in sorted(found) if path not in kept]


def _file(path: str, text: str | None, mode: int = 0o644) -> File:
    return File(path, text, "root", "root", mode)


def _settings(name: str, given: dict[str, Any], shown: Callable[[str], str] = str) -> File:
    return File(f"{ETC}/{name}", json.dumps(given, indent=1, sort_keys=True) + "\n", "root", USER, 0o640, shown)


def _masked(text: str) -> str:
    """Only which secrets there are."""
    try:
        given = json.loads(text)
    except ValueError:
        return "********\n"
    shown = {
        name: dict.fromkeys(one, "********") if isinstance(one, dict) else "********" for name, one in given.items()
    }
    return json.dumps(shown, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    main()

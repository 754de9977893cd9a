# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: report_info
short_description: What a host knows of its mail, and how it stands
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Counts what Courier, its filters and its mailbox servers wrote to the journal within some days, in one pass, and
    looks up queue, units, filters, certificates, backup, bans, lists, and what the watch of the host has found.
  - Changes nothing. A filter is handed a harmless message, as submit does, and lets it in or not; nobody gets it.
  - What a host does not have is V(null). What could not be found out has a sentence in RV(troubles), and fails nothing.
options:
  days:
    description: How many days back the journal is counted. With V(0) it is not read at all.
    type: int
    default: 7
  slots:
    description: Into how many equal parts that time is divided.
    type: int
    default: 84
  lines:
    description: Lines that are counted at most, the oldest first.
    type: int
    default: 5000000
  relays:
    description: Networks of hosts that send through this one. What they bring counts as V(satellites).
    type: list
    elements: str
    default: []
  certificates:
    description:
      - PEM files with certificates, or patterns of such, as the shell has them. The first one of each file counts.
    type: list
    elements: path
    default: []
  journal:
    description: A directory with files of a journal, instead of the host's own. Who wrote a line is not asked then.
    type: path
extends_documentation_fragment: [courier.mail.looking]
"""

EXAMPLES = r"""
- name: Know how the host stands
  courier.mail.report_info:
    days: 1
    certificates: [/etc/ssl/mail/*.crt]
  register: known
"""

RETURN = r"""
report:
  description: What is known. docs/report.schema.json has every field.
  returned: success
  type: dict
  contains:
    journal:
      description: What was counted, by direction and part of the time; V(null) where the journal was not read.
      type: dict
    queue:
      description: What waits, for how long, and to which domains.
      type: dict
    units:
      description: Units that have failed, and those that start at boot and do not run.
      type: dict
    filters:
      description: Whether each filter of Courier lets harmless mail in.
      type: list
    certificates:
      description: Until when each certificate lasts.
      type: list
    backup:
      description: What the backup of the host says of itself.
      type: dict
    fetched:
      description: Mailboxes elsewhere, and when each was reached last.
      type: list
    bans:
      description: Who is banned, by jail.
      type: dict
    lists:
      description: Lists in DNS that the filters look into.
      type: list
    findings:
      description: What the watch of the host has found.
      type: list
    reports:
      description: What others report of our mail.
      type: dict
    places:
      description: How full the file systems are.
      type: list
troubles:
  description: What could not be found out, by the name above.
  returned: success
  type: dict
seconds:
  description: How long each took, by the name above.
  returned: success
  type: dict
"""

import pwd
import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import read
from ..module_utils._openssl import OpenSSL
from ..module_utils._pem import certificates as blocks
from ..module_utils._report import _host
from ..module_utils._report._count import Tally, count
from ..module_utils._report._lines import Journal

DAY = 86400
SPEC: dict[str, Any] = {
    "days": {"type": "int", "default": 7},
    "slots": {"type": "int", "default": 84},
    "lines": {"type": "int", "default": 5000000},
    "relays": {"type": "list", "elements": "str", "default": []},
    "certificates": {"type": "list", "elements": "path", "default": []},
    "journal": {"type": "path"},
}
# Who writes what is counted: Courier as its user, and the mailbox servers as root before they become somebody.
USERS = ("courier", "root")
ELSEWHERE = ["/usr/local/sbin", "/usr/local/bin"]


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    for name, least, most in (("days", 0, 366), ("slots", 1, 1000), ("lines", 1, 100_000_000)):
        if not least <= module.params[name] <= most:
            module.fail_json(msg=f"{name} is {module.params[name]}; write a number from {least} to {most}")
    now = time.time()
    since = now - max(module.params["days"], 1) * DAY
    days = max(module.params["days"], 1)
    parts: dict[str, Callable[[], Any]] = {
        "journal": lambda: counted(module, now),
        "queue": lambda: _host.queue(now),
        "units": lambda: _host.units(runner(module)),
        "filters": _host.filters,
        "certificates": lambda: _host.certificates(module.params["certificates"], describer(module)),
        "backup": _host.backup,
        "fetched": lambda: _host.fetched(runner(module)),
        "bans": lambda: _host.bans(runner(module), since),
        "lists": lambda: _host.lists(runner(module)),
        "findings": lambda: _host.findings(runner(module)),
        "reports": lambda: _host.reports(runner(module), days) if module.params["days"] else None,
        "places": _host.places,
    }
    report: dict[str, Any] = {}
    troubles: dict[str, str] = {}
    seconds: dict[str, float] = {}
    for name, ask in parts.items():
        began = time.monotonic()
        try:
            report[name] = ask()
        # What one part stumbles over must not hide the others.
        except Exception as error:
            report[name], troubles[name] = None, f"{type(error).__name__}: {error}"[:500]
        seconds[name] = round(time.monotonic() - began, 2)
    module.exit_json(changed=False, report=report, troubles=troubles, seconds=seconds)


def counted(module: AnsibleModule, now: float) -> dict[str, Any] | None:
    """The journal."""
    if not module.params["days"]:
        return None
    since = now - module.params["days"] * DAY
    directory = module.params["journal"] or ""
    try:
        users = [pwd.getpwnam(name).pw_uid for name in USERS]
    except KeyError:  # there is no Courier
        users = [0]
    tally = Tally(since, now, module.params["slots"], module.params["relays"])
    complete = count(Journal(since, [] if directory else users, directory).lines(), tally, module.params["lines"])
    return {**tally.data(), "complete": complete}


def runner(module: AnsibleModule) -> _host.Run:
    """Run a command, and say how it ended."""

    def run(*command: str) -> tuple[int, str]:
        places = [0, *(number + 1 for number, one in enumerate(command) if one == "--" and command[0] == "runuser")]
        found = {number: module.get_bin_path(command[number], opt_dirs=ELSEWHERE) for number in places}
        if not all(found.values()):
            return 127, ""
        words = [found.get(number) or one for number, one in enumerate(command)]
        code, stdout, _stderr = module.run_command(words, errors="surrogate_then_replace")
        return int(code), str(stdout)

    return run


def describer(module: AnsibleModule) -> Callable[[str], tuple[list[str], float]]:
    """The names and the end of the first certificate of a file."""

    def describe(path: str) -> tuple[list[str], float]:
        found = OpenSSL(module).describe(blocks(read(path) or "", path)[:1])[0]
        return list(found.names) or [found.title], found.not_after.timestamp()

    return describe


if __name__ == "__main__":
    main()

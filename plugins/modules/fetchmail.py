# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: fetchmail
short_description: Have mail fetched from mailboxes elsewhere
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes a file for each mailbox in C(/etc/fetchmail), which C(fetchmail) alone can read, the program that stands
    around fetchmail, and the template of the units C(fetchmail@NAME).
  - Asks C(fetchmail -V) what it thinks of the files before they are in place.
  - What is not in the list any more is stopped and removed, with what was known of it.
  - Refuses mailboxes without somebody here who gets the mail, two of one place, and what would lose mail or fetch it
    twice.
requirements:
  - fetchmail (Debian package) on the host, if there are mailboxes
options:
  mailboxes:
    description: Mailboxes elsewhere.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: What its unit is called, after C(fetchmail@). Made of user and host unless given.
        type: str
        default: ""
      host:
        description: The server, by the name that its certificate has.
        type: str
        required: true
      protocol:
        description:
          - V(imaps) and V(pop3s) are within TLS from the beginning. V(imap) and V(pop3) begin it with STARTTLS, and
            nothing is said before.
        type: str
        choices: [imaps, imap, pop3s, pop3]
        required: true
      port:
        description: The port, where it is not that of the protocol.
        type: int
      user:
        description: Who logs in there.
        type: str
        required: true
      password:
        description: With which password.
        type: str
        required: true
      to:
        description: The address here that gets the mail. One of O(recipients).
        type: str
        default: ""
      folders:
        description: Folders of IMAP. The inbox unless given.
        type: list
        elements: str
        default: []
      idle:
        description: Whether the connection stays open, and what comes is fetched at once (IMAP, one folder).
        type: bool
        default: false
      keep:
        description:
          - V(false) deletes there what Courier has taken. V(true) leaves it there and keeps a list of what was fetched
            (POP3 only). V(unseen) leaves it there, and fetches what nobody has read there (IMAP only).
        type: str
        default: "false"
      interval:
        description: Seconds between two looks, from 10 to 86400.
        type: int
        default: 300
      tls_profile:
        description: V(modern) is TLS 1.3. V(intermediate), TLS 1.2 or newer, needs a O(mailboxes[].reason).
        type: str
        choices: [modern, intermediate]
        default: modern
      ca:
        description:
          - Certificates in PEM of the only authorities that are believed, or the server's own. Needs a
            O(mailboxes[].reason).
        type: str
      tls_name:
        description: The name that the certificate has, if not the host's. Needs a O(mailboxes[].reason).
        type: str
      reason:
        description: Why there is an exception.
        type: str
      owner:
        description: Who answers for it.
        type: str
      until:
        description:
          - The last day of an exception, such as V(2026-12-31). Each run of the 30 days before warns, and each after it
            is refused.
        type: str
  recipients:
    description: Addresses that somebody has here. C(@example.com) is everything of a domain.
    type: list
    elements: str
    default: []
  limit:
    description: The largest message that Courier takes, in bytes. What is larger stays where it is. 0 is no limit.
    type: int
    default: 0
  program:
    description: The program that stands around fetchmail, as a text.
    type: str
    default: ""
  units:
    description: Units of systemd that belong to it, by their names, as texts.
    type: dict
    default: {}
attributes:
  check_mode:
    support: full
    description: Says what would change. fetchmail is asked where it is installed.
  diff_mode:
    support: full
    description: Shows what changes, and no password.
"""

EXAMPLES = r"""
- name: Fetch Bob's mail from his old provider
  courier.mail.fetchmail:
    mailboxes:
      - host: imap.example.net
        protocol: imaps
        user: bob
        password: "{{ vault_bob_at_example_net }}"
        to: bob@example.com
        idle: true
    recipients: [bob@example.com]
"""

RETURN = r"""
files:
  description: The files and directories that changed, or would change.
  returned: success
  type: list
  elements: str
  sample: [/etc/fetchmail/bob-imap-example-net.rc]
units:
  description: The units of the mailboxes, as M(courier.mail.units) takes them.
  returned: success
  type: list
  elements: dict
  sample:
    - name: fetchmail@bob-imap-example-net.service
      running: true
      reads: [/etc/fetchmail/bob-imap-example-net.json]
gone:
  description: The names of those that were removed, or would be.
  returned: success
  type: list
  elements: str
  sample: []
"""

import glob
import json
import os
import re
import shutil
import tempfile
from typing import Any, NamedTuple

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.fetchmailrc import PROFILES, PROTOCOLS, Mailbox, check, render, shown
from ..module_utils._courier.terms import TERMS_SPEC, Terms
from ..module_utils._managed_file import Directory, File, Link, ensure, ensure_places, together

DIRECTORY = "/etc/fetchmail"
STATE = "/var/lib/fetchmail"
UNITS = "/etc/systemd/system"
PROGRAM = "/usr/local/lib/courier-fetch"
OWNER = "fetchmail"
GROUP = "nogroup"
MAILBOX: dict[str, Any] = {
    "name": {"type": "str", "default": ""},
    "host": {"type": "str", "required": True},
    "protocol": {"type": "str", "choices": list(PROTOCOLS), "required": True},
    "port": {"type": "int"},
    "user": {"type": "str", "required": True},
    "password": {"type": "str", "required": True, "no_log": True},
    "to": {"type": "str", "default": ""},
    "folders": {"type": "list", "elements": "str", "default": []},
    "idle": {"type": "bool", "default": False},
    "keep": {"type": "str", "default": "false"},
    "interval": {"type": "int", "default": 300},
    "tls_profile": {"type": "str", "choices": list(PROFILES), "default": "modern"},
    "ca": {"type": "str"},
    "tls_name": {"type": "str"},
    **TERMS_SPEC,
}
SPEC: dict[str, Any] = {
    "mailboxes": {"type": "list", "elements": "dict", "options": MAILBOX, "default": []},
    "recipients": {"type": "list", "elements": "str", "default": []},
    "limit": {"type": "int", "default": 0},
    "program": {"type": "str", "default": ""},
    "units": {"type": "dict", "default": {}},
}


class Wanted(NamedTuple):
    """What there shall be."""

    files: list[File]
    names: list[str]  # of the mailboxes
    warnings: list[str]


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        wanted = plan(module.params)
    except ValueError as error:
        module.fail_json(msg=str(error))
    for warning in wanted.warnings:
        module.warn(warning)
    _ask(module, wanted.files)
    gone = _gone(wanted)
    places = ensure_places(module, _places(wanted))
    _stop(module, gone)
    files = ensure(module, [*wanted.files, *_removed(wanted.files)])
    if not module.check_mode:
        for name in gone:
            shutil.rmtree(f"{STATE}/{name}", ignore_errors=True)
    result = together(places, files)
    result["changed"] = result["changed"] or bool(gone)
    # What was sent has the passwords' places, and the program.
    for name in ("mailboxes", "program", "units"):
        module.params[name] = f"{len(module.params[name])} entries"
    module.exit_json(**result, units=[_unit(name) for name in wanted.names], gone=gone)


def plan(params: dict[str, Any]) -> Wanted:
    """What is written, wherever it is asked."""
    mailboxes = [_mailbox(given) for given in params["mailboxes"]]
    warnings = check(mailboxes, params["recipients"])
    if not mailboxes:
        return Wanted([], [], [])
    files = [File(f"{PROGRAM}/courier_fetch.py", params["program"], "root", "root", 0o644)]
    files += [File(f"{UNITS}/{name}", text, "root", "root", 0o644) for name, text in params["units"].items()]
    for one in mailboxes:
        authorities = f"{DIRECTORY}/{one.unit}.pem"
        plugout = f"/usr/bin/python3 -IS {PROGRAM}/courier_fetch.py deliver {one.unit}"
        text = render(one, plugout, params["limit"], authorities)
        files.append(File(f"{DIRECTORY}/{one.unit}.rc", text, OWNER, GROUP, 0o600, shown))
        about = {"label": one.label, "to": one.to, "interval": one.interval, "idle": one.idle}
        files.append(File(f"{DIRECTORY}/{one.unit}.json", json.dumps(about) + "\n", OWNER, GROUP, 0o600))
        if one.ca:
            files.append(File(authorities, one.ca, "root", "root", 0o644))
    return Wanted(files, [one.unit for one in mailboxes], warnings)


def _places(wanted: Wanted) -> list[Directory | Link]:
    if wanted.files:
        return [Directory(DIRECTORY), Directory(PROGRAM)]
    # The role masks Debian's script while there are mailboxes.
    ours = os.path.exists(f"{UNITS}/fetchmail@.service")
    return [Link(f"{UNITS}/fetchmail.service", None)] if ours else []


def _unit(name: str) -> dict[str, Any]:
    reads = [f"{DIRECTORY}/{name}.{suffix}" for suffix in ("rc", "json", "pem")]
    return {"name": f"fetchmail@{name}.service", "running": True, "reads": [*reads, f"{PROGRAM}/courier_fetch.py"]}


def _mailbox(given: dict[str, Any]) -> Mailbox:
    rest = {name: value for name, value in given.items() if name not in TERMS_SPEC}
    return Mailbox(**rest, terms=Terms(*(given[name] for name in TERMS_SPEC)))


def _ask(module: AnsibleModule, files: list[File]) -> None:
    """What fetchmail thinks of the files. Of its answer only the line is shown: the rest may be part of a password."""
    program = module.get_bin_path("fetchmail")
    for file in files:
        if not file.path.endswith(".rc"):
            continue
        if program is None:
            if module.check_mode:
                return
            module.fail_json(msg="fetchmail is not installed; install the Debian package fetchmail first")
        with tempfile.NamedTemporaryFile("w", suffix=".rc") as stream:
            stream.write(file.text or "")
            stream.flush()
            code, stdout, stderr = module.run_command(
                [program, "-V", "-f", stream.name], environ_update={"LC_ALL": "C"}
            )
        if code != 0:
            where = re.search(r":(\d+): ", stderr + stdout)
            place = f" in line {where[1]}" if where else ""
            module.fail_json(msg=f"fetchmail does not understand {file.path}{place} (it ended with {code})")


def _removed(files: list[File]) -> list[File]:
    """What a former run has written and nobody wants."""
    kept = {file.path for file in files}
    found = [path for suffix in ("rc", "json", "pem") for path in glob.glob(f"{DIRECTORY}/*.{suffix}")]
    if not files:
        found += [f"{PROGRAM}/courier_fetch.py"]
        found += glob.glob(f"{UNITS}/fetchmail@.service") + glob.glob(f"{UNITS}/fetchmail-report@.service")
    return [File(path, None) for path in sorted(set(found) - kept) if os.path.exists(path)]


def _gone(wanted: Wanted) -> list[str]:
    """Mailboxes that a former run knew, whichever of their traces are left."""
    patterns = (
        (f"{DIRECTORY}/*.rc", r"(.*)\.rc"),
        (f"{UNITS}/*.wants/fetchmail@*.service", r"fetchmail@(.+)\.service"),
        ("/run/fetchmail/*/", r"(.*)"),
    )
    found = {
        match[1]
        for pattern, name in patterns
        for path in glob.glob(pattern)
        if (match := re.fullmatch(name, os.path.basename(path.rstrip("/"))))
    }
    return sorted(found - set(wanted.names))


def _stop(module: AnsibleModule, names: list[str]) -> None:
    if not names or module.check_mode:
        return
    units = [f"fetchmail@{name}.service" for name in names]
    for verb in (["disable", "--now"], ["stop"], ["reset-failed"]):
        code, stdout, stderr = module.run_command(["systemctl", *verb, "--", *units])
        # A unit that is not loaded cannot be forgotten, and one without a file not be disabled.
        if code != 0 and verb == ["stop"] and "not loaded" not in stderr:
            module.fail_json(msg=f"systemctl stop {' '.join(units)}: {(stderr or stdout).strip()}")


if __name__ == "__main__":
    main()

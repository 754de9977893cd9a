# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: revert_point
short_description: Keep the configuration of a host before a run, and bring it back
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Keeps files, directories and links with their owners and modes, and which units ran, in a file of root's (0600).
  - Bringing back writes what differs, removes what was not there, restarts the units that ran and stops those that did
    not. What waits in the queue is tried again at once.
  - Where a run did not come to O(state=proved), the next O(state=kept) keeps nothing new. So what is gone back to is
    always the last configuration that was proved, and never one that is half changed.
options:
  state:
    description:
      - V(kept) keeps what is there now. V(compared) says what has changed since. V(restored) brings it back.
      - V(proved) says that the configuration is well, and removes the oldest of what was kept.
    type: str
    choices: [kept, compared, restored, proved]
    required: true
  paths:
    description: What is kept, as paths, or patterns of such as the shell has them. Needed for O(state=kept).
    type: list
    elements: str
  units:
    description: Patterns of the units whose state is kept. Needed for O(state=kept).
    type: list
    elements: str
  name:
    description:
      - What is compared with, or brought back. Otherwise it is what was kept before a run that has not proved itself,
        and for O(state=restored), if there is no such run, the newest.
    type: str
  directory:
    description: Where it is kept.
    type: path
    default: /var/backups/courier-mail-revert
  megabytes:
    description: Mebibytes that are kept at most, before they are packed. More is refused.
    type: int
    default: 64
  generations:
    description: How many are left by O(state=proved).
    type: int
    default: 3
attributes:
  check_mode:
    support: full
    description: Keeps and brings back nothing. V(restored) says what would be.
  diff_mode:
    support: none
    description: There are secrets in these files.
"""

EXAMPLES = r"""
- name: Keep the configuration
  courier.mail.revert_point:
    state: kept
    paths: [/etc/courier, /etc/ssl/mail]
    units: [courier*]

- name: Go back to it
  courier.mail.revert_point:
    state: restored
"""

RETURN = r"""
name:
  description: What was kept, compared with, or brought back. Empty where there is nothing.
  returned: success
  type: str
  sample: 20261126T101500Z
paths:
  description: What differs from it, or did.
  returned: with O(state=compared) and O(state=restored)
  type: list
  elements: str
directions:
  description:
    - Beginnings of the directions of mail that this may have changed, as the role P(courier.mail.verify#role) calls
      them.
  returned: with O(state=compared)
  type: list
  elements: str
first:
  description: Whether there was no Courier yet, and so nothing to go back to.
  returned: with O(state=compared)
  type: bool
restarted:
  description: Units that were restarted.
  returned: with O(state=restored)
  type: list
  elements: str
stopped:
  description: Units that had not run when it was kept.
  returned: with O(state=restored)
  type: list
  elements: str
names:
  description: All that is kept, the newest last.
  returned: success
  type: list
  elements: str
"""

import re
import time
from collections.abc import Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._revert import Keep, RevertError, directions

SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["kept", "compared", "restored", "proved"], "required": True},
    "paths": {"type": "list", "elements": "str"},
    "units": {"type": "list", "elements": "str"},
    "name": {"type": "str"},
    "directory": {"type": "path", "default": "/var/backups/courier-mail-revert"},
    "megabytes": {"type": "int", "default": 64},
    "generations": {"type": "int", "default": 3},
}
_KINDS = (".service", ".socket", ".timer")
_PASSING = re.compile(r"@\d+-\d+-\d+\.service$")  # serves one connection of a socket
_SETTLE = 2.0  # seconds in which a daemon that cannot serve dies
_PATIENCE = 30.0


def main() -> None:
    module = AnsibleModule(
        argument_spec=SPEC, required_if=[("state", "kept", ("paths", "units"))], supports_check_mode=True
    )
    for name, least in (("megabytes", 1), ("generations", 1)):
        if module.params[name] < least:
            module.fail_json(msg=f"{name} is {module.params[name]}; write a number from {least} on")
    keep = Keep(module.params["directory"])
    try:
        answer = STATES[module.params["state"]](module, keep)
    except (RevertError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer, names=keep.names)


def kept(module: AnsibleModule, keep: Keep) -> dict[str, Any]:
    most = module.params["megabytes"] << 20
    units = running(module, module.params["units"])
    watched = {"ran": units, "watched": module.params["units"]}
    name, new = keep.keep(module.params["paths"], watched, most, dry=module.check_mode)
    return {"changed": new, "name": name}


def compared(module: AnsibleModule, keep: Keep) -> dict[str, Any]:
    name = module.params["name"] or keep.pending
    paths = keep.changes(name).paths if name else []
    first = bool(name) and not has_courier(keep.read(name)[0])
    return {"changed": False, "name": name, "paths": paths, "directions": directions(paths), "first": first}


def restored(module: AnsibleModule, keep: Keep) -> dict[str, Any]:
    name = module.params["name"] or keep.pending or next(reversed(keep.names), "")
    if not name:
        module.fail_json(msg=f"nothing is kept in {module.params['directory']}, so there is nothing to go back to")
    before, units = keep.read(name)
    changes = keep.changes(name)
    # Those of an attempt before that brought back all files, and not the daemons.
    idle = down(module, units["ran"])
    changed = bool(changes or idle)
    answer = {"changed": changed, "name": name, "paths": changes.paths, "restarted": [], "stopped": []}
    if not has_courier(before):
        module.fail_json(msg=f"there was no Courier yet when {name} was kept, so there is nothing to go back to")
    if changed and not module.check_mode:
        keep.restore(name)
        answer |= restart(module, units["ran"], units["watched"])
        # What could not leave is tried at once. Until it was, Courier answers 456 where more is for the same addresses.
        if courier := module.get_bin_path("courier"):
            module.run_command([courier, "flush"])
    return answer


def has_courier(kept: Iterable[str]) -> bool:
    """Whether there was something to go back to: what the package needs cannot be taken away again."""
    return any(path.startswith("/etc/courier/") for path in kept)


def proved(module: AnsibleModule, keep: Keep) -> dict[str, Any]:
    name = keep.pending
    if not module.check_mode:
        keep.proved(module.params["generations"])
    return {"changed": False, "name": name}


def running(module: AnsibleModule, patterns: list[str]) -> list[str]:
    """The units of these names that run. What is started by something else is not asked for."""
    said = systemctl(
        module, "list-units", "--state=active", "--plain", "--no-legend", "--no-pager", "--full", *patterns
    )
    names = [line.split()[0] for line in said.splitlines() if line.split()]
    shown = systemctl(module, "show", "--property=Id,Type", "--", *names) if names else ""
    kinds = [dict(line.split("=", 1) for line in part.splitlines() if "=" in line) for part in shown.split("\n\n")]
    oneshots = {one.get("Id") for one in kinds if one.get("Type") == "oneshot"}
    return sorted(
        name for name in names if name.endswith(_KINDS) and name not in oneshots and not _PASSING.search(name)
    )


def restart(module: AnsibleModule, ran: list[str], watched: list[str]) -> dict[str, list[str]]:
    """Have the units run that did, with what they read now, and no others of these names."""
    systemctl(module, "daemon-reload")
    others = sorted(set(running(module, watched)) - set(ran))
    if others:
        systemctl(module, "stop", "--", *others)
    if not ran:
        return {"restarted": [], "stopped": others}
    # As in module units: neither is trusted, and the look decides.
    module.run_command(["systemctl", "reset-failed", "--", *ran])
    module.run_command(["systemctl", "restart", "--", *ran])
    deadline = time.monotonic() + _PATIENCE
    while True:
        module.run_command(["systemctl", "start", "--", *ran])
        time.sleep(_SETTLE)
        idle = down(module, ran)
        if not idle:
            return {"restarted": ran, "stopped": others}
        if time.monotonic() > deadline:
            raise RevertError(
                f"the old configuration is back, and these do not run with it: {', '.join(idle)}; journalctl -u has why"
            )


def down(module: AnsibleModule, names: list[str]) -> list[str]:
    """Those of the units that do not run."""
    states = module.run_command(["systemctl", "is-active", "--", *names])[1].split("\n") if names else []
    return [name for name, state in zip(names, states, strict=False) if state != "active"]


def systemctl(module: AnsibleModule, *arguments: str) -> str:
    code, stdout, stderr = module.run_command(["systemctl", *arguments])
    if code != 0:
        raise RevertError(
            f"systemctl {' '.join(arguments)}: {(stderr.strip() or f'ended with {code}').splitlines()[-1]}"
        )
    return str(stdout)


STATES = {"kept": kept, "compared": compared, "restored": restored, "proved": proved}

if __name__ == "__main__":
    main()

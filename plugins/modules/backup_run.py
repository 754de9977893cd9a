# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_run
short_description: Make the repository, take a backup now, or note that a restore was proved
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Runs what M(courier.mail.backup) has set up, and waits for its end.
  - A backup runs as the timer would run it, below systemd, with the rights of its unit only.
options:
  step:
    description:
      - V(prepare) looks at the target, and makes a repository where this host never had one. Where one is gone it is
        not made anew, since then the disk is not mounted, for example.
      - V(run) takes a backup.
      - V(proved) notes that a restore of this host's backup was proved just now.
    type: str
    choices: [prepare, run, proved]
    required: true
  minutes:
    description: Minutes that the restore took which is proved. Needed for O(step=proved).
    type: float
attributes:
  check_mode:
    support: full
    description: Does nothing, and says that it would for V(run) and V(proved).
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Take a backup now
  courier.mail.backup_run:
    step: run
"""

RETURN = r"""
state:
  description:
    - What is known of backups of this host. C(finished), C(checked) and C(proved) are times in seconds since 1970 and 0
      for never, C(error) is why the last run failed. C(minutes) are those of the last backup, C(restore_minutes) those
      of the last restore that was proved.
  returned: success
  type: dict
  sample:
    bytes: 48210344
    checked: 1795600000.0
    error: ""
    failed: 0.0
    finished: 1795600000.0
    messages: 1204
    minutes: 0.4
    proved: 0.0
    restore_minutes: 0.0
    snapshot: 9af1f05a
said:
  description: The same for people.
  returned: success
  type: str
"""

import dataclasses
import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._backup import _state
from ..module_utils._backup.__main__ import status

_UNIT = "courier-mail-backup.service"
_COMMAND = "/usr/local/sbin/courier-mail-backup"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["prepare", "run", "proved"], "required": True},
            "minutes": {"type": "float"},
        },
        required_if=[("step", "proved", ("minutes",))],
        supports_check_mode=True,
    )
    step = module.params["step"]
    changed = step != "prepare"
    if not module.check_mode:
        try:
            changed = _STEPS[step](module)
        except OSError as error:
            module.fail_json(msg=f"{error.filename}: {error.strerror}")
    state = _state.read()
    module.exit_json(changed=changed, state=dataclasses.asdict(state), said=status(state))


def _prepare(module: AnsibleModule) -> bool:
    code, out, err = module.run_command([_COMMAND, "prepare"])
    if code:
        module.fail_json(msg=_sentence(err or out))
    return str(out).strip() == "made"


def _run(module: AnsibleModule) -> bool:
    began = time.time()
    # A unit that has failed before is started all the same. Of one that runs, the end is waited for.
    code, _out, err = module.run_command(["systemctl", "start", _UNIT])
    state = _state.read()
    if code or state.finished < began:
        known = state.error if state.failed >= began else ""
        module.fail_json(msg=f"there is no new backup: {known or _sentence(err) or f'see journalctl -u {_UNIT}'}")
    return True


def _prove(module: AnsibleModule) -> bool:
    known = _state.read()
    _state.write(dataclasses.replace(known, proved=time.time(), restore_minutes=module.params["minutes"]))
    return True


_STEPS = {"prepare": _prepare, "run": _run, "proved": _prove}


def _sentence(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("courier-mail-backup: ") if lines else ""


if __name__ == "__main__":
    main()

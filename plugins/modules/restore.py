# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Bring back what a backup has, step by step, and compare
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Restores what C(courier-mail-backup) has taken, by the settings that M(courier.mail.backup) has written.
  - Mail comes into its place when all of it is on the host and every message has the digest that it had. What stands in
    its place is put aside, never removed.
  - The queue comes last, when the services run. It comes once, however often that step is run.
options:
  step:
    description:
      - V(look) refuses a host that has mail, and chooses the backup.
      - V(place) puts mail, keys, databases and other state into their places. The services do not run meanwhile.
      - V(finish) gives the queue back, teaches SpamAssassin and compares. The services run.
      - V(clear) removes the copy.
    type: str
    choices: [look, place, finish, clear]
    required: true
  snapshot:
    description: The backup, by the beginning of its name, or V(latest). O(step=place) needs its name.
    type: str
    default: latest
  over:
    description: Whether a host that has mail is restored all the same.
    type: bool
    default: false
  hold:
    description: Whether the queue is kept from going out, and nothing may have changed since; for a drill.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
    description: Does V(look) only.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Choose the backup
  courier.mail.restore:
    step: look
  register: my_choice

- name: Put everything into its place
  courier.mail.restore:
    step: place
    snapshot: "{{ my_choice.snapshot }}"
"""

RETURN = r"""
snapshot:
  description: The name of the backup.
  returned: O(step=look)
  type: str
time:
  description: When it was taken, in the time of the host that took it.
  returned: O(step=look)
  type: str
bytes:
  description: How much it holds.
  returned: O(step=look)
  type: int
messages:
  description: How many messages are in their place.
  returned: O(step=place)
  type: int
aside:
  description: What stood in the place of mail, and where it is now.
  returned: O(step=place)
  type: list
  elements: str
rows:
  description:
    - What was compared. C(wanted) is how many there were, C(equal) how many there are, C(differing) names some others.
  returned: O(step=finish)
  type: list
  elements: dict
  sample:
    - {what: messages, wanted: 1204, equal: 1204, is_equal: true, differing: []}
table:
  description: The same for people.
  returned: O(step=finish)
  type: list
  elements: str
given:
  description: Ids of the messages that Courier has got for its queue.
  returned: O(step=finish)
  type: list
  elements: str
proved:
  description: Whether nothing differs.
  returned: O(step=finish)
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._backup.__main__ import settings_of
from ..module_utils._backup._bring import TROUBLE, Bring
from ..module_utils._backup._restic import Restic, environment

SPEC: dict[str, Any] = {
    "step": {"type": "str", "choices": ["look", "place", "finish", "clear"], "required": True},
    "snapshot": {"type": "str", "default": "latest"},
    "over": {"type": "bool", "default": False},
    "hold": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    try:
        module.exit_json(**_step(module))
    except TROUBLE as error:
        said = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        module.fail_json(msg=f"The restore stops before {_STOPS[module.params['step']]}: {said}")


_STOPS = {
    "look": "anything is changed",
    "place": "the services start",
    "finish": "its end",
    "clear": "the copy is removed",
}


def _step(module: AnsibleModule) -> dict[str, Any]:
    params = module.params
    settings = settings_of()
    bring = Bring(settings, Restic(settings, environment()))
    if params["step"] == "look":
        return {"changed": False, **bring.look(params["snapshot"], over=params["over"])}
    if module.check_mode:
        return {"changed": True, "rows": [], "table": [], "given": [], "aside": [], "messages": 0, "proved": False}
    if params["step"] == "clear":
        return {"changed": bring.clear()}
    if params["step"] == "place":
        return {"changed": True, **bring.place(params["snapshot"])}
    result = bring.finish(hold=params["hold"])
    return {"changed": bool(result["given"]), "table": [_line(row) for row in result["rows"]], **result}


def _line(row: dict[str, Any]) -> str:
    verdict = "ok" if row["is_equal"] else "differs"
    rest = f"  {', '.join(row['differing'][:3])}" if row["differing"] else ""
    return f"{verdict:<8} {row['what']:<22} {row['equal']} of {row['wanted']}{rest}"


if __name__ == "__main__":
    main()

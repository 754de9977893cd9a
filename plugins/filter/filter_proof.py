# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What filters must do with test messages, as they are set."""

from __future__ import annotations

DOCUMENTATION = r"""
name: filter_proof
short_description: Say what mail filters must refuse to be believed
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Of the test messages that P(courier.mail.units#module) hands to filters, those that these filters refuse with these
    settings, and whether they may put them off.
  - A virus counts where V(clamd) is asked, a program where V(attachments) refuses its name, and spam where V(spamd)
    refuses GTUBE, whose score is 1000. A filter that does not run yet, and whose mail is let in meanwhile, refuses
    nothing.
positional: _input, when_down, settings, waiting, knows_eicar
options:
  _input:
    description: The filters in their order.
    type: list
    elements: str
    required: true
  when_down:
    description: For each filter, V(defer), V(accept) or V(tag); V(defer) for those that are not named.
    type: dict
    required: true
  settings:
    description: Settings of filters, by the names of both.
    type: dict
    required: true
  waiting:
    description: Filters whose scanner waits for its first signatures.
    type: list
    elements: str
    default: []
  knows_eicar:
    description: Whether clamd's signatures know the EICAR test pattern.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Have people judge spam themselves
  ansible.builtin.debug:
    msg: "{{ ['clamd', 'spamd'] | courier.mail.filter_proof({}, {'spamd': {'reject_score': none}}) }}"
"""

RETURN = r"""
_value:
  description:
    - C(refuses), some of V(virus), V(program) and V(spam), and C(defers), whether mail may be put off.
  type: dict
  sample: {refuses: [virus], defers: false}
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ..module_utils._filter_probe import RECIPIENT, letter
from ..module_utils._filters import attachments, spamd
from ..module_utils._filters._message import Recipient
from ..module_utils._filters._settings import SettingsError, build

GTUBE_SCORE = 1000.0
# Of pythonfilter's own: they put off whoever they see for the first time.
_STRANGERS_COME_AGAIN = {"comeagain", "greylist"}


def filter_proof(
    modules: Sequence[str],
    when_down: Mapping[str, str],
    settings: Mapping[str, Mapping[str, Any]],
    waiting: Sequence[str] = (),
    knows_eicar: bool = True,
) -> dict[str, Any]:
    passed_over = {name for name in waiting if when_down.get(name, "defer") != "defer"}
    asked = set(modules) - passed_over
    try:
        refused = {
            "virus": "clamd" in asked and knows_eicar,
            "program": "attachments" in asked and _refuses_program(settings.get("attachments", {})),
            "spam": "spamd" in asked and _refuses_spam(settings.get("spamd", {})),
        }
    except SettingsError as error:
        raise AnsibleFilterError(str(error)) from error
    return {
        "refuses": [pattern for pattern, is_refused in refused.items() if is_refused],
        "defers": bool(asked & {*waiting, *_STRANGERS_COME_AGAIN}),
    }


def _refuses_program(settings: Mapping[str, Any]) -> bool:
    try:
        attachments.Search(build(attachments.Settings, settings)).message(letter("program").encode("ascii"))
    except attachments.Refused:
        return True
    return False


def _refuses_spam(settings: Mapping[str, Any]) -> bool:
    built = build(spamd.Settings, settings)
    limit = spamd.Filter(built).wish(Recipient(RECIPIENT, "", "", "", 0)).reject_score
    return limit is not None and limit <= GTUBE_SCORE and len(letter("spam")) <= built.max_size


class FilterModule:
    def filters(self) -> dict[str, Callable[..., Any]]:
        return {"filter_proof": filter_proof}

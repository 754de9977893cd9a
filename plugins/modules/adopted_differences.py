# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: adopted_differences
short_description: Say which differences of a check run on an adopted host nobody has explained
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - At the end of the playbook C(courier.mail.adopted) with C(--check --diff), compares what the tasks before
    it would have changed with what M(courier.mail.adopt) said of that, and fails if something is neither listed nor
    explained.
  - Runs on the controller and does not connect to the host.
options:
  explained:
    description: C(adopted_explained) of C(adopted.json).
    type: list
    elements: dict
    required: true
  before:
    description: C(adopted_before) of C(adopted.json).
    type: dict
    required: true
attributes:
  action:
    support: full
    description: Runs on the controller.
  check_mode:
    support: full
    description: Does the same; without check mode there is nothing to compare, and it is skipped.
  diff_mode:
    support: none
    description: There is nothing to show.
"""

EXAMPLES = r"""
- name: Compare
  courier.mail.adopted_differences:
    explained: "{{ adopted_explained }}"
    before: "{{ adopted_before }}"
"""

RETURN = r"""
table:
  description: All differences in lines for people, those that nobody has explained first.
  type: list
  elements: str
  returned: always
unexplained:
  description: The differences that nobody has explained.
  type: list
  elements: dict
  returned: always
  contains:
    path:
      description: The file, or the task.
      type: str
    item:
      description: What in it.
      type: str
    detail:
      description: What it is, and what it would become.
      type: str
"""

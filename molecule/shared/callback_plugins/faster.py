# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spare the many runs of a bed what each would do again: making archives of modules, and looking for garbage."""

from __future__ import annotations

DOCUMENTATION = r"""
name: faster
type: aggregate
short_description: Runs of a bed that take less of the controller
description:
  - Ansible makes the archives of modules anew in each run, a fifth of what a run costs the controller. Nothing tells
    an archive of other sources, so the directory lives as long as these stay the same.
  - Python looks for garbage in all that a run has read, and each task is a fork that copies what was looked at. Runs of
    a bed are short and end with all their memory.
requirements: [enable it in the configuration]
options:
  payloads:
    description: The directory of archives. None is kept without.
    env: [{name: BED_PAYLOADS}]
"""

import gc
import os
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "faster"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)
        if payloads := self.get_option("payloads"):
            os.makedirs(payloads, exist_ok=True)  # who made it may have been stopped, and his runs go on
            os.symlink(payloads, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))

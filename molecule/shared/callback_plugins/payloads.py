# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the archives in which Ansible sends modules for other runs, in the directory that BED_PAYLOADS names."""

from __future__ import annotations

DOCUMENTATION = r"""
name: payloads
type: aggregate
short_description: Keep the archives of modules for other runs
description:
  - Ansible makes them anew in each run, a fifth of what a run costs the controller. Nothing tells an archive
    of other sources, so the directory lives as long as these stay the same.
requirements: [enable it in the configuration]
options:
  payloads:
    description: The directory. None is kept without.
    env: [{name: BED_PAYLOADS}]
"""

import os
from typing import Any

from ansible import constants
from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "payloads"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        if payloads := self.get_option("payloads"):
            os.makedirs(payloads, exist_ok=True)  # who made it may have been stopped, and his runs go on
            os.symlink(payloads, os.path.join(constants.DEFAULT_LOCAL_TMP, "ansiballz_cache"))

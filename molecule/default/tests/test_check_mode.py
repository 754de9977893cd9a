# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run would change on hosts that are as they should be."""

from __future__ import annotations

import os
import re
import subprocess


def test_a_dry_run_has_nothing_to_do():
    sources = [f"--inventory={source}" for source in os.environ["BED_INVENTORY"].split(":")]
    run = subprocess.run(
        ["ansible-playbook", "--check", "--diff", *sources, "courier.mail.site"],
        check=False, capture_output=True, text=True, env=os.environ | {"ANSIBLE_FORCE_COLOR": "false"},
    )  # fmt: skip
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    recap = re.findall(r"^(\S+) +: ok=\d+ +changed=(\d+)", run.stdout, re.MULTILINE)
    assert dict(recap) == {"mx1.example.com": "0", "mx1.example.org": "0"}

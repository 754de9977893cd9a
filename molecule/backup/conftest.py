# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests ask a host that is backed up, before and after it is restored."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def state(site):
    """What the backup notes of its runs, when it is called."""

    def noted():
        return json.loads(site.check_output("cat /var/lib/courier-mail-backup/state.json"))

    return noted


@pytest.fixture
def failing(site, state):
    """Run the backup, which must fail, and return what it says."""

    def fails():
        assert site.run("systemctl start courier-mail-backup").failed
        noted = state()
        assert noted["failed"] > noted["finished"]
        return noted["error"]

    return fails

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.tls_priority import FilterModule
from plugins.module_utils._courier.tls import PROFILES, priority

VERSIONS = {
    "modern": ["+VERS-TLS1.3"],
    "intermediate": ["+VERS-TLS1.3", "+VERS-TLS1.2"],
}


@pytest.mark.parametrize(("profile", "versions"), VERSIONS.items(), ids=VERSIONS)
def test_a_profile_speaks_these_versions_only(profile, versions):
    words = priority(profile).split(":")
    assert words[0] == "NONE"  # nothing that is not named
    assert [word for word in words if "VERS" in word] == versions


def test_modern_gives_no_key_exchange_that_only_older_versions_have():
    assert "+DHE-RSA" not in priority("modern")


def test_every_profile_is_tested():
    assert set(VERSIONS) == set(PROFILES)


def test_refuses_a_profile_that_nobody_defined():
    with pytest.raises(AnsibleFilterError) as refusal:
        FilterModule().filters()["tls_priority"]("ancient")
    assert str(refusal.value) == "TLS profile 'ancient' is unknown; write one of modern, intermediate"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from plugins.filter import tls_priority
from plugins.module_utils._courier.tls import PROFILES

CIPHERS = "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"
REST = (
    "+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1:"
    "+AEAD:+COMP-NULL:+CTYPE-X509:+SIGN-ALL:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1"
)

PRIORITIES = {
    "modern": f"NONE:+VERS-TLS1.3:{CIPHERS}:{REST}",
    "intermediate": f"NONE:+VERS-TLS1.3:+VERS-TLS1.2:+ECDHE-ECDSA:+ECDHE-RSA:+DHE-RSA:{CIPHERS}:{REST}",
}

REFUSED = {
    "a profile that is not offered": ("old", "TLS profile 'old' is unknown; write one of modern, intermediate"),
    "another case": ("Modern", "TLS profile 'Modern' is unknown; write one of modern, intermediate"),
    "no profile": ("", "TLS profile '' is unknown; write one of modern, intermediate"),
    "a priority string": ("NORMAL", "TLS profile 'NORMAL' is unknown; write one of modern, intermediate"),
}


def apply(profile):
    return tls_priority.FilterModule().filters()["tls_priority"](profile)


@pytest.mark.parametrize(("profile", "priority"), PRIORITIES.items(), ids=PRIORITIES)
def test_a_profile_becomes_a_priority(profile, priority):
    assert apply(profile) == priority


@pytest.mark.parametrize(("profile", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_an_unknown_profile(profile, sentence):
    with pytest.raises(AnsibleFilterError) as refusal:
        apply(profile)
    assert str(refusal.value) == sentence


def test_its_documentation_offers_what_it_takes():
    assert yaml.safe_load(tls_priority.DOCUMENTATION)["options"]["_input"]["choices"] == list(PROFILES)
    assert set(PRIORITIES) == set(PROFILES)


def test_is_the_only_filter_of_its_file():
    assert list(tls_priority.FilterModule().filters()) == ["tls_priority"]

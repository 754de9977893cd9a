# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What GnuTLS makes of a profile is what Mozilla's guideline says, and nothing else."""

from __future__ import annotations

import re
import subprocess

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.tls_priority import FilterModule
from plugins.module_utils._courier.tls import PROFILES, cut_off, priority, render
from plugins.module_utils._courier.tls_guideline import CONFIGURATIONS

# Names that GnuTLS spells in another way.
GROUPS = {"X25519": "GROUP-X25519", "prime256v1": "GROUP-SECP256R1", "secp384r1": "GROUP-SECP384R1"}
ANYBODY = {"TLS1.2", "TLS1.3"}
CUT_OFF = {
    "senders": ("esmtpd", {}, {"TLS1.3"}, "mail from servers without it waits"),
    "recipients": ("courierd", {}, {"TLS1.3"}, "goes out in clear"),
    "nobody, with TLS 1.2": ("esmtpd", {}, ANYBODY, None),
    "nobody, on the loopback": ("esmtpd", {"ADDRESS": "127.0.0.1"}, {"TLS1.3"}, None),
    "nobody, where our own people log in": ("esmtpd-msa", {}, {"TLS1.3"}, None),
}


def openssl_name(suite):
    """TLS_ECDHE_RSA_AES_128_GCM_SHA256 as OpenSSL and the guideline call it."""
    return re.sub("AES-(?=[0-9])", "AES", suite.removeprefix("TLS_").replace("_", "-"))


@pytest.fixture(params=PROFILES)
def profile(request):
    return request.param


@pytest.fixture
def listing(profile):
    """What this machine's GnuTLS offers."""
    command = ["gnutls-cli", "--list", "--priority", priority(profile)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def suites(listing, version):
    return re.findall(rf"^(TLS_\w+)\s.*{re.escape(version)}$", listing, re.MULTILINE)


def words(listing, kind):
    return re.search(f"^{kind}: (.*)$", listing, re.MULTILINE)[1].split(", ")


def test_the_profiles_are_configurations_of_the_guideline():
    assert list(PROFILES) == list(CONFIGURATIONS) == ["modern", "intermediate"]


def test_offers_the_suites_of_tls_1_3(profile, listing):
    assert suites(listing, "TLS1.3") == list(CONFIGURATIONS[profile].ciphersuites)


def test_offers_the_suites_of_tls_1_2(profile, listing):
    offered = [openssl_name(suite) for suite in suites(listing, "TLS1.2")]
    assert sorted(offered) == sorted(CONFIGURATIONS[profile].ciphers)


def test_offers_no_other_suite_or_version(profile, listing):
    wanted = CONFIGURATIONS[profile]
    assert len(re.findall("^TLS_", listing, re.MULTILINE)) == len(wanted.ciphersuites + wanted.ciphers)
    assert {name.removeprefix("VERS-TLS") for name in words(listing, "Protocols")} == {
        name.removeprefix("TLSv") for name in wanted.tls_versions
    }


def test_offers_the_curves(profile, listing):
    assert words(listing, "Groups") == [GROUPS[curve] for curve in CONFIGURATIONS[profile].tls_curves]


def test_signs_with_every_kind_of_key_and_never_with_sha_1(listing):
    signatures = words(listing, "PK-signatures")
    assert {"SIGN-RSA-SHA256", "SIGN-RSA-PSS-RSAE-SHA256", "SIGN-ECDSA-SHA256"} <= set(signatures)
    assert [name for name in signatures if name.endswith("SHA1")] == []


@pytest.mark.parametrize(
    "unknown", [{"ciphers": ("AES128-SHA",)}, {"tls_versions": ("TLSv1.1",)}, {"tls_curves": ("secp521r1",)}], ids=str
)
def test_leaves_out_nothing_that_it_has_no_word_for(unknown):
    with pytest.raises(KeyError):
        render(CONFIGURATIONS["intermediate"]._replace(**unknown))


def test_refuses_a_profile_that_nobody_defined():
    with pytest.raises(AnsibleFilterError) as refusal:
        FilterModule().filters()["tls_priority"]("ancient")
    assert str(refusal.value) == "TLS profile 'ancient' is unknown; write one of modern, intermediate"


@pytest.mark.parametrize(("file", "settings", "versions", "says"), CUT_OFF.values(), ids=CUT_OFF)
def test_cuts_off(file, settings, versions, says):
    warning = cut_off(file, settings, versions)
    assert says in warning if says else warning is None


def test_a_warning_names_those_who_are_cut_off():
    warning = cut_off("courierd", {}, {"TLS1.3"})
    assert all(client in warning for client in CONFIGURATIONS["modern"].oldest_clients)

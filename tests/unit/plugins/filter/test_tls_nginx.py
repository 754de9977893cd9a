# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ssl

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from plugins.filter import tls_nginx
from plugins.module_utils._courier.tls import PROFILES

PROTOCOLS = {"modern": "TLSv1.3", "intermediate": "TLSv1.2 TLSv1.3"}


def apply(profile):
    return tls_nginx.FilterModule().filters()["tls_nginx"](profile)


@pytest.mark.parametrize(("profile", "protocols"), PROTOCOLS.items(), ids=PROTOCOLS)
def test_a_profile_becomes_settings(profile, protocols):
    settings = apply(profile)
    assert settings["ssl_protocols"] == protocols
    assert settings["ssl_prefer_server_ciphers"] == "off"
    assert settings["ssl_ecdh_curve"] == "X25519:prime256v1:secp384r1"


def test_openssl_takes_the_suites():
    suites = apply("intermediate")["ssl_ciphers"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(suites)
    offered = {one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.2"}
    assert offered == set(suites.split(":"))
    assert "ssl_ciphers" not in apply("modern")


def test_refuses_an_unknown_profile():
    with pytest.raises(AnsibleFilterError, match="write one of modern, intermediate"):
        apply("old")


def test_its_documentation_offers_what_it_takes():
    assert yaml.safe_load(tls_nginx.DOCUMENTATION)["options"]["_input"]["choices"] == list(PROFILES)
    assert set(PROTOCOLS) == set(PROFILES)

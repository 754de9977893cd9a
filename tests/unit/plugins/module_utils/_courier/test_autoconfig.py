# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from plugins.action.validate import refusal
from plugins.filter.web import FilterModule
from plugins.module_utils._courier.autoconfig import AutoconfigError, Site, configuration, names, policy

WHOLE = {
    "hostname": "mx1.example.com",
    "domains": ["example.com"],
    "listeners": ["smtp", "imaps", "submission"],
    "names": ["mx1.example.com", "autoconfig.example.com"],
    "certificate_names": ["mx1.example.com", "autoconfig.example.com"],
}
REFUSED = {
    "no domain": (
        {"domains": []},
        "mail_autoconfig is true, and this host has no domain with mailboxes; write mail_domains, or leave it out",
    ),
    "nowhere to read": (
        {"listeners": ["smtp", "smtps"]},
        "mail_autoconfig is true, and no door is open where people could read mail; "
        "open one (courier_imap_listeners), or write mail_autoconfig: false",
    ),
    "nowhere to send": (
        {"listeners": ["smtp", "imaps"]},
        "mail_autoconfig is true, and no door is open where people could send mail; "
        "open one (courier_mta_listeners), or write mail_autoconfig: false",
    ),
    "a method that no program is told": (
        {"methods": ["CRAM-SHA256"]},
        "mail_auth_methods has CRAM-SHA256, of which mail programs cannot be told; "
        "add PLAIN, LOGIN or CRAM-MD5, or write mail_autoconfig: false",
    ),
    "a name without a certificate": (
        {"certificate_names": ["mx1.example.com", "*.example.net"]},
        "mail programs ask autoconfig.example.com, and the certificate is not for that name; write them in "
        "certificates_names (a certificate of your own must hold them), or mail_autoconfig: false",
    ),
    "a domain of somebody else": (
        {"apexes": ["example.net"]},
        "mail_autoconfig_apexes has example.net, which is no domain of this host; write some of example.com",
    ),
    "what is no domain": ({"domains": ["exa mple.com"]}, None),
}


def test_takes_what_is_whole():
    assert refusal("autoconfig", WHOLE) is None


def test_a_wildcard_covers():
    assert refusal("autoconfig", WHOLE | {"certificate_names": ["mx1.example.com", "*.example.com"]}) is None


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    said = refusal("autoconfig", WHOLE | given)
    assert said == sentence if sentence else said


def test_programs_ask_under_these_names():
    assert names(["example.com", "münchen.example"], policies=True) == [
        "autoconfig.example.com",
        "autodiscover.example.com",
        "mta-sts.example.com",
        "autoconfig.xn--mnchen-3ya.example",
        "autodiscover.xn--mnchen-3ya.example",
        "mta-sts.xn--mnchen-3ya.example",
    ]
    assert FilterModule().filters()["autoconfig_names"](["a.example"], False, ["a.example"]) == [
        "autoconfig.a.example",
        "autodiscover.a.example",
        "a.example",
    ]


def test_prefers_tls_from_the_beginning():
    site = Site("mx1.example.com", ["example.com"], ["submission", "imap", "smtps", "imaps"], ["LOGIN"])
    assert [one["port"] for one in json.loads(configuration(site))["servers"]] == [993, 143, 465, 587]


HOSTS = [
    {"inventory_hostname": "out1", "mail_domains": [], "mail_hostname": "out1.example.com"},
    {"inventory_hostname": "mx1", "mail_hostname": "mx1.example.com", "mail_domains": ["example.com"]},
    {"inventory_hostname": "mx2.example.com", "mail_domain_aliases": {"example.com": "example.org"}},
    {"inventory_hostname": "mx3.example.com", "courier_mta_backup_domains": ["example.com"]},
    {"inventory_hostname": "mx4.example.com", "mail_domains": ["example.com"], "courier_mta_listeners": []},
    {"inventory_hostname": "sat", "mail_domains": ["example.com"], "mail_smarthost": {"host": "mx1.example.com"}},
]


def test_a_policy_names_all_exchangers():
    lines = ["version: STSv1", "mode: enforce"]
    lines += [f"mx: mx{number}.example.com" for number in (1, 2, 3)]
    text = policy(HOSTS, "example.com", {"mode": "enforce", "max_age": 86400})
    assert text == "".join(f"{line}\r\n" for line in [*lines, "max_age: 86400"])
    shown = FilterModule().filters()["mta_sts_policies"]
    assert shown(["example.com"], HOSTS, {"mode": "enforce", "max_age": 86400}) == {"example.com": text}
    assert shown(["example.com"], HOSTS, {}) == {}


def test_a_policy_without_exchangers_is_none():
    with pytest.raises(AutoconfigError, match=r"no host takes mail for example[.]net on port 25"):
        policy(HOSTS, "example.net", {"mode": "testing"})

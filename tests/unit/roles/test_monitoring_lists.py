"""What the role monitoring makes of the facts of a site: for reports, registrations and lists."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from plugins.module_utils._watch._catalogue import check

ROLE = Path(__file__).parents[3] / "roles/monitoring"
VARIABLES = {
    name: value
    for directory in ("defaults", "vars")
    for name, value in yaml.safe_load((ROLE / directory / "main.yml").read_text()).items()
}
SITE = {
    "mail_hostname": "mx1.example.com",
    "mail_domains": ["example.com", "shop.example.com"],
    "mail_domain_aliases": {"example.net": "example.com"},
    "mail_addresses": ["192.0.2.25", "2001:db8::25"],
}
SATELLITE = {
    "mail_hostname": "sat1.example.com",
    "mail_smarthost": {"host": "mx1.example.com"},
    "mail_addresses": ["192.0.2.21"],
}
ANOTHER = {"mail_hostname": "mx1.example.org", "mail_domains": ["example.org"]}
LIST = {"zone": "bl.example.org", "answers": ["127.0.0.2"]}
DOMAIN_LIST = {"zone": "dbl.example.org", "answers": ["127.0.1.2"], "listed": "dbltest.example"}


def trusted(value):
    if isinstance(value, dict):
        return {key: trusted(one) for key, one in value.items()}
    if isinstance(value, list):
        return [trusted(one) for one in value]
    return trust_as_template(value) if isinstance(value, str) else value


@pytest.fixture
def said():
    """A variable of the role on a host of a site."""

    def said(name, host=None, **given):
        facts = {**(host or SITE), **given}
        hosts = {"mx1": SITE if host else facts, "sat1": SATELLITE, "mx2": ANOTHER}
        variables = {
            **{key: trusted(value) for key, value in VARIABLES.items()},
            "ansible_facts": {"default_ipv4": {"address": "192.0.2.7"}, "default_ipv6": {}, "fqdn": "host.example.com"},
            "groups": {"all": list(hosts), "mail_servers": list(hosts)},
            "hostvars": hosts,
            "inventory_hostname": next((name for name, one in hosts.items() if one is facts), "mx1"),
            "role_path": str(ROLE),
            **facts,
        }
        return Templar(loader=DataLoader(), variables=variables).template(trust_as_template(f"{{{{ {name} }}}}"))

    return said


def test_without_addresses_there_are_no_reports(said):
    assert said("__monitoring_reports_addresses") == []
    assert not said("__monitoring_parts.reports.wanted")


def test_addresses_are_read_once_and_copied(said):
    given = {
        "mail_reports_address": "Reports@Example.COM",
        "mail_feedback_address": "fbl@example.net",
        "mail_reports_copies": ["alice@example.com"],
    }
    assert said("__monitoring_reports_addresses", **given) == [
        {"name": "Reports@Example.COM", "copies": ["alice@example.com"], "word": "take"},
        {"name": "fbl@example.net", "copies": ["alice@example.com"], "word": "take"},
    ]
    one = {"mail_reports_address": "all@example.com", "mail_feedback_address": "all@example.com"}
    assert [found["name"] for found in said("__monitoring_reports_addresses", **one)] == ["all@example.com"]


def test_only_where_the_domain_is(said):
    given = {"mail_reports_address": "reports@example.com"}
    for host in (SATELLITE, ANOTHER):
        assert said("__monitoring_reports_here", host, **given) == []
        assert said("__monitoring_reports_homeless", host, **given) == []
    assert said("__monitoring_reports_homeless", ANOTHER, mail_reports_address="reports@example.net") == []
    assert said("__monitoring_reports_here", mail_reports_address="reports@evilexample.com") == []
    assert said("__monitoring_reports_homeless", mail_reports_address="reports@exampleXcom") == ["reports@exampleXcom"]


def test_settings_of_reports_make_sense(said):
    found = said(
        "__monitoring_reports",
        mail_reports={"days": 30},
        mail_registrations=[
            {
                "name": "Example FBL",
                "kind": "fbl",
                "url": "https://example.net/fbl",
                "state": "active",
                "applied": datetime.date(2026, 1, 31),
                "for": ["example.com"],
            }
        ],
    )
    check("reports", found, {})
    assert found["domains"] == ["example.com", "shop.example.com", "example.net"]
    assert found["hosts"] == ["mx1.example.com", "mx1.example.org", "sat1.example.com"]
    assert found["networks"] == ["192.0.2.25", "2001:db8::25", "192.0.2.21"]
    assert found["days"] == 30
    assert found["registrations"][0]["applied"] == "2026-01-31"


def test_satellites_leave_registrations_and_lists_to_others(said):
    given = {
        "mail_registrations": [{"name": "x"}],
        "mail_watched_lists": [LIST],
        "mail_watched_domain_lists": [DOMAIN_LIST],
    }
    assert not said("__monitoring_parts.reports.wanted", SATELLITE, **given)
    assert not said("__monitoring_parts.blocklists.wanted", SATELLITE, **given)


def test_lists_are_those_of_the_filters_unless_there_are_others(said):
    assert not said("__monitoring_parts.blocklists.wanted")
    assert said("__monitoring_parts.blocklists.wanted", mail_blocklists=[LIST])
    found = said("__monitoring_blocklists", mail_blocklists=[LIST], mail_watched_domain_lists=[DOMAIN_LIST])
    check("blocklists", found, {})
    assert found == {
        "addresses": ["192.0.2.25", "2001:db8::25"],
        "domains": ["example.com", "shop.example.com", "example.net", "mx1.example.com"],
        "lists": [LIST],
        "domain_lists": [DOMAIN_LIST],
    }
    assert said("__monitoring_blocklists.lists", mail_blocklists=[LIST], mail_watched_lists=[]) == []


def test_without_addresses_of_its_own_a_host_has_those_that_were_seen(said):
    assert said("monitoring_addresses", {"mail_hostname": "mx1.example.com", "mail_domains": ["example.com"]}) == [
        "192.0.2.7"
    ]


def test_hosts_that_only_watch_look_for_what_they_are_told(said):
    watcher = {"mail_hostname": "watch.example.com", "inventory_hostname": "watch", "mail_watched_lists": [LIST]}
    assert not said("__monitoring_parts.blocklists.wanted", watcher)
    assert said("__monitoring_parts.blocklists.wanted", watcher, monitoring_addresses=["192.0.2.25"])


def test_nothing_is_wanted_where_nobody_watches(said):
    given = {"mail_monitoring": False, "mail_blocklists": [LIST], "mail_reports_address": "reports@example.com"}
    assert not said("__monitoring_parts.reports.wanted", **given)
    assert not said("__monitoring_parts.blocklists.wanted", **given)

"""What the role monitoring makes of an inventory: what is watched where, and that the module takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar

from plugins.action.validate import refusal

ROLE = Path(__file__).parents[3] / "roles/monitoring"
HUB = {"mail_hostname": "mx1.example.com", "mail_domains": ["example.com"], "mail_contact": "alice@example.com"}
SATELLITE = {
    "mail_hostname": "sat1.example.com",
    "mail_smarthost": {"host": "mx1.example.com"},
    "mail_addresses": ["192.0.2.21", "2001:db8::21"],
}
HOSTS = {"mx1.example.com": HUB, "sat1.example.com": SATELLITE, "watcher.example.com": {}}


class Role:
    """The role on a host of this inventory, with more facts of it."""

    def __init__(self, name, **facts):
        loader = DataLoader()
        self.values = {}
        for part in ("defaults", "vars"):
            self.values |= loader.load_from_file(str(ROLE / part / "main.yml"), trusted_as_template=True)
        groups = {"all": list(HOSTS), "mail_servers": ["mx1.example.com", "sat1.example.com"]}
        groups |= {"mail_watchers": ["watcher.example.com"]}
        facts = (
            {
                "role_path": str(ROLE),
                "ansible_facts": {"fqdn": name, "packages": {}},
                "inventory_hostname": name,
                "hostvars": {one: {"inventory_hostname": one} | values for one, values in HOSTS.items()},
                "groups": groups,
            }
            | HOSTS[name]
            | facts
        )
        self.templar = Templar(loader=loader, variables=self.values | facts)

    def __getitem__(self, name):
        return self.templar.template(self.values[f"__monitoring_{name}"])

    def arguments(self):
        found = self["arguments"]
        assert refusal("watch", found) is None
        return found

    def running(self):
        return {one["name"] for one in self["units"] if one["running"]}


@pytest.fixture(scope="module", autouse=True)
def collection():
    init_plugin_loader()


OURS = {f"courier-mail-watch-{name}.timer" for name in ("alarm", "look", "metrics")}


def test_a_hub_is_watched():
    role = Role("mx1.example.com")
    parts = role.arguments()["parts"]
    assert {"alarm", "flow", "host", "metrics"} <= set(parts)
    assert role.running() >= OURS
    assert parts["alarm"] == {
        "host": "mx1.example.com",
        "mail": ["alice@example.com"],
        "sender": "root@mx1.example.com",
        "webhooks": {},
    }
    assert parts["flow"] == {"satellites": ["192.0.2.21", "2001:db8::21"], "filtered": True}


def test_a_satellite_has_no_filters_to_miss():
    assert Role("sat1.example.com").arguments()["parts"]["flow"] == {"satellites": [], "filtered": False}


def test_a_host_that_only_watches_has_no_mail_to_count():
    role = Role("watcher.example.com")
    assert "flow" not in role.arguments()["parts"]
    assert role.running() >= OURS


def test_a_host_that_only_watches_asks_lists_for_others():
    lists = [{"zone": "bl.example.org", "answers": ["127.0.0.2"]}]
    others = {"monitoring_addresses": ["198.51.100.1", "2001:db8::1"], "mail_watched_lists": lists}
    role = Role("watcher.example.com", **others)
    assert role.arguments()["parts"]["blocklists"]["addresses"] == others["monitoring_addresses"]
    assert "courier-mail-watch-blocklists.timer" in role.running()


def test_a_host_without_mail_cannot_tell_by_mail():
    role = Role("watcher.example.com", mail_contact="alice@example.com")
    assert role.arguments()["parts"]["alarm"]["mail"] == []


def test_secrets_of_webhooks_are_apart():
    hooks = [
        {"name": "a", "url": "https://h.example.com/x", "key": "a key of many letters"},
        {"name": "b", "url": "http://h.example.net/", "reason": "in our own network"},
    ]
    found = Role("mx1.example.com", mail_alarm_webhooks=hooks).arguments()
    assert found["parts"]["alarm"]["webhooks"] == {"a": {}, "b": {"reason": "in our own network"}}
    assert found["secrets"]["alarm"] == {
        "webhook_urls": {"a": "https://h.example.com/x", "b": "http://h.example.net/"},
        "webhook_keys": {"a": "a key of many letters"},
    }


def test_an_exporter_is_let_be():
    role = Role("mx1.example.com")
    assert (role.arguments().get("exporter"), role.arguments()["textfiles"]) == (None, "")
    assert "prometheus-node-exporter" not in {one["name"] for one in role["units"]}


def test_an_exporter_runs_where_it_is_told():
    addresses = ["192.0.2.1:9100", "[2001:db8::1]:9200"]
    role = Role("mx1.example.com", mail_metrics={"exporter": "run", "addresses": addresses})
    assert role.arguments()["exporter"] == addresses
    assert "prometheus-node-exporter" in role["packages"]
    [unit] = [one for one in role["units"] if one["name"] == "prometheus-node-exporter"]
    assert unit["answers"] == [
        {"address": "192.0.2.1", "port": 9100, "protocol": "http"},
        {"address": "2001:db8::1", "port": 9200, "protocol": "http"},
    ]


def test_an_exporter_of_somebody_else_finds_the_numbers():
    role = Role("mx1.example.com", mail_metrics={"textfiles": "/srv/textfiles"})
    assert role.arguments()["textfiles"] == "/srv/textfiles"
    assert "prometheus-node-exporter" not in role["packages"]


@pytest.mark.parametrize("metrics", [{"exporter": "run"}, {"exporter": "stop"}])
def test_off_is_off(metrics):
    role = Role("mx1.example.com", mail_monitoring=False, mail_metrics=metrics)
    assert role.arguments()["parts"] == {}
    assert (role.running(), role["packages"], role.arguments()["exporter"]) == (set(), [], [])


def test_every_unit_that_is_there_is_brought():
    files = {
        path.name for path in (ROLE / "files").iterdir() if path.suffix in (".service", ".timer", ".socket", ".path")
    }
    assert set(Role("mx1.example.com")["texts"]) == files


def test_services_are_those_that_end():
    """Others must come back when they die."""
    for path in (ROLE / "files").glob("courier-mail-watch-*.service"):
        text = path.read_text()
        assert "Type=oneshot\n" in text or "StandardInput=socket\n" in text, path.name

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter import watch
from plugins.module_utils._courier.aliases import Alias, aliasdir, render
from plugins.module_utils._watch._catalogue import check

SITE = {"domains": ["example.com"], "local": ["mx1.example.com"], "accounts": ["alice@example.com"]}


def test_an_address_is_given_to_its_program_under_a_name_of_the_program():
    found = watch.watch_aliases(
        [
            {"name": "proof@example.com", "word": "arrived"},
            {"name": "fbl@example.com", "word": "take", "copies": ["alice@example.com"]},
            {"name": "rua@example.com", "word": "take"},
        ]
    )
    aliases = [Alias(one["name"], tuple(one["targets"])) for one in found]
    assert render(aliases, me="mx1.example.com", **SITE).splitlines() == [
        "watch-arrived: program-watch_2darrived",
        "watch-take: program-watch_2dtake",
        "proof@example.com: watch-arrived",
        "fbl@example.com: watch-take, alice@example.com",
        "rua@example.com: watch-take",
    ]
    assert aliasdir(aliases) == {
        ".courier-program-watch_2darrived": "|/usr/local/lib/courier-mail-watch/hand arrived\n",
        ".courier-program-watch_2dtake": "|/usr/local/lib/courier-mail-watch/hand take\n",
    }


def test_nothing_is_read_where_nothing_is_wanted():
    assert watch.watch_aliases([]) == []


KEYS = [{"id": "2026", "secret": "a-secret-of-the-site"}]
SITE_OF_TWO = {"mail_contact": "alice@example.com", "mail_proof_keys": KEYS}
HUB = {"inventory_hostname": "mx1.example.com", "mail_domains": ["example.com", "shop.example.com"], **SITE_OF_TWO}
RELAY = {"inventory_hostname": "out1.example.com", **SITE_OF_TWO}
NEAR = {"inventory_hostname": "sat1.example.com", "mail_smarthost": {"host": "mx1.example.com"}, **SITE_OF_TWO}
FAR = {"inventory_hostname": "sat2.example.com", "mail_smarthost": {"host": "out1.example.com"}, **SITE_OF_TWO}
HOSTS = [HUB, RELAY, NEAR, FAR, {"inventory_hostname": "mx.example.org", "mail_domains": ["example.org"]}]


def plan(me, hosts=None):
    return watch.proofs(hosts or HOSTS, me)


def ways(me, hosts=None):
    return [(one["name"], one["to"], one["way"]) for one in plan(me, hosts)["directions"]]


def expected(me, hosts=None):
    return [(one["site"], one["host"], one["direction"]) for one in plan(me, hosts)["expected"]]


def test_a_hub_proves_itself_and_expects_the_others():
    assert ways("mx1.example.com") == [
        ("local", "proof@example.com", "return"),
        ("report", "proof-nobody@mx1.example.com", "report"),
    ]
    assert expected("mx1.example.com") == [
        ("example.com", "out1.example.com", "hub"),
        ("example.com", "sat1.example.com", "hub"),
        ("example.com", "sat2.example.com", "hub"),
        ("example.com", "sat1.example.com", "report"),
    ]
    assert plan("mx1.example.com")["addresses"] == ["proof@example.com", "proof@sat1.example.com"]


def test_a_host_that_passes_mail_on_has_an_answer_of_the_hub():
    assert ways("out1.example.com") == [
        ("local", "proof@out1.example.com", "return"),
        ("report", "proof-nobody@out1.example.com", "report"),
        ("hub", "proof@example.com", "answer"),
    ]
    assert expected("out1.example.com") == [("example.com", "sat2.example.com", "report")]
    assert plan("out1.example.com")["addresses"] == ["proof@out1.example.com", "proof@sat2.example.com"]


def test_a_satellite_is_looked_for_by_others():
    for name in ("sat1", "sat2"):
        assert ways(f"{name}.example.com") == [
            ("hub", "proof@example.com", "receiver"),
            ("report", "proof-nobody@mx1.example.com", "report"),
        ]
        assert plan(f"{name}.example.com")["home"] is False
        assert plan(f"{name}.example.com")["addresses"] == []
    # By the host that takes its mail, also if the satellite makes the report.
    for name, taker in (("sat1", "proof@example.com"), ("sat2", "proof@out1.example.com")):
        assert plan(f"{name}.example.com")["passed_on"] == [{"name": f"proof@{name}.example.com", "targets": [taker]}]
    assert plan("mx1.example.com")["passed_on"] == plan("out1.example.com")["passed_on"] == []


def test_a_satellite_of_somebody_else_has_no_reports():
    hosts = [HUB, NEAR | {"mail_smarthost": {"relay": "relay.example.net"}}]
    assert ways("sat1.example.com", hosts) == [("hub", "proof@example.com", "receiver")]
    assert plan("sat1.example.com", hosts)["passed_on"] == []
    assert expected("mx1.example.com", hosts) == [("example.com", "sat1.example.com", "hub")]


def test_without_keys_a_hub_proves_itself_alone():
    hosts = [{key: value for key, value in one.items() if key != "mail_proof_keys"} for one in (HUB, NEAR)]
    assert [way[0] for way in ways("mx1.example.com", hosts)] == ["local", "report"]
    assert expected("mx1.example.com", hosts) == []
    assert ways("sat1.example.com", hosts) == []


def test_hosts_that_nobody_watches_are_left_out():
    hosts = [HUB, NEAR | {"mail_monitoring": False}]
    assert expected("mx1.example.com", hosts) == []
    assert watch.proofs(hosts, "sat1.example.com") == {}
    assert plan("mx1.example.com", [HUB])["addresses"] == ["proof@example.com"]


def test_a_satellite_whose_mail_is_not_taken_has_no_address_here():
    found = watch.proofs(HOSTS, "mx1.example.com", satellites=[])
    assert found["addresses"] == ["proof@example.com"]
    assert [one["direction"] for one in found["expected"]] == ["hub"] * 3
    assert watch.proofs(HOSTS, "mx1.example.com", satellites=[{"name": "sat1.example.com"}]) == plan("mx1.example.com")


def test_two_hubs_with_the_same_mailboxes_each_prove_themselves():
    other = HUB | {"inventory_hostname": "mx2.example.com"}
    assert [way[0] for way in ways("mx2.example.com", [*HOSTS, other])] == ["local", "report"]
    assert expected("mx2.example.com", [*HOSTS, other]) == []


def test_another_host_of_our_name_is_ourselves():
    assert plan(
        "mx1.example.com", [HUB | {"inventory_hostname": "old"} | {"mail_hostname": "mx1.example.com"}, *HOSTS]
    ) == (plan("mx1.example.com"))


def test_what_is_said_wins():
    hub = HUB | {
        "mail_proof_address": "tests@shop.example.com",
        "mail_proof_site": "us",
        "mail_hostname": "mail.example.com",
    }
    found = watch.proofs([hub], "mx1.example.com", 15, 5)
    assert (found["site"], found["host"], found["address"]) == ("us", "mail.example.com", "tests@shop.example.com")
    assert found["directions"][0] == {
        "name": "local",
        "to": "tests@shop.example.com",
        "way": "return",
        "every": 15,
        "within": 5,
    }


def test_settings_have_no_secrets_beside_those_that_are_set_apart():
    directions = [
        {
            "name": "outside",
            "to": "proof@example.org",
            "login": "bob@example.com",
            "password": "hunter2",
            "server": "a.test",
        },
        {"name": "local", "to": "proof@example.com", "way": "return", "every": 5},
    ]
    sites = [{"name": "example.org", "keys": KEYS, "expected": [{"host": "mx.example.org", "direction": "outside"}]}]
    found = watch.proof_settings(plan("mx1.example.com"), directions, [*KEYS, {"id": "old", "secret": "x"}], sites)
    assert found["secrets"] == {
        "keys": {"example.com/2026": KEYS[0]["secret"], "example.com/old": "x", "example.org/2026": KEYS[0]["secret"]},
        "logins": {"bob@example.com": "hunter2"},
    }
    settings = found["settings"]
    assert [one["name"] for one in settings["directions"]] == ["local", "report", "outside"]
    assert settings["directions"][0]["every"] == 5
    assert settings["key"] == "2026"
    assert settings["expected"][-1] == {"site": "example.org", "host": "mx.example.org", "direction": "outside"}
    assert "hunter2" not in str(settings)
    check("proofs", settings, found["secrets"] | {"keys": found["secrets"]["keys"] | {"example.com/old": "x" * 16}})


@pytest.mark.parametrize("me", [one["inventory_hostname"] for one in HOSTS])
def test_what_follows_from_the_inventory_is_taken(me):
    keys = next(one for one in HOSTS if one["inventory_hostname"] == me).get("mail_proof_keys", [])
    found = watch.proof_settings(plan(me), [], keys, [])
    check("proofs", found["settings"], found["secrets"])


def test_a_host_that_is_not_watched_has_settings_that_nobody_writes():
    assert watch.proof_settings({}, [], [], [])["settings"] == {"directions": [], "expected": [], "key": ""}


@pytest.mark.parametrize(
    ("directions", "keys", "sites", "sentence"),
    [
        ([{"name": "a", "password": "x"}], [], [], "mail_proofs: a has a password and no login"),
        ([], [{"id": "2026"}], [], "mail_proof_keys: each key has an id and a secret"),
        ([], [*KEYS, *KEYS], [], "mail_proof_keys: the key 2026 is there twice"),
        ([], [], [{"name": "example.org"}], "mail_proof_sites: each has a name and keys"),
        ([], [], [{"name": "example.org", "keys": [{"id": "a"}]}], "mail_proof_sites: example.org: each key has"),
    ],
)
def test_refuses(directions, keys, sites, sentence):
    with pytest.raises(AnsibleFilterError) as refused:
        watch.proof_settings(plan("mx1.example.com"), directions, keys, sites)
    assert str(refused.value).startswith(sentence)

"""Who sends through whom, as the inventory says."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from plugins.filter.site import (
    fetched_twice,
    filter_addresses,
    forwards,
    host_names,
    own_networks,
    refused_traps,
    satellites,
    seen_addresses,
    smarthost_route,
    smtp_port,
    spf_rules,
    tarbabies,
)

HUB = {"inventory_hostname": "hub", "mail_hostname": "mx1.example.com"}
SATELLITE = {
    "inventory_hostname": "sat1.example.com",
    "mail_smarthost": {"host": "mx1.example.com"},
    "mail_addresses": ["192.0.2.21", "2001:db8::21"],
}
OTHER = SATELLITE | {"inventory_hostname": "sat2.example.com", "mail_smarthost": {"host": "out1.example.com"}}
OUTSIDE = SATELLITE | {"inventory_hostname": "sat3", "mail_smarthost": {"relay": "mx1.example.com"}}


def test_a_hub_knows_those_that_name_it():
    assert satellites([HUB, SATELLITE, OTHER, OUTSIDE], "mx1.example.com") == [
        {"name": "sat1.example.com", "networks": ["192.0.2.21", "2001:db8::21"]}
    ]


def test_a_satellite_without_addresses_cannot_be_known():
    unknown = {key: value for key, value in SATELLITE.items() if key != "mail_addresses"}
    with pytest.raises(AnsibleFilterError) as refusal:
        satellites([HUB, unknown], "mx1.example.com")
    assert str(refusal.value) == (
        "sat1.example.com sends through mx1.example.com, which has to know it; "
        "write the addresses that it sends from in its mail_addresses"
    )


def test_a_hub_is_a_smarthost_over_tls():
    assert smarthost_route({"host": "mx1.example.com"}, [HUB, SATELLITE]) == {
        "relay": "mx1.example.com",
        "security": "smtps",
        "class": "smarthosts",
    }


def test_a_server_outside_is_as_the_operator_says():
    given = {"relay": "smtp.example.net", "security": "required", "user": "us", "password": "secret"}
    assert smarthost_route(given, [HUB]) == given | {"class": "smarthosts"}


EITHER = (
    "mail_smarthost wants either host, the mail_hostname of a host in this inventory, "
    "or relay, the name of somebody else's server"
)
UNKNOWN = (
    "mail_smarthost.host is {}, and no host of this inventory that sends by itself is called that; "
    "write one of {}, or relay for somebody else's server"
)
REFUSED: dict[str, tuple[dict[str, Any], list[dict[str, Any]], str]] = {
    "neither": ({"user": "us"}, [HUB], EITHER),
    "both": ({"host": "mx1.example.com", "relay": "smtp.example.net"}, [HUB], EITHER),
    "a host that is not in the inventory": (
        {"host": "mx9.example.com"},
        [HUB, SATELLITE],
        UNKNOWN.format("mx9.example.com", "mx1.example.com"),
    ),
    "another satellite": (
        {"host": "sat1.example.com"},
        [HUB, SATELLITE],
        UNKNOWN.format("sat1.example.com", "mx1.example.com"),
    ),
    "an inventory of satellites": (
        {"host": "mx1.example.com"},
        [SATELLITE],
        UNKNOWN.format("mx1.example.com", "(there is none)"),
    ),
}


@pytest.mark.parametrize(("smarthost", "hosts", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(smarthost: dict[str, Any], hosts: list[dict[str, Any]], sentence: str) -> None:
    with pytest.raises(AnsibleFilterError) as refusal:
        smarthost_route(smarthost, hosts)
    assert str(refusal.value) == sentence


def test_bofh_names_what_a_trap_becomes() -> None:
    assert refused_traps(["never@example.com"], "mx1.example.com") == [
        "spamtrap refused-never_40example.com@mx1.example.com"
    ]


def test_bofh_has_the_checks_of_spf() -> None:
    assert spf_rules({"mailfrom": ["pass"]}) == ["opt BOFHSPFTRUSTME=1", "opt BOFHSPFMAILFROM=pass"]
    with pytest.raises(AnsibleFilterError, match="mail_spf: nothing of SPF is called x"):
        spf_rules({"x": ["pass"]})


def test_filters_know_of_people_what_they_need_and_nothing_else():
    alice = {"address": "alice@example.com", "password_hash": "$6$secret", "send_as": ["alice@example.net"]}
    aliases = [{"name": "sales@example.com", "targets": ["alice@example.com"]}]
    managed = [{"name": "sat1.example.com", "networks": ["192.0.2.21"], "reason": "ours"}]
    assert filter_addresses([alice], aliases, {"also.example.com": "example.com"}, managed, ["mx1.example.com"]) == {
        "mailboxes": ["alice@also.example.com", "alice@example.com"],
        "senders": {
            "alice@example.com": [
                "alice@also.example.com",
                "alice@example.com",
                "alice@example.net",
                "sales@example.com",
            ]
        },
        "managed": {"192.0.2.21": ["@example.com", "@sat1.example.com"]},
    }


def test_filters_are_told_nothing_that_makes_no_sense():
    with pytest.raises(AnsibleFilterError, match="send_as of alice"):
        filter_addresses([{"address": "alice@example.com", "send_as": ["nobody"]}], [], {}, [], [])


class TestForwards:
    @pytest.fixture
    def mx1(self):
        return {
            "inventory_hostname": "mx1.example.com",
            "mail_domains": ["example.com"],
            "mail_forwards": [{"name": "a@example.com", "targets": ["b@example.org"]}],
            "mail_aliases": [{"name": "c@example.com", "targets": ["|cat"]}],
            "mail_accounts": [
                {"address": "d@example.com", "courier": ["./Maildir", "&e@example.org, f@example.org"]},
                {"address": "g@example.com"},
                {
                    "address": "h@example.com",
                    "forward": {"to": ["i@example.net"]},
                    "rules": [{"forward": ["j@example.net"]}],
                },
            ],
        }

    @pytest.fixture
    def mx2(self):
        return {
            "inventory_hostname": "mx2.example.com",
            "mail_domains": ["example.org"],
            "mail_forwards": [{"name": "b@example.org", "targets": ["a@example.com"]}],
        }

    def test_finds_them_on_all_hosts(self, mx1, mx2):
        assert forwards([mx1, mx2], "mx1.example.com") == [
            {"name": "a@example.com", "targets": ["b@example.org"]},
            {"name": "c@example.com", "targets": ["|cat"]},
            {"name": "d@example.com", "targets": ["e@example.org", "f@example.org"], "account": True},
            {"name": "h@example.com", "targets": ["i@example.net", "j@example.net"], "account": True},
            {"name": "b@example.org", "targets": ["a@example.com"]},
        ]

    def test_satellites_and_hosts_without_domains_have_none(self, mx2):
        satellite = mx2 | {"mail_smarthost": {"host": "mx1.example.com"}}
        assert forwards([satellite, mx2 | {"mail_domains": []}], "mx2.example.com") == []

    def test_another_host_of_the_same_name_is_passed_over(self, mx1, mx2):
        other = mx2 | {"inventory_hostname": "mx1-new", "mail_hostname": "mx1.example.com"}
        assert len(forwards([mx1, other], "mx1.example.com")) == 4
        assert len(forwards([mx1, other], "mx1-new")) == 1


class TestMailboxesElsewhere:
    BOB: ClassVar = {"host": "imap.example.net", "user": "bob"}

    @pytest.mark.parametrize(
        ("other", "wanted"),
        [
            ({"host": "IMAP.example.net", "user": "bob"}, ["bob at IMAP.example.net, by mx2.example.com"]),
            (BOB | {"folders": ["Sent", "inbox"]}, ["bob at imap.example.net, by mx2.example.com"]),
            (BOB | {"folders": ["Sent"]}, []),
            (BOB | {"user": "carol"}, []),
            (BOB | {"host": "pop.example.net"}, []),
        ],
    )
    def test_are_fetched_by_one_host(self, other: dict[str, Any], wanted: list[str]):
        hosts = [
            {"inventory_hostname": "mx1", "mail_remote_mailboxes": [self.BOB]},
            {"inventory_hostname": "mx2", "mail_hostname": "mx2.example.com", "mail_remote_mailboxes": [other]},
            {"inventory_hostname": "mx3"},
        ]
        assert fetched_twice([self.BOB], hosts, "mx1") == wanted

    def test_may_be_those_of_a_host_that_has_our_name(self):
        hosts = [
            {"inventory_hostname": name, "mail_hostname": "mx1.example.com", "mail_remote_mailboxes": [self.BOB]}
            for name in ("old", "new")
        ]
        assert fetched_twice([self.BOB], hosts, "new") == []


def test_names_of_hosts_are_those_of_dns():
    hosts = [{"inventory_hostname": "b"}, {"inventory_hostname": "a", "mail_hostname": "mx.example.com"}]
    assert host_names(hosts) == ["b", "mx.example.com"]


OURS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the loopback always": ({}, []),
    "who administers it": (
        {"mail_admin_networks": ["192.0.2.0/24", "2001:db8:1::/48"]},
        ["192.0.2.0/24", "2001:db8:1::/48"],
    ),
    "where Ansible comes from": ({"mail_controller_addresses": ["198.51.100.7"]}, ["198.51.100.7"]),
    "what it says of itself": ({"mail_addresses": ["192.0.2.21", "2001:db8::21"]}, ["192.0.2.21", "2001:db8::21"]),
    "its managed peers and no others": (
        {
            "mail_peers": {
                "managed": [{"name": "a backup", "networks": ["192.0.2.9"]}],
                "trusted": [{"networks": ["203.0.113.1"]}],
                "denied": [{"networks": ["203.0.113.2"]}],
            }
        },
        ["192.0.2.9"],
    ),
    "satellites that are no hosts of the inventory": (
        {"courier_mta_satellites": [{"name": "sat9.example.com", "networks": ["192.0.2.9", "2001:db8::9"]}]},
        ["192.0.2.9", "2001:db8::9"],
    ),
    "what its facts have, but for the link": (
        {
            "ansible_facts": {
                "all_ipv4_addresses": ["192.0.2.1"],
                "all_ipv6_addresses": ["2001:db8::1", "fe80::42:acff:fe11:2"],
            }
        },
        ["192.0.2.1", "2001:db8::1"],
    ),
    "what the inventory calls it": ({"ansible_host": "192.0.2.3"}, ["192.0.2.3"]),
    "no names": ({"ansible_host": "mx1.example.com"}, []),
    "IPv4 in IPv6": ({"mail_controller_addresses": ["::ffff:192.0.2.7"]}, ["192.0.2.7"]),
    "nothing twice": (
        {"mail_admin_networks": ["192.0.2.0/24"], "mail_addresses": ["192.0.2.7", "192.0.2.7"]},
        ["192.0.2.0/24"],
    ),
}


@pytest.mark.parametrize(("said", "wanted"), OURS.values(), ids=OURS)
def test_networks_that_are_ours(said: dict[str, Any], wanted: list[str]):
    loopback = ["127.0.0.0/8", "::1"]
    assert sorted(own_networks(said, [HUB, {"inventory_hostname": "a"} | said])) == sorted(wanted + loopback)


def test_what_others_say_of_their_peers_is_theirs():
    theirs = {"mail_admin_networks": ["192.0.2.0/24"], "courier_mta_satellites": [{"networks": ["192.0.2.9"]}]}
    assert own_networks({}, [{"inventory_hostname": "a"} | theirs]) == [
        "127.0.0.0/8",
        "::1",
    ]


def asked(name: str, *addresses: str, **more: Any) -> dict[str, Any]:
    """A host that the run has asked."""
    return {"inventory_hostname": name, "ansible_facts": {"all_ipv4_addresses": list(addresses)} | more}


def keeping(**addresses: list[str]) -> dict[str, Any]:
    """What a host keeps, as Ansible reads it."""
    return {"ansible_local": {"courier_mail": {"addresses": addresses}}}


class TestAddressesOfHostsThatARunLeavesOut:
    HOSTS: ClassVar = [asked("a", "192.0.2.1"), {"inventory_hostname": "b", "group_names": ["mail_servers"]}]

    @pytest.fixture
    def warnings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        said: list[str] = []
        monkeypatch.setattr(Display, "warning", lambda _self, message: said.append(message))
        return said

    def test_are_those_that_the_host_has_kept(self, warnings: list[str]):
        me = asked("a", "192.0.2.1", **keeping(b=["192.0.2.7"], gone=["192.0.2.8"]))
        assert own_networks(me, self.HOSTS) == ["127.0.0.0/8", "192.0.2.1", "192.0.2.7", "::1"]
        assert warnings == []

    def test_are_kept_again_and_forgotten_with_the_host(self):
        me = asked("a", "192.0.2.1", **keeping(b=["192.0.2.7"], gone=["192.0.2.8"]))
        assert seen_addresses(me, self.HOSTS) == {"a": ["192.0.2.1"], "b": ["192.0.2.7"]}

    def test_are_what_the_run_sees_where_it_asks(self):
        me = asked("a", "192.0.2.1", **keeping(a=["192.0.2.9"], b=["192.0.2.8"]))
        hosts = [me | {"mail_controller_addresses": ["203.0.113.1"]}, asked("b", "192.0.2.7")]
        assert seen_addresses(me, hosts) == {"a": ["192.0.2.1", "203.0.113.1"], "b": ["192.0.2.7"]}
        assert own_networks(me, hosts) == ["127.0.0.0/8", "192.0.2.1", "192.0.2.7", "203.0.113.1", "::1"]

    def test_are_missed_where_nobody_knows_them(self, warnings: list[str]):
        own_networks(asked("a", "192.0.2.1"), self.HOSTS)
        assert warnings == [
            "The addresses of b are not known to this run, so nothing keeps that host from being banned; "
            "write its mail_addresses, or run once without --limit"
        ]

    @pytest.mark.parametrize(
        "other", [{"group_names": ["workstations"]}, {"mail_addresses": ["192.0.2.7"], "group_names": ["mail_servers"]}]
    )
    def test_are_not_missed_of_others_or_where_said(self, warnings: list[str], other: dict[str, Any]):
        own_networks(asked("a", "192.0.2.1"), [{"inventory_hostname": "b"} | other])
        assert warnings == []

    def test_are_refused_where_somebody_spoilt_them(self):
        with pytest.raises(AnsibleFilterError, match=r"/etc/ansible/facts\.d/courier_mail\.fact .* under b, has 'mx1'"):
            own_networks(asked("a", "192.0.2.1", **keeping(b=["mx1"])), self.HOSTS)

    @pytest.mark.parametrize("spoilt", ["error loading facts as JSON", {"addresses": ["192.0.2.7"]}])
    def test_are_not_known_where_the_file_cannot_be_read(self, warnings: list[str], spoilt: object):
        me = asked("a", "192.0.2.1", ansible_local={"courier_mail": spoilt})
        assert own_networks(me, self.HOSTS) == ["127.0.0.0/8", "192.0.2.1", "::1"]
        assert len(warnings) == 1


NOT_OURS = {
    "a name": (
        {"mail_admin_networks": ["office.example.com"]},
        "mail_admin_networks has 'office.example.com'; "
        "write addresses, or networks such as 192.0.2.0/24 or 2001:db8::/32",
    ),
    "no list": (
        {"mail_admin_networks": "192.0.2.0/24"},
        "mail_admin_networks is '192.0.2.0/24'; write a list of addresses and networks",
    ),
    "host bits": (
        {"mail_admin_networks": ["192.0.2.1/24"]},
        "mail_admin_networks has '192.0.2.1/24'; "
        "that is a host in 192.0.2.0/24; write 192.0.2.0/24, or the address alone",
    ),
    "everybody": (
        {"mail_peers": {"managed": [{"networks": ["::/0"]}]}},
        "mail_peers.managed has '::/0'; nobody has that much for himself; write networks of /16 or narrower",
    ),
}


@pytest.mark.parametrize(("said", "sentence"), NOT_OURS.values(), ids=NOT_OURS)
def test_networks_that_cannot_be_ours(said: dict[str, Any], sentence: str):
    with pytest.raises(AnsibleFilterError) as refusal:
        own_networks(said, [{"inventory_hostname": "a"} | said])
    assert str(refusal.value) == sentence


TARBABY = {"inventory_hostname": "tarbaby.example.com", "mail_addresses": ["192.0.2.26"]}
NO_TARBABY = {
    "where it is": (
        [{"inventory_hostname": "tarbaby.example.com"}], {},
        "tarbaby.example.com is in the group tarbabies, and DNS has to know where it is; write its mail_addresses",
    ),
    "its name": (
        [], {"addresses": ["192.0.2.26"]},
        "mail_tarbaby has addresses and no host; write the name that they have in DNS, tarbaby.example.com",
    ),
    "what is said": ([], {"hots": "a"}, "mail_tarbaby has hots; write some of host, addresses, preference"),
}  # fmt: skip


def test_exchangers_that_take_nothing_are_hosts_and_second_addresses():
    mine = {"host": "tarbaby2.example.com", "addresses": ["192.0.2.27"], "preference": 99}
    assert tarbabies([TARBABY], mine) == [
        {"host": "tarbaby.example.com", "addresses": ["192.0.2.26"], "preference": 99},
        {"host": "tarbaby2.example.com", "addresses": ["192.0.2.27"], "preference": 99},
    ]
    assert tarbabies([TARBABY])[0]["preference"] == 90
    assert tarbabies([], {}) == []


@pytest.mark.parametrize(("hosts", "mine", "what"), NO_TARBABY.values(), ids=NO_TARBABY)
def test_an_exchanger_that_takes_nothing_needs(hosts, mine, what):
    with pytest.raises(AnsibleFilterError) as refusal:
        tarbabies(hosts, mine)
    assert str(refusal.value) == what


def test_port_25_may_be_heard_on_some_addresses():
    assert smtp_port(["192.0.2.25"]) == "127.0.0.1.25,::1.25,192.0.2.25.25"
    with pytest.raises(AnsibleFilterError, match="mail_smtp_addresses has 'x'"):
        smtp_port(["x"])

"""What a peer's class grants it."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.peers import Peer, entries
from plugins.module_utils._courier.smtpaccess import AccessError, parse, render
from plugins.module_utils._courier.terms import Terms

GRANTED = {
    "a server of ours relays, whatever lists and SPF say": (
        Peer("managed", ["192.0.2.7"], "sat1.example.com"),
        "# managed: sat1.example.com\n"
        "192.0.2.7\tallow,RELAYCLIENT,BLOCK,AUTH_REQUIRED=0,BOFHSPFMAILFROM=off,BOFHSPFHELO=off\n",
    ),
    "a sender that we know is not looked up in blacklists, nor refused by SPF": (
        Peer("trusted", ["198.51.100.0/24"], terms=Terms("newsletters", "bob", "2026-12-31")),
        "# trusted: newsletters; owner bob; until 2026-12-31\n"
        "198.51.100\tallow,BLOCK,BOFHSPFMAILFROM=all,BOFHSPFHELO=all,BOFHSPFFROM=off\n",
    ),
    "both addresses of a host": (
        Peer("trusted", ["192.0.2.7", "2001:DB8::7"]),
        "# trusted\n192.0.2.7\tallow,BLOCK,BOFHSPFMAILFROM=all,BOFHSPFHELO=all,BOFHSPFFROM=off\n"
        ":2001:0db8:0000:0000:0000:0000:0000:0007\tallow,BLOCK,BOFHSPFMAILFROM=all,BOFHSPFHELO=all,BOFHSPFFROM=off\n",
    ),
    "networks that SPF names": (
        Peer("trusted", [], "a provider", spf="example.net", by_spf=["192.0.2.0/24"]),
        "# trusted: a provider; by the SPF record of example.net\n"
        "192.0.2\tallow,BLOCK,BOFHSPFMAILFROM=all,BOFHSPFHELO=all,BOFHSPFFROM=off\n",
    ),
    "a host that is not greeted": (Peer("denied", ["203.0.113.0/24"]), "# denied\n203.0.113\tdeny\n"),
    "no PTR record": (
        Peer("broken", ["192.0.2.9"], lift="dnsbl", terms=Terms("listed for years")),
        "# broken: listed for years\n192.0.2.9\tallow,BLOCK\n",
    ),
    "a name in HELO that is none": (
        Peer("broken", ["192.0.2.9"], lift="helo", terms=Terms("why")),
        "# broken: why\n192.0.2.9\tallow,BOFHCHECKHELO=0\n",
    ),
    "a sender's domain that is not in DNS": (
        Peer("broken", ["192.0.2.9"], lift="sender_domain", terms=Terms("why")),
        "# broken: why\n192.0.2.9\tallow,BOFHCHECKDNS=0\n",
    ),
    "forwards without SRS": (
        Peer("broken", ["192.0.2.9"], lift="spf", terms=Terms("why")),
        "# broken: why\n192.0.2.9\tallow,BOFHSPFMAILFROM=off\n",
    ),
    "an author whose SPF fails": (
        Peer("broken", ["192.0.2.9"], lift="spf_from", terms=Terms("why")),
        "# broken: why\n192.0.2.9\tallow,BOFHSPFFROM=off\n",
    ),
    "a name in HELO whose SPF fails": (
        Peer("broken", ["192.0.2.9"], lift="spf_helo", terms=Terms("why")),
        "# broken: why\n192.0.2.9\tallow,BOFHSPFHELO=off\n",
    ),
}
REFUSED = {
    "a host in two classes": (
        [Peer("managed", ["192.0.2.7"], "sat1"), Peer("denied", ["192.0.2.7/32"])],
        "192.0.2.7/32 is in the managed peer sat1 and in the denied peer 192.0.2.7/32; "
        "a host has one class, so keep one of them",
    ),
    "an IPv6 address in two spellings": (
        [Peer("managed", ["2001:db8::7"], "sat1"), Peer("managed", ["2001:DB8:0::7"], "sat2")],
        "2001:DB8:0::7 is in the managed peer sat1 and in the managed peer sat2; "
        "a host has one class, so keep one of them",
    ),
    "a host in two classes, one of which SPF adds to": (
        [Peer("denied", ["192.0.2.7"]), Peer("trusted", ["192.0.2.7"], spf="example.net", by_spf=["192.0.2.8"])],
        "192.0.2.7 is in the denied peer 192.0.2.7 and in the trusted peer example.net; "
        "a host has one class, so keep one of them",
    ),
    "no networks": ([Peer("trusted", [], "x")], "the trusted peer x has no networks; write its addresses or networks"),
    "an SPF record for a server of ours": (
        [Peer("managed", [], spf="example.net")],
        "the managed peer example.net: what an SPF record names belongs to others; only trusted peers can have spf",
    ),
    "an unknown class": (
        [Peer("friendly", ["192.0.2.7"])],
        "a peer cannot be 'friendly'; write one of managed, trusted, broken, denied",
    ),
    "broken, and nobody says how": (
        [Peer("broken", ["192.0.2.7"], terms=Terms("why"))],
        "the broken peer 192.0.2.7: lift names the one check that a broken server does not pass, and only there; "
        "write one of dnsbl, helo, sender_domain, spf, spf_from, spf_helo for a broken one and leave it out elsewhere",
    ),
    "broken, and nobody says why": (
        [Peer("broken", ["192.0.2.7"], lift="spf")],
        "the broken peer 192.0.2.7 has no reason; write what is broken there, or nobody will dare to take it out",
    ),
    "a check that there is not": (
        [Peer("broken", ["192.0.2.7"], lift="dkim", terms=Terms("why"))],
        "the broken peer 192.0.2.7: there is no check 'dkim' to lift; "
        "write one of dnsbl, helo, sender_domain, spf, spf_from, spf_helo",
    ),
}


@pytest.mark.parametrize(("peer", "text"), GRANTED.values(), ids=GRANTED)
def test_grants(peer, text):
    assert render(entries([peer])) == text
    assert len(parse(text)) == len(peer.networks) + len(peer.by_spf)


@pytest.mark.parametrize(("peers", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(peers, sentence):
    with pytest.raises(AccessError) as refusal:
        entries(peers)
    assert str(refusal.value) == sentence


def test_classes_stand_together():
    peers = [Peer("denied", ["192.0.2.1"]), Peer("managed", ["192.0.2.2"]), Peer("denied", ["192.0.2.3"])]
    assert [entry.network for entry in entries(peers)] == ["192.0.2.2", "192.0.2.1", "192.0.2.3"]


def test_a_network_with_host_bits_is_refused():
    with pytest.raises(AccessError, match=r"192\.0\.2\.1/24"):
        entries([Peer("trusted", ["192.0.2.1/24"])])


def test_what_we_named_ourselves_is_not_up_to_spf():
    provider = Peer("trusted", ["192.0.2.3"], spf="example.net", by_spf=["192.0.2.1", "192.0.2.2", "192.0.2.3/32"])
    assert [(entry.network, entry.action) for entry in entries([provider, Peer("denied", ["192.0.2.1"])])] == [
        ("192.0.2.3", "allow"),
        ("192.0.2.2", "allow"),
        ("192.0.2.1", "deny"),
    ]


def test_two_providers_may_share_a_third():
    sharing = [Peer("trusted", [], spf=f"{name}.example.net", by_spf=["192.0.2.1"]) for name in "ab"]
    assert [entry.network for entry in entries(sharing)] == ["192.0.2.1"]

"""Lists of networks that others made."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.denied import List, peers
from plugins.module_utils._courier.peers import Peer, entries
from plugins.module_utils._courier.smtpaccess import AccessError, render
from plugins.module_utils._courier.terms import Terms

REASON = Terms("guess passwords")
BROKEN = Peer("broken", ["203.0.113.9"], "an old one", "helo", terms=Terms("why"))
TAKEN = {
    "comments and empty lines": (
        "# of today\n\n192.0.2.1 # guesses\r\n\t2001:DB8::/48\n",
        ["192.0.2.1", "2001:db8::/48"],
    ),
    "a network twice": ("192.0.2.1\n192.0.2.1/32\n", ["192.0.2.1"]),
    "a network that is denied already": ("198.51.100.0/24\n192.0.2.1\n", ["192.0.2.1"]),
    "a host in such a network": ("198.51.100.7\n", ["198.51.100.7"]),
}
REFUSED = {
    "no network": (
        "192.0.2.1\nlocalhost\n",
        "mail_denied_lists: attackers, line 2: 'localhost' is no network; write an address or a network such as "
        "192.0.2.0/24 or 2001:db8::/32, or '*' for every client",
    ),
    "host bits": (
        "192.0.2.1/24\n",
        "mail_denied_lists: attackers, line 1: 192.0.2.1/24 is an address in a network; "
        "write 192.0.2.0/24, or 192.0.2.1",
    ),
    "a network that holds the controller": (
        "# x\n192.0.2.0/24\n",
        "mail_denied_lists: attackers, line 2: 192.0.2.0/24 holds 192.0.2.77, which is ours; "
        "nobody there could send or log in, so take it out of one of them",
    ),
    "a host among users": (
        "2001:db8:1::5\n",
        "mail_denied_lists: attackers, line 1: 2001:db8:1::5 is in 2001:db8:1::/64, which is ours; "
        "nobody there could send or log in, so take it out of one of them",
    ),
    "a satellite": (
        "203.0.113.21\n",
        "mail_denied_lists: attackers, line 1: 203.0.113.21 is 203.0.113.21, which is the managed peer sat1; "
        "nobody there could send or log in, so take it out of one of them",
    ),
    "a partner": (
        "203.0.113.32/28\n",
        "mail_denied_lists: attackers, line 1: 203.0.113.32/28 holds 203.0.113.40, which is the trusted peer a partner"
        "; nobody there could send or log in, so take it out of one of them",
    ),
    "everybody": (
        "*\n",
        "mail_denied_lists: attackers, line 1: * holds 192.0.2.77, which is ours; "
        "nobody there could send or log in, so take it out of one of them",
    ),
}
KNOWN = [
    Peer("managed", ["203.0.113.21"], "sat1"),
    Peer("trusted", ["203.0.113.40"], "a partner"),
    BROKEN,
    Peer("denied", ["198.51.100.0/24"]),
]
OURS = ["192.0.2.77", "2001:db8:1::/64"]


@pytest.mark.parametrize(("text", "networks"), TAKEN.values(), ids=TAKEN)
def test_takes(text, networks):
    assert peers([List("attackers", text, REASON)], KNOWN, OURS) == [
        Peer("denied", networks, "attackers", terms=REASON)
    ]


@pytest.mark.parametrize(("text", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(text, sentence):
    with pytest.raises(AccessError) as refusal:
        peers([List("attackers", text, REASON)], KNOWN, OURS)
    assert str(refusal.value) == sentence


def test_denied_peers_hold_nobody_of_ours_either():
    with pytest.raises(AccessError, match=r"mail_peers\.denied: 192\.0\.2\.0/24 holds 192\.0\.2\.77, which is ours"):
        peers([], [Peer("denied", ["192.0.2.0/24"])], OURS)


def test_lists_share_networks():
    found = peers([List("one", "192.0.2.1\n192.0.2.2"), List("two", "192.0.2.2\n192.0.2.1")], [])
    assert [(peer.name, peer.networks) for peer in found] == [("one", ["192.0.2.1", "192.0.2.2"])]


def test_is_written_with_its_reason():
    text = render(entries(peers([List("attackers", "192.0.2.1\n192.0.2.8/31", REASON)], [])))
    assert text == "# denied: attackers; guess passwords\n192.0.2.1\tdeny\n192.0.2.8\tdeny\n192.0.2.9\tdeny\n"

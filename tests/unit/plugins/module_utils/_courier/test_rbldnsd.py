from __future__ import annotations

import pytest

from plugins.module_utils._courier.rbldnsd import RbldnsdError, Zones, command, files

WANTED = Zones(
    {"block": "bl.example.com", "allow": "wl.example.com"}, ["127.0.0.1", "::1"], 8053, "mx1.example.com", ""
)


def test_every_zone_has_its_test_points():
    assert list(files(WANTED)) == ["block4", "block6", "allow4", "allow6"]
    text = files(WANTED)["block4"].splitlines()
    assert text[1:4] == [
        "$SOA 300 mx1.example.com postmaster.mx1.example.com 0 3600 600 86400 300",
        "$NS 300 mx1.example.com",
        "$TTL 300",
    ]
    assert text[-1] == "127.0.0.2"
    assert files(WANTED)["allow6"].splitlines()[-1] == "::ffff:7f00:2"


def test_whose_the_zone_is():
    assert " ann-b.example.org " in files(WANTED._replace(contact="ann.b@example.org"))["block4"]


def test_the_command_line():
    said = command(WANTED._replace(zones={"block": "bl.example.com"}), "/srv")
    assert said == [
        *("/usr/sbin/rbldnsd", "-n", "-c", "5", "-w", "/srv", "-b", "127.0.0.1/8053", "-b", "::1/8053"),
        "bl.example.com:ip4set:block4,block4.listed",
        "bl.example.com:ip6trie:block6,block6.listed",
    ]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"zones": {"blok": "bl.example.com"}}, "mail_own_lists: there is no blok; write block or allow"),
        ({"zones": {"block": "bl example"}}, "mail_own_lists.block: 'bl example'"),
        ({"zones": {"block": "bl"}}, "mail_own_lists.block is 'bl'; write a name of yours, such as bl.example.com"),
        ({"zones": {"block": "a.example.com", "allow": "a.example.com"}}, "block and allow are the same zone"),
        ({"addresses": []}, "mail_own_lists.addresses is empty"),
        ({"addresses": ["here"]}, "mail_own_lists.addresses has 'here'; write addresses of this host"),
        ({"port": 0}, "mail_own_lists.port is 0; write a number from 1 to 65535"),
    ],
)
def test_refuses(given, sentence):
    with pytest.raises(RbldnsdError) as refusal:
        files(WANTED._replace(**given))
    assert sentence in str(refusal.value)


def test_nothing_is_nothing():
    assert files(WANTED._replace(zones={})) == {}

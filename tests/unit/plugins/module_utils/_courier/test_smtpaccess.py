from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.smtpaccess import Access, AccessError, parse, render, without

RELAY = {"RELAYCLIENT": None}
V6_LOOPBACK = ":0000:0000:0000:0000:0000:0000:0000:0001"

# What is written is what is read.
LINES = {
    "everybody": ("*\tallow,BOFHCHECKDNS=0\n", [Access("*", "allow", {"BOFHCHECKDNS": "0"})]),
    "an address": ("192.0.2.1\tallow\n", [Access("192.0.2.1")]),
    "three octets": ("192.0.2\tdeny\n", [Access("192.0.2.0/24", "deny")]),
    "two octets": ("198.51\tdeny\n", [Access("198.51.0.0/16", "deny")]),
    "one octet": ("10\tallow,RELAYCLIENT\n", [Access("10.0.0.0/8", "allow", RELAY)]),
    "an address of IPv6": (f"{V6_LOOPBACK}\tallow,RELAYCLIENT\n", [Access("::1", "allow", RELAY)]),
    "whole groups of IPv6": (":2001:0db8\tdeny\n", [Access("2001:db8::/32", "deny")]),
    "variables without a value": (
        "192.0.2.1\tallow,RELAYCLIENT,BLOCK\n",
        [Access("192.0.2.1", "allow", {"RELAYCLIENT": None, "BLOCK": None})],
    ),
    "a bare value": ("192.0.2.1\tallow,AUTH_REQUIRED=0\n", [Access("192.0.2.1", "allow", {"AUTH_REQUIRED": "0"})]),
    "blanks and commas in quotes": (
        '192.0.2.1\tallow,BLOCK="550 5.7.1 Go away, please"\n',
        [Access("192.0.2.1", "allow", {"BLOCK": "550 5.7.1 Go away, please"})],
    ),
    "an apostrophe in quotes": (
        '192.0.2.1\tallow,BLOCK="550 Don\'t"\n',
        [Access("192.0.2.1", "allow", {"BLOCK": "550 Don't"})],
    ),
    "a list of SPF results": (
        '192.0.2.1\tallow,BOFHSPFHELO="pass,none"\n',
        [Access("192.0.2.1", "allow", {"BOFHSPFHELO": "pass,none"})],
    ),
    "a reason": (
        "# no PTR record\n#\n# since May\n192.0.2.1\tallow,BOFHCHECKDNS=0\n",
        [Access("192.0.2.1", "allow", {"BOFHCHECKDNS": "0"}, "no PTR record\n\nsince May")],
    ),
    "a narrower entry beside a wider one": (
        "192.0.2.1\tallow\n192.0.2\tdeny\n",
        [Access("192.0.2.1"), Access("192.0.2.0/24", "deny")],
    ),
    "nothing": ("", []),
}

WRITTEN = {
    "a network between octets": ([Access("192.0.2.0/23")], "192.0.2\tallow\n192.0.3\tallow\n"),
    "a network smaller than an octet": (
        [Access("192.0.2.4/30", comment="four")],
        "# four\n192.0.2.4\tallow\n192.0.2.5\tallow\n192.0.2.6\tallow\n192.0.2.7\tallow\n",
    ),
    "a network between groups of IPv6": (
        [Access("2001:db8:8::/47")],
        ":2001:0db8:0008\tallow\n:2001:0db8:0009\tallow\n",
    ),
    "another spelling": (
        [Access("192.0.2.0/255.255.255.0"), Access("2001:DB8:0:0::1/128")],
        "192.0.2\tallow\n:2001:0db8:0000:0000:0000:0000:0000:0001\tallow\n",
    ),
    "an empty value": ([Access("192.0.2.1", "allow", {"BLOCK": ""})], "192.0.2.1\tallow,BLOCK\n"),
    "the narrower of two gets the keys they share": (
        [Access("192.0.2.0/23"), Access("192.0.2.0/24", "deny")],
        "192.0.3\tallow\n192.0.2\tdeny\n",
    ),
    "whatever their order": (
        [Access("192.0.2.0/24", "deny"), Access("192.0.2.0/23")],
        "192.0.2\tdeny\n192.0.3\tallow\n",
    ),
    "the widest that may relay": (
        [Access("fd00::/16", "allow", RELAY), Access("::1/128", "allow", {"RELAYCLIENT": ""})],
        f":fd00\tallow,RELAYCLIENT\n{V6_LOOPBACK}\tallow,RELAYCLIENT\n",
    ),
}

READ = {
    "what Debian ships": (
        "# Default access policies\n#\n\n127.0.0.1\tallow,RELAYCLIENT\n\n# private\n\n10\tallow,RELAYCLIENT\n",
        [Access("127.0.0.1", "allow", RELAY), Access("10.0.0.0/8", "allow", RELAY)],
    ),
    "networks and ranges that makedat expands": (
        "10.0.0.0/9 deny\n192.0.2.254-192.0.3.1\tdeny\n2001:DB8::/32\tdeny\n",
        [
            Access("10.0.0.0/9", "deny"),
            Access("192.0.2.254/31", "deny"),
            Access("192.0.3.0/31", "deny"),
            Access("2001:db8::/32", "deny"),
        ],
    ),
    "deny has no variables": ("192.0.2.1\tdenyed,BLOCK\n", [Access("192.0.2.1", "deny")]),
    "a second tab allows": ("192.0.2.1\t\tdeny\n", [Access("192.0.2.1", "allow", {"deny": None})]),
    "variables alone allow": ("192.0.2.1\tRELAYCLIENT\n", [Access("192.0.2.1", "allow", RELAY)]),
    "a key alone has the value 1": ("192.0.2.1\n", [Access("192.0.2.1", "allow", {"1": None})]),
    "single quotes": ("192.0.2.1\tallow,A='b,c'd\n", [Access("192.0.2.1", "allow", {"A": "b,cd"})]),
    "a quote that does not end": ('192.0.2.1\tallow,A="b,C\n', [Access("192.0.2.1", "allow", {"A": "b,C"})]),
    "blanks around a variable": (
        '192.0.2.1\tallow, A= b ,B="c "\n',
        [Access("192.0.2.1", "allow", {"A": " b", "B": "c"})],
    ),
    "the last of two variables": ("192.0.2.1\tallow,A=1,A=2,,\n", [Access("192.0.2.1", "allow", {"A": "2"})]),
    "no key": ("\tdeny\n", []),
    "a dot ends the file": (".\n192.0.2.1\tdeny\n", []),
    "a comment of another line": ("# old\n\n192.0.2.1\tdeny\n", [Access("192.0.2.1", "deny")]),
}

REFUSED = {
    "host bits": (
        [Access("192.0.2.1/24")],
        "192.0.2.1/24 is an address in a network; write 192.0.2.0/24, or 192.0.2.1",
    ),
    "host bits of IPv6": (
        [Access("2001:db8::1/64")],
        "2001:db8::1/64 is an address in a network; write 2001:db8::/64, or 2001:db8::1",
    ),
    "a name": (
        [Access("mx.example.com")],
        "'mx.example.com' is no network; "
        "write an address or a network such as 192.0.2.0/24 or 2001:db8::/32, or '*' for every client",
    ),
    "a key of Courier's": (
        [Access("192.0.2")],
        "'192.0.2' is no network; "
        "write an address or a network such as 192.0.2.0/24 or 2001:db8::/32, or '*' for every client",
    ),
    "IPv4 in IPv6": (
        [Access("::ffff:192.0.2.0/120")],
        "::ffff:192.0.2.0/120 never matches, since Courier looks up the IPv4 address in it; write 192.0.2.0/24",
    ),
    "too many lines": ([Access("::/0")], "::/0 takes 65536 lines of smtpaccess; write '*', or ::/1 and 8000::/1"),
    "a network twice": (
        [Access("192.0.2.0/24", "deny"), Access("192.0.2.0/255.255.255.0")],
        "192.0.2.0/24 and 192.0.2.0/255.255.255.0 are the same clients, which can have one entry only; "
        "put all variables into one of them",
    ),
    "everybody twice": (
        [Access("*"), Access("*", "deny")],
        "* and * are the same clients, which can have one entry only; put all variables into one of them",
    ),
    "variables of deny": (
        [Access("192.0.2.1", "deny", {"BLOCK": "550 No", "TARPIT": "0"})],
        "192.0.2.1: deny closes the connection before BLOCK, TARPIT could matter; "
        "remove the variables, or write allow with a BLOCK, which a login lifts",
    ),
    "an unknown variable": (
        [Access("192.0.2.1", "allow", {"RELAY_CLIENT": None})],
        "192.0.2.1: RELAY_CLIENT is nothing that Courier reads; write one of AUTH_REQUIRED, BLOCK, BOFHCHECKDNS, "
        "BOFHCHECKHELO, BOFHNOEXPN, BOFHNOVRFY, BOFHSPFFROM, BOFHSPFHARDERROR, BOFHSPFHELO, BOFHSPFMAILFROM, "
        "BOFHSPFNOVERBOSE, BOFHSPFTRUSTME, ESMTP_TLS_REQUIRED, FAXRELAYCLIENT, MIME, NOADDDATE, NOADDMSGID, "
        "NOADDRREWRITE, RELAYCLIENT, SIZELIMIT, TARPIT",
    ),
    "a suffix for recipients": (
        [Access("192.0.2.1", "allow", {"RELAYCLIENT": "1"})],
        "192.0.2.1: RELAYCLIENT is '1'; write no value, since Courier appends it to every recipient",
    ),
    "a text without a code": (
        [Access("192.0.2.1", "allow", {"BLOCK": "Go away"})],
        "192.0.2.1: BLOCK is 'Go away'; write no value, or a code and a text of printable ASCII without double quotes, "
        "such as 550 5.7.1 Go away",
    ),
    "a double quote": (
        [Access("192.0.2.1", "allow", {"BLOCK": '550 "No"'})],
        "192.0.2.1: BLOCK is '550 \"No\"'; write no value, or a code and a text of printable ASCII without double "
        "quotes, such as 550 5.7.1 Go away",
    ),
    "two lines": (
        [Access("192.0.2.1", "allow", {"BLOCK": "550 No\n*\tallow"})],
        "192.0.2.1: BLOCK is '550 No\\n*\\tallow'; write no value, or a code and a text of printable ASCII without "
        "double quotes, such as 550 5.7.1 Go away",
    ),
    "a word for a switch": (
        [Access("192.0.2.1", "allow", {"AUTH_REQUIRED": "no"})],
        "192.0.2.1: AUTH_REQUIRED is 'no'; write 0 or 1",
    ),
    "a switch without a value": (
        [Access("192.0.2.1", "allow", {"TARPIT": None})],
        "192.0.2.1: TARPIT is ''; write 0 or 1",
    ),
    "no result of SPF": (
        [Access("192.0.2.1", "allow", {"BOFHSPFHARDERROR": "fail,pas"})],
        "192.0.2.1: 'opt BOFHSPFHARDERROR=fail,pas' needs words out of "
        "error, fail, neutral, none, pass, softfail, unknown, joined by commas",
    ),
    "relaying for everybody": (
        [Access("*", "allow", {"RELAYCLIENT": None, "BLOCK": "451 4.7.1 Please try another MX"})],
        "* with RELAYCLIENT is an open relay; "
        "give it to the networks of your own servers, /8 of IPv4 and /16 of IPv6 at most",
    ),
    "relaying for half of IPv4": (
        [Access("0.0.0.0/1", "allow", RELAY)],
        "0.0.0.0/1 with RELAYCLIENT is an open relay; "
        "give it to the networks of your own servers, /8 of IPv4 and /16 of IPv6 at most",
    ),
    "relaying for all of IPv6": (
        [Access("2000::/3", "allow", RELAY)],
        "2000::/3 with RELAYCLIENT is an open relay; "
        "give it to the networks of your own servers, /8 of IPv4 and /16 of IPv6 at most",
    ),
}

NO_CLIENT = (
    " matches no client; write 1 to 4 octets of IPv4 with dots between them, 1 to 8 groups of IPv6 with a colon and "
    "four lower-case digits each, or *"
)
UNREADABLE = {
    "a dot at the end": ("\n192.0.2.\tdeny\n", "line 2: '192.0.2.'" + NO_CLIENT),
    "an octet too large": ("192.0.256\tdeny\n", "line 1: '192.0.256'" + NO_CLIENT),
    "five octets": ("192.0.2.1.25\tdeny\n", "line 1: '192.0.2.1.25'" + NO_CLIENT),
    "a zero in front": ("192.00\tdeny\n", "line 1: '192.00'" + NO_CLIENT),
    "a blank for the tab": ("192.0.2.1 deny\n", "line 1: '192.0.2.1 deny'" + NO_CLIENT),
    "IPv6 as people write it": ("::1\tdeny\n", "line 1: '::1'" + NO_CLIENT),
    "capitals": (":2001:0DB8\tdeny\n", "line 1: ':2001:0DB8'" + NO_CLIENT),
    "a key twice": (
        "192.0.2\tdeny\n192.0.2\tallow\n",
        "line 2: 192.0.2 is there twice, and makesmtpaccess refuses the whole list",
    ),
    "a key twice after makedat expanded it": (
        "10.7\tdeny\n10.0.0.0/9\tallow\n",
        "line 2: 10.7 is there twice, and makesmtpaccess refuses the whole list",
    ),
    "a range from right to left": (
        "192.0.2.2-192.0.2.1\tdeny\n",
        "line 1: '192.0.2.2-192.0.2.1' is neither a network nor a range",
    ),
    "a range from IPv4 to IPv6": (
        "192.0.2.2-2001:db8::1\tdeny\n",
        "line 1: '192.0.2.2-2001:db8::1' is neither a network nor a range",
    ),
}


@pytest.mark.parametrize(("text", "entries"), LINES.values(), ids=LINES)
def test_text_and_entries_say_the_same(text, entries):
    assert render(entries) == text
    assert parse(text) == entries


@pytest.mark.parametrize(("entries", "text"), WRITTEN.values(), ids=WRITTEN)
def test_writes_the_keys_that_courier_looks_up(entries, text):
    assert render(entries) == text


@pytest.mark.parametrize(("text", "entries"), READ.values(), ids=READ)
def test_reads_what_courier_reads(text, entries):
    assert parse(text) == entries


@pytest.mark.parametrize(("entries", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_courier_would_misread(entries, sentence):
    with pytest.raises(AccessError) as refusal:
        render(entries)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("text", "sentence"), UNREADABLE.values(), ids=UNREADABLE)
def test_says_which_line_does_nothing(text, sentence):
    with pytest.raises(AccessError) as refusal:
        parse(text)
    assert str(refusal.value) == sentence


def spelling(network):
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def networks(kind, bits, lengths):
    return st.builds(
        lambda address, length: spelling(kind((address, length), strict=False)),
        st.integers(2 ** (bits - 8), 2**bits - 1),
        st.sampled_from(lengths),
    )


WHOLE_GROUPS = st.one_of(
    st.just("*"),
    networks(ipaddress.IPv4Network, 32, (8, 16, 24, 32)),
    networks(ipaddress.IPv6Network, 128, (16, 48, 64, 128)),
)
VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "BLOCK": st.none() | st.from_regex(r"[45][0-9]{2}[ -][ !#-~]{0,20}[!#-~]", fullmatch=True),
        "BOFHSPFMAILFROM": st.sampled_from(["off", "pass,none", "all"]),
        "SIZELIMIT": st.integers(0, 10**9).map(str),
    },
)
REASON = st.none() | st.from_regex(r"[!-~]( ?[!-~])*(\n[!-~]+)?", fullmatch=True)
ENTRIES = st.lists(
    st.builds(Access, WHOLE_GROUPS, st.just("allow"), VARIABLES, REASON)
    | st.builds(Access, WHOLE_GROUPS, st.just("deny"), st.just({}), REASON),
    unique_by=lambda entry: entry.network,
)


@given(ENTRIES)
def test_nothing_is_lost_on_the_way_to_text_and_back(entries):
    assert parse(render(entries)) == entries


def around(*addresses):
    """Networks that hold one of a few addresses, so that many of them overlap."""
    return st.sampled_from(addresses).map(ipaddress.ip_address).flatmap(networks_of)


def networks_of(address):
    group = 8 if address.version == 4 else 16
    few_lines = [length for length in range(1, address.max_prefixlen + 1) if -length % group < 7]
    return st.sampled_from(few_lines).map(
        lambda length: spelling(ipaddress.ip_network((address, length), strict=False))
    )


@given(
    st.lists(
        around("192.0.2.1", "192.0.2.9", "192.1.0.1", "2001:db8::1", "2001:db8::1:1", "2001:db9::1"),
        min_size=1,
        unique=True,
    ),
    st.data(),
)
def test_a_client_gets_the_narrowest_entry_that_holds_it(texts, data):
    entries = [Access(text, "allow", {"SIZELIMIT": str(number)}) for number, text in enumerate(texts)]
    lines = dict(line.split("\t") for line in render(entries).splitlines())
    wanted = [ipaddress.ip_network(text) for text in texts]
    inside = data.draw(st.sampled_from(wanted))
    client = data.draw(st.integers(int(inside[0]), int(inside[-1])).map(type(inside[0])))
    narrowest = max(
        (network for network in wanted if client in network),
        key=lambda network: network.prefixlen,
    )
    key = str(client) if client.version == 4 else "".join(f":{group}" for group in client.exploded.split(":"))
    while key not in lines:  # as tcpd.c does it
        key = key.rpartition("." if client.version == 4 else ":")[0]
        assert key
    assert lines[key] == f"allow,SIZELIMIT={wanted.index(narrowest)}"


OURS = (
    "# ours\n192.0.2.7\tallow,RELAYCLIENT\n198.51.100\tallow,BLOCK\n:2001:0db8:0001\tdeny\n203.0.113.5\tdeny\n"
    "*\tallow\n"
)
KEPT = {
    "a client of whom we say nothing": ("192.0.2.8\tdeny\n", True),
    "the same client": ("192.0.2.7\tdeny\n", False),
    "a client in our network": ("198.51.100.9\tdeny\n", False),
    "a client in our network of IPv6": (":2001:0db8:0001:0002\tdeny\n", False),
    "a client beside our network": (":2001:0db8:0011:0002\tdeny\n", True),
    "a network with our client": ("203.0.113\tdeny\n", False),
    "a comment": ("# 192.0.2.7\twhy\n", True),
}


@pytest.mark.parametrize(("line", "kept"), KEPT.values(), ids=KEPT)
def test_what_another_list_keeps_beside_ours(line, kept):
    assert without(f"# theirs\n{line}", OURS) == (f"# theirs\n{line}" if kept else "# theirs\n")

"""The networks that pass SPF, by a DNS that is a dictionary, and by another's library."""

from __future__ import annotations

import ipaddress

import pytest
import spf as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from plugins.module_utils._courier.spf import SpfError, expand, lookups, render

HOSTS = {
    ("example.com", "A"): ["192.0.2.1"],
    ("example.com", "AAAA"): ["2001:db8::1"],
    ("example.com", "MX"): ["mx1.example.com", "mx2.example.com"],
    ("mx1.example.com", "A"): ["192.0.2.25"],
    ("mx2.example.com", "A"): ["192.0.2.26"],
    ("mx2.example.com", "AAAA"): ["2001:db8::26"],
    ("v6.example.com", "AAAA"): ["2001:db8:6::1"],
    ("many.example.com", "MX"): [f"mx{n}.example.com" for n in range(11)],
}


def dns(records):
    """A DNS with hosts and some SPF records."""
    world = HOSTS | {(name, "TXT"): [text] if isinstance(text, str) else text for name, text in records.items()}
    return lambda name, kind: world.get((name, kind), [])


EXPANDED = {
    "networks": ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", ["192.0.2.0/24", "2001:db8::/32"]),
    "an address": ("v=spf1 ip4:192.0.2.7 ~all", ["192.0.2.7/32"]),
    "host bits are cut off": ("v=spf1 ip4:192.0.2.7/24 ?all", ["192.0.2.0/24"]),
    "capitals": ("V=SPF1 IP4:192.0.2.7 -ALL", ["192.0.2.7/32"]),
    "nobody": ("v=spf1 -all", []),
    "the domain's own addresses": ("v=spf1 a -all", ["192.0.2.1/32", "2001:db8::1/128"]),
    "another's addresses": ("v=spf1 a:mx2.example.com -all", ["192.0.2.26/32", "2001:db8::26/128"]),
    "the networks of addresses": ("v=spf1 a/24//64 -all", ["192.0.2.0/24", "2001:db8::/64"]),
    "exchangers": ("v=spf1 mx -all", ["192.0.2.25/32", "192.0.2.26/32", "2001:db8::26/128"]),
    "an address of IPv6 only is no empty answer": (
        "v=spf1 a:v6.example.com a:v6.example.com a:v6.example.com -all", ["2001:db8:6::1/128"]
    ),
    "neighbours become one network": ("v=spf1 ip4:192.0.2.0/25 ip4:192.0.2.128/25 -all", ["192.0.2.0/24"]),
    "an address that was refused first": (
        "v=spf1 -ip4:192.0.2.1 ip4:192.0.2.0/30 -all", ["192.0.2.0/32", "192.0.2.2/31"]
    ),
    "another version of IP that was refused first": (
        "v=spf1 -ip6:2001:db8::/32 ip4:192.0.2.0/30 -all", ["192.0.2.0/30"]
    ),
    "what follows all": ("v=spf1 -all ip4:192.0.2.1", []),
    "a modifier that nobody knows": ("v=spf1 exp=why.example.com x=y ip4:192.0.2.1 -all", ["192.0.2.1/32"]),
    "no all": ("v=spf1 ip4:192.0.2.1", ["192.0.2.1/32"]),
}  # fmt: skip
REFUSED = {
    "no record": ({}, "cannot be evaluated, because example.com has no SPF record"),
    "another record": ({"example.com": "v=spf10 -all"}, "cannot be evaluated, because example.com has no SPF record"),
    "two records": (
        {"example.com": ["v=spf1 -all", "v=spf1 a -all"]},
        "cannot be evaluated, because example.com has 2 SPF records, and may have one",
    ),
    "everybody": (
        {"example.com": "v=spf1 +all"},
        "lets everybody send (+all in the record of example.com); trust networks instead",
    ),
    "a circle": (
        {"example.com": "v=spf1 include:a.example -all", "a.example": "v=spf1 redirect=example.com"},
        "goes round in a circle: example.com -> a.example -> example.com",
    ),
    "eleven look-ups": (
        {"example.com": f"v=spf1 {' '.join(f'include:i{n}.example' for n in range(11))} -all"}
        | {f"i{n}.example": "v=spf1 -all" for n in range(11)},
        "takes more than 10 look-ups, include the first too many",
    ),
    "three names that are not there": (
        {"example.com": "v=spf1 a:x.example a:y.example a:z.example -all"},
        "asks for more than 2 names that are not there, z.example the last",
    ),
    "eleven exchangers": (
        {"example.com": "v=spf1 mx:many.example.com -all"},
        "asks for 11 exchangers of many.example.com; RFC 7208 allows 10",
    ),
    "no such include": (
        {"example.com": "v=spf1 include:x.example -all"},
        "cannot be evaluated, because x.example has no SPF record",
    ),
    "no mechanism": (
        {"example.com": "v=spf1 ipv4:192.0.2.1 -all"},
        "has 'ipv4:192.0.2.1' in the record of example.com, which is no mechanism of SPF",
    ),
    "no network": ({"example.com": "v=spf1 ip4:192.0.2 -all"}, "has ip4:192.0.2, which is no network"),
    "IPv6 in ip4": ({"example.com": "v=spf1 ip4:2001:db8::1 -all"}, "has ip4:2001:db8::1, which is no network"),
    "a prefix too long": (
        {"example.com": "v=spf1 a/33 -all"},
        "has '/33' in the record of example.com, which is neither a domain nor a prefix",
    ),
    "refused by what is no list": (
        {"example.com": "v=spf1 -exists:%{i}.bad.example ip4:192.0.2.0/24 -all"},
        "refuses by -exists:%{i}.bad.example in the record of example.com, which is no list of networks",
    ),
}


@pytest.mark.parametrize(("record", "networks"), EXPANDED.values(), ids=EXPANDED)
def test_expands(record, networks):
    assert expand("example.com", dns({"example.com": record})) == (networks, [])


def test_expands_what_others_say():
    records = {
        "example.com": "v=spf1 include:a.example redirect=b.example",
        "a.example": "v=spf1 ip4:192.0.2.1 -ip4:192.0.2.2 -all",
        "b.example": "v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 -all",
    }
    assert expand("example.com", dns(records)).networks == ["192.0.2.1/32", "192.0.2.2/32"]


def test_reports_what_is_no_network():
    record = "v=spf1 exists:%{i}.example.net ptr ip4:192.0.2.1 a:%{d}.example -all"
    assert expand("example.com", dns({"example.com": record})) == (
        ["192.0.2.1/32"],
        ["exists:%{i}.example.net (example.com)", "ptr (example.com)", "a:%{d}.example (example.com)"],
    )


@pytest.mark.parametrize(("records", "what"), REFUSED.values(), ids=REFUSED)
def test_refuses(records, what):
    with pytest.raises(SpfError) as refusal:
        expand("example.com", dns(records))
    assert str(refusal.value) == f"the SPF record of example.com {what}"


QUALIFIERS = st.sampled_from(["", "+", "-", "~", "?"])
NETWORKS = st.builds("ip4:192.0.2.{}/{}".format, st.integers(0, 15), st.integers(26, 32))
TERMS = st.builds(
    "{}{}".format,
    QUALIFIERS,
    NETWORKS | st.sampled_from(["a", "mx", "a/28", "include:one.example", "include:two.example"]),
)
RECORDS = st.lists(TERMS, max_size=5).map(lambda terms: " ".join(["v=spf1", *terms, "-all"]))
LEAVES = st.lists(st.builds("{}{}".format, QUALIFIERS, NETWORKS), max_size=4).map(
    lambda terms: " ".join(["v=spf1", *terms, "-all"])
)


@settings(max_examples=60)
@given(RECORDS, LEAVES, LEAVES)
def test_another_library_lets_the_same_addresses_pass(record, one, two):
    records = {"example.com": record, "one.example": one, "two.example": two}
    ask = dns(records)

    def lookup(name, kind, *_rest, **_more):
        def data(text):
            return (text.encode(),) if kind == "TXT" else (10, text) if kind == "MX" else text

        return [((name, kind), data(text)) for text in ask(name.rstrip(".").lower(), kind)]

    networks = [ipaddress.ip_network(network) for network in expand("example.com", ask).networks]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "DNSLookup", lookup)
        for address in map(str, ipaddress.ip_network("192.0.2.0/27")):
            passes = reference.query(address, "x@example.com", "example.com").check()[0] == "pass"
            assert passes == any(ipaddress.ip_address(address) in network for network in networks), address


COUNTED = {
    "networks take none": ("v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 -all", {}),
    "what asks takes one": (
        "v=spf1 a mx:x.example ptr exists:%{i}.x.example -all",
        {"a": 1, "mx:x.example": 1, "ptr": 1, "exists:%{i}.x.example": 1},
    ),
    "what it names takes its own": (
        "v=spf1 include:two.example redirect=one.example",
        {"include:two.example": 3, "redirect=one.example": 2},
    ),
    "what depends on the message takes one": ("v=spf1 include:%{d}.example -all", {"include:%{d}.example": 1}),
    "an explanation takes none": ("v=spf1 exp=why.example -all", {}),
}


@pytest.mark.parametrize(("record", "found"), COUNTED.values(), ids=COUNTED)
def test_counts_lookups(record, found):
    records = {"one.example": "v=spf1 mx -all", "two.example": "v=spf1 include:one.example -all"}
    assert lookups(record, "example.com", dns(records)) == found


def test_counts_what_is_written_where_nobody_can_be_asked():
    assert lookups("v=spf1 include:two.example -all", "example.com") == {"include:two.example": 1}


def test_counts_no_circle():
    records = {"a.example": "v=spf1 include:b.example -all", "b.example": "v=spf1 include:a.example -all"}
    with pytest.raises(SpfError) as refusal:
        lookups("v=spf1 include:a.example -all", "example.com", dns(records))
    assert str(refusal.value) == (
        "the SPF record of b.example goes round in a circle: example.com -> a.example -> b.example -> a.example"
    )


def test_renders_what_it_expands():
    text = render(["192.0.2.2", "192.0.2.3", "2001:db8::/32", "198.51.100.7"], ["a.example"], "~all")
    assert text == "v=spf1 ip4:192.0.2.2/31 ip4:198.51.100.7 ip6:2001:db8::/32 include:a.example ~all"
    records = {"example.com": text, "a.example": "v=spf1 ip4:203.0.113.1 -all"}
    assert expand("example.com", dns(records)).networks == [
        "192.0.2.2/31", "198.51.100.7/32", "203.0.113.1/32", "2001:db8::/32"
    ]  # fmt: skip

"""The records of a site: a row per rule, and zone text that another's parser reads."""

from __future__ import annotations

import dns.rdatatype
import dns.zone
import pytest
import spf as reference
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.records import (
    Host,
    Record,
    RecordError,
    Site,
    canonical,
    compute,
    rdata,
    tags,
    zone_of,
    zone_text,
)
from plugins.module_utils._courier.spf import SpfError

DOORS = ("smtp", "submission", "smtps", "imaps")
HUB = Host("mx1.example.com", ["192.0.2.25", "2001:db8::25"], ["example.com"], listeners=DOORS)
SMARTHOST = Host("out1.example.com", ["192.0.2.31"], listeners=("smtp",))
SATELLITE = Host("sat1.example.com", ["192.0.2.21"], satellite=True, hub="mx1.example.com")
KEY = {"name": "mx1-20260101-rsa._domainkey.example.com", "text": f"v=DKIM1; k=rsa; p={'A' * 392}", "state": "active"}
CONTACT = "alice@example.com"


def hub(**more):
    return HUB._replace(**more)


def values(hosts, name, kind, **more):
    return [one.value for one in compute(hosts, **more).records if (one.name, one.kind) == (name, kind)]


TARBABY = {"host": "tarbaby.example.com", "addresses": ["192.0.2.26", "2001:db8::26"], "preference": 90}

# Hosts, a name, a type, and what is there.
PUBLISHED = {
    "mail for a domain goes to the host that has it": ([HUB], "example.com", "MX", ["10 mx1.example.com"]),
    "who takes nothing is asked last": (
        [hub(tarbabies=[TARBABY])], "example.com", "MX", ["10 mx1.example.com", "90 tarbaby.example.com"]
    ),
    "who takes nothing is not alone": ([hub(tarbabies=[TARBABY], listeners=())], "example.com", "MX", []),
    "who takes nothing is somewhere": ([hub(tarbabies=[TARBABY])], "tarbaby.example.com", "AAAA", ["2001:db8::26"]),
    "who takes nothing sends nothing": ([hub(tarbabies=[TARBABY])], "tarbaby.example.com", "TXT", ["v=spf1 -all"]),
    "dead domains": (
        [hub(tarbabies=[TARBABY], dead_domains=["old.example"])], "old.example", "MX", ["90 tarbaby.example.com"]
    ),
    "dead domains send nothing": (
        [hub(tarbabies=[TARBABY], dead_domains=["old.example"])], "old.example", "TXT", ["v=spf1 -all"]
    ),
    "no mail to a closed port": ([hub(listeners=())], "example.com", "MX", []),
    "a backup comes second": (
        [HUB, SMARTHOST._replace(backup_domains=["example.com", "partner.example"])],
        "example.com", "MX", ["10 mx1.example.com", "20 out1.example.com"],
    ),
    "the domain of others is theirs": (
        [SMARTHOST._replace(backup_domains=["partner.example"])], "partner.example", "MX", []
    ),
    "another name of a domain": (
        [hub(domain_aliases={"example.org": "example.com"})], "example.org", "MX", ["10 mx1.example.com"]
    ),
    "mail to a satellite goes to its hub": ([HUB, SATELLITE], "sat1.example.com", "MX", ["10 mx1.example.com"]),
    "addresses, IPv4": ([HUB], "mx1.example.com", "A", ["192.0.2.25"]),
    "addresses, IPv6": ([HUB], "mx1.example.com", "AAAA", ["2001:db8::25"]),
    "a satellite may be where nobody sees it": (
        [HUB, SATELLITE._replace(addresses=["10.0.0.1"])], "sat1.example.com", "A", []
    ),
    "addresses have names": ([HUB], "25.2.0.192.in-addr.arpa", "PTR", ["mx1.example.com"]),
    "who sends to nobody needs no name for his address": ([HUB, SATELLITE], "21.2.0.192.in-addr.arpa", "PTR", []),
    "hosts that send": ([HUB, SMARTHOST], "example.com", "TXT", ["v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"]),
    "the hub of a satellite sends as the satellite's domain": (
        [HUB, SMARTHOST, SATELLITE._replace(hub="out1.example.com")],
        "example.com", "TXT", ["v=spf1 ip4:192.0.2.25 ip4:192.0.2.31 ip6:2001:db8::25 -all"],
    ),
    "neighbours are one network": (
        [hub(addresses=["192.0.2.24"]), hub(name="mx2.example.com", addresses=["192.0.2.25"])],
        "example.com", "TXT", ["v=spf1 ip4:192.0.2.24/31 -all"],
    ),
    "others who send": (
        [hub(spf_includes=["spf.example.net"], spf_networks=["198.51.100.0/24"])],
        "example.com", "TXT",
        ["v=spf1 ip4:192.0.2.25 ip4:198.51.100.0/24 ip6:2001:db8::25 include:spf.example.net -all"],
    ),
    "softfail": ([hub(addresses=["192.0.2.25"], spf_default="softfail")], "example.com", "TXT",
                 ["v=spf1 ip4:192.0.2.25 ~all"]),
    "a provider sends": (
        [hub(relays=["smtp.example.net"], spf_includes=["spf.example.net"])],
        "example.com", "TXT", ["v=spf1 include:spf.example.net -all"],
    ),
    "a relay that is ours is no provider": (
        [hub(relays=["out1.example.com"]), SMARTHOST], "example.com", "TXT", ["v=spf1 ip4:192.0.2.31 -all"]
    ),
    "what a host says in HELO": ([HUB], "mx1.example.com", "TXT", ["v=spf1 a -all"]),
    "who sends through a provider sends to ours straight": (
        [hub(addresses=["192.0.2.25"], relays=["smtp.example.net"], spf_includes=["spf.example.net"])],
        "mx1.example.com", "TXT", ["v=spf1 ip4:192.0.2.25 include:spf.example.net -all"],
    ),
    "but not from where nobody sees it": (
        [SATELLITE._replace(addresses=["10.0.0.1"], hub="", relays=["a.example.net"], spf_includes=["s.example.net"])],
        "sat1.example.com", "TXT", ["v=spf1 include:s.example.net -all"],
    ),
    "a satellite's mail comes from its hub": (
        [HUB, SATELLITE], "sat1.example.com", "TXT", ["v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"]
    ),
    "who never sends, SPF": ([hub(silent_domains=["quiet.example"])], "quiet.example", "TXT", ["v=spf1 -all"]),
    "who never sends, DMARC": (
        [hub(silent_domains=["quiet.example"])], "_dmarc.quiet.example", "TXT", ["v=DMARC1; p=reject"]
    ),
    "who never sends, and has no mailboxes": (
        [hub(silent_domains=["quiet.example"])], "quiet.example", "MX", ["0 ."]
    ),
    "who never sends, and has mailboxes": (
        [hub(domains=["example.com", "in.example.com"], silent_domains=["in.example.com"])],
        "in.example.com", "MX", ["10 mx1.example.com"],
    ),
    "DKIM": ([hub(dkim=[KEY])], KEY["name"], "TXT", [KEY["text"]]),
    "DMARC before anything is signed": ([HUB], "_dmarc.example.com", "TXT", ["v=DMARC1; p=none"]),
    "DMARC of what is signed": ([hub(dkim=[KEY])], "_dmarc.example.com", "TXT", ["v=DMARC1; p=quarantine"]),
    "DMARC below what is signed": (
        [hub(dkim=[KEY], domains=["a.example.com"])], "_dmarc.a.example.com", "TXT", ["v=DMARC1; p=quarantine"]
    ),
    "DMARC of what will be signed": (
        [hub(dkim=[KEY | {"state": "next"}])], "_dmarc.example.com", "TXT", ["v=DMARC1; p=none"]
    ),
    "DMARC as the operator has it": (
        [hub(contact=CONTACT, dmarc={"sp": "reject", "p": "reject", "pct": 50})],
        "_dmarc.example.com", "TXT", [f"v=DMARC1; p=reject; sp=reject; pct=50; rua=mailto:{CONTACT}"],
    ),
    "DMARC without reports": ([hub(contact=CONTACT, dmarc={"rua": ""})], "_dmarc.example.com", "TXT",
                              ["v=DMARC1; p=none"]),
    "reports to somebody else need his consent": (
        [hub(contact="a@example.org")], "example.com._report._dmarc.example.org", "TXT", ["v=DMARC1"]
    ),
    "reports within the domain do not": (
        [hub(contact="a@r.example.com")], "example.com._report._dmarc.r.example.com", "TXT", []
    ),
    "the policy of a domain holds below it": ([HUB], "_dmarc.mx1.example.com", "TXT", []),
    "a host elsewhere has its own": (
        [hub(name="mx1.hoster.example")], "_dmarc.mx1.hoster.example", "TXT", ["v=DMARC1; p=none"]
    ),
    "TLS-RPT": ([hub(contact=CONTACT)], "_smtp._tls.example.com", "TXT", [f"v=TLSRPTv1; rua=mailto:{CONTACT}"]),
    "MTA-STS is off": ([HUB], "_mta-sts.example.com", "TXT", []),
    "MTA-STS has its web server": (
        [hub(mta_sts={"mode": "testing", "host": "www.example.com"})],
        "mta-sts.example.com", "CNAME", ["www.example.com"],
    ),
    "submission": ([HUB], "_submission._tcp.example.com", "SRV", ["0 1 587 mx1.example.com"]),
    "submissions": ([HUB], "_submissions._tcp.example.com", "SRV", ["0 1 465 mx1.example.com"]),
    "imaps": ([HUB], "_imaps._tcp.example.com", "SRV", ["0 1 993 mx1.example.com"]),
    "a closed door": ([HUB], "_pop3s._tcp.example.com", "SRV", ["0 0 0 ."]),
    "autoconfig": ([hub(autoconfig="www.example.com")], "autoconfig.example.com", "CNAME", ["www.example.com"]),
    "autodiscover": (
        [hub(autoconfig="www.example.com")], "_autodiscover._tcp.example.com", "SRV", ["0 1 443 www.example.com"]
    ),
    "CAA": ([hub(issuers=["letsencrypt.org"])], "mx1.example.com", "CAA", ['0 issue "letsencrypt.org"']),
    "TLSA": ([hub(dnssec=True, key="ab" * 32)], "_25._tcp.mx1.example.com", "TLSA", [f"3 1 1 {'ab' * 32}"]),
    "no TLSA without DNSSEC": ([hub(key="ab" * 32)], "_25._tcp.mx1.example.com", "TLSA", []),
    "others": (
        [hub(extra=[{"name": "Example.com.", "type": "TXT", "value": "site=x"}])], "example.com", "TXT",
        ["v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all", "site=x"],
    ),
    "names beyond ASCII": ([hub(domains=["bücher.example"])], "xn--bcher-kva.example", "MX", ["10 mx1.example.com"]),
}  # fmt: skip

REFUSED = {
    "no address": (
        [hub(addresses=[])],
        "mx1.example.com has no address that is known; write mail_addresses of this host",
    ),
    "an address of a home": (
        [hub(addresses=["192.168.1.2"])],
        "mx1.example.com has 192.168.1.2, which the world cannot reach; "
        "write the addresses that it is seen with as mail_addresses of this host",
    ),
    "no address at all": ([hub(addresses=["mx1"])], "mx1.example.com: mail_addresses has 'mx1', which is no address"),
    "eleven includes": (
        [hub(spf_includes=[f"i{n}.example" for n in range(11)])],
        "the SPF record of example.com would take 11 look-ups, and receivers make at most 10: "
        + ", ".join(f"include:i{n}.example takes 1" for n in range(11))
        + "; leave one out of mail_spf_includes, or name one in mail_spf_fold to have its networks written",
    ),
    "folding what is not included": (
        [hub(spf_fold=["spf.example.net"])],
        "mx1.example.com: mail_spf_fold has spf.example.net, which is not in mail_spf_includes; add it there",
    ),
    "no network": (
        [hub(spf_networks=["192.0.2.1/24"])],
        "mx1.example.com: mail_spf_networks has '192.0.2.1/24', which is no network: 192.0.2.1/24 has host bits set",
    ),
    "no name to include": (
        [hub(spf_includes=["a b"])],
        "mx1.example.com: mail_spf_includes: 'a b' is empty or holds a blank, and Courier does not trim names",
    ),
    "a dead domain that nobody answers for": (
        [hub(dead_domains=["old.example"])],
        "mail_dead_domains of mx1.example.com has old.example, and there is no exchanger that takes nothing; write "
        "mail_tarbaby, or say in mail_silent_domains that it has none",
    ),
    "a dead domain that lives": (
        [hub(tarbabies=[TARBABY], dead_domains=["example.com"])],
        "mail_dead_domains of mx1.example.com has example.com, which has mailboxes; take it out of one of them",
    ),
    "nothing before something": (
        [hub(tarbabies=[TARBABY | {"preference": 10}])],
        "mx1.example.com: preference of mail_tarbaby is 10; write a number from 21 to 65535, "
        "so that it is asked after all that take mail",
    ),
    "no tag of DMARC": (
        [hub(dmarc={"policy": "reject"})],
        "mx1.example.com: mail_dmarc_policy has 'policy', which DMARC does not know; "
        "write p, sp, np, adkim, aspf, pct, fo, rf, ri, rua, ruf",
    ),
    "no policy of DMARC": (
        [hub(dmarc={"p": "block"})],
        "mx1.example.com: p of mail_dmarc_policy is 'block'; it must match none|quarantine|reject",
    ),
    "no address for reports": (
        [hub(dmarc={"rua": "alice@example.com"})],
        "mx1.example.com: rua of mail_dmarc_policy is 'alice@example.com'; "
        "write mailto:user@example.com, with commas between several",
    ),
    "no mode of MTA-STS": (
        [hub(mta_sts={"mode": "strict", "host": "www.example.com"})],
        "mx1.example.com: mode of mail_mta_sts is 'strict'; write one of none, testing, enforce",
    ),
    "a policy that nobody shows": (
        [hub(mta_sts={"mode": "testing"})],
        "mx1.example.com: mail_mta_sts has no host; write the name of the web server that shows the policy, "
        "since senders heed no policy that they cannot read",
    ),
    "a policy for an hour": (
        [hub(mta_sts={"mode": "testing", "host": "www.example.com", "max_age": 3600})],
        "mx1.example.com: max_age of mail_mta_sts is 3600; write seconds, from 86400 (a day) to 31557600 (a year)",
    ),
    "a policy that keeps all mail away": (
        [hub(mta_sts={"mode": "enforce", "host": "www.example.com"}, trusted=False)],
        "mail_mta_sts of example.com is enforce, and the certificate of mx1.example.com is signed by nobody whom the "
        "world trusts, so that no mail would come; get one (certificates_source), or write testing",
    ),
    "no certificate for TLSA": (
        [hub(dnssec=True)],
        "mx1.example.com has no certificate whose key TLSA could name; run the playbook site first",
    ),
    "a key without a selector": (
        [hub(dkim=[KEY | {"name": "_domainkey.example.com"}])],
        "'_domainkey.example.com' is no name of a DKIM key; write SELECTOR._domainkey.DOMAIN",
    ),
    "no value of its type": (
        [hub(extra=[{"name": "example.com", "type": "MX", "value": "mx9.example.com"}])],
        "dns_extra of mx1.example.com: 'mx9.example.com' is not what MX wants; write it like 10 mx1.example.com",
    ),
    "a second record of SPF": (
        [hub(extra=[{"name": "example.com", "type": "TXT", "value": "v=spf1 mx -all"}])],
        "dns_extra of mx1.example.com: example.com would have two records that begin with v=spf1, and receivers would "
        "heed none; write what it says as mail_spf_includes or mail_spf_networks",
    ),
    "another name that has more": (
        [hub(extra=[{"name": "example.com", "type": "CNAME", "value": "www.example.com"}])],
        "example.com is another name of a host (CNAME) and has MX, TXT too, which DNS does not allow; keep one of them",
    ),
}


@pytest.mark.parametrize(("hosts", "name", "kind", "there"), PUBLISHED.values(), ids=PUBLISHED)
def test_publishes(hosts, name, kind, there):
    assert values(hosts, name, kind) == there


@pytest.mark.parametrize(("hosts", "what"), REFUSED.values(), ids=REFUSED)
def test_refuses(hosts, what):
    with pytest.raises((RecordError, SpfError)) as refusal:
        compute(hosts)
    assert str(refusal.value) == what


def test_refuses_nothing_that_a_host_has_not_been_asked_for():
    hosts = [hub(addresses=[], dnssec=True), hub(name="mx2.example.com", addresses=["10.0.0.1"])]
    assert compute(hosts, complete=False).records


def test_warns_of_a_provider_that_no_record_names():
    assert compute([hub(relays=["smtp.example.net"])]).warnings == [
        "mx1.example.com sends through smtp.example.net, and no SPF record says so; "
        "write the name that the provider tells to include as mail_spf_includes of this host"
    ]


def test_says_who_sends():
    site = compute([hub(dkim=[KEY]), SMARTHOST, SATELLITE])
    assert site.senders == [
        ("mx1.example.com", ["192.0.2.25", "2001:db8::25"], ["example.com"], [KEY["name"]]),
        ("out1.example.com", ["192.0.2.31"], [], [KEY["name"]]),
    ]


class TestOthersSpf:
    DNS = {  # noqa: RUF012
        "spf.example.net": ["v=spf1 include:a.example.net include:b.example.net -all"],
        "a.example.net": ["v=spf1 ip4:198.51.100.0/25 -all"],
        "b.example.net": ["v=spf1 ip4:198.51.100.128/25 a -all"],
        "many.example": [f"v=spf1 {' '.join(f'a:h{n}.example' for n in range(9))} -all"],
    }

    def ask(self, name, kind):
        return self.DNS.get(name, []) if kind == "TXT" else ["203.0.113.9"] if kind == "A" else []

    def test_is_counted_with_all_that_it_includes(self):
        with pytest.raises(SpfError) as refusal:
            compute([hub(spf_includes=["spf.example.net", "many.example"])], ask=self.ask)
        assert str(refusal.value) == (
            "the SPF record of example.com would take 14 look-ups, and receivers make at most 10: "
            "include:many.example takes 10, include:spf.example.net takes 4; leave one out of mail_spf_includes, "
            "or name one in mail_spf_fold to have its networks written"
        )

    def test_is_folded_into_ours(self):
        host = hub(spf_includes=["spf.example.net", "many.example"], spf_fold=["spf.example.net"])
        assert values([host], "example.com", "TXT", ask=self.ask) == [
            "v=spf1 ip4:192.0.2.25 ip4:198.51.100.0/24 ip4:203.0.113.9 ip6:2001:db8::25 include:many.example -all"
        ]

    def test_must_be_there(self):
        with pytest.raises(SpfError, match=r"names that of gone\.example, which has none; leave gone\.example out"):
            compute([hub(spf_includes=["gone.example"])], ask=self.ask)

    def test_ours_is_what_another_library_lets_pass(self, monkeypatch):
        host = hub(spf_includes=["spf.example.net"], spf_networks=["203.0.113.64/26"])
        (ours,) = values([host], "example.com", "TXT", ask=self.ask)

        def lookup(name, kind, *_rest, **_more):
            found = [ours] if (name, kind) == ("example.com", "TXT") else self.ask(name.rstrip(".").lower(), kind)
            return [((name, kind), (text.encode(),) if kind == "TXT" else text) for text in found]

        monkeypatch.setattr(reference, "DNSLookup", lookup)
        answers = {
            address: reference.query(address, "x@example.com", "example.com").check()[0]
            for address in ("192.0.2.25", "2001:db8::25", "198.51.100.200", "203.0.113.65", "203.0.113.9", "192.0.2.26")
        }
        assert list(answers.values()) == ["pass"] * 5 + ["fail"]


class TestPolicyOfMtaSts:
    def policy(self, **more):
        site = compute([hub(mta_sts={"mode": "testing", "host": "www.example.com"} | more)])
        (text,) = [record.value for record in site.records if record.name == "_mta-sts.example.com"]
        return site.policies["https://mta-sts.example.com/.well-known/mta-sts.txt"], tags(text)["id"]

    def test_names_the_exchangers(self):
        assert self.policy()[0] == "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmax_age: 604800\r\n"

    def test_has_another_id_only_when_it_is_another(self):
        assert self.policy() == self.policy(host="other.example.com")
        assert self.policy()[1] != self.policy(mode="enforce")[1]
        assert self.policy()[1] != self.policy(max_age=86400)[1]
        assert self.policy()[1].isalnum()


class TestZones:
    def test_are_those_of_domains_and_hosts(self):
        site = compute([hub(domains=["example.com", "a.example.com", "example.org"]), hub(name="mx.hoster.example")])
        assert site.zones == ["example.com", "example.org", "hoster.example"]

    def test_are_those_that_the_operator_has(self):
        assert compute([HUB], ["example.com", "2.0.192.in-addr.arpa"]).zones == ["2.0.192.in-addr.arpa", "example.com"]

    def test_the_nearest_has_a_name(self):
        assert zone_of("x.a.example.com", ["example.com", "a.example.com"]) == "a.example.com"
        assert zone_of("badexample.com", ["example.com"]) == ""


def read(text, zones):
    """Zone text as dnspython reads it, in the form that records have here."""
    found = []
    for origin in zones:
        zone = dns.zone.from_text(text, origin, relativize=False, check_origin=False)
        for name, _ttl, one in zone.iterate_rdatas():
            kind = dns.rdatatype.to_text(one.rdtype)
            value = b"".join(one.strings).decode() if kind == "TXT" else canonical(kind, one.to_text())
            found.append(Record(name.to_text(omit_final_dot=True), kind, value))
    return sorted(found)


def test_another_library_reads_the_zone_text():
    everything = hub(
        dkim=[KEY],
        contact=CONTACT,
        mta_sts={"mode": "testing", "host": "www.example.com"},
        autoconfig="www.example.com",
        silent_domains=["quiet.example"],
        issuers=["letsencrypt.org"],
        dnssec=True,
        key="ab" * 32,
    )
    site = compute([everything, SMARTHOST, SATELLITE], ["example.com", "2.0.192.in-addr.arpa", "quiet.example"])
    inside = sorted(record for record in site.records if zone_of(record.name, site.zones))
    assert read(zone_text(site), site.zones) == inside
    assert {record.kind for record in inside} == {"A", "AAAA", "CAA", "CNAME", "MX", "PTR", "SRV", "TLSA", "TXT"}


def test_what_is_in_zones_of_others_is_a_comment():
    text = zone_text(compute([HUB]))
    assert "; 25.2.0.192.in-addr.arpa. IN PTR mx1.example.com.\n" in text
    assert all(line.startswith(";") for line in text.splitlines() if "arpa" in line)


@given(st.text(max_size=600).filter(lambda text: "\x00" not in text))
def test_any_text_survives_the_zone(text):
    site = Site([Record("example.com", "TXT", text)], ["example.com"], {}, [], [])
    assert read(zone_text(site), site.zones) == site.records


def test_a_long_text_is_cut_at_255():
    assert rdata("TXT", "a" * 256) == f'"{"a" * 255}" "a"'


CANONICAL = {
    "A": ("192.0.2.1", "192.0.2.1"),
    "AAAA": ("2001:DB8:0::1", "2001:db8::1"),
    "MX": ("10  MX1.Example.com.", "10 mx1.example.com"),
    "SRV": ("0 0 0 .", "0 0 0 ."),
    "CNAME": ("WWW.example.com.", "www.example.com"),
    "CAA": ("0 ISSUE letsencrypt.org", '0 issue "letsencrypt.org"'),
    "TLSA": ("3 1 1 ABCD EF01", "3 1 1 abcdef01"),
    "TXT": ('a "b"', 'a "b"'),
}


@pytest.mark.parametrize("kind", CANONICAL)
def test_one_spelling(kind):
    assert canonical(kind, CANONICAL[kind][0]) == CANONICAL[kind][1]
    assert canonical(kind, CANONICAL[kind][1]) == CANONICAL[kind][1]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("A", "2001:db8::1"),
        ("AAAA", "192.0.2.1"),
        ("MX", "mx1"),
        ("SRV", "1 587 mx1"),
        ("TLSA", "3 1 1 xyz"),
        ("NS", "a"),
    ],
)
def test_no_spelling(kind, value):
    with pytest.raises(RecordError):
        canonical(kind, value)

"""What is published beside what is wanted, by a DNS that is a dictionary."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.published import Finding, NoAnswer, compare, sender_rules, update_text
from plugins.module_utils._courier.records import Host, Record, compute

KEY = {"name": "mx1-20260101-rsa._domainkey.example.com", "text": "v=DKIM1; k=rsa; p=AAAA", "state": "active"}
HOST = Host(
    "mx1.example.com",
    ["192.0.2.25", "2001:db8::25"],
    ["example.com"],
    listeners=("smtp", "submission", "smtps", "imaps"),
    contact="alice@example.com",
    dkim=[KEY],
    mta_sts={"mode": "testing", "host": "www.example.com"},
    autoconfig="www.example.com",
    silent_domains=["quiet.example"],
    issuers=["letsencrypt.org"],
    dnssec=True,
    key="ab" * 32,
)
SITE = compute([HOST])
WEB = {("www.example.com", "A"): ["192.0.2.80"]}
SPF = "v=spf1 ip4:192.0.2.25 ip6:2001:db8::25 -all"


def published(records=SITE.records, **changed):
    """A DNS that has records, and other values at some names: `published(**{"example.com MX": [...]})`."""
    world = dict(WEB)
    for one in records:
        world.setdefault((one.name, one.kind), []).append(one.value)
    world |= {tuple(where.split()): value for where, value in changed.items()}

    def ask(name, kind):
        found = world.get((name, kind), [])
        if isinstance(found, Exception):
            raise found
        return list(found)

    return ask


def wrong(ask, records=SITE.records, absent=()):
    return [finding for finding in compare(records, ask, absent) if finding.state != "ok"]


def test_all_is_well():
    assert wrong(published()) == []


@pytest.mark.parametrize("record", SITE.records, ids=lambda one: f"{one.kind} {one.name}")
def test_each_record_is_missed(record):
    (finding,) = wrong(published([one for one in SITE.records if one != record]))
    assert (finding.name, finding.state, list(finding.add)) == (record.name, "missing", [record.value])
    assert finding.said.startswith(f"add {record.name} {record.kind} {record.value}; without it ")


# What is published, and what is said of it; nothing where it is as good.
FOUND = {
    "written otherwise": ("example.com MX", ["10 MX1.Example.COM."], None),
    "an exchanger of somebody": (
        "example.com MX", ["10 mx1.example.com.", "20 mx.example.net."],
        ("extra", "remove 20 mx.example.net from example.com: "
         "that is no host of ours for this domain, and gets its mail"),
    ),
    "another priority": (
        "example.com MX", ["5 mx1.example.com."],
        ("different", "replace 5 mx1.example.com by example.com MX 10 mx1.example.com; "
         "as it is, its mail goes elsewhere, or nowhere"),
    ),
    "an old address": (
        "mx1.example.com A", ["192.0.2.25", "192.0.2.99"],
        ("extra", "remove 192.0.2.99 from mx1.example.com: "
         "the host does not have this address, as far as the inventory knows (mail_addresses)"),
    ),
    "texts of others": ("example.com TXT", ["site=1", SPF], None),
    "the same senders": ("example.com TXT", ["v=spf1 mx -all"], None),
    "fewer senders": (
        "example.com TXT", ["v=spf1 ip4:192.0.2.25 -all"],
        ("different", f"replace v=spf1 ip4:192.0.2.25 -all by example.com TXT {SPF}; "
         "as it is, receivers cannot tell its mail from forged mail"),
    ),
    "the same senders, and everybody perhaps": (
        "example.com TXT", ["v=spf1 mx ~all"],
        ("different", f"replace v=spf1 mx ~all by example.com TXT {SPF}; "
         "as it is, receivers cannot tell its mail from forged mail"),
    ),
    "two records of SPF": (
        "example.com TXT", [SPF, "v=spf1 a:www.example.com -all"],
        ("extra", "remove v=spf1 a:www.example.com -all from example.com: with two SPF records receivers heed none"),
    ),
    "two records of SPF that say the same": (
        "example.com TXT", [SPF, "v=spf1 mx -all"],
        ("extra", "remove v=spf1 mx -all from example.com: with two SPF records receivers heed none"),
    ),
    "another name for no SPF": (
        "quiet.example TXT", ["site=1"],
        ("missing", "add quiet.example TXT v=spf1 -all; without it receivers cannot tell its mail from forged mail"),
    ),
    "the same key in other words": (f"{KEY['name']} TXT", ["v=DKIM1;p=AA AA"], None),
    "another key": (
        f"{KEY['name']} TXT", ["v=DKIM1; k=rsa; p=BBBB"],
        ("different", f"replace v=DKIM1; k=rsa; p=BBBB by {KEY['name']} TXT {KEY['text']}; "
         "as it is, what is signed with this key does not verify"),
    ),
    "a key of another kind": (
        f"{KEY['name']} TXT", ["v=DKIM1; k=ed25519; p=AAAA"],
        ("different", f"replace v=DKIM1; k=ed25519; p=AAAA by {KEY['name']} TXT {KEY['text']}; "
         "as it is, what is signed with this key does not verify"),
    ),
    "a key that was withdrawn": (
        f"{KEY['name']} TXT", ["v=DKIM1; p="],
        ("different", f"replace v=DKIM1; p= by {KEY['name']} TXT {KEY['text']}; "
         "as it is, what is signed with this key does not verify"),
    ),
    "DMARC with its defaults": (
        "_dmarc.example.com TXT", ["v=DMARC1;p=Quarantine;adkim=r;rua=mailto:alice@example.com;"], None
    ),
    "a weaker DMARC": (
        "_dmarc.example.com TXT", ["v=DMARC1; p=none; rua=mailto:alice@example.com"],
        ("different", "replace v=DMARC1; p=none; rua=mailto:alice@example.com by _dmarc.example.com TXT "
         "v=DMARC1; p=quarantine; rua=mailto:alice@example.com; as it is, whoever forges it is not refused"),
    ),
    "two policies of DMARC": (
        "_dmarc.example.com TXT",
        ["v=DMARC1; p=none", "v=DMARC1; p=quarantine; rua=mailto:alice@example.com"],
        ("extra", "remove v=DMARC1; p=none from _dmarc.example.com: with two DMARC records receivers heed none"),
    ),
    "an address instead of another name": ("mta-sts.example.com A", ["192.0.2.80"], None),
    "another name of the address": ("25.2.0.192.in-addr.arpa PTR", ["mx1.example.com.", "old.example.com."], None),
    "another name only": (
        "25.2.0.192.in-addr.arpa PTR", ["host-25.example.net."],
        ("different", "replace host-25.example.net by 25.2.0.192.in-addr.arpa PTR mx1.example.com; as it is, "
         "large receivers refuse what it sends; whoever gave you the address can set it"),
    ),
    "the next certificate": ("_25._tcp.mx1.example.com TLSA", [f"3 1 1 {'AB' * 32}", f"3 1 1 {'cd' * 32}"], None),
    "the last certificate": (
        "_25._tcp.mx1.example.com TLSA", [f"3 1 1 {'cd' * 32}"],
        ("different", f"replace 3 1 1 {'cd' * 32} by _25._tcp.mx1.example.com TLSA 3 1 1 {'ab' * 32}; "
         "as it is, who asks for it cannot know our certificate"),
    ),
    "a second authority": (
        "mx1.example.com CAA", ['0 issue "letsencrypt.org"', '0 issue "example.net"'],
        ("extra", 'remove 0 issue "example.net" from mx1.example.com: this authority may sign certificates too'),
    ),
    "a door that is closed by now": (
        "_pop3s._tcp.example.com SRV", ["0 1 995 mx1.example.com."],
        ("different", "replace 0 1 995 mx1.example.com by _pop3s._tcp.example.com SRV 0 0 0 .; "
         "as it is, mail programs do not find the server by themselves"),
    ),
    "no answer": (
        "example.com MX", NoAnswer("DNS has no answer for MX of example.com: SERVFAIL"),
        ("unanswered", "DNS has no answer for MX of example.com: SERVFAIL; nothing is known of it"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("where", "there", "what"), FOUND.values(), ids=FOUND)
def test_compares(where, there, what):
    changes = {where: there}
    if "mta-sts.example.com A" in changes:
        changes["mta-sts.example.com CNAME"] = []
    found = [(finding.state, finding.said) for finding in wrong(published(**changes))]
    assert found == ([what] if what else [])


def test_old_keys_shall_go():
    old = "mx1-20250101-rsa._domainkey.example.com"
    assert wrong(published(), absent=[old]) == []
    (finding,) = wrong(published(**{f"{old} TXT": ["v=DKIM1; p=CCCC"]}), absent=[old])
    assert finding.said == f"remove v=DKIM1; p=CCCC from {old}: nothing is signed with this key any more"
    (finding,) = wrong(published(**{f"{old} TXT": NoAnswer("silence")}), absent=[old])
    assert finding.state == "unanswered"


def test_other_records_may_have_company():
    record = Record("example.com", "TXT", "site=1")
    assert wrong(published([record, Record("example.com", "TXT", "site=2")]), [record]) == []
    assert [finding.state for finding in wrong(published([]), [record])] == ["missing"]


class TestUpdate:
    def text(self, ask):
        return update_text(compare(SITE.records, ask), ["example.com"])

    def test_is_empty_where_all_is_well(self):
        assert self.text(published()) == ""
        assert update_text(compare(SITE.records, published()), ["example.com"], "192.0.2.53") == ""

    def test_adds_what_is_missing(self):
        assert self.text(published(**{"example.com MX": []})) == (
            "zone example.com.\nupdate add example.com. 3600 MX 10 mx1.example.com.\nsend\n"
        )

    def test_leaves_the_texts_of_others(self):
        assert self.text(published(**{"example.com TXT": ["site=1", "v=spf1 -all"]})) == (
            'zone example.com.\nupdate delete example.com. TXT "v=spf1 -all"\n'
            f'update add example.com. 3600 TXT "{SPF}"\nsend\n'
        )

    def test_replaces_a_key_whole(self):
        assert self.text(published(**{f"{KEY['name']} TXT": ["v=DKIM1; p=BBBB"]})) == (
            f"zone example.com.\nupdate delete {KEY['name']}. TXT\n"
            f'update add {KEY["name"]}. 3600 TXT "{KEY["text"]}"\nsend\n'
        )

    def test_keeps_the_right_one_of_two(self):
        right = "v=DMARC1; p=quarantine; rua=mailto:alice@example.com"
        assert self.text(published(**{"_dmarc.example.com TXT": ["v=DMARC1; p=none", right]})) == (
            "zone example.com.\nupdate delete _dmarc.example.com. TXT\n"
            f'update add _dmarc.example.com. 3600 TXT "{right}"\nsend\n'
        )

    def test_touches_no_zone_of_others_and_nothing_without_an_answer(self):
        ask = published(**{"25.2.0.192.in-addr.arpa PTR": [], "example.com MX": NoAnswer("silence")})
        assert self.text(ask) == ""

    def test_names_the_server(self):
        found = compare(SITE.records, published(**{"example.com MX": []}))
        assert update_text(found, ["example.com"], "192.0.2.53").startswith("server 192.0.2.53\nzone example.com.\n")


# What is changed, and which rules are broken by that, with what is said.
RULES = {
    "all is well": ({}, {}),
    "no name of an address": (
        {"25.2.0.192.in-addr.arpa PTR": []},
        {"ptr": ("192.0.2.25 has no name", "have the owner of the address set PTR mx1.example.com for 192.0.2.25")},
    ),
    "a name that does not lead back": (
        {"25.2.0.192.in-addr.arpa PTR": ["h25.example.net."]},
        {"ptr": ("192.0.2.25 is called h25.example.net, which does not have it",
                 "publish h25.example.net A 192.0.2.25")},
    ),
    "a name that is not ours": (
        {"25.2.0.192.in-addr.arpa PTR": ["h25.example.net."], "h25.example.net A": ["192.0.2.25"]},
        {"ptr": ("192.0.2.25 is called h25.example.net, and says mx1.example.com",
                 "have the owner of the address set PTR mx1.example.com for 192.0.2.25")},
    ),
    "a sender that SPF does not name": (
        {"example.com TXT": ["v=spf1 ip4:192.0.2.25 -all"]},
        {"spf": ("2001:db8::25 does not pass", "publish the record that the playbook dns has for example.com")},
    ),
    "no SPF": (
        {"example.com TXT": []},
        {"spf": ("the SPF record of example.com cannot be evaluated, because example.com has no SPF record",
                 "publish the record that the playbook dns has for example.com")},
    ),
    "a HELO that does not pass": (
        {"mx1.example.com TXT": ["v=spf1 -all"]},
        {"spf-helo": ("192.0.2.25 does not pass", "publish the record that the playbook dns has for mx1.example.com")},
    ),
    "another key": (
        {f"{KEY['name']} TXT": ["v=DKIM1; p=BBBB"]},
        {"dkim": (f"{KEY['name']} does not have the key that signs", f"publish {KEY['name']} TXT {KEY['text']}")},
    ),
    "no DMARC": (
        {"_dmarc.example.com TXT": []},
        {"dmarc": ("example.com has no DMARC record",
                   "publish the one record that the playbook dns has for _dmarc.example.com")},
    ),
    "DNS is silent": (
        {"example.com TXT": NoAnswer("DNS has no answer for TXT of example.com: timeout")},
        {"spf": ("DNS has no answer for TXT of example.com: timeout", "have the resolver answer, and ask again")},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "broken"), RULES.values(), ids=RULES)
def test_rules_of_receivers(changed, broken):
    rules = sender_rules(SITE.senders, SITE.records, published(**changed))
    assert {rule.id: (rule.evidence, rule.fix) for rule in rules if not rule.ok} == broken
    assert {rule.id for rule in rules} == {"ptr", "spf-helo", "spf", "dkim", "dmarc"}
    assert {rule.host for rule in rules} == {"mx1.example.com"}


def test_without_a_signature_nothing_is_aligned():
    site = compute([HOST._replace(dkim=[])])
    rules = {rule.id: rule for rule in sender_rules(site.senders, site.records, published(site.records))}
    assert rules["dkim"].evidence == "nothing signs for example.com"
    assert rules["dmarc"].evidence == "p=none at _dmarc.example.com, and no signature is aligned with example.com"


def test_a_strict_policy_wants_the_very_domain():
    site = compute([HOST._replace(domains=["a.example.com"], dmarc={"adkim": "s"})])
    (rule,) = [one for one in sender_rules(site.senders, site.records, published(site.records)) if one.id == "dmarc"]
    assert (rule.ok, rule.fix) == (False, "have a.example.com signed, or write adkim r in mail_dmarc_policy")


def test_a_finding_says_all_that_programs_want():
    assert Finding._fields[:6] == ("name", "kind", "state", "wanted", "published", "said")

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.bofh import (
    BofhError,
    parse,
    policy_notices,
    policy_rules,
    refuse_for_own,
    render,
    spf_rules,
)
from plugins.module_utils._courier.terms import TermsError

ACCEPTED = {
    "a sender": "badfrom user@example.com",
    "senders of a domain": "badfrom @example.com",
    "senders of every subdomain": "badfrom @.example.com",
    "one name in every subdomain": "badfrom user@.example.com",
    "a trap": "spamtrap trap@example.com",
    "an exchanger": "badmx 192.0.2.25",
    "an exchanger on IPv6": "badmx 2001:db8::25",
    "freemail from its own servers": "freemail example.com",
    "freemail from others too": "freemail example.com example.net example.org",
    "a soft limit": "maxrcpts 20",
    "a hard limit": "maxrcpts 20 hard",
    "an option": "opt BOFHCHECKHELO=1",
    "SPF results": "opt BOFHSPFFROM=pass,none,mailfromok",
    "environment for filters": "opt MIME=none",
}

READ = {
    "keywords in any case": ("BadFrom @example.com\n", ["badfrom @example.com"]),
    "blanks, tabs and CR": ("\tmaxrcpts  20\thard \r\n", ["maxrcpts 20 hard"]),
    "comments and empty lines": ("# why\n\nbadfrom @example.com # because\n", ["badfrom @example.com"]),
    "the first address only": ("badfrom a@example.com b@example.com\n", ["badfrom a@example.com"]),
    "unknown rules pass": ("badto @example.com\nbadfrom\n", []),
    "no newline at the end": ("opt A=1 B=2", ["opt A=1"]),
}

REFUSED = {
    "two lines in one": (
        ["badmx 192.0.2.1\nbadmx"],
        "'badmx 192.0.2.1\\nbadmx' is more than one line to Courier; write lines of at most 8190 bytes",
    ),
    "a comment without a blank": (
        ["badfrom a#b@example.com"],
        "'badfrom a#b@example.com' ends at its #; put a blank in front of a comment",
    ),
    "a misspelt rule": (["maxrcpt 20"], "'maxrcpt 20' is no rule of Courier's; write maxrcpts"),
    "a rule of another make": (
        ["whitelist example.com"],
        "'whitelist example.com' is no rule of Courier's; "
        "write badfrom or badmx or freemail or maxrcpts or opt or spamtrap",
    ),
    "two addresses": (
        ["badfrom a@example.com b@example.com"],
        "'badfrom a@example.com b@example.com' needs one address, "
        "such as user@example.com, @example.com or @.example.com",
    ),
    "a domain for an address": (
        ["spamtrap example.com"],
        "'spamtrap example.com' needs one address, such as user@example.com, @example.com or @.example.com",
    ),
    "a name for an exchanger": (
        ["badmx mx.example.com"],
        "'badmx mx.example.com' needs one IP address, such as badmx 192.0.2.25",
    ),
    "a long IPv6 address": (
        ["badmx 2001:DB8:0:0::25"],
        "'badmx 2001:DB8:0:0::25' never matches; write badmx 2001:db8::25",
    ),
    "a mapped IPv4 address": (
        ["badmx ::ffff:192.0.2.25"],
        "'badmx ::ffff:192.0.2.25' never matches; write badmx 192.0.2.25",
    ),
    "a freemail wildcard": (
        ["freemail .example.com"],
        "'freemail .example.com' needs domains without a dot in front, such as freemail example.com mx.example.net",
    ),
    "no limit": (["maxrcpts 0"], "'maxrcpts 0' needs a number, and hard or nothing after it, such as maxrcpts 20 hard"),
    "a misspelt hard": (
        ["maxrcpts 20 hrad"],
        "'maxrcpts 20 hrad' needs a number, and hard or nothing after it, such as maxrcpts 20 hard",
    ),
    "two limits": (
        ["maxrcpts 20", "maxrcpts 5 hard"],
        "'maxrcpts 5 hard' and 'maxrcpts 20' exclude each other; keep one",
    ),
    "an option with blanks": (
        ["opt MIME = none"],
        "'opt MIME = none' needs NAME=value without blanks, such as opt BOFHCHECKHELO=1",
    ),
    "a misspelt option": (
        ["opt BOFHCHECKHELLO=1"],
        "'opt BOFHCHECKHELLO=1' sets nothing that Courier reads; write BOFHCHECKHELO",
    ),
    "the same option again": (
        ["opt BOFHCHECKHELO=1", "opt BOFHCHECKHELO=2"],
        "'opt BOFHCHECKHELO=2' and 'opt BOFHCHECKHELO=1' exclude each other; keep one",
    ),
    "a line twice": (["opt MIME=none", "opt MIME=none"], "'opt MIME=none' is there twice; keep one"),
    "an SPF result in capitals": (
        ["opt BOFHSPFHARDERROR=Fail"],
        "'opt BOFHSPFHARDERROR=Fail' needs words out of error, fail, neutral, none, pass, softfail, unknown, "
        "joined by commas",
    ),
}


@pytest.mark.parametrize("line", ACCEPTED.values(), ids=ACCEPTED)
def test_writes_a_rule_that_courier_heeds(line):
    assert render([line]) == f"{line}\n"
    assert parse(f"{line}\n") == [line]


def test_keeps_comments_and_order():
    assert render(["# strangers", "", "badfrom @example.com # 2026"]) == "# strangers\n\nbadfrom @example.com # 2026\n"


@pytest.mark.parametrize(("text", "rules"), READ.values(), ids=READ)
def test_reads_as_courier_does(text, rules):
    assert parse(text) == rules


@pytest.mark.parametrize(("lines", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_courier_would_pass_over(lines, sentence):
    with pytest.raises(BofhError) as refusal:
        render(lines)
    assert str(refusal.value) == sentence


@given(st.lists(st.sampled_from([*ACCEPTED.values()]), unique_by=lambda line: line.split()[0]))
def test_parse_returns_what_render_wrote(lines):
    assert parse(render(lines)) == lines


def test_checks_of_spf_are_not_for_our_own_people():
    check = "opt BOFHSPFMAILFROM=pass,none # by RFC 7208"
    with pytest.raises(BofhError) as refusal:
        refuse_for_own(["badfrom @example.net", check])
    assert str(refusal.value) == (
        "'opt BOFHSPFMAILFROM=pass,none' also refuses our own people and servers, whom the SPF of their domain does "
        "not name where they are; add opt BOFHSPFTRUSTME=1, which exempts whoever may relay, or =0 if that is meant"
    )
    refuse_for_own([check, "opt BOFHSPFTRUSTME=1"])
    refuse_for_own([check, "opt BOFHSPFTRUSTME=0"])
    refuse_for_own(["opt BOFHSPFMAILFROM=off", "opt TARPIT=0"])


SPF = {
    "nothing": ({}, []),
    "no check is made": ({"helo": [], "mailfrom": []}, []),
    "everything is found": (
        {"mailfrom": ["all"], "helo": ["all"]},
        ["opt BOFHSPFTRUSTME=1", "opt BOFHSPFHELO=all", "opt BOFHSPFMAILFROM=all"],
    ),
    "fail is refused": (
        {"mailfrom": ["pass", "none"], "from": ["pass", "mailfromok"], "hard_errors": ["fail"]},
        [
            "opt BOFHSPFTRUSTME=1",
            "opt BOFHSPFMAILFROM=pass,none",
            "opt BOFHSPFFROM=pass,mailfromok",
            "opt BOFHSPFHARDERROR=fail",
        ],
    ),
}


@pytest.mark.parametrize(("checks", "lines"), SPF.values(), ids=SPF)
def test_checks_of_spf(checks, lines):
    assert spf_rules(checks) == lines
    assert parse(render(lines)) == lines
    refuse_for_own(lines)


NO_SPF = {
    "a check that there is not": (
        {"sender": ["all"]},
        "nothing of SPF is called sender; write helo, mailfrom, from, hard",
    ),
    "a word": ({"mailfrom": "all"}, r"mailfrom is 'all'; write a list of results, such as \[pass, none\]"),
    "off": ({"from": False}, r"from is False; write a list"),
    "a number": ({"from": [1]}, "from: there is no result 1 for Courier; write all, allowok, error, fail, mailfromok"),
    "a word of the RFC": (
        {"mailfrom": ["pass", "temperror"]},
        "there is no result 'temperror' for Courier; write error",
    ),
    "a result that is a check": (
        {"hard_errors": ["all"]},
        "hard_errors: there is no result 'all' for Courier; write err",
    ),
    "a list of off": ({"helo": ["off"]}, r"there is no result 'off' for Courier; write \[\] for no check"),
}


@pytest.mark.parametrize(("checks", "sentence"), NO_SPF.values(), ids=NO_SPF)
def test_refuses_checks_of_spf_that_there_are_not(checks, sentence):
    with pytest.raises(BofhError, match=f"^mail_spf: .*{sentence}"):
        spf_rules(checks)


WHY = {"reason": "why"}
POLICY = {
    "nothing": ({}, []),
    "a sender": (
        {
            "senders": [
                {"address": "@spam.example.net", "reason": "sells lists", "owner": "alice", "until": "2099-12-31"}
            ]
        },
        ["# sells lists; owner alice; until 2099-12-31", "badfrom @spam.example.net"],
    ),
    "an exchanger": ({"exchangers": [{"address": "192.0.2.25"} | WHY]}, ["# why", "badmx 192.0.2.25"]),
    "freemail": ({"freemail": [{"domain": "example.net"} | WHY]}, ["# why", "freemail example.net"]),
    "freemail from others too": (
        {"freemail": [{"domain": "example.net", "hosts": ["mx.example.org"]} | WHY]},
        ["# why", "freemail example.net mx.example.org"],
    ),
    "many recipients are deferred": ({"most_recipients": {"number": 20} | WHY}, ["# why", "maxrcpts 20"]),
    "many recipients are refused": (
        {"most_recipients": {"number": 20, "hard": True} | WHY},
        ["# why", "maxrcpts 20 hard"],
    ),
    "HELO": ({"checks": [{"check": "helo"} | WHY]}, ["# why", "opt BOFHCHECKHELO=1"]),
    "HELO, later": ({"checks": [{"check": "helo", "on_failure": "defer"} | WHY]}, ["# why", "opt BOFHCHECKHELO=2"]),
    "a check that everybody passes": ({"checks": [{"check": "sender_domain", "on_failure": "pass"} | WHY]}, []),
    "a reason of several lines, with a number": (
        {"senders": [{"address": "a@example.net", "reason": "see\nticket#5"}]},
        ["# see ticket#5", "badfrom a@example.net"],
    ),
    "in one order": (
        {"checks": [{"check": "helo"} | WHY], "senders": [{"address": "@example.net"} | WHY]},
        ["# why", "badfrom @example.net", "# why", "opt BOFHCHECKHELO=1"],
    ),
}
NO_POLICY = {
    "a kind that there is not": (
        {"sender": []},
        "mail_policy: there is nothing called sender; write senders",
    ),
    "no list": (
        {"senders": "@example.net"},
        "mail_policy: senders is '@example.net'; write entries with address and reason",
    ),
    "no reason": (
        {"senders": [{"address": "@example.net"}]},
        "mail_policy: senders: @example.net has no reason; write why, or nobody will dare to take it out",
    ),
    "no address": (
        {"exchangers": [{"reason": "why"}]},
        "mail_policy: exchangers: an entry has no address: {'reason': 'why'}",
    ),
    "a key that there is not": (
        {"freemail": [{"domain": "example.net", "host": "a"} | WHY]},
        "mail_policy: freemail: there is nothing called host; write one of domain, hosts, reason, owner, until",
    ),
    "a domain as a sender": (
        {"senders": [{"address": "example.net"} | WHY]},
        "mail_policy: senders: 'badfrom example.net' needs one address, such as user@example.com, @example.com or "
        "@.example.com",
    ),
    "a name as an exchanger": (
        {"exchangers": [{"address": "mx.example.net"} | WHY]},
        "mail_policy: exchangers: 'badmx mx.example.net' needs one IP address, such as badmx 192.0.2.25",
    ),
    "hosts that are no list": (
        {"freemail": [{"domain": "example.net", "hosts": "a.example.net"} | WHY]},
        "mail_policy: freemail: hosts of example.net is 'a.example.net'; "
        "write a list of domains, such as [mx.example.net]",
    ),
    "hard that is a word": (
        {"most_recipients": {"number": 5, "hard": "very"} | WHY},
        "mail_policy: most_recipients: hard is 'very'; write true, which refuses the rest for good, or false, "
        "which defers it",
    ),
    "no number": (
        {"most_recipients": {"number": "many"} | WHY},
        "mail_policy: most_recipients: 'maxrcpts many' needs a number, and hard or nothing after it, such as "
        "maxrcpts 20 hard",
    ),
    "an answer that there is not": (
        {"checks": [{"check": "sender_domain", "on_failure": "defer"} | WHY]},
        "mail_policy: checks: there is no check sender_domain with on_failure defer; "
        "write helo with refuse or defer or pass; sender_domain with refuse or pass",
    ),
    "our own domain": (
        {"senders": [{"address": "@Example.com"} | WHY]},
        "mail_policy: senders: @Example.com would refuse whatever people and programs of example.com send, too; "
        "name other domains, or single addresses (against strangers in our name: freemail, or mail_spf)",
    ),
    "what is below a domain, and ours": (
        {"senders": [{"address": "@.example.org"} | WHY]},
        "mail_policy: senders: @.example.org would refuse whatever people and programs of shop.example.org send, too; "
        "name other domains, or single addresses (against strangers in our name: freemail, or mail_spf)",
    ),
    "exchangers without the check that finds them": (
        {"exchangers": [{"address": "192.0.2.25"} | WHY], "checks": [{"check": "sender_domain", "on_failure": "pass"}]},
        "mail_policy: exchangers are found by the check sender_domain, which is to pass everybody; "
        "leave out one of them",
    ),
}


@pytest.mark.parametrize(("policy", "lines"), POLICY.values(), ids=POLICY)
def test_a_policy_is_lines_with_reasons(policy, lines):
    assert policy_rules(policy, ["example.com"]) == lines
    assert parse(render(lines)) == [line for line in lines if not line.startswith("#")]


@pytest.mark.parametrize(("policy", "sentence"), NO_POLICY.values(), ids=NO_POLICY)
def test_a_policy_is_refused(policy, sentence):
    with pytest.raises(BofhError) as refusal:
        policy_rules(policy, ["example.com", "shop.example.org"])
    assert str(refusal.value) == sentence


def test_one_sender_of_ours_can_be_refused():
    assert policy_rules({"senders": [{"address": "bob@example.com"} | WHY]}, ["example.com"])[1] == (
        "badfrom bob@example.com"
    )


def test_a_policy_ends():
    with pytest.raises(TermsError, match=r"mail_policy: senders: @example\.net was to be until 2020-01-01"):
        policy_notices({"senders": [{"address": "@example.net", "reason": "why", "until": "2020-01-01"}]})
    assert policy_notices({"senders": [{"address": "@example.net"} | WHY]}) == []

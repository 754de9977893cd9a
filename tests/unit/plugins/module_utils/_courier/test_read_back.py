"""What ours write is read back as what it was made of: an inventory from files, as files from an inventory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier import bofh, domains, esmtproutes, fetchmailrc, peers, userdb
from plugins.module_utils._courier.esmtproutes import Route
from plugins.module_utils._courier.fetchmailrc import Mailbox
from plugins.module_utils._courier.peers import LIFTED, Peer
from plugins.module_utils._courier.terms import Terms

WHY = Terms("why")
LABELS = st.text("abcdefgh0123456789", min_size=1, max_size=8)
NAMES = st.builds("{}.{}.example.com".format, LABELS, LABELS)
WORDS = st.text("abcXYZ019!%/=+._-", min_size=1, max_size=20)
RESULTS = st.lists(st.sampled_from(["pass", "none", "neutral", "fail", "softfail"]), min_size=1, unique=True)
REASONS = st.text("abc xyz", min_size=1).map(str.strip).filter(bool)


@given(st.lists(NAMES, max_size=12, unique=True), st.data())
def test_lists_of_domains(names, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(names)), min_size=3, max_size=3)))
    hosted, local = names[: cuts[0]], names[cuts[0] : cuts[1]]
    accepted, others = names[cuts[1] : cuts[2]], names[cuts[2] :]
    aliases = {name: data.draw(st.sampled_from(hosted)) for name in others} if hosted else {}
    found = domains.parse(domains.render(hosted, aliases, local, accepted))
    assert [sorted(found[0]), found[1], sorted(found[2]), sorted(found[3])] == [
        sorted(hosted),
        aliases,
        sorted(local),
        sorted(accepted),
    ]


def test_lists_of_domains_that_disagree_are_read_as_courier_does():
    lists = domains.Lists(
        "example.com\n", "example.com\nexample.org\nexample.net\texample.org\n", "backup.example.net\n"
    )
    assert domains.parse(lists) == (
        ["example.org"],
        {"example.net": "example.org"},
        ["example.com"],
        ["backup.example.net"],
    )


@given(st.dictionaries(NAMES, st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_logins_of_relays(logins):
    routes = [
        Route(f"{number}.example.net", relay, 587, "required", None, user, password)
        for number, (relay, (user, password)) in enumerate(logins.items())
    ]
    found = esmtproutes.parse_credentials(esmtproutes.render_credentials(routes))
    bare = [route._replace(user=None, password=None) for route in routes]
    assert [esmtproutes.with_login(route, found) for route in bare] == routes


def test_a_login_is_for_a_relay_and_its_port():
    found = esmtproutes.parse_credentials(
        "relay.example.net,587 us er and more\nhalf line\nrelay.example.net,587 2 2\n"
    )
    assert found == {"relay.example.net,587": ("us", "er")}
    assert esmtproutes.with_login(Route(relay="relay.example.net"), found).user is None
    assert esmtproutes.with_login(Route("example.net"), {"": ("us", "er")}).user is None


KNOWN = {
    "managed": Peer("managed", ["192.0.2.7"], "sat1.example.com"),
    "trusted": Peer("trusted", ["192.0.2.7"]),
    **{lift: Peer("broken", ["192.0.2.7"], lift=lift, terms=WHY) for lift in LIFTED if lift != "dnsbl"},
}


@pytest.mark.parametrize("peer", KNOWN.values(), ids=KNOWN)
def test_what_a_peer_is_granted(peer):
    (access,) = peers.entries([peer])
    assert peers.recognise(access.variables) == (peer.kind, peer.lift)
    assert peers.added(peer.kind, peer.lift, access.variables) == {}


@pytest.mark.parametrize(
    ("variables", "known"),
    [
        ({"RELAYCLIENT": None}, ("managed", None)),
        ({"RELAYCLIENT": "", "AUTH_REQUIRED": "0"}, ("managed", None)),
        ({"BLOCK": None}, ("trusted", None)),
        ({"RELAYCLIENT": "@example.com"}, None),
        ({"BLOCK": "550 no"}, None),
        ({"BLOCK": None, "BOFHSPFMAILFROM": "off"}, None),
        ({"RELAYCLIENT": None, "SIZELIMIT": "1"}, None),
        ({}, None),
    ],
)
def test_what_a_hand_made_entry_is(variables, known):
    assert peers.recognise(variables) == known


def test_what_a_class_grants_more():
    assert peers.added("managed", None, {"RELAYCLIENT": None}) == {
        "BLOCK": None,
        "AUTH_REQUIRED": "0",
        "BOFHSPFMAILFROM": "off",
        "BOFHSPFHELO": "off",
    }


def policies():
    senders = st.lists(st.fixed_dictionaries({"address": NAMES.map("@{}".format), "reason": REASONS}), max_size=3)
    free = st.fixed_dictionaries({"domain": NAMES, "hosts": st.lists(NAMES, max_size=2), "reason": REASONS})
    return st.fixed_dictionaries(
        {"senders": senders, "freemail": st.lists(free, max_size=2)},
        optional={
            "most_recipients": st.fixed_dictionaries(
                {"number": st.integers(1, 999), "hard": st.booleans(), "reason": REASONS}
            ),
            "exchangers": st.lists(
                st.fixed_dictionaries({"address": st.just("192.0.2.25"), "reason": REASONS}), max_size=1
            ),
        },
    )


@given(policies())
def test_a_policy(policy):
    wanted = {kind: entries for kind, entries in policy.items() if entries}
    lines = bofh.policy_rules(policy)
    rules = [(lines[place + 1], lines[place].removeprefix("# ")) for place in range(0, len(lines), 2)]
    found, rest, refused = bofh.policy(rules)
    reasons = [" ".join(entry["reason"].split()) for some in wanted.values() for entry in _entries(some)]
    assert (rest, refused) == ([], [])
    assert _without_reasons(found) == _without_reasons(wanted)
    assert sorted(reason for _line, reason in rules) == sorted(reasons)


def _entries(some):
    return [some] if isinstance(some, dict) else some


def _without_reasons(policy):
    return {
        kind: [{key: value for key, value in entry.items() if key != "reason"} for entry in _entries(some)]
        for kind, some in policy.items()
    }


def test_a_policy_names_what_it_cannot_say():
    rules = [("badfrom @example.com", "x"), ("opt MIME=none", "x"), ("opt BOFHCHECKHELO=2", "x")]
    found, rest, refused = bofh.policy(rules, ["example.com"])
    assert found == {"checks": [{"check": "helo", "on_failure": "defer", "reason": "x"}]}
    assert rest == ["opt MIME=none"]
    assert len(refused) == 1
    assert "would refuse whatever people and programs of example.com send" in refused[0]


@given(st.dictionaries(st.sampled_from(["helo", "mailfrom", "from"]), RESULTS))
def test_checks_of_spf(checks):
    assert bofh.spf_checks(bofh.spf_rules(checks)) == (checks, [])


def test_checks_of_spf_leave_the_rest():
    lines = ["opt BOFHSPFTRUSTME=1", "opt BOFHSPFHELO=off", "opt MIME=none"]
    assert bofh.spf_checks(lines) == ({"helo": []}, ["opt BOFHSPFTRUSTME=1", "opt MIME=none"])


@given(st.lists(st.sampled_from(["alice", "bob", "carol"]), unique=True), st.sampled_from([None, "1G", "10S,5C"]))
def test_fields_of_accounts(names, quota):
    accounts = [userdb.Account(f"{name}@example.com", None, f"/srv/{name}", 5000, 5000, quota, name) for name in names]
    found = userdb.fields(userdb.render(accounts, ["example.com"], methods=()))
    assert list(found) == sorted(f"{name}@example.com" for name in names)
    for name in names:
        fields = found[f"{name}@example.com"]
        assert (fields["home"], fields["uid"], fields["gecos"]) == (f"/srv/{name}", "5000", name)
        assert ("quota" in fields) == bool(quota)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("$6$salt$" + "a" * 86, None),
        ("$1$abcdefgh$U4Ru/cKJCxDVMvxCXsRI21", "is of the kind $1$"),
        ("{SSHA}c2VjcmV0", "is of the kind {SSHA}"),
        ("a password", "is not a hash"),
    ],
)
def test_a_hash_that_no_account_may_have(value, said):
    assert userdb.refused_hash(value) == said


@given(WORDS, WORDS, st.sampled_from(["imaps", "imap", "pop3s", "pop3"]))
def test_a_mailbox_elsewhere(user, password, protocol):
    port = fetchmailrc.PROTOCOLS[protocol][1]
    one = Mailbox("mail.example.net", protocol, user, password, "bob@example.com", port=port)
    assert [(found, rest) for _line, found, rest in fetchmailrc.parse(fetchmailrc.render(one, "x", 0, "/c"))] == [
        (one, [])
    ]


HAND_MADE = """\
set daemon 300
# the old mailbox
poll pop.example.net with protocol POP3 user "alice.old" there with password "s3 cret\\"x" is "alice@example.com" here
  ssl sslcertck keep
poll imap.example.net proto imap port 1993
   user bob pass keep is bob@example.com here ssl
   user 'carol' password abc to carol@example.com folder Work expunge 5
"""


def test_mailboxes_elsewhere_that_were_written_by_hand():
    found = fetchmailrc.parse(HAND_MADE)
    assert [(line, one.host, one.protocol, one.user, one.password, one.to) for line, one, _rest in found] == [
        (3, "pop.example.net", "pop3s", "alice.old", 's3 cret"x', "alice@example.com"),
        (5, "imap.example.net", "imaps", "bob", "keep", "bob@example.com"),
        (5, "imap.example.net", "imap", "carol", "abc", "carol@example.com"),
    ]
    assert [one.keep for _line, one, _rest in found] == [True, False, False]
    assert found[2][1].folders == ("Work",)
    assert found[2][2] == ["expunge", "5"]

from __future__ import annotations

import pytest

from plugins.module_utils._courier.aliases import Alias
from plugins.module_utils._courier.senders import Account, Managed, SenderError, compute, parse, render
from plugins.module_utils._filters._addresses import Addresses

ALICE, BOB = Account("Alice@example.com"), Account("bob@example.com", ["me@example.net", "@shop.example.com"])


def senders(*aliases, accounts=(ALICE, BOB), domain_aliases=None, local=()):
    return compute(accounts, aliases, domain_aliases or {}, [], local)["senders"]


MAY = {
    "as herself": ([], ["alice@example.com"]),
    "as an alias": ([Alias("sales@example.com", ("alice@example.com",))], ["alice@example.com", "sales@example.com"]),
    "as an alias with others": (
        [Alias("team@example.com", ("bob@example.com", "ALICE@example.com"))],
        ["alice@example.com", "team@example.com"],
    ),
    "as an alias of an alias": (
        [Alias("b@example.com", ("a@example.com",)), Alias("a@example.com", ("alice@example.com",))],
        ["a@example.com", "alice@example.com", "b@example.com"],
    ),
    "as a domain that she catches": (
        [Alias("@shop.example.com", ("alice@example.com",))],
        ["@shop.example.com", "alice@example.com"],
    ),
    "as a local user": (
        [Alias("root", ("postmaster",)), Alias("postmaster", ("alice@example.com",))],
        ["alice@example.com", "postmaster@mx1.example.com", "root@mx1.example.com"],
    ),
    "not as what goes to others": ([Alias("x@example.com", ("bob@example.com",))], ["alice@example.com"]),
    "not as a trap": ([Alias("x@example.com", (), "trap")], ["alice@example.com"]),
    "not as everything local": ([Alias("@", ("alice@example.com",))], ["alice@example.com"]),
    "in a circle": (
        [Alias("a@example.com", ("b@example.com", "alice@example.com")), Alias("b@example.com", ("a@example.com",))],
        ["a@example.com", "alice@example.com", "b@example.com"],
    ),
}


@pytest.mark.parametrize(("aliases", "said"), MAY.values(), ids=MAY)
def test_alice_sends(aliases, said):
    assert senders(*aliases, local=["mx1.example.com"])["alice@example.com"] == said


def test_accounts_say_what_else_they_send_as():
    assert senders()["bob@example.com"] == ["@shop.example.com", "bob@example.com", "me@example.net"]


def test_an_account_is_the_same_in_another_name_of_its_domain():
    data = compute([ALICE], [Alias("x@example.com", ("alice@example.com",))], {"example.org": "example.com"}, [])
    assert data["senders"]["alice@example.com"] == ["alice@example.com", "alice@example.org", "x@example.com"]
    assert data["mailboxes"] == ["alice@example.com", "alice@example.org"]


MANAGED = {
    "its own name": (Managed(["192.0.2.7"], "sat1.example.com"), ["@example.com", "@sat1.example.com"]),
    "not a whole country": (Managed(["192.0.2.7"], "example.com"), ["@example.com"]),
    "what it is told": (Managed(["192.0.2.7"], "sat1.example.com", ["Example.NET"]), ["@example.net"]),
    "anybody": (Managed(["192.0.2.7"], None, ["*"]), ["@"]),
}


@pytest.mark.parametrize(("peer", "said"), MANAGED.values(), ids=MANAGED)
def test_our_other_servers_send_as(peer, said):
    assert compute([], [], {}, [peer])["managed"] == {"192.0.2.7": said}


def test_the_filters_read_what_is_written():
    data = compute([ALICE], [], {}, [Managed(["192.0.2.0/28"], "sat1.example.com")])
    assert parse(render(data)) == data
    known = Addresses(parse(render(data)))
    assert known.of_host("192.0.2.7") == ["@example.com", "@sat1.example.com"]
    assert known.of_login("ALICE@example.com") == ["alice@example.com"]


REFUSED = {
    "no address": (
        lambda: compute([Account("a@example.com", ["sales"])], [], {}, []),
        "send_as of a@example.com has 'sales'; write an address, or @example.com for all of a domain",
    ),
    "a pattern": (
        lambda: compute([Account("a@example.com", ["@.example.com"])], [], {}, []),
        "send_as of a@example.com has '@.example.com'; write an address, or @example.com for all of a domain",
    ),
    "a server of whom nobody knows": (
        lambda: compute([], [], {}, [Managed(["192.0.2.7"], "the old one")]),
        "nobody knows what the managed peer the old one sends as; write its host name as name, or its domains, "
        "or domains: ['*'] for one that passes on the mail of others",
    ),
    "a server of no domain": (
        lambda: compute([], [], {}, [Managed(["192.0.2.7"], "sat1.example.com", [])]),
        "the managed peer sat1.example.com has no domains; leave them out for its own, or write ['*']",
    ),
    "no JSON": (lambda: parse("x"), "this is no JSON: Expecting value: line 1 column 1 (char 0)"),
    "another JSON": (
        lambda: parse("{}"),
        "these are no addresses of the filters; they have mailboxes, senders and managed",
    ),
}


@pytest.mark.parametrize(("ask", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(ask, sentence):
    with pytest.raises(SenderError) as refusal:
        ask()
    assert str(refusal.value) == sentence

"""Who shares which folder with whom, and what that is in Courier's words."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.shared import (
    MARK,
    SharedError,
    indexed,
    parse,
    render,
    rights,
    seen_as,
    shared,
    write,
)

HOMES = {f"{who}@example.com": f"/srv/vmail/example.com/{who}" for who in ("sales", "alice", "bob")}
ORDERS = {"owner": "sales@example.com", "folder": "Orders"}
OWN = {"owner": "aceilrstwx", "administrators": "aceilrstwx"}


def folders(*entries):
    (one,) = shared(entries, HOMES)
    return one.folders


def test_the_index_has_each_mailbox_once():
    entries = [ORDERS, ORDERS | {"folder": "Offers"}, {"owner": "bob@example.com", "folder": "INBOX", "name": "team"}]
    text = render(shared(entries, HOMES), 5000, 5001)
    assert text == (
        f"{MARK}\n"
        "sales\t5000\t5001\t/srv/vmail/example.com/sales\tMaildir\n"
        "team\t5000\t5001\t/srv/vmail/example.com/bob\tMaildir\n"
    )
    assert indexed(text) == {"/srv/vmail/example.com/sales": "sales", "/srv/vmail/example.com/bob": "team"}


def test_nobody_shares():
    assert render(shared([], HOMES), 5000, 5000) == f"{MARK}\n"
    assert indexed("") == {}


def test_a_word_is_letters_of_rfc_4314():
    assert folders(ORDERS | {"read": ["alice@example.com"], "manage": ["BOB@example.com"]}) == {
        "Orders": {"alice@example.com": "lrs", "bob@example.com": "ceilrstwx"}
    }


NEAREST = {
    "itself": ("Orders", "lrs"),
    "below it": ("Orders.2026.May", "lrs"),
    "below an exception": ("Orders.Private.Old", None),
    "beside it": ("Ordersheet", None),
    "above it": ("", None),
}


@pytest.mark.parametrize(("folder", "expected"), NEAREST.values(), ids=NEAREST)
def test_rights_are_those_of_the_nearest_folder(folder, expected):
    listed = {"Orders": {"bob@example.com": "lrs"}, "Orders.Private": {}}
    assert rights(folder, listed) == OWN | ({"user=bob@example.com": expected} if expected else {})


def test_the_inbox_is_the_whole_mailbox():
    listed = folders(ORDERS | {"folder": "inbox", "read": ["bob@example.com"]})
    assert rights("Sent", listed) == rights("", listed) == OWN | {"user=bob@example.com": "lrs"}


def test_rights_are_read_as_they_are_written():
    acl = OWN | {"user=bob@example.com": "lrs"}
    assert write(acl).splitlines()[2] == "user=bob@example.com lrs"
    assert parse(write(acl)) == acl
    assert parse("owner  wa\n\nanyone lr") == {"owner": "aw", "anyone": "lr"}


def test_members_see_it_below_the_name_of_the_mailbox():
    assert seen_as("sales", "Orders.2026") == "#shared.sales.Orders.2026"
    assert seen_as("sales", "") == "#shared.sales"


BOB = {"read": ["bob@example.com"]}
REFUSED = {
    "an owner without an account": ([ORDERS | {"owner": "x@example.com"}], "owner x@example.com has no account"),
    "a member without an account": ([ORDERS | {"read": ["x@example.com"]}], "read x@example.com has no account"),
    "an owner that is no address": ([ORDERS | {"owner": "sales"}], "'sales' is not an address"),
    "the owner as a member": ([ORDERS | {"write": ["sales@example.com"]}], "owns it and has all rights"),
    "somebody twice": ([ORDERS | BOB | {"write": ["bob@example.com"]}], "bob@example.com is there twice"),
    "a folder twice": ([ORDERS, ORDERS], "folder Orders is listed twice"),
    "the root twice": ([ORDERS | {"folder": "INBOX"}, ORDERS | {"folder": "inbox"}], "folder inbox is listed twice"),
    "a folder as IMAP writes it": ([ORDERS | {"folder": "INBOX.Orders"}], "write Orders where it says"),
    "a path": ([ORDERS | {"folder": "Orders/2026"}], "'Orders/2026' cannot be a folder"),
    "a way out": ([ORDERS | {"folder": "..Orders"}], "'..Orders' cannot be a folder"),
    "a name with a dot": ([ORDERS | {"name": "sales.com"}], "name 'sales.com' has something else than letters"),
    "two names": ([ORDERS | {"name": "a"}, ORDERS | {"folder": "B", "name": "b"}], "has two names, a and b"),
    "a name of two": ([ORDERS, {"owner": "bob@example.com", "folder": "A", "name": "sales"}], "is called sales too"),
}


@pytest.mark.parametrize(("entries", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refused(entries, sentence):
    with pytest.raises(SharedError, match=r"^mail_shared_folders: ") as refusal:
        shared(entries, HOMES)
    assert sentence in str(refusal.value)

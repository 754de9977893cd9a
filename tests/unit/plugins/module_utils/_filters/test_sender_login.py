from __future__ import annotations

import json
import os

import pytest

from plugins.module_utils._filters._addresses import Addresses, spelled
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import Down
from plugins.module_utils._filters.sender_login import Filter, Settings, written
from tests.unit.filtered import ADDRESSES, addresses, message

OWN = "From: alice@example.com\n\nx\n"


def judge(tmp_path, *, settings=None, **given):
    one = Filter(Settings(known=addresses(tmp_path), **(settings or {})))
    return one.check(message(tmp_path, **given))


ALLOWED = {
    "own address": {"login": "alice@example.com", "sender": "alice@example.com", "text": OWN},
    "in another case": {"login": "Alice@Example.com", "sender": "ALICE@example.COM", "text": OWN},
    "an alias": {"login": "alice@example.com", "sender": "sales@example.com", "text": OWN},
    "an alias in From": {
        "login": "alice@example.com",
        "sender": "alice@example.com",
        "text": "From: S <sales@example.com>\n\n",
    },
    "an extension": {"login": "alice@example.com", "sender": "alice-lists@example.com", "text": OWN},
    "any in a domain": {
        "login": "bob@example.com",
        "sender": "x@shop.example.com",
        "text": "From: y@shop.example.com\n\n",
    },
    "nobody": {"login": "alice@example.com", "sender": "", "text": OWN},
    "no From": {"login": "alice@example.com", "sender": "alice@example.com", "text": "Subject: s\n\n"},
    "a name with an address": {
        "login": "alice@example.com",
        "sender": "alice@example.com",
        "text": 'From: "alice@example.com" <alice@example.com>\n\n',
    },
    "a stranger": {"sender": "alice@example.com", "text": OWN},
    "a program": {"local": True, "sender": "www-data@mx1.example.com", "text": OWN},
    "a managed host": {"relay": True, "client": "192.0.2.7", "sender": "root@sat1.example.com", "text": OWN},
    "a host that relays by smtpaccess alone": {"relay": True, "client": "198.51.100.7", "sender": "x@example.net"},
}
REFUSED = {
    "another account": ({"login": "alice@example.com", "sender": "bob@example.com", "text": OWN}, "bob@example.com"),
    "another domain": ({"login": "alice@example.com", "sender": "alice@example.net", "text": OWN}, "alice@example.net"),
    "another in From": (
        {"login": "alice@example.com", "sender": "alice@example.com", "text": "From: Bob <bob@example.com>\n\n"},
        "bob@example.com",
    ),
    "another in a second From": (
        {"login": "alice@example.com", "sender": "alice@example.com", "text": f"From: boss@example.net\n{OWN}"},
        "boss@example.net",
    ),
    "another in front of one's own": (
        {
            "login": "alice@example.com",
            "sender": "alice@example.com",
            "text": "From: boss@example.net <alice@example.com>\n\n",
        },
        "boss@example.net",
    ),
    "nobody, and another in From": (
        {"login": "alice@example.com", "sender": "", "text": "From: bob@example.com\n\n"},
        "bob@example.com",
    ),
    "a managed host as somebody else": (
        {"relay": True, "client": "192.0.2.7", "sender": "x@example.net", "text": OWN},
        "x@example.net",
    ),
}


@pytest.mark.parametrize("given", ALLOWED.values(), ids=ALLOWED)
def test_lets_in(tmp_path, given):
    assert judge(tmp_path, **given).action == "pass"


@pytest.mark.parametrize(("given", "claimed"), REFUSED.values(), ids=REFUSED)
def test_refuses_and_says_what_is_allowed(tmp_path, given, claimed):
    verdict = judge(tmp_path, **given)
    assert verdict.action == "refuse"
    assert f" may not send as {claimed}, only as " in verdict.reply
    assert verdict.reply.startswith("550 5.7.1 ")
    assert verdict.reply.isascii()


def test_an_extension_that_is_somebody_elses_address_is_his():
    known = Addresses(ADDRESSES | {"mailboxes": ["alice@example.com", "alice-smith@example.com"]})
    assert not known.may(["alice@example.com"], "alice-smith@example.com")
    assert known.may(["alice@example.com"], "alice-other@example.com")


@pytest.mark.parametrize(
    ("settings", "given", "action"),
    [
        ({"header": False}, {"sender": "alice@example.com", "text": "From: bob@example.com\n\n"}, "pass"),
        ({"empty": False}, {"sender": "", "text": OWN}, "refuse"),
        ({"exempt": ["alice@example.com"]}, {"sender": "bob@example.com", "text": OWN}, "pass"),
    ],
    ids=["From unchecked", "no empty sender", "exempt"],
)
def test_settings(tmp_path, settings, given, action):
    assert judge(tmp_path, settings=settings, login="alice@example.com", **given).action == action


def test_refuses_a_login_that_nobody_knows(tmp_path):
    verdict = judge(tmp_path, login="eve@example.com", sender="eve@example.com", text=OWN)
    assert verdict.reply == "550 5.7.1 No address of eve@example.com is known here; tell the postmaster"


def test_refuses_a_from_without_an_address(tmp_path):
    verdict = judge(tmp_path, login="alice@example.com", sender="alice@example.com", text="From: Boss\n\n")
    assert verdict.reply == "550 5.6.0 No address can be read in From; write one"


@pytest.mark.parametrize("text", [None, "", "[]", '{"mailboxes": []}', "{}"])
def test_is_down_without_addresses(tmp_path, text):
    path = tmp_path / "none.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(Down):
        Filter(Settings(known=str(path))).check(message(tmp_path, login="alice@example.com"))


def test_reads_the_addresses_again_when_they_change(tmp_path):
    path = addresses(tmp_path)
    one = Filter(Settings(known=path))
    mail = message(tmp_path, login="alice@example.com", sender="new@example.com", text=OWN)
    assert one.check(mail).action == "refuse"
    new = {"alice@example.com": ["alice@example.com", "new@example.com"]}
    with open(f"{path}.new", "w") as stream:
        json.dump(ADDRESSES | {"senders": new}, stream)
    os.replace(f"{path}.new", path)
    assert one.check(mail).action == "pass"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("a@example.com", ["a@example.com"]),
        ("A <a@example.com>, b@example.com", ["a@example.com", "b@example.com"]),
        ('"x@y" <a@example.com>', ["a@example.com"]),
        (r'"x\"@y" <a@example.com>', ["a@example.com"]),
        ("=?utf-8?q?A?= <a@example.com>", ["a@example.com"]),
        ("friends: a@example.com, b@example.com;", ["a@example.com", "b@example.com"]),
        ("nobody", []),
    ],
)
def test_reads_whatever_looks_like_an_address(value, found):
    assert written(value) == found


def test_a_domain_has_one_spelling():
    assert spelled("A@XN--BCHER-KVA.example") == spelled("a@bücher.example") == "a@bücher.example"


def test_refuses_a_setting_that_makes_no_sense():
    with pytest.raises(SettingsError, match="known"):
        build(Settings, {"known": "relative.json"})
    with pytest.raises(SettingsError, match="did you mean header"):
        build(Settings, {"headers": True})

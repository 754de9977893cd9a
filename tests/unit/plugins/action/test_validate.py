"""The action that asks all modules before the first of them writes."""

from __future__ import annotations

import pytest

from plugins.action.validate import refusals

HASH = f"$6$salt${86 * 'x'}"
BOXES = {"domains": ["example.com"], "mail_root": "/srv/vmail", "uid": 5000, "gid": 5000}

TAKEN = {
    "nothing": {},
    "a host that nobody has asked yet": {"dns_records": {"hosts": [{"name": "mx1.example.com", "dnssec": True}]}},
    "numbers as Jinja gives them": {"userdb": BOXES | {"accounts": [], "uid": "5000"}},
    "what only the host can judge": {"settings": {"files": {"esmtpd": {"MAXDEMONS": "80"}}}},
    "all of a site": {
        "userdb": BOXES | {"accounts": [{"address": "alice@example.com", "password_hash": HASH}], "quota": ""},
        "aliases": {"aliases": [{"name": "root", "targets": ["alice@example.com"]}], "me": "mx1.example.com",
                    "domains": ["example.com"], "accounts": ["alice@example.com"]},
        "acceptmailfor": {"hosted": ["example.com"], "local": ["localhost"]},
        "esmtproutes": {"routes": [{"relay": "relay.example.net"}]},
        "smtpaccess": {"entries": [{"network": "192.0.2.1", "variables": {"RELAYCLIENT": None}}]},
        "settings": {"files": {"esmtpd": {"MAXDAEMONS": 80}}},
        "values": {"values": {"sizelimit": 26214400}},
    },
}  # fmt: skip

REFUSED = {
    "an account": (
        {"userdb": BOXES | {"accounts": [{"address": "zoe@example.net"}]}},
        "zoe@example.net: example.net is not a hosted domain; hosted domains are: example.com",
    ),
    "an alias": (
        {"aliases": {"aliases": [{"name": "a@example.net", "targets": ["b@example.org"]}], "me": "mx1.example.com"}},
        "a@example.net is in a domain that is neither hosted nor local; add the domain or drop the alias",
    ),
    "a domain": (
        {"acceptmailfor": {"hosted": ["example.com"], "local": ["example.com"]}},
        "example.com is in both",
    ),
    "a route": (
        {"esmtproutes": {"routes": [{"relay": "192.0.2.1"}]}},
        "the catch-all: relay '192.0.2.1' is an address without brackets; write [192.0.2.1]",
    ),
    "a network": (
        {"smtpaccess": {"entries": [{"network": "192.0.2.1/24"}]}},
        "192.0.2.1/24",
    ),
    "a setting": (
        {"settings": {"files": {"esmtpd": {"MAXDAEMONS": True}}}},
        'esmtpd: MAXDAEMONS: write text or a whole number, such as 1 or "YES", where it says True',
    ),
    "a value": ({"values": {"values": {"queuetime": "abc"}}}, "queuetime: "),
    "a record": (
        {"dns_records": {"hosts": [{"name": "mx1.example.com", "dmarc": {"p": "block"}}]}},
        "mx1.example.com: p of mail_dmarc_policy is 'block'; it must match none|quarantine|reject",
    ),
    "an argument of the wrong type": (
        {"esmtproutes": {"routes": [{"relay": "relay.example.net", "port": "smtp"}]}},
        "esmtproutes: ",
    ),
    "an argument that is missing": ({"aliases": {"aliases": []}}, "aliases: missing required arguments: me"),
    "no arguments": ({"values": None}, "values: write its arguments as a dictionary"),
    "another module": ({"units": {}}, "units is not a module that can be asked; write acceptmailfor, aliases, "),
}


@pytest.mark.parametrize("arguments", TAKEN.values(), ids=TAKEN)
def test_takes(arguments):
    assert refusals(arguments) == []


@pytest.mark.parametrize(("arguments", "beginning"), REFUSED.values(), ids=REFUSED)
def test_refuses(arguments, beginning):
    (sentence,) = refusals(arguments)
    assert sentence.startswith(beginning)


def test_all_refusals_come_together():
    assert len(refusals({"values": {"values": {"queuetime": "abc"}}, "esmtproutes": {"routes": [{"port": 25}]}})) == 2


def test_a_clear_password_is_not_repeated():
    (sentence,) = refusals({"userdb": BOXES | {"accounts": [{"address": "a@example.com", "password_hash": "hunter2"}]}})
    assert "hunter2" not in sentence

from __future__ import annotations

import pytest

from plugins.module_utils._watch._catalogue import check
from plugins.module_utils._watch._proof_settings import Settings
from plugins.module_utils._watch._settings import SettingsError, build

SITE = {"site": "example.com", "host": "mx1.example.com", "address": "proof@example.com"}
KEYS = {"keys": {"example.com/2026": "a-secret-of-the-site"}}
LOCAL = {"name": "local", "to": "proof@example.com", "way": "return"}
EXPECTED = {"site": "example.com", "host": "sat1.example.com", "direction": "hub"}


def test_knows_its_directions():
    settings = build(Settings, {**SITE, **KEYS, "directions": [LOCAL], "expected": [EXPECTED]})
    assert [(one.name, one.every, one.within) for one in settings.ways()] == [("local", 60, 30)]
    assert [one.host for one in settings.awaited()] == ["sat1.example.com"]


REFUSED = {
    "no site": ({"site": ""}, "site is ''; write a name such as"),
    "no address": ({"address": "proof"}, "address is 'proof'; write an address"),
    "an address that is an option": ({"address": "-f@example.com"}, "address is '-f@example.com'"),
    "a direction without a name": ({"directions": [{"to": "a@example.com"}]}, "directions: name is ''"),
    "a name of a metric that is none": ({"directions": [LOCAL | {"name": "Out side"}]}, "directions: name is"),
    "an unknown field": ({"directions": [LOCAL | {"evry": 5}]}, "directions: there is no setting evry; did you mean"),
    "a way that is none": (
        {"directions": [LOCAL | {"way": "bounce"}]},
        "directions: local: way is 'bounce'; write answer",
    ),
    "to nobody": ({"directions": [LOCAL | {"to": "nobody"}]}, "directions: local: to is 'nobody'"),
    "too often": ({"directions": [LOCAL | {"every": 1}]}, "directions: local: every is 1; write a number from 5"),
    "twice": ({"directions": [LOCAL, LOCAL]}, "directions: local is there twice"),
    "later than lost": (
        {"directions": [LOCAL | {"within": 2000}]},
        "directions: local: within is 2000; write minutes up",
    ),
    "a login without a server": (
        {"directions": [LOCAL | {"login": "a@example.com"}]},
        "directions: local: there is one of",
    ),
    "a login without a password": (
        {"directions": [LOCAL | {"login": "a@example.com", "server": "mx1.example.com"}]},
        "directions: local: nobody knows the password of a@example.com",
    ),
    "an answer that does not come here": (
        {"home": False, "directions": [LOCAL | {"way": "answer"}]},
        "directions: local: no answer comes to this host; write way: receiver",
    ),
    "a host that is expected without a key": (
        {"expected": [EXPECTED | {"site": "example.org"}]},
        "expected: letters of sat1.example.com cannot be believed without a key of example.org",
    ),
    "itself": ({"expected": [EXPECTED | {"host": "mx1.example.com"}]}, "expected: hub is of this host itself"),
    "a key without a site": ({"keys": {"2026": "a-secret-of-the-site"}}, "the name of a key is '2026'"),
    "a short key": ({"keys": {"example.com/2026": "secret"}}, "the key example.com/2026 is not 16 characters"),
    "the name of its own key": (
        {"keys": {"example.com/own": "a-secret-of-the-site"}},
        "the key example.com/own cannot",
    ),
    "a key that is not there": ({"key": "2027"}, "key is '2027', and there is no example.com/2027 among keys"),
    "a key of a direction that is not there": (
        {"directions": [LOCAL | {"key": "b"}]},
        "directions: local: there is no key example.com/b; write it",
    ),
    "a number out of range": ({"lost": 0}, "lost is 0; write a number from 1 to 168"),
    "a relative path": ({"store": "proofs.sqlite"}, "store is 'proofs.sqlite'; write a path"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(SettingsError) as refused:
        build(Settings, {**SITE, **KEYS, **given})
    assert str(refused.value).startswith(sentence)


def test_no_secret_is_shown():
    with pytest.raises(SettingsError) as refused:
        check("proofs", SITE, {"keys": {"example.com/2026": "hunter2"}})
    assert "hunter2" not in str(refused.value)

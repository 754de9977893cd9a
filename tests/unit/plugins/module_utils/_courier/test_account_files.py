"""Files of accounts: what they are called, what they say, and what a change leaves alone."""

from __future__ import annotations

import re

import pytest
import yaml

from plugins.module_utils._courier.account_files import change, entry, file_name

TEXT = """\
# Bob, from the warehouse
name: Bob # since May
password_hash: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          6638

courier:
- ./Maildir
- "&bob@example.net"
quota: 1G
"""
HEAD, REST = TEXT[: TEXT.index("password")], TEXT[TEXT.index("\ncourier") :]
CHANGES = {
    "a vault": ({"password_hash": "$6$x"}, f'{HEAD}password_hash: "$6$x"\n{REST}'),
    "a list": ({"courier": None}, TEXT.replace('courier:\n- ./Maildir\n- "&bob@example.net"\n', "")),
    "a new key": ({"disabled": True}, TEXT + "disabled: true\n"),
    "nothing to take away": ({"disabled": None}, TEXT),
    "text with a meaning": ({"name": "yes: # \\1"}, TEXT.replace("name: Bob # since May", 'name: "yes: # \\\\1"')),
}
REFUSED = {
    "no yml": ("bob@example.com.txt", {}, "bob@example.com.txt is not a file of an account"),
    "no address": ("bob.yml", {}, "is not an address"),
    "capitals": ("Bob@example.com.yml", {}, "call the file bob@example.com.yml"),
    "a list": ("bob@example.com.yml", [1], "write what is to be said of the account"),
    "another's": ("bob@example.com.yml", {"address": "a@example.com"}, "has the address a@example.com"),
}


@pytest.mark.parametrize(("settings", "text"), CHANGES.values(), ids=CHANGES)
def test_changes(settings, text):
    assert change(TEXT, settings) == text


def test_what_is_changed_can_be_read():
    text = change("quota: 1G", {"name": 'Zoë: "x"', "password_hash": "$6$a"})
    assert yaml.safe_load(text) == {"quota": "1G", "name": 'Zoë: "x"', "password_hash": "$6$a"}


@pytest.mark.parametrize(("name", "said", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(name, said, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        entry(name, said)


def test_an_account_has_its_address_from_the_name():
    assert entry(file_name("Bob@Example.com"), None) == {"address": "bob@example.com"}
    assert entry("bob@example.com.yml", {"quota": "1G"}) == {"address": "bob@example.com", "quota": "1G"}

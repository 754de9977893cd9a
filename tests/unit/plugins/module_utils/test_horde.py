"""What Horde reads, and what it must not be told."""

from __future__ import annotations

import re

import pytest

from plugins.module_utils import _horde
from plugins.module_utils._horde import Change, Copy, HordeError, Php, changed, php
from plugins.modules import horde

BACKEND = {
    "name": "mail",
    "title": "",
    "host": "mx1.example.com",
    "port": 993,
    "smtp_host": "",
    "smtp_port": 587,
    "domain": "example.com",
}
ARGUMENTS = {
    "host": "webmail.example.com",
    "contact": "postmaster@example.com",
    "backends": [BACKEND],
    "database": None,
    "attachment_limit": 18874368,
    "settings": {},
    "imp_settings": {},
    "preferences": {},
}
DATABASE = {
    "host": "db.example.com",
    "port": 5432,
    "name": "horde",
    "user": "people",
    "password": "it's a \\ secret",
    "tls": "verify-full",
    "ca": "/etc/ssl/ca.pem",
    "reason": None,
}

VALUES = {
    "text": ("a", "'a'"),
    "a quote ends no text": ("it's", r"'it\'s'"),
    "a backslash ends no text": ("\\", r"'\\'"),
    "nothing in a text is looked at": ("${x} $y {$z}", "'${x} $y {$z}'"),
    "yes": (True, "true"),
    "nothing": (None, "null"),
    "a number": (7, "7"),
    "an expression": (Php("LOG_USER"), "LOG_USER"),
    "an empty list": ([], "[]"),
    "a list": (["a", 1], "[\n    'a',\n    1,\n]"),
    "a dictionary in another": ({"a": {"b": False}}, "[\n    'a' => [\n        'b' => false,\n    ],\n]"),
}

REFUSED = {
    "a name that is none": ({"host": "webmail"}, "write one such as webmail.example.com"),
    "no name": ({"host": ""}, "write one such as webmail.example.com"),
    "a name that ends the directive": ({"host": "a.example.com; return 200"}, "no name that a browser could call"),
    "nobody who answers": ({"contact": ""}, "write mail_contact"),
    "no mail server": ({"backends": []}, "nobody could log in"),
    "a mail server by its address": (
        {"backends": [BACKEND | {"host": "192.0.2.1"}]},
        "write one such as mx1.example.com",
    ),
    "a name with a blank": ({"backends": [BACKEND | {"name": "a b"}]}, "small letters and digits"),
    "two of a name": ({"backends": [BACKEND, BACKEND]}, "horde_backends has mail twice"),
    "a port that is none": ({"backends": [BACKEND | {"smtp_port": 0}]}, "write 1 to 65535"),
    "a port without TLS at once": ({"backends": [BACKEND | {"port": 143}]}, "write 993"),
    "no domain": ({"backends": [BACKEND | {"domain": ""}]}, "domain of mail is ''"),
    "nothing to attach": ({"attachment_limit": 1}, "65536 or more"),
    "another way to log in": ({"settings": {"auth": {"driver": "auto"}}}, "horde_settings has auth"),
    "a database of nobody": (
        {"database": DATABASE | {"user": None}},
        "database has no user; it needs host",
    ),
    "a database in clear": (
        {"database": DATABASE | {"tls": "disable"}},
        "could read and change what people set",
    ),
    "a parameter in a name": (
        {"database": DATABASE | {"name": "horde;host=evil"}},
        "a part for something else; write letters",
    ),
    "another folder for spam": ({"preferences": {"spam_folder": "Spam"}}, "horde_preferences has spam_folder"),
}


@pytest.mark.parametrize(("value", "text"), VALUES.values(), ids=VALUES)
def test_php_writes(value, text):
    assert php(value) == text


@pytest.mark.parametrize("value", ["\0", object()])
def test_php_cannot_write(value):
    with pytest.raises(HordeError):
        php(value)


@pytest.mark.parametrize(("given", "words"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        horde.plan(ARGUMENTS | given)


def texts(**given):
    return {file.path.rpartition("/etc/horde/")[2]: file.text for file in horde.plan(ARGUMENTS | given).files}


def test_mail_is_handed_in_where_it_is_read_unless_said():
    read = "'hostspec' => 'mx1.example.com'"
    assert read in texts()["imp/backends.local.php"]
    assert "'host' => 'mx1.example.com'" in texts()["imp/backends.local.php"]
    other = texts(backends=[BACKEND | {"smtp_host": "out.example.com", "smtp_port": 2587}])["imp/backends.local.php"]
    assert read in other
    assert "'host' => 'out.example.com'" in other
    assert "'port' => 2587" in other


def test_people_choose_a_mail_server_where_there_are_several():
    assert "'server_list' => 'none'" in texts()["imp/conf.php"]
    several = texts(backends=[BACKEND, BACKEND | {"name": "other"}])
    assert "'server_list' => 'shown'" in several["imp/conf.php"]


def test_what_people_set_is_kept_on_the_host_unless_said():
    text = texts()["horde/conf.php"]
    assert "'phptype' => 'sqlite'" in text
    assert "'/var/lib/courier-horde/horde.sqlite3'" in text


def test_a_database_is_called_by_what_it_must_prove():
    text = texts(database=DATABASE)["horde/conf.php"]
    assert r"'password' => 'it\'s a \\ secret'," in text
    for line in ("phptype' => 'pgsql", "username' => 'people", "database' => 'horde", "sslmode' => 'verify-full"):
        assert f"'{line}',\n" in text
    assert "'sslrootcert' => '/etc/ssl/ca.pem'" in text


def test_a_difference_hides_the_password():
    files = horde.plan(ARGUMENTS | {"database": DATABASE}).files
    (conf,) = [file for file in files if file.path.endswith("horde/conf.php")]
    assert "secret'," not in conf.shown(conf.text)
    assert "'password' => (hidden),\n" in conf.shown(conf.text)


def test_a_setting_of_yours_wins_and_leaves_its_neighbours():
    text = texts(settings={"session": {"max_time": 60}})["horde/conf.php"]
    assert "'max_time' => 60" in text
    assert "'use_only_cookies' => true" in text


def test_a_preference_of_yours_can_be_changed_by_people():
    text = texts(preferences={"trash_folder": "Bin"})["imp/prefs.local.php"]
    assert "$_prefs['trash_folder']['value'] = 'Bin';\n" in text
    assert "['trash_folder']['locked']" not in text


def test_nobody_else_reads_the_configuration():
    modes = {file.path: file.mode for file in horde.plan(ARGUMENTS).files}
    assert {mode for path, mode in modes.items() if path.startswith("/etc/")} == {0o640}


def test_a_copy_is_changed_where_it_was_told():
    copy = Copy("A\\B", "/x.php", [Change("one", "two"), Change("a", "b", 2)])
    assert changed(copy, "one a a") == "two b b"
    assert copy.path == "A_B.php"


@pytest.mark.parametrize("text", ["a a", "one one a a", "one a"], ids=["gone", "twice", "once too few"])
def test_a_place_that_is_not_as_it_was_is_refused(text):
    with pytest.raises(HordeError, match="is not as it was"):
        changed(Copy("A", "/x.php", [Change("one", "two"), Change("a", "b", 2)]), text)


def test_php_loads_every_copy_before_the_package():
    text = _horde.prepended()
    for copy in _horde.COPIES:
        assert f"{php(copy.name.lower())} => '/usr/local/share/courier-horde/{copy.path}'" in text

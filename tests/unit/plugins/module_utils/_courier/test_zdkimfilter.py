"""A row for each rule of zdkimfilter.conf(5), and for each option that would hurt."""

from __future__ import annotations

import pytest

from plugins.module_utils._courier.zdkimfilter import OPTIONS, ZdkimfilterError, masked, render, signer, version

WRITTEN = {
    "true is Y": ({"all_mode": True}, "all_mode = Y"),
    "false is N": ({"honor_dmarc": False}, "honor_dmarc = N"),
    "a number": ({"verbose": 8}, "verbose = 8"),
    "words of a list": ({"key_choice_header": ["from", "*"]}, "key_choice_header = from *"),
    "a path": ({"blocked_user_list": "/etc/courier/blocked"}, "blocked_user_list = /etc/courier/blocked"),
    "a text with blanks and a hash": ({"action_header": "X #1"}, "action_header = X #1"),
    "a query in one line": ({"db_sql_check_user": "SELECT 1"}, "db_sql_check_user = SELECT 1"),
    "lines of a query are joined": (
        {"db_sql_domain_flags": "SELECT a\n  FROM b\n"},
        "db_sql_domain_flags = SELECT a \\\n  FROM b",
    ),
    "what harms only when it is on": ({"do_reputation": False}, "do_reputation = N"),
}

REFUSED = {
    "a misspelt name": ({"honour_dmarc": True}, "zdkimfilter has no option honour_dmarc; did you mean honor_dmarc?"),
    "a name that there is not": ({"ed25519": True}, "ed25519 is not known here as an option of zdkimfilter; if its"),
    "a word of 3.0": ({"include": "/etc/x"}, "include is a word of zdkimfilter 3.0 and no option"),
    "a text for a bool": ({"honor_dmarc": "Y"}, "honor_dmarc is 'Y'; write true or false"),
    "a number for a bool": ({"no_spf": 1}, "no_spf is 1; write true or false"),
    "a bool for a number": ({"verbose": True}, "verbose is True; write a whole number"),
    "a text for a number": ({"verbose": "8"}, "verbose is '8'; write a whole number"),
    "a text for a list": ({"sign_hfields": "From To"}, "sign_hfields is 'From To'; write a list of words"),
    "blanks in a word": ({"sign_hfields": ["From To"]}, "write a list of words"),
    "no words": ({"sign_hfields": []}, "sign_hfields is []; write a list of words"),
    "a relative path": ({"psddmarc": "psd.txt"}, "psddmarc is 'psd.txt'; write an absolute path"),
    "two lines": ({"action_header": "X\nY"}, "write a text in one line"),
    "blanks around a text": ({"selector": " s"}, "selector is ' s'; write a text in one line"),
    "nothing": ({"selector": ""}, "selector is ''; write a text in one line"),
    "a backslash at the end": ({"selector": "s\\"}, "selector ends with a backslash"),
    "no query": ({"db_sql_check_user": "\n"}, "write a text"),
    "not in all_mode": ({"all_mode": False}, "all_mode must be true: without it Courier never asks zdkimfilter"),
    "all_mode left out": ({"all_mode": None}, "all_mode must be true"),
    "the length of the text": ({"no_signlen": False}, "no_signlen must be true: without it anybody can add"),
    "keys elsewhere": ({"domain_keys": "/srv"}, "domain_keys must be /etc/courier/filters/keys: the role dkim"),
    "a service that is dead": ({"do_reputation": True}, "do_reputation must not be set: the service that it asks has"),
    "its limits": ({"reputation_pass": 0}, "reputation_pass must not be set"),
    "VBR": ({"trusted_vouchers": ["dwl.example.net"]}, "trusted_vouchers must not be set"),
    "ADSP": ({"honor_author_domain": True}, "honor_author_domain must not be set: ADSP is historic"),
    "SHA-1": ({"sign_rsa_sha1": True}, "sign_rsa_sha1 must not be set: nobody may heed"),
    "two processes": ({"split_verify": "other"}, "split_verify must not be set"),
    "short keys": ({"min_key_bits": 768}, "min_key_bits is 768, and such keys can be broken; write at least 1024"),
    "a secret in the open": ({"db_password": "x"}, "db_password is a secret; write it in zdkimfilter_secrets"),
}

VERSIONS = {
    "none": ("", None),
    "a release": ("2.0", (2, 0)),
    "a package": ("3.20-1", (3, 20)),
    "a package with an epoch": ("1:3.23+ds-1~bpo12", (3, 23)),
    "three numbers": ("2.2.1", (2, 2)),
}
NO_VERSIONS = {
    "a word": ("latest", "zdkimfilter_version is 'latest'; write a version such as 3.20"),
    "a number": ("3", "write a version such as 3.20"),
    "an old one": ("1.8", "zdkimfilter 1.8 is too old; install 2.0 or newer"),
}

BY_VERSION = {
    "2.0 has no names beyond": ((2, 0), {"arc_seal": True}, {}, "zdkimfilter 2.0 has no option arc_seal; zdkimfilter"),
    "2.2 neither": ((2, 2), {}, {"arc_seal": "bool"}, "zdkimfilter 2.2 has no option arc_seal; take it out, or"),
    "3.0 may, if that is said": (
        (3, 0),
        {"arc_seal": True},
        {},
        "arc_seal is not known here as an option of zdkimfilter 3.0; if its zdkimfilter.conf(5) has it, write "
        "zdkimfilter_known_options: {arc_seal: bool, int, list, path, query or text}",
    ),
    "a declared one of another kind": ((3, 0), {"arc_seal": "Y"}, {"arc_seal": "bool"}, "arc_seal is 'Y'; write true"),
    "a kind that there is not": ((3, 0), {}, {"arc_seal": "switch"}, "arc_seal is of the kind 'switch'; write bool,"),
    "a word that is no option": ((3, 0), {}, {"override": "text"}, "'override' is not the name of an option"),
    "a misspelt one": ((3, 0), {"verbos": 3}, {}, "zdkimfilter 3.0 has no option verbos; did you mean verbose?"),
}


@pytest.mark.parametrize(("options", "line"), WRITTEN.values(), ids=WRITTEN)
def test_writes(options, line):
    assert render(options, {}) == f"# Managed by courier.mail\n{line}\n"


@pytest.mark.parametrize(("options", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(options, sentence):
    with pytest.raises(ZdkimfilterError) as refused:
        render(options, {})
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("text", "number"), VERSIONS.values(), ids=VERSIONS)
def test_reads_a_version(text, number):
    assert version(text) == number


@pytest.mark.parametrize(("text", "sentence"), NO_VERSIONS.values(), ids=NO_VERSIONS)
def test_refuses_a_version(text, sentence):
    with pytest.raises(ZdkimfilterError) as refused:
        version(text)
    assert sentence in str(refused.value)


@pytest.mark.parametrize(("number", "options", "known", "sentence"), BY_VERSION.values(), ids=BY_VERSION)
def test_refuses_what_a_version_lacks(number, options, known, sentence):
    with pytest.raises(ZdkimfilterError) as refused:
        render(options, {}, number, known)
    assert sentence in str(refused.value)


def test_takes_what_was_declared():
    assert render({"arc_seal": True}, {}, (3, 20), {"arc_seal": "bool"}).splitlines()[1:] == ["arc_seal = Y"]


def test_null_leaves_an_option_out():
    assert render({"tmp": None, "verbose": 3}, {}) == "# Managed by courier.mail\nverbose = 3\n"


def test_has_all_of_2_0():
    assert len(OPTIONS) == 78
    assert sum(name.startswith("db_sql_") for name in OPTIONS) == 17


def test_programs_have_the_names_of_their_version():
    assert [signer(number) for number in ((2, 0), (3, 0), None)] == ["dkimsign", "zdkimsign", "zdkimsign"]


def test_secrets_are_written_and_masked():
    text = render({"db_user": "mail"}, {"db_password": "hunter2", "redact_received_auth": "a long word"})
    assert text.splitlines()[1:] == ["db_user = mail", "db_password = hunter2", "redact_received_auth = a long word"]
    assert masked(text).splitlines()[1:] == [
        "db_user = mail",
        "db_password = ********",
        "redact_received_auth = ********",
    ]


def test_a_secret_is_not_shown_when_it_is_refused():
    with pytest.raises(ZdkimfilterError) as refused:
        render({}, {"db_password": "two\nlines"})
    assert str(refused.value) == "db_password is what was given; write a text in one line"


def test_what_is_no_secret_is_no_secret():
    with pytest.raises(ZdkimfilterError, match="db_user is no secret; write it in zdkimfilter_options"):
        render({}, {"db_user": "mail"})

from __future__ import annotations

import string
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.settings import SettingsError, known, lines, read, write

ESMTPD = """\
##VERSION: $Id: 1-2026$
# Do not alter lines that begin with ##.

##NAME: BOFHCHECKDNS:0
#
# Comment it out and it's off

BOFHCHECKDNS=1

##NAME: TLS_PRIORITY:0
#
# TLS_PRIORITY="NORMAL"

##NAME: BLACKLISTS: 0
#
#BLACKLISTS='-block=bl.example.net,BLOCK2'

BLACKLISTS=""

##NAME: MAXDAEMONS:1

MAXDAEMONS=40
MAXDAEMONS=50  # by hand

##NAME: MISC:0
#
# Anything else.
"""

READ = {
    "unquoted": ("MAXPERC=5\n", {"MAXPERC": "5"}),
    "double quotes": ('UUXFLAGS="-j -g C"\n', {"UUXFLAGS": "-j -g C"}),
    "single quotes": ("DROP='-drop'\n", {"DROP": "-drop"}),
    "quotes in pieces": ("""A=x"y z"'$w'\n""", {"A": "xy z$w"}),
    "escapes in double quotes": ('A="\\"\\$\\\\ \\n"\n', {"A": '"$\\ \\n'}),
    "escapes outside": ('A=x\\ \\"y\n', {"A": 'x "y'}),
    "a continued line": ("A=x\\\ny\n", {"A": "xy"}),
    "a value over several lines": (
        'DEFAULTDELIVERY="|| dotforward\n./Maildir\nSHELL=none"\nSHELL=/bin/sh\n',
        {"DEFAULTDELIVERY": "|| dotforward\n./Maildir\nSHELL=none", "SHELL": "/bin/sh"},
    ),
    "the last assignment wins": ("A=1\nA=2\n", {"A": "2"}),
    "leading blanks and export": (" A=1\nexport B=2\n", {"A": "1", "B": "2"}),
    "a comment behind the value": ("A=1 # not 2\nB=1#2\n", {"A": "1", "B": "1#2"}),
    "a comment is no assignment": ("#A=1\n# B=2 don't\nC=3\n", {"C": "3"}),
    "expansions as they are written": (
        'A=${dir}/x\nB="$A y"\nC=`id -u`\n',
        {"A": "${dir}/x", "B": "$A y", "C": "`id -u`"},
    ),
    "an assignment for one command": ("A=1 env\n", {}),
    "other commands": ("cd /\nset -a\n", {}),
    "an empty value": ("A=\n", {"A": ""}),
    "no newline at the end": ("A=1", {"A": "1"}),
}

WRITTEN = {
    "where it stands": ("A=1\nB=2\n", {"A": 3}, 'A="3"\nB=2\n'),
    "in the last assignment": ("A=1\nA=2\nB=0\n", {"A": 3}, 'A=1\nA="3"\nB=0\n'),
    "nothing when it says so already": ('A=1\nB="2"\nC=\n', {"A": 1, "B": 2, "C": ""}, 'A=1\nB="2"\nC=\n'),
    "a value over several lines as one": ('A="x\nB=1\ny"\nB=2\n', {"A": "z"}, 'A="z"\nB=2\n'),
    "the comment behind it stays": ("A=1 # why\n", {"A": 2}, 'A="2" # why\n'),
    "behind its section": (
        "##NAME: A:0\n#A=1\n\n##NAME: B:1\nB=2\n",
        {"A": 3},
        '##NAME: A:0\n#A=1\n\nA="3"\n\n##NAME: B:1\nB=2\n',
    ),
    "behind the last section": ("##NAME: A:0\n# on its own\n", {"A": 3}, '##NAME: A:0\n# on its own\nA="3"\n'),
    "at the end without a section": ("#A=1\n##NAME: MISC:0\n", {"A": 3}, '#A=1\n##NAME: MISC:0\nA="3"\n'),
    "at the end of a line without newline": ("#A=1\n#B=1", {"B": 2, "A": 3}, '#A=1\n#B=1\nB="2"\nA="3"\n'),
    "after an assignment for one command": ("A=1 env\n", {"A": 2}, 'A=1 env\nA="2"\n'),
    "in the form that authdaemond reads": (
        "daemons='5'\n authmodulelist=x\n",
        {"daemons": 5, "authmodulelist": "x"},
        'daemons="5"\nauthmodulelist="x"\n',
    ),
    "words for couriertcpd": (
        'DROP=""\n',
        {"DROP": "-drop -block=bl.example.net,BLOCK,*"},
        'DROP="-drop -block=bl.example.net,BLOCK,*"\n',
    ),
}

REFUSED = {
    "a misspelt setting": (
        {"MAXDEAMONS": 80},
        "MAXDEAMONS is not a setting that Courier reads here; did you mean MAXDAEMONS?",
    ),
    "a setting of another file": ({"IMAP_ACL": 1}, "IMAP_ACL is not a setting that Courier reads here"),
    "a YAML truth": (
        {"BOFHCHECKDNS": True},
        'BOFHCHECKDNS: write text or a whole number, such as 1 or "YES", where it says True',
    ),
    "nothing": (
        {"BLACKLISTS": None},
        'BLACKLISTS: write text or a whole number, such as 1 or "YES", where it says None',
    ),
    "an expansion": (
        {"TLS_PRIORITY": "$X"},
        "TLS_PRIORITY: '$' would not reach Courier as written; use no $, `, \\, \" or control character",
    ),
    "a second line": (
        {"TLS_PRIORITY": "NORMAL\n"},
        "TLS_PRIORITY: '\\n' would not reach Courier as written; use no $, `, \\, \" or control character",
    ),
    "a message with blanks": (
        {"BLACKLISTS": "-block=bl.example.net,BLOCK,go away"},
        "BLACKLISTS: '-block=bl.example.net,BLOCK,go away' would break couriertcpd's command line; "
        "write options that begin with - and hold no blank and none of ' # & ; | < > ( )",
    ),
    "a list that Courier 1.0.16 refuses nobody for": (
        {"BLACKLISTS": "-block=bl.example.net"},
        "BLACKLISTS: -block=bl.example.net has no message, and Courier 1.0.16 refuses nobody then; "
        "write -block=bl.example.net,BLOCK/127.0.0.2,Blacklisted, or have the list in mail_blocklists",
    ),
    "one such list after another, with an address and no message": (
        {"BLACKLISTS": "-block=bl.example.org,BLOCK,no -block=bl.example.net,BLOCK/127.0.0.2"},
        "BLACKLISTS: -block=bl.example.net,BLOCK/127.0.0.2 has no message, and Courier 1.0.16 refuses nobody then; "
        "write -block=bl.example.net,BLOCK/127.0.0.2,Blacklisted, or have the list in mail_blocklists",
    ),
    "a list with an empty message": (
        {"BLACKLISTS": "-block=bl.example.net,BLOCK,"},
        "BLACKLISTS: -block=bl.example.net,BLOCK, has no message, and Courier 1.0.16 refuses nobody then; "
        "write -block=bl.example.net,BLOCK/127.0.0.2,Blacklisted, or have the list in mail_blocklists",
    ),
    "quotes for the second shell": (
        {"BLACKLISTS": "-block=bl.example.net,BLOCK,it's"},
        "BLACKLISTS: \"-block=bl.example.net,BLOCK,it's\" would break couriertcpd's command line; "
        "write options that begin with - and hold no blank and none of ' # & ; | < > ( )",
    ),
}

REFUSED_VALUES = {
    "a password in clear": (
        {"ESMTPAUTH": "CRAM-MD5"},
        "ESMTPAUTH cannot be 'CRAM-MD5': Courier would take a password before STARTTLS; "
        "leave it empty and write ESMTPAUTH_TLS, which counts on 465 too",
    ),
    "Trash for a day": (
        {"IMAP_EMPTYTRASH": ""},
        "IMAP_EMPTYTRASH cannot be '': write folders with days, such as Trash:30,Deleted Items:30, "
        "or a comma to keep all; 0 and nothing are one day",
    ),
    "a source of backscatter that Courier does not know": (
        {"ESMTP_BLOCKBACKSCATTER": "esmtp"},
        "ESMTP_BLOCKBACKSCATTER cannot be 'esmtp': write smtp/dsn (drop bounces to strangers), "
        "smtp/dsn,authsmtp/dsn (to everybody who came by SMTP) or nothing",
    ),
}

KEYS = st.sampled_from(["BOFHCHECKDNS", "TLS_PRIORITY", "MAXDAEMONS"])
VALUES = st.text([char for char in string.printable if char not in '$`\\"\t\n\r\v\f'])


def shell(tmp_path, text, names):
    """The values that sh holds after sourcing a text."""
    path = tmp_path / "sourced"
    path.write_text(text)
    script = f". {path}" + "".join(f"; printf '%s\\0' \"${name}\"" for name in names)
    shown = subprocess.run(["sh", "-c", script], env={}, check=True, capture_output=True, text=True).stdout
    return dict(zip(names, shown.split("\0"), strict=False))


@pytest.mark.parametrize(("text", "held"), READ.values(), ids=READ)
def test_reads_what_sh_holds(text, held, tmp_path):
    assert read(text) == held
    if "$A" not in text:
        assert shell(tmp_path, text, held) == held


def test_knows_what_the_file_names():
    assert known(ESMTPD) == {"BOFHCHECKDNS", "TLS_PRIORITY", "BLACKLISTS", "MAXDAEMONS", "MISC"}
    assert known("#  DEFDOMAIN=x\n# see imapd(8) for A =1\nauthmodulelist=y\n") == {"DEFDOMAIN", "authmodulelist"}


@pytest.mark.parametrize(("text", "settings", "written"), WRITTEN.values(), ids=WRITTEN)
def test_sets_a_key_and_keeps_the_rest(text, settings, written):
    assert write(text, settings) == written
    assert write(written, settings) == written


@pytest.mark.parametrize(("settings", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_would_not_reach_courier(settings, sentence):
    with pytest.raises(SettingsError) as refusal:
        write(ESMTPD, settings)
    assert str(refusal.value) == sentence


def test_an_overlay_may_set_what_its_base_names():
    assert write("PORT=587\n", {"TLS_PRIORITY": "NORMAL"}, [ESMTPD]) == 'PORT=587\nTLS_PRIORITY="NORMAL"\n'


@pytest.mark.parametrize(("settings", "sentence"), REFUSED_VALUES.values(), ids=REFUSED_VALUES)
def test_refuses_what_does_harm_or_nothing(settings, sentence):
    with pytest.raises(SettingsError) as refusal:
        lines(settings)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("value", ["", "smtp/dsn", "smtp/dsn,authsmtp/dsn"])
def test_bounces_can_be_dropped_or_not(value):
    assert lines({"ESMTP_BLOCKBACKSCATTER": value}) == f'ESMTP_BLOCKBACKSCATTER="{value}"\n'


@pytest.mark.parametrize("value", ["Trash:30", "Trash:30,Deleted Items:7", ","])
def test_how_long_folders_keep(value):
    assert lines({"IMAP_EMPTYTRASH": value}) == f'IMAP_EMPTYTRASH="{value}"\n'


def test_lines_of_their_own_for_a_file_to_come():
    assert lines({"PORT": 587, "ADDRESS": "127.0.0.1"}) == 'PORT="587"\nADDRESS="127.0.0.1"\n'


@given(st.dictionaries(KEYS, VALUES))
def test_read_returns_what_write_wrote(settings):
    assert read(write(ESMTPD, settings)) == read(ESMTPD) | settings


@given(st.dictionaries(KEYS, VALUES))
def test_sh_holds_what_write_wrote(tmp_path_factory, settings):
    assert shell(tmp_path_factory.getbasetemp(), write(ESMTPD, settings), settings) == settings

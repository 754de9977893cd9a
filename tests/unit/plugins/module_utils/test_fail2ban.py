"""What fail2ban reads, what it would misread, and what it makes of Courier's lines."""

from __future__ import annotations

import configparser
import re
import subprocess
from pathlib import Path

import pytest

from plugins.module_utils._fail2ban import BanError, render, seconds

ROLE = Path(__file__).parents[4] / "roles/fail2ban/files"

TIMES = {"seconds": (600, 600), "minutes": ("10m", 600), "two units": ("1d 12h", 129600), "weeks": ("4w", 2419200)}


@pytest.mark.parametrize(("said", "wanted"), TIMES.values(), ids=TIMES)
def test_times(said, wanted):
    assert seconds("bantime", said) == wanted


@pytest.mark.parametrize("said", ["ten minutes", "10 mins", "-1", "0", "", "never"])
def test_no_times(said):
    with pytest.raises(BanError, match=r"bantime is .*, which is no time; write such as 600, 10m, 1h, 1d 12h or 4w"):
        seconds("bantime", said)


def test_a_jail_is_a_section_after_the_default():
    text = render(
        {"bantime": "1h", "bantime.increment": True},
        {"sshd": {"enabled": False, "maxretry": 3}, "web": {"port": "80, https,8000:8010"}},
        ["192.0.2.0/24"],
        "8w",
    )
    parsed = configparser.RawConfigParser(default_section="nothing")
    parsed.read_string(text)
    assert {name: dict(parsed[name]) for name in parsed.sections()} == {
        "DEFAULT": {"ignoreip": "127.0.0.0/8 ::1 192.0.2.0/24", "bantime": "1h", "bantime.increment": "true"},
        "sshd": {"enabled": "false", "maxretry": "3"},
        "web": {"port": "80, https,8000:8010"},
    }


REFUSED = {
    "a setting that is none": ({}, {"a": {"bantme": "1h"}}, [], "bantme of jail a: fail2ban has no such setting"),
    "a time that is none": ({"findtime": "soon"}, {}, [], "findtime of default is 'soon', which is no time"),
    "a number that is none": ({}, {"a": {"maxretry": 0}}, [], "maxretry of jail a is 0; write a number from 1 on"),
    "a switch that is none": ({}, {"a": {"enabled": "perhaps"}}, [], "enabled of jail a is 'perhaps'; write true or"),
    "a list in a port": (
        {},
        {"a": {"port": [22, 2222]}},
        [],
        "port of jail a is [22, 2222], and nft would close none;",
    ),
    "a port that is none": ({"port": "25,66000"}, {}, [], "write such as 22, ssh, 80,443 or 8000:8010"),
    "addresses that are none": (
        {},
        {},
        ["office"],
        "fail2ban_ignored has 'office'; write addresses, or networks such as",
    ),
    "a second list of networks": ({"ignoreip": "::1"}, {}, [], "said once, in mail_admin_networks; write them there"),
    "a name": ({}, {"a jail": {}}, [], "a jail cannot be called 'a jail'; write at most 26 small letters"),
    "another section": ({"action": "a\n[b]"}, {}, [], "a line after the first one begins with a space"),
    "what a restart forgets": ({}, {"a": {"bantime": "9w"}}, [], "bans are remembered for 8w: a restart would let in"),
}


@pytest.mark.parametrize(("default", "jails", "ignored", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(default, jails, ignored, sentence):
    with pytest.raises(BanError, match=re.escape(sentence)):
        render(default, jails, ignored, "8w")


def failures(mode, line, name="courier-mail.conf"):
    """Addresses and login names that the filter finds, with its tags written out as fail2ban does."""
    parsed = configparser.RawConfigParser()
    parsed.read(ROLE / name)
    definition = dict(parsed["Definition"]) | {"mode": mode, "names": "root|www\\-data"}
    text = definition["failregex"]
    tags = r"<(_?failregex_[a-z]+|mode|names|_line|_smtp|_mailbox|_from|_named|_nameless)>"
    while re.search(tags, text):
        text = re.sub(tags, lambda tag: definition[tag[1]], text)
    text = text.replace("<ADDR>", r"\[?(?:::f{4,6}:)?(?P<address>[0-9a-fA-F:.]+)\]?")
    text = text.replace("<F-USER>", "(?P<user>").replace("</F-USER>", ")")
    found = [match for one in text.split("\n") if (match := re.search(one, line))]
    return [(match["address"], match.groupdict().get("user")) for match in found]


# As 1.0.16, 1.4.1 and 2.0 write them.
SMTP = 'mx1 courieresmtpd{}: error,relay={},port=47116,msg="{}",cmd: {}'
FAILED = "535 Authentication failed."
MAILBOX = "mx1 {}: LOGIN FAILED, {}, ip=[{}], port=[38184]"
V4, V6 = "::ffff:198.51.100.9", "2001:db8::9"
ALICE = ("198.51.100.9", "alice@example.com")
NAMED = {
    "LOGIN": (SMTP.format("[7]", V4, FAILED, "AUTH LOGIN alice@example.com"), [ALICE]),
    "LOGIN at once": (SMTP.format("", V4, FAILED, "AUTH LOGIN YWxpY2VAZXhhbXBsZS50 alice@example.com"), [ALICE]),
    "PLAIN": (SMTP.format("", V4, FAILED, "AUTH PLAIN AGFsaWNlQGV4YW1wbGUu alice@example.com"), [ALICE]),
    "CRAM": (SMTP.format("", V6, FAILED, "AUTH CRAM-MD5 alice@example.com"), [(V6, "alice@example.com")]),
    "IMAP": (MAILBOX.format("imapd", "user=alice@example.com", V4), [ALICE]),
    "IMAP within TLS": (MAILBOX.format("imapd-ssl[9]", "user=alice@example.com", V6), [(V6, "alice@example.com")]),
    "POP3": (MAILBOX.format("pop3d-ssl", "user=alice@example.com", V4), [ALICE]),
    "an address in an SMTP name": (
        SMTP.format(
            "", V4, FAILED, 'AUTH LOGIN x\\nerror,relay=192.0.2.9,port=1,msg="535 Authentication failed.",cmd: AUTH'
        ),
        [("198.51.100.9", "AUTH")],
    ),
    "an address in an IMAP name": (
        MAILBOX.format("imapd-ssl", "user=x, ip=[::ffff:192.0.2.9], port=[1]", V4),
        [("198.51.100.9", "x, ip=[::ffff:192.0.2.9], port=[1]")],
    ),
    "a name that could push out the end": (
        MAILBOX.format("imapd-ssl", f"user={'x' * 500}", "::ffff:192.0.2.9"),
        [],
    ),
}
NAMELESS = {
    "an unfinished CRAM": (SMTP.format("", V6, FAILED, "AUTH CRAM-MD5"), [(V6, None)]),
    "a login where none is offered": (
        SMTP.format("", V4, "535 Authentication rejected", "AUTH PLAIN AGFsaWNlQGV4YW1wbGUu"),
        [("198.51.100.9", None)],
    ),
    "AUTHENTICATE": (MAILBOX.format("imapd-ssl", "method=PLAIN", V4), [("198.51.100.9", None)]),
    "an address in a method": (MAILBOX.format("imapd", "method=x, ip=[192.0.2.9]", V4), [("198.51.100.9", None)]),
}
NOTHING = {
    "no login at all": SMTP.format("", V4, "535 Authentication required.", "MAIL FROM:<x@example.net>"),
    "an unknown recipient": f"mx1 courieresmtpd: error,relay={V4},port=5,from=<>,to=<a@example.com>: 550 User unknown",
    "a refused relay": f"mx1 courieresmtpd: error,relay={V4},port=5,from=<>,to=<a@example.net>: 513 Relaying denied.",
    "a login": f"mx1 imapd: LOGIN, user=alice@example.com, ip=[{V4}], port=[1], protocol=IMAP",
    "another program": MAILBOX.format("sshd", "user=alice@example.com", V4),
    "a filter's own line": f"mx1 pythonfilter: {SMTP.format('', V4, FAILED, 'AUTH LOGIN a')}",
}


@pytest.mark.parametrize("mode", ["strangers", "accounts"])
@pytest.mark.parametrize(("line", "wanted"), NAMED.values(), ids=NAMED)
def test_finds_who_failed_by_name(mode, line, wanted):
    assert failures(mode, line) == wanted


@pytest.mark.parametrize(("line", "wanted"), NAMELESS.values(), ids=NAMELESS)
def test_finds_who_failed_without_a_name(line, wanted):
    assert failures("accounts", line) == wanted
    assert failures("strangers", line) == []


@pytest.mark.parametrize("mode", ["strangers", "accounts", "attackers"])
@pytest.mark.parametrize("line", NOTHING.values(), ids=NOTHING)
def test_finds_nothing_in(mode, line):
    assert failures(mode, line) == []


@pytest.mark.parametrize("name", ["root", "Root@example.com", "www-data@example.net"])
def test_finds_hopeless_names(name):
    for line in (SMTP.format("", V4, FAILED, f"AUTH LOGIN {name}"), MAILBOX.format("imapd", f"user={name}", V4)):
        assert failures("attackers", line) == [("198.51.100.9", name)]


def test_finds_no_others_hopeless():
    assert failures("attackers", NAMED["LOGIN"][0]) == failures("attackers", NAMED["IMAP"][0]) == []
    assert failures("attackers", SMTP.format("", V4, FAILED, "AUTH LOGIN rooted@example.com")) == []


def test_nothing_leads_into_the_jail_of_the_proof():
    for line, _wanted in (NAMED | NAMELESS).values():
        assert failures("proof", line) == []


@pytest.mark.parametrize("mode", ["strangers", "accounts", "attackers", "proof"])
def test_what_a_run_writes_comes_to_each(mode):
    line = "mx1 courier-proof[7]: 127.3.2.1"
    assert failures(mode, line) == failures(mode, line, "courier-horde.conf") == [("127.3.2.1", None)]
    assert failures(mode, f'mx1 imapd: LOGIN FAILED, user={line}, ip=[{V4}]"') == []


# The same on both releases.
HORDE = (
    "mx1 HORDE[50]: [imp] REFUSED LOGIN for {} (198.51.100.9) "
    '[pid 50 on line 73 of "/usr/local/share/courier-horde/IMP_Auth.php"]'
)
HORDES_OWN = (
    "mx1 HORDE[50]: [horde] FAILED LOGIN for alice@example.com to horde (198.51.100.9) "
    '[pid 50 on line 191 of "/usr/share/horde/login.php"]'
)


def test_of_horde_only_a_refusal_of_the_mail_server_counts():
    assert failures("", HORDE.format("alice@example.com"), "courier-horde.conf") == [ALICE]
    assert failures("", HORDES_OWN, "courier-horde.conf") == []


@pytest.mark.parametrize(
    "name",
    [
        "alice@example.com (203.0.113.9)",
        'alice@example.com (203.0.113.9) [pid 1 on line 1 of "x"]',
        'alice@example.com (203.0.113.9) [pid 1 on line 1 of "',
        "alice@example.com [imp] REFUSED LOGIN for bob (203.0.113.9)",
    ],
)
def test_a_name_at_horde_bans_nobody_else(name):
    found = failures("", HORDE.format(name), "courier-horde.conf")
    assert [address for address, *_rest in found] == ["198.51.100.9"]


LONG = "somebody.with.a.very.long.name.indeed@mail.department.example.com"
KNOWN = {
    "an account": ("alice@example.com", 0, 1),
    "an account in capitals": ("Alice@EXAMPLE.com", 0, 1),
    "nobody": ("bob@example.com", 1, 0),
    "a part of a name": ("alice", 1, 0),
    "a long name that Courier has cut": (LONG[:45], 0, 1),
    "a program": ("$(touch /tmp/x)\\", 1, 0),
    "a pattern": (".*", 1, 0),
    "no name": ("", 1, 1),
}


@pytest.mark.parametrize(("name", "is_one", "is_none"), KNOWN.values(), ids=KNOWN)
def test_tells_accounts_from_others(tmp_path, name, is_one, is_none):
    (tmp_path / "accounts").write_text(f"alice@example.com\n{LONG}\n")
    program = (ROLE / "account").read_text().replace("/etc/fail2ban/courier-mail-accounts", str(tmp_path / "accounts"))
    for arguments, wanted in (([name], is_one), (["--not", name], is_none)):
        assert subprocess.run(["sh", "-c", program, "account", *arguments], check=False).returncode == wanted

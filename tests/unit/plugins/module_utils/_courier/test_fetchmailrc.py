"""fetchmail's rc: what it says, in which order and quotes, and what is refused."""

from __future__ import annotations

import re

import pytest

from plugins.module_utils._courier.fetchmailrc import FetchError, Mailbox, check, render, shown
from plugins.module_utils._courier.terms import Terms, TermsError

BOB = Mailbox("imap.example.net", "imaps", "bob", "a secret", "bob@example.com")
KNOWN = ["bob@example.com", "Sales@example.com", "@shop.example.com"]
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
WHY = Terms("their server is old")
PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))

WHOLE = """\
# Written by Ansible (courier.mail.fetchmail).
set softbounce
set no bouncemail
set no spambounce
set no syslog
poll "imap.example.net" with protocol IMAP service 993 timeout 120
  plugout "deliver bob"
  auth password bad-header accept
  user "bob" with password "a secret" is "bob@example.com" here
  ssl sslproto "TLS1.3+" sslcertck
  smtphost "127.0.0.1/25" antispam -1
  no rewrite no mimedecode no dropstatus no dropdelivered
  fetchall no keep
  limit 1000
"""

SAYS = {
    "TLS from the beginning": ({}, ["service 993", "\n  ssl sslproto"]),
    "STARTTLS": ({"protocol": "imap"}, ["service 143", '\n  no ssl sslproto "TLS1.3+" sslcertck']),
    "POP3S": ({"protocol": "pop3s"}, ["protocol POP3 service 995"]),
    "POP3": ({"protocol": "pop3"}, ["protocol POP3 service 110", "no ssl sslproto"]),
    "another port": ({"port": 1993}, ["service 1993"]),
    "idle": ({"idle": True}, ["\n  idle\n"]),
    "folders": ({"folders": ["INBOX", "Old mail"]}, ['folder "INBOX","Old mail"']),
    "kept with a list": ({"protocol": "pop3s", "keep": "True"}, [" uidl\n", "no fetchall keep"]),
    "kept and not seen": ({"keep": "unseen"}, ["no fetchall keep"]),
    "an older TLS": ({"tls_profile": "intermediate", "terms": WHY}, ['sslproto "TLS1.2+"', "# their server is old\n"]),
    "an authority": ({"ca": PEM, "terms": WHY}, ['sslcertck\n  sslcertfile "ca.pem"']),
    "a name": ({"tls_name": "mail.example.net", "terms": WHY}, ['sslcertck\n  sslcommonname "mail.example.net"']),
    "no ends of strings in strings": ({"password": 'a"b\\c'}, ['password "a\\x22b\\x5cc"']),
    "UTF-8 by its bytes": ({"password": "é"}, ['password "\\xc3\\xa9"']),
}

REFUSED = {
    "nobody who gets it": (
        {"to": ""},
        "mail_remote_mailboxes: bob at imap.example.net has no `to`; write the address here that gets its mail",
    ),
    "somebody who is not here": (
        {"to": "nobody@example.com"},
        "mail_remote_mailboxes: bob at imap.example.net: nobody here is nobody@example.com; write an address of "
        "mail_accounts, or the name of an alias or a forward",
    ),
    "a name without a domain": (
        {"to": "bob"},
        "mail_remote_mailboxes: bob at imap.example.net: to is 'bob'; write a whole address",
    ),
    "what is kept without state": (
        {"keep": "true"},
        "mail_remote_mailboxes: bob at imap.example.net: with IMAP nothing here says what was fetched already, so "
        "keep: true would fetch it again. Write protocol pop3s, which keeps a list of it, or keep: unseen, which "
        "fetches what nobody has read there",
    ),
    "seen, where nothing is": (
        {"protocol": "pop3s", "keep": "unseen"},
        "mail_remote_mailboxes: bob at imap.example.net: POP3 does not know what was read; write keep: true",
    ),
    "another word": (
        {"keep": "always"},
        "mail_remote_mailboxes: bob at imap.example.net: keep is 'always'; write true, false or unseen",
    ),
    "folders of POP3": (
        {"protocol": "pop3s", "folders": ["INBOX"]},
        "mail_remote_mailboxes: bob at imap.example.net: POP3 has no folders; take them out, or write protocol imaps",
    ),
    "idle over POP3": (
        {"protocol": "pop3s", "idle": True},
        "mail_remote_mailboxes: bob at imap.example.net: idle watches one folder over IMAP; write interval instead, or "
        "one folder",
    ),
    "a password with a line break": (
        {"password": "a\nset postmaster root"},
        "mail_remote_mailboxes: bob at imap.example.net: password is empty, or has a line break or another control "
        "character",
    ),
    "no password": (
        {"password": ""},
        "mail_remote_mailboxes: bob at imap.example.net: password is empty, or has a line break or another control "
        "character",
    ),
    "an address of a host": (
        {"host": "192.0.2.1"},
        "mail_remote_mailboxes: bob at 192.0.2.1: '192.0.2.1' is no name of a host that a certificate could have",
    ),
    "a path as a name": (
        {"name": "../bob"},
        "mail_remote_mailboxes: bob at imap.example.net is called '../bob'; write a name of small letters, digits and "
        "hyphens",
    ),
    "an exception without a reason": (
        {"tls_profile": "intermediate"},
        "mail_remote_mailboxes: bob at imap.example.net: an exception of TLS (tls_profile, ca, tls_name) needs "
        "a reason",
    ),
    "no certificate": (
        {"ca": "authority.pem", "terms": WHY},
        "mail_remote_mailboxes: bob at imap.example.net: ca is no certificate in PEM; write "
        "lookup('ansible.builtin.file', 'authority.pem')",
    ),
    "too often": (
        {"interval": 1},
        "mail_remote_mailboxes: bob at imap.example.net: interval is 1; write seconds from 10 to 86400",
    ),
}


def test_a_whole_file():
    assert render(BOB._replace(name="bob"), "deliver bob", 1000, "ca.pem") == WHOLE


@pytest.mark.parametrize(("given", "parts"), SAYS.values(), ids=SAYS)
def test_says(given, parts):
    one = BOB._replace(**given)
    assert check([one], KNOWN) == []
    text = render(one, "deliver bob", 0, "ca.pem")
    assert [part for part in parts if part not in text] == []


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(FetchError) as refused:
        check([BOB._replace(**given)], KNOWN)
    assert str(refused.value) == sentence


def test_every_printable_character_comes_back():
    """As fetchmail reads it (escapes in rcfile_l.l)."""
    (written,) = re.findall('password "([^"]*)"', render(BOB._replace(password=PRINTABLE), "", 0, ""))
    assert re.sub(r"\\x(..)", lambda found: chr(int(found[1], 16)), written) == PRINTABLE


@pytest.mark.parametrize("to", ["BOB@Example.com", "sales@example.com", "anybody@shop.example.com"])
def test_knows_everybody_who_gets_mail_here(to):
    assert check([BOB._replace(to=to)], KNOWN) == []


@pytest.mark.parametrize(
    "other",
    [
        {"to": "sales@example.com"},
        {"host": "IMAP.example.net", "name": "other"},
        {"protocol": "pop3s", "name": "other"},
        {"folders": ["Sent", "inbox"], "name": "other"},
    ],
)
def test_refuses_two_of_one_place(other):
    with pytest.raises(FetchError) as refused:
        check([BOB, BOB._replace(**other)], KNOWN)
    assert "is there twice, for bob@example.com and for" in str(refused.value)


def test_two_folders_are_two_places():
    assert check([BOB, BOB._replace(folders=["Old"], name="old")], KNOWN) == []


def test_refuses_two_with_one_name():
    with pytest.raises(FetchError, match="are both called one; write names"):
        check([BOB._replace(name="one"), BOB._replace(user="carol", name="one")], KNOWN)


@pytest.mark.parametrize(
    ("user", "unit"),
    [
        ("bob", "bob-imap-example-net"),
        ("bob@imap.example.net", "bob-imap-example-net"),
        ("Bob.B@example.org", "bob-b-example-org-imap-example-net"),
    ],
)
def test_a_unit_is_called_by_user_and_host(user, unit):
    assert BOB._replace(user=user).unit == unit


def test_an_exception_ends():
    with pytest.raises(TermsError, match="was to be until 2020-01-01, which is over"):
        check([BOB._replace(tls_profile="intermediate", terms=Terms("old", None, "2020-01-01"))], KNOWN)


def test_shows_no_password():
    text = render(BOB._replace(password='s3cret"x'), "", 0, "")
    assert "s3cret" in text
    assert "s3cret" not in shown(text)
    assert 'is "bob@example.com" here' in shown(text)

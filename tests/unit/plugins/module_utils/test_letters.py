"""Letters, and the mailboxes that they get into; files are real ones."""

from __future__ import annotations

import os

import pytest

from plugins.module_utils._letters import Mailbox, compose, find, parse_authtest, remove

MARK = "0123456789abcdef01234567"
OTHER = "76543210fedcba9876543210"
# authtest of Debian 13
SAID = """\
Authentication succeeded.

     Authenticated: alice@example.com  (uid 5000, gid 5000)
    Home Directory: /srv/vmail/example.com/alice
           Maildir: (none)
Encrypted Password: $6$x
"""
RECEIVED = b"Received: from sat1 (sat1 [2001:db8::21])\n  (SSL: TLS1.3,128bits,X)\n  by mx1 with UTF8SMTPS\n"
AUTHENTICATED = b"Received: from a (b)\n  (AUTH: PLAIN bob@example.com, TLS: TLS1.3,128bits,X)\n  by mx1\n"
REPORT = b"Content-Type: multipart/report; boundary=x\n\n--x\n\nSubject: courier.mail verify " + MARK.encode()


@pytest.fixture
def mailbox(tmp_path):
    for folder in ("", "/.Junk"):
        for part in ("new", "cur", "tmp"):
            (tmp_path / f"Maildir{folder}/{part}").mkdir(parents=True)
    (tmp_path / "Maildir/maildirsize").write_text("1000S\n         100            1\n")
    return Mailbox("alice@example.com", str(tmp_path), os.getuid(), os.getgid())


@pytest.fixture
def put(tmp_path):
    def put(path, text, at=2000):
        (tmp_path / "Maildir" / path).write_bytes(text)
        os.utime(tmp_path / "Maildir" / path, (at, at))

    return put


def test_a_letter_carries_its_mark_where_it_survives():
    letter = compose(MARK, "", "alice@example.com", "mx1.example.com").decode()
    head, _blank, body = letter.partition("\n\n")
    assert f"Subject: courier.mail verify {MARK}\n" in head
    assert f"Message-ID: <{MARK}@mx1.example.com>" in head
    assert "From: mailer-daemon@mx1.example.com" in head
    assert "Auto-Submitted: auto-generated" in head
    assert MARK in body


def test_authtest_tells_where_mailboxes_are():
    found = parse_authtest("alice@example.com", SAID)
    assert found == Mailbox("alice@example.com", "/srv/vmail/example.com/alice", 5000, 5000)
    assert parse_authtest("nobody@example.com", "Authentication FAILED: Operation not permitted\n") is None


FILES = {
    "a letter": ("new/1", compose(MARK, "", "a@b", "c"), ("INBOX", False, "")),
    "over TLS": ("new/1", RECEIVED + compose(MARK, "", "a@b", "c"), ("INBOX", False, "TLS1.3")),
    "after a login": ("new/1", AUTHENTICATED + compose(MARK, "", "a@b", "c"), ("INBOX", False, "TLS1.3")),
    "sorted into a folder and read": (".Junk/cur/1:2,S", compose(MARK, "", "a@b", "c"), ("Junk", False, "")),
    "a report": ("new/1", REPORT, ("INBOX", True, "")),
    "another letter": ("new/1", compose(OTHER, "", "a@b", "c"), None),
}


@pytest.mark.parametrize(("path", "text", "seen"), FILES.values(), ids=FILES)
def test_finds(mailbox, put, path, text, seen):
    put(path, text)
    found = find(mailbox, [MARK], 1000)
    assert [(one.folder, one.report, one.tls) for one in found] == ([seen] if seen else [])
    assert all((one.mark, one.mailbox, one.at) == (MARK, "alice@example.com", 2000) for one in found)


def test_does_not_read_what_was_there_before(mailbox, put):
    put("new/1", compose(MARK, "", "a@b", "c"), at=999)
    assert find(mailbox, [MARK], 1000) == []


def test_does_not_follow_links(mailbox, put, tmp_path):
    (tmp_path / "elsewhere").write_bytes(compose(MARK, "", "a@b", "c"))
    (tmp_path / "Maildir/new/1").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(tmp_path / "Maildir/new/2")
    assert find(mailbox, [MARK], 0) == []


def test_takes_out_what_it_found_and_puts_the_quota_right(mailbox, put, tmp_path):
    put("new/1,S=321", compose(MARK, "", "a@b", "c"))
    put("new/2", compose(OTHER, "", "a@b", "c"))
    remove(mailbox, find(mailbox, [MARK], 0))
    assert [path.name for path in (tmp_path / "Maildir/new").iterdir()] == ["2"]
    assert (tmp_path / "Maildir/maildirsize").read_text().splitlines()[-1].split() == ["-321", "-1"]


def test_a_mailbox_without_a_quota_has_no_account_of_it(mailbox, put, tmp_path):
    (tmp_path / "Maildir/maildirsize").unlink()
    put("new/1", compose(MARK, "", "a@b", "c"))
    remove(mailbox, find(mailbox, [MARK], 0))
    assert not list((tmp_path / "Maildir/new").iterdir())
    assert not (tmp_path / "Maildir/maildirsize").exists()

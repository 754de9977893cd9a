"""Lists of messages, and what differs between two."""

from __future__ import annotations

import sqlite3

import pytest

from plugins.module_utils._backup import _manifest
from plugins.module_utils._backup._manifest import Message

PATHS = {
    "in the inbox": ("example.com/alice/Maildir/cur/1.M1.mx1:2,S", "example.com/alice/Maildir", "1.M1.mx1"),
    "unread": ("example.com/alice/Maildir/new/1.M1.mx1", "example.com/alice/Maildir", "1.M1.mx1"),
    "in a folder": ("example.com/alice/Maildir/.Junk.2026/cur/1.M1:2,", "example.com/alice/Maildir", "1.M1"),
    "of somebody called tmp": ("example.com/tmp/Maildir/cur/1.M1:2,", "example.com/tmp/Maildir", "1.M1"),
}


@pytest.mark.parametrize(("path", "home", "unique"), PATHS.values(), ids=PATHS)
def test_a_message_is_known_by_its_name_and_maildir(path, home, unique):
    assert Message(path, 1).key == (home, unique)


def test_a_list_is_read_as_it_was_written(tmp_path):
    listed = [Message("a/cur/tab\tline\nback\\slash\udcff:2,S", 3, "ab"), Message("b/new/1", 0, "cd")]
    assert _manifest.write(f"{tmp_path}/list", listed) == (2, 3)
    assert list(_manifest.read(f"{tmp_path}/list")) == listed


ONE = Message("h/Maildir/cur/1.M:2,S", 5, "digest")
DIFFERENCES = {
    "nothing": ([ONE], (1, [], [], [], 0)),
    "other flags": ([ONE._replace(path="h/Maildir/cur/1.M:2,ST")], (0, [ONE.path], [], [], 0)),
    "another folder": ([ONE._replace(path="h/Maildir/.Trash/cur/1.M:2,S")], (0, [ONE.path], [], [], 0)),
    "another text": ([ONE._replace(digest="other")], (0, [], [ONE.path], [], 0)),
    "it is gone": ([], (0, [], [], [ONE.path], 0)),
    "it is somebody else's": ([ONE._replace(path="other/Maildir/cur/1.M:2,S")], (0, [], [], [ONE.path], 1)),
    "one more": ([ONE, ONE._replace(path="h/Maildir/new/2.M")], (1, [], [], [], 1)),
}


@pytest.mark.parametrize(("found", "difference"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_what_differs(found, difference):
    assert _manifest.compare([ONE], found) == difference


def test_of_two_copies_the_one_of_the_list_stays():
    twice = [ONE, ONE._replace(path="h/Maildir/new/1.M"), ONE._replace(path="h/Maildir/cur/1.M:2,FST")]
    assert _manifest.doubled(twice, [ONE]) == ["h/Maildir/new/1.M", "h/Maildir/cur/1.M:2,FST"]
    assert _manifest.doubled(twice, []) == [ONE.path, "h/Maildir/new/1.M"]
    assert _manifest.doubled([ONE], []) == []


def test_a_text_is_read_once(host, monkeypatch):
    read = []
    original = _manifest.digest
    monkeypatch.setattr(_manifest, "digest", lambda path: read.append(path) or original(path))

    def listed():
        digests = _manifest.Digests(str(host.state / "digests"))
        found = list(_manifest.messages(str(host.root), digests))
        digests.close()
        return found

    first = listed()
    assert len(read) == 3
    (host.root / "example.com/alice/Maildir/cur/1.M1P1.mx1:2,S").rename(
        host.root / "example.com/alice/Maildir/cur/1.M1P1.mx1:2,FS"
    )
    host.letter("9.M9.mx1:2,")
    second = listed()
    assert len(read) == 4
    assert {one.digest for one in first} <= {one.digest for one in second}


def test_a_damaged_cache_is_none(host):
    (host.state / "digests").write_bytes(b"not a database" * 1000)
    digests = _manifest.Digests(str(host.state / "digests"))
    assert len(list(_manifest.messages(str(host.root), digests))) == 3
    digests.close()
    assert sqlite3.connect(host.state / "digests").execute("SELECT count(*) FROM digests").fetchone() == (3,)


def test_links_lead_nowhere(host, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("root's")
    (host.root / "example.com/alice/Maildir/cur/5.link").symlink_to(secret)
    (host.root / "example.org/link").symlink_to(host.root / "example.com")
    assert len(list(_manifest.messages(str(host.root)))) == 3


def test_an_empty_mail_root_has_no_messages(host, tmp_path):
    assert _manifest.has_messages(str(host.root))
    assert not _manifest.has_messages(str(tmp_path / "keys"))
    assert not _manifest.has_messages(str(tmp_path / "absent"))

from __future__ import annotations

import os
import time

import pytest

from plugins.module_utils._filters import _maildirs, learn
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._store import Store
from plugins.module_utils._filters._verdict import Down
from plugins.module_utils._filters.learn import Learned, Settings, flagged, key


class Site:
    def __init__(self, tmp_path):
        self.root, self.taught, self.down = tmp_path / "mail", [], False
        self.maildir = self.root / "example.com/alice/Maildir"
        for folder in (".Junk", ".NotJunk", ".Trash", ".Work", ""):
            for part in ("cur", "new", "tmp"):
                (self.maildir / folder / part).mkdir(parents=True)
        self.settings = Settings(root=str(self.root), max_size=1000, store=str(tmp_path / "learned.sqlite"))
        self.store = Store(self.settings.store)

    def put(self, number, place, *, ours=False, size=0, flags=":2,S"):
        text = (
            f"Message-ID: <{number}@example.net>\nDate: now\n{'X-Spam-Flag: YES' if ours else 'X: y'}\n\n{'x' * size}"
        )
        path = self.maildir / place / f"{number}.M1.host{flags if 'cur' in place else ''}"
        path.write_text(text)
        return path

    def move(self, path, place, name=None):
        os.rename(path, self.maildir / place / (name or path.name))

    def run(self):
        self.taught.clear()
        return learn.run(self.settings, self.store, self.teach, time.time())

    def teach(self, text, kind):
        if self.down:
            raise Down("spamd is down")
        self.taught.append((text.split(b"@")[0].decode().partition("<")[2], kind))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@pytest.mark.parametrize("place", [".Junk/cur", ".Junk/new"])
def test_what_somebody_put_into_junk_is_spam(site, place):
    site.put(1, place)
    assert site.run() == Learned(spam=1)
    assert site.taught == [("1", "spam")]


def test_what_we_put_there_is_not_learned(site):
    site.put(1, ".Junk/new", ours=True)
    assert site.run() == Learned()


def test_nothing_is_learned_twice(site):
    path = site.put(1, ".Junk/cur")
    site.run()
    site.move(path, ".Junk/cur", "1.M1.host:2,FS")
    assert site.run() == Learned()


def test_what_is_in_not_junk_is_ham_and_goes_back_with_its_flags(site):
    site.put(1, ".NotJunk/cur", flags=":2,FS")
    site.put(2, ".NotJunk/new")
    assert site.run() == Learned(ham=2, moved=2)
    assert sorted(site.taught) == [("1", "ham"), ("2", "ham")]
    assert [path.name for path in (site.maildir / "cur").iterdir()] == ["1.M1.host:2,FS"]
    assert [path.name for path in (site.maildir / "new").iterdir()] == ["2.M1.host"]
    assert list((site.maildir / ".NotJunk/cur").iterdir()) == []
    assert site.run() == Learned()


def test_nothing_in_the_inbox_is_overwritten(site):
    inbox = site.put(1, "cur")
    inbox.write_text("mine")
    site.put(1, ".NotJunk/cur")
    assert site.run().moved == 0
    assert inbox.read_text() == "mine"


@pytest.mark.parametrize("place", ["cur", ".Work/cur"])
@pytest.mark.parametrize("ours", [True, False])
def test_what_somebody_took_out_of_junk_is_ham(site, ours, place):
    path = site.put(1, ".Junk/cur", ours=ours)
    site.run()
    site.move(path, place, "99.M2.host:2,S")
    assert site.run() == Learned(ham=1)
    assert site.taught == [("1", "ham")]
    assert site.run() == Learned()


def test_what_is_in_two_folders_is_learned_once(site):
    path = site.put(1, ".Junk/cur")
    site.run()
    site.move(path, ".Work/cur")
    site.put(1, "cur")
    assert site.run() == Learned(ham=1)


@pytest.mark.parametrize("place", [None, ".Trash/cur"])
def test_what_somebody_deleted_says_nothing(site, place):
    path = site.put(1, ".Junk/cur")
    site.run()
    if place:
        site.move(path, place)
    else:
        path.unlink()
    assert site.run() == Learned()
    assert site.store.seen("alice@example.com") == {}


def test_what_is_large_is_moved_and_not_learned(site):
    site.put(1, ".NotJunk/cur", size=2000)
    site.put(2, ".Junk/cur", size=2000)
    assert site.run() == Learned(moved=1)


def test_goes_on_where_spamd_stopped_answering(site):
    path = site.put(1, ".Junk/cur")
    site.put(2, ".NotJunk/cur")
    site.down = True
    with pytest.raises(Down):
        site.run()
    assert path.exists()
    assert (site.maildir / ".NotJunk/cur/2.M1.host:2,S").exists()
    site.down = False
    assert site.run() == Learned(spam=1, ham=1, moved=1)


def test_follows_no_links(site, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("Message-ID: <9@example.net>\n\n")
    (site.maildir / ".Junk/cur/9.M1.host:2,").symlink_to(secret)
    (site.maildir / ".NotJunk/cur/9.M1.host:2,").symlink_to(secret)
    (site.root / "example.com/eve").mkdir()
    (site.root / "example.com/eve/Maildir").symlink_to(site.maildir)
    site.put(1, ".Junk/cur")
    assert site.run() == Learned(spam=1)
    assert secret.exists()
    assert [file.name for file in _maildirs.messages(str(site.maildir), "NotJunk")] == []


def test_a_message_is_known_by_what_stays():
    one = b"Message-ID: <1@x>\nDate: d\nX-A: 1\n\nbody"
    assert key(one) == key(b"X-B: 2\nmessage-id: <1@x>\nDate: d\n\nother")
    assert key(one) != key(one.replace(b"<1@x>", b"<2@x>"))
    assert key(b"Date: d\n\na") != key(b"Date: d\n\nb")


@pytest.mark.parametrize(
    ("text", "ours"),
    [(b"X-Spam-Flag: YES\n\n", True), (b"x-spam-flag: yes\n\n", True), (b"X-Spam-Flag: NO\n\n", False), (b"\n", False)],
)
def test_the_mark_of_our_filters(text, ours):
    assert flagged(text) is ours


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"junk": "a/b"}, "junk is 'a/b'; write the name of a folder, such as Junk"),
        ({"not_junk": "Junk"}, "not_junk is 'Junk'; write three different folders for junk, not_junk and trash"),
        ({"root": "mail"}, "root is 'mail'; write an absolute path"),
        ({"max_size": 0}, "max_size is 0; write a number of bytes"),
    ],
)
def test_refuses_settings(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, given)
    assert str(refusal.value) == sentence

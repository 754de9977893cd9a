"""Mailboxes in a real directory: what is made, what is set right, what is left alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from plugins.module_utils._maildir import MARK, Mailbox, MailboxError, MailRoot, carry_out, diff, left_behind, survey

# Root makes things as the mail user; anybody else can only be the mail user.
UID, GID = (os.getuid(), os.getgid()) if os.getuid() else (54321, 54322)
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give things to somebody else")


@pytest.fixture
def root(tmp_path):
    path = tmp_path / "vmail"
    path.mkdir(mode=0o755)
    return MailRoot(str(path), UID, GID, ["Sent", "Junk"])


@pytest.fixture
def home(root):
    return Path(root.path, "example.com/alice")


def apply(root, *mailboxes):
    work = survey(root, mailboxes)
    shown = diff(root, work)
    carry_out(root, work)
    assert survey(root, mailboxes) == []
    return shown


def tree(top):
    """Every path below a directory, with its mode."""
    return {os.path.relpath(path, top): stat.filemode(path.lstat().st_mode) for path in sorted(Path(top).rglob("*"))}


def owners(top):
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in Path(top).rglob("*")}


def test_a_new_mailbox_is_what_maildirmake_makes(root, home):
    shown = apply(root, Mailbox(str(home)))
    assert tree(root.path) == {
        "example.com": "drwx------",
        "example.com/alice": "drwx------",
        "example.com/alice/Maildir": "drwx------",
        "example.com/alice/Maildir/.Junk": "drwx------",
        "example.com/alice/Maildir/.Junk/cur": "drwx------",
        "example.com/alice/Maildir/.Junk/maildirfolder": "-rw-------",
        "example.com/alice/Maildir/.Junk/new": "drwx------",
        "example.com/alice/Maildir/.Junk/tmp": "drwx------",
        "example.com/alice/Maildir/.Sent": "drwx------",
        "example.com/alice/Maildir/.Sent/cur": "drwx------",
        "example.com/alice/Maildir/.Sent/maildirfolder": "-rw-------",
        "example.com/alice/Maildir/.Sent/new": "drwx------",
        "example.com/alice/Maildir/.Sent/tmp": "drwx------",
        "example.com/alice/Maildir/courierimapsubscribed": "-rw-------",
        "example.com/alice/Maildir/cur": "drwx------",
        "example.com/alice/Maildir/new": "drwx------",
        "example.com/alice/Maildir/tmp": "drwx------",
    }
    assert owners(root.path) == {(UID, GID)}
    assert (home / "Maildir/courierimapsubscribed").read_text() == "INBOX.Sent\nINBOX.Junk\n"
    assert shown["before"] == ""
    assert shown["after"] == f"{home} is a new mailbox\n"


def test_homes_may_be_at_any_depth(root):
    apply(root, Mailbox(f"{root.path}/alice"), Mailbox(f"{root.path}/a/b/c/bob"))
    assert Path(root.path, "alice/Maildir/new").is_dir()
    assert Path(root.path, "a/b/c/bob/Maildir/new").is_dir()
    assert owners(root.path) == {(UID, GID)}


@as_root
def test_the_mail_root_may_belong_to_the_mail_user(root, home):
    os.chown(root.path, UID, GID)
    apply(root, Mailbox(str(home)))
    assert owners(root.path) == {(UID, GID)}


def test_only_what_is_missing_is_made(root, home):
    apply(root, Mailbox(str(home)))
    (home / "Maildir/courierimapsubscribed").write_text("INBOX.Junk\n")
    (home / "Maildir/new/message").write_text("mail")
    (home / "Maildir/.Sent/tmp").rmdir()
    (home / "Maildir/.Sent/maildirfolder").unlink()
    shown = apply(root._replace(folders=["Sent", "Junk", "Archive.2026"]), Mailbox(str(home)))
    assert shown["after"].splitlines() == [
        f"{home}/Maildir/.Archive.2026",
        f"{home}/Maildir/.Sent/tmp",
        f"{home}/Maildir/.Archive.2026/cur",
        f"{home}/Maildir/.Archive.2026/new",
        f"{home}/Maildir/.Archive.2026/tmp",
        f"{home}/Maildir/.Sent/maildirfolder",
        f"{home}/Maildir/.Archive.2026/maildirfolder",
    ]
    assert (home / "Maildir/courierimapsubscribed").read_text() == "INBOX.Junk\n"
    assert (home / "Maildir/new/message").read_text() == "mail"


@as_root
def test_a_wrong_owner_is_set_right_but_not_of_messages(root, home):
    apply(root, Mailbox(str(home)))
    message = home / "Maildir/cur/message"
    message.write_text("mail")
    for path in (home, home / "Maildir", home / "Maildir/.Sent/cur"):
        os.chown(path, 0, GID)
    shown = apply(root, Mailbox(str(home)))
    assert shown["before"].splitlines() == [
        f"{home} belongs to 0:{GID}",
        f"{home}/Maildir belongs to 0:{GID}",
        f"{home}/Maildir/.Sent/cur belongs to 0:{GID}",
    ]
    assert f"{home}/Maildir belongs to {UID}:{GID}\n" in shown["after"]
    assert message.stat().st_uid == 0
    message.unlink()
    assert owners(root.path) == {(UID, GID)}


def test_delivery_instructions_come_change_and_go(root, home):
    courier = home / ".courier"
    shown = apply(root, Mailbox(str(home), ["./Maildir", "&bob@example.net"]))
    assert courier.read_text() == f"{MARK}\n./Maildir\n&bob@example.net\n"
    assert tree(home)[".courier"] == "-rw-------"
    assert courier.stat().st_uid == UID
    assert shown["after"] == (
        f"{home} is a new mailbox\n"
        f"{courier} belongs to {UID}:{GID}, mode 0600\n  {MARK}\n  ./Maildir\n  &bob@example.net\n"
    )
    shown = apply(root, Mailbox(str(home), ["./Maildir"]))
    assert "&bob@example.net" in shown["before"]
    assert "&bob@example.net" not in shown["after"]
    assert courier.read_text() == f"{MARK}\n./Maildir\n"
    shown = apply(root, Mailbox(str(home)))
    assert "./Maildir" in shown["before"]
    assert shown["after"] == ""
    assert not courier.exists()


def test_delivery_instructions_that_others_could_write_are_set_right(root, home):
    apply(root, Mailbox(str(home), ["./Maildir"]))
    (home / ".courier").chmod(0o666)
    shown = apply(root, Mailbox(str(home), ["./Maildir"]))
    assert "mode 0666" in shown["before"]
    assert tree(home)[".courier"] == "-rw-------"


def test_a_foreign_courier_file_stays_until_there_are_lines(root, home):
    apply(root, Mailbox(str(home)))
    courier = home / ".courier"
    courier.write_text("|vacation\n")
    assert survey(root, [Mailbox(str(home))]) == []
    shown = apply(root, Mailbox(str(home), ["./Maildir"]))
    assert "  |vacation\n" in shown["before"]
    assert courier.read_text() == f"{MARK}\n./Maildir\n"


def test_instructions_of_extensions_come_change_and_go(root, home):
    junk = home / ".courier-junk"
    shown = apply(root, Mailbox(str(home), extensions={"junk": ["./Maildir/.Junk/"]}))
    assert junk.read_text() == f"{MARK}\n./Maildir/.Junk/\n"
    assert tree(home)[".courier-junk"] == "-rw-------"
    assert junk.stat().st_uid == UID
    assert shown["after"] == f"{home} is a new mailbox\n"
    shown = apply(root, Mailbox(str(home), ["./Maildir"], extensions={"junk": ["./Maildir"], "lists": ["./Maildir"]}))
    assert "./Maildir/.Junk/" in shown["before"]
    assert [line for line in shown["after"].splitlines() if line[0] == "/"] == [
        f"{home}/.courier{end} belongs to {UID}:{GID}, mode 0600" for end in ("", "-junk", "-lists")
    ]
    shown = apply(root, Mailbox(str(home), ["./Maildir"], extensions={"lists": ["./Maildir"]}))
    assert shown["before"].startswith(f"{junk} belongs to ")
    assert shown["after"] == ""
    assert {name for name in tree(home) if ".courier" in name} == {".courier", ".courier-lists"}


def test_a_foreign_file_of_an_extension_stays_until_there_is_one_of_ours(root, home):
    apply(root, Mailbox(str(home)))
    (home / ".courier-lists").write_text("./Maildir/.Lists/\n")
    (home / ".courier-junk").write_text("./Maildir\n")
    shown = apply(root, Mailbox(str(home), extensions={"junk": ["./Maildir/.Junk/"]}))
    assert "  ./Maildir\n" in shown["before"]
    assert (home / ".courier-junk").read_text() == f"{MARK}\n./Maildir/.Junk/\n"
    assert (home / ".courier-lists").read_text() == "./Maildir/.Lists/\n"


def test_a_link_in_the_place_of_courier_is_replaced_not_followed(root, home, tmp_path):
    apply(root, Mailbox(str(home)))
    secret = tmp_path / "secret"
    secret.write_text(f"{MARK}\nsecret\n")
    (home / ".courier").symlink_to(secret)
    assert survey(root, [Mailbox(str(home))]) == []
    shown = apply(root, Mailbox(str(home), ["./Maildir"]))
    assert "secret\n" not in shown["before"]
    assert secret.read_text() == f"{MARK}\nsecret\n"
    assert not (home / ".courier").is_symlink()


@pytest.mark.parametrize("place", ["example.com", "example.com/alice", "example.com/alice/Maildir/.Sent"])
def test_a_link_in_the_place_of_a_directory_is_refused(root, home, tmp_path, place):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = Path(root.path, place)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(MailboxError) as refusal:
        survey(root, [Mailbox(str(home))])
    assert str(refusal.value) == f"{link} is not a directory; move it away, links are not followed here"


@as_root
@pytest.mark.parametrize("place", ["example.com", "example.com/alice", "example.com/alice/Maildir"])
def test_a_link_made_after_the_survey_gives_nothing_away(root, home, tmp_path, place):
    apply(root, Mailbox(str(home)))
    os.chown(home / "Maildir/new", 0, 0)
    work = survey(root, [Mailbox(str(home))])
    Path(root.path, place).rename(tmp_path / "elsewhere")
    Path(root.path, place).symlink_to(tmp_path / "elsewhere")
    before = owners(tmp_path)
    with pytest.raises(MailboxError, match=r"/Maildir/new: Not a directory$"):
        carry_out(root, work)
    assert owners(tmp_path) == before


@as_root
def test_a_link_made_after_the_survey_leads_no_further_than_the_mail_user(root, home, tmp_path):
    apply(root, Mailbox(str(home)))
    (home / "Maildir/cur").rmdir()
    work = survey(root, [Mailbox(str(home))])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (home / "Maildir").rename(tmp_path / "away")
    (home / "Maildir").symlink_to(elsewhere)
    with pytest.raises(MailboxError, match=r"/Maildir/cur: Permission denied$"):
        carry_out(root, work)
    assert tree(elsewhere) == {}


def test_a_forgotten_quota_is_forgotten_on_disk(root, home):
    apply(root, Mailbox(str(home)))
    size = home / "Maildir/maildirsize"
    size.write_text("1000S\n")
    assert survey(root, [Mailbox(str(home), limited=True)]) == []
    assert apply(root, Mailbox(str(home), limited=False))["before"] == f"{size}\n"
    assert not size.exists()


def test_looking_changes_nothing(root, home):
    assert len(survey(root, [Mailbox(str(home)), Mailbox(f"{root.path}/example.com/bob")])) == 2
    assert tree(root.path) == {}


def test_a_mail_root_that_is_not_there_yet_can_be_looked_at(root):
    absent = root._replace(path=f"{root.path}/absent")
    work = survey(absent, [Mailbox(f"{absent.path}/example.com/alice")])
    assert [item.is_new for item in work] == [True]
    assert left_behind(absent, ()) == []
    with pytest.raises(MailboxError) as refusal:
        carry_out(absent, work)
    assert str(refusal.value) == f"the mail root {absent.path} is not there; make the directory first"


@pytest.mark.parametrize("folder", ["", ".Sent", "Sent/cur", "../Sent", "a..b", "Sent.", "Se\nnt"])
def test_a_folder_that_imap_could_not_have_is_refused(root, folder):
    with pytest.raises(MailboxError) as refusal:
        survey(root._replace(folders=[folder]), [])
    assert str(refusal.value) == f"{folder!r} cannot be a folder: write a name such as Sent or Archive.2026"


def test_a_home_elsewhere_is_refused(root):
    with pytest.raises(MailboxError) as refusal:
        survey(root, [Mailbox(f"{root.path}2/alice")])
    assert str(refusal.value) == f"home {root.path}2/alice is not below the mail root {root.path}"


def test_mailboxes_without_an_account_are_named(root, home):
    bob, carol = (f"{root.path}/example.com/{name}" for name in ("bob", "carol"))
    top = f"{root.path}/top"
    apply(root, Mailbox(str(home)), Mailbox(bob), Mailbox(carol), Mailbox(top))
    Path(root.path, "example.com/no-mailbox").mkdir()
    Path(root.path, "link").symlink_to(home.parent)
    assert left_behind(root, {str(home), top}) == [bob, carol]

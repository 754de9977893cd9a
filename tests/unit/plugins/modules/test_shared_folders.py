"""The module with real mailboxes: rights given and taken, subscriptions, and what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from plugins.modules import shared_folders
from tests.unit.run_module import run_module

# Directories of pytest let nobody else through.
UID, GID = os.getuid(), os.getgid()
PEOPLE = ("sales", "alice", "bob")
ORDERS = {"owner": "sales@example.com", "folder": "Orders"}
WITH_ALICE = [ORDERS | {"write": ["alice@example.com"]}]


@pytest.fixture
def site(tmp_path):
    """Arguments for a directory of its own, in which everybody has a mailbox with the folder Sent."""
    for who in PEOPLE:
        for part in ("cur", "new", "tmp", ".Sent"):
            (tmp_path / f"vmail/example.com/{who}/Maildir/{part}").mkdir(parents=True)
    return {
        "folders": [],
        "homes": {f"{who}@example.com": "" for who in PEOPLE},
        "mail_root": str(tmp_path / "vmail"),
        "uid": UID,
        "gid": GID,
        "index": str(tmp_path / "shared/index"),
    }


@pytest.fixture
def maildir(site):
    return lambda who: Path(site["mail_root"], "example.com", who, "Maildir")


def run(site, folders, **options):
    return run_module(shared_folders, **site | {"folders": folders}, **options)


def apply(site, folders):
    answer = run(site, folders)
    assert not answer.get("failed"), answer
    assert run(site, folders)["changed"] is False
    return answer


def acl(path):
    return dict(line.split() for line in (path / "courierimapacl").read_text().splitlines())


def test_a_folder_is_made_and_shared(site, maildir):
    apply(site, WITH_ALICE)
    orders = maildir("sales") / ".Orders"
    assert {path.name for path in orders.iterdir()} == {"cur", "new", "tmp", "maildirfolder", "courierimapacl"}
    assert acl(orders)["user=alice@example.com"] == "eilrstw"
    assert not (maildir("sales") / ".Sent/courierimapacl").exists()


def test_whoever_comes_is_subscribed_and_whoever_goes_is_not(site, maildir):
    (maildir("alice") / "courierimapsubscribed").write_text("INBOX.Sent\n")
    apply(site, WITH_ALICE)
    assert (maildir("alice") / "courierimapsubscribed").read_text() == "INBOX.Sent\n#shared.sales.Orders\n"
    (maildir("alice") / "courierimapsubscribed").write_text("INBOX.Sent\n")  # her own choice
    apply(site, WITH_ALICE)
    assert (maildir("alice") / "courierimapsubscribed").read_text() == "INBOX.Sent\n"
    apply(site, [ORDERS | {"read": ["bob@example.com"]}])
    apply(site, [])
    assert (maildir("bob") / "courierimapsubscribed").read_text() == ""


def test_what_is_taken_is_taken_from_what_inherited_it(site, maildir):
    apply(site, WITH_ALICE)
    below = maildir("sales") / ".Orders.2026"
    below.mkdir()
    (below / "courierimapacl").write_text((maildir("sales") / ".Orders/courierimapacl").read_text())
    absent = maildir("sales") / "courierimaphieracl"
    absent.mkdir()
    (absent / "Orders.Old").write_text("owner a\nuser=alice@example.com lr\n")
    apply(site, [])
    assert set(acl(below)) == set(acl(maildir("sales") / ".Orders")) == {"owner", "administrators"}
    assert "alice" not in (absent / "Orders.Old").read_text()
    assert Path(site["index"]).read_text() == "# Managed by Ansible\n"


def test_rights_that_a_person_gave_in_a_shared_mailbox_are_taken_back(site, maildir):
    apply(site, WITH_ALICE)
    (maildir("sales") / ".Sent/courierimapacl").write_text("owner aceilrstwx\nanyone lr\n")
    apply(site, WITH_ALICE)
    assert "anyone" not in acl(maildir("sales") / ".Sent")


def test_mailboxes_that_share_nothing_are_left_alone(site, maildir):
    (maildir("bob") / ".Sent/courierimapacl").write_text("anyone lr\n")
    apply(site, WITH_ALICE)
    assert (maildir("bob") / ".Sent/courierimapacl").read_text() == "anyone lr\n"


def test_the_whole_mailbox(site, maildir):
    apply(site, [{"owner": "sales@example.com", "folder": "INBOX", "read": ["bob@example.com"]}])
    assert acl(maildir("sales"))["user=bob@example.com"] == "lrs"
    assert (maildir("bob") / "courierimapsubscribed").read_text() == "#shared.sales\n"


def test_check_mode_says_it_and_writes_nothing(site, maildir):
    answer = run(site, WITH_ALICE, check=True)
    assert answer["changed"]
    assert {entry["before_header"] for entry in answer["diff"]} >= {f"{maildir('sales')}/.Orders", site["index"]}
    assert not (maildir("sales") / ".Orders").exists()
    assert not Path(site["index"]).exists()


def test_an_index_of_somebody_else(site):
    Path(site["index"]).parent.mkdir()
    Path(site["index"]).write_text("theirs\t1\t1\t/home/theirs\n")
    assert run(site, [])["changed"] is False
    answer = run(site, WITH_ALICE)
    assert "is not of this module" in answer["msg"]
    assert Path(site["index"]).read_text() == "theirs\t1\t1\t/home/theirs\n"


def test_a_mailbox_that_is_not_there_is_named(site, maildir):
    homes = {"sales@example.com": "/proc/nothing", "alice@example.com": ""}
    answer = run(site | {"homes": homes}, WITH_ALICE)
    assert "the role courier_auth makes the mailbox" in answer["msg"]


def test_a_refusal_touches_nothing(site):
    answer = run(site, [ORDERS | {"read": ["nobody@example.com"]}])
    assert "has no account on this host" in answer["msg"]
    assert not Path(site["index"]).exists()

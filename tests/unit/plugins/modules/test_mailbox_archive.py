"""The module with a real mailbox and a real tar."""

from __future__ import annotations

import os
import stat
import tarfile
from pathlib import Path

import pytest

from plugins.modules import mailbox_archive
from tests.unit.run_module import run_module

TAR = """\
#!/bin/sh
# Somebody writes between the packing and the comparison.
/usr/bin/tar "$@" || exit
case "$1" in --create) echo more >> "$NEW";; esac
"""


@pytest.fixture
def mailbox(tmp_path):
    new = tmp_path / "vmail/example.com/bob/Maildir/new"
    new.mkdir(parents=True)
    (new / "1").write_text("Subject: Keep this\n")
    (new / "link").symlink_to("/etc/passwd")
    return {
        "mail_root": str(tmp_path / "vmail"),
        "home": str(tmp_path / "vmail/example.com/bob"),
        "uid": os.getuid(),
        "gid": os.getgid(),
        "name": "bob@example.com",
        "directory": str(tmp_path / "archives"),
    }


def test_a_mailbox_is_put_away(mailbox):
    assert run_module(mailbox_archive, check=True, **mailbox)["changed"] is True
    assert Path(mailbox["home"]).exists()
    path = Path(run_module(mailbox_archive, **mailbox)["path"])
    assert not Path(mailbox["home"]).exists()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.name.startswith("bob@example.com-")
    with tarfile.open(path) as archive:
        assert archive.extractfile("bob/Maildir/new/1").read() == b"Subject: Keep this\n"
        assert archive.getmember("bob/Maildir/new/link").linkname == "/etc/passwd"
    assert run_module(mailbox_archive, **mailbox) == {"changed": False, "path": ""}


def test_a_mailbox_that_changes_stays(mailbox, tmp_path, monkeypatch):
    program = tmp_path / "tar"
    program.write_text(TAR)
    program.chmod(0o755)
    run = mailbox_archive._run
    monkeypatch.setattr(
        mailbox_archive,
        "_run",
        lambda command, *rest: run(
            ["env", f"NEW={mailbox['home']}/Maildir/new/1", program, *command[1:]] if command[0] == "tar" else command,
            *rest,
        ),
    )
    answer = run_module(mailbox_archive, **mailbox)
    assert answer["msg"].startswith(f"{mailbox['home']} stays where it is: ")
    assert Path(mailbox["home"], "Maildir/new/1").exists()
    assert list(Path(mailbox["directory"]).iterdir()) == []


def test_what_is_no_mailbox_is_refused(mailbox):
    assert "is not below the mail root" in run_module(mailbox_archive, **(mailbox | {"home": "/etc"}))["msg"]
    outside = f"{mailbox['mail_root']}/../archives"
    assert "is not below the mail root" in run_module(mailbox_archive, **(mailbox | {"home": outside}))["msg"]

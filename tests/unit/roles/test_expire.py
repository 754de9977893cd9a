# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that empties Trash: what is old enough, and what that is to the quota."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

PROGRAM = runpy.run_path(str(Path(__file__).parents[3] / "roles/courier_imap/files/expire.py"))
DAYS = "Trash:30,Deleted Items:7"


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    maildir = tmp_path / "example.com/alice/Maildir"
    for folder in (".", ".Trash", ".Deleted Items", ".Sent"):
        for part in ("cur", "new"):
            (maildir / folder / part).mkdir(parents=True, exist_ok=True)
    return maildir


def expire(root: Path, later: float, days: str = DAYS) -> None:
    main: Any = PROGRAM["main"]
    main([str(root), days, f"--later={later}"])


def put(maildir: Path, name: str) -> Path:
    (maildir / name).write_text("Subject: x\n\nx\n")
    return maildir / name


def test_goes_after_its_days_and_not_before(tmp_path: Path, maildir: Path) -> None:
    message = put(maildir, ".Trash/cur/1.x:2,S")
    expire(tmp_path, 29.9)
    assert message.exists()
    expire(tmp_path, 30.1)
    assert not message.exists()


def test_other_mail_stays(tmp_path: Path, maildir: Path) -> None:
    kept = [put(maildir, name) for name in ("cur/1.x", "new/2.x", ".Sent/cur/3.x", ".Trash/cur/.hidden")]
    kept.append(put(maildir, ".Trash/courierimapuiddb"))
    expire(tmp_path, 1000)
    assert all(path.exists() for path in kept)


def test_the_quota_gets_back_what_counted(tmp_path: Path, maildir: Path) -> None:
    (maildir / "maildirsize").write_text("1000000S\n         300          3\n")
    put(maildir, ".Trash/new/1.x,S=100")
    put(maildir, ".Deleted Items/new/2.x,S=100")
    put(maildir, ".Deleted Items/cur/3.x")
    expire(tmp_path, 40)
    lines = (maildir / "maildirsize").read_text().splitlines()[1:]
    assert sorted(lines) == sorted(
        ["         300          3", "        -100           -1", "         -14           -1"]
    )


def test_without_a_quota_there_is_none_afterwards(tmp_path: Path, maildir: Path) -> None:
    put(maildir, ".Deleted Items/cur/1.x")
    expire(tmp_path, 40)
    assert not (maildir / "maildirsize").exists()


def test_a_link_leads_nowhere(tmp_path: Path, maildir: Path) -> None:
    elsewhere = put(tmp_path, "elsewhere")
    (maildir / ".Trash/cur/1.x").symlink_to(elsewhere)
    (tmp_path / "linked").symlink_to(maildir.parent)
    expire(tmp_path, 1000)
    assert elsewhere.exists()
    assert (maildir / ".Trash/cur/1.x").is_symlink()


def test_no_folders_no_work(tmp_path: Path, maildir: Path) -> None:
    message = put(maildir, ".Trash/cur/1.x")
    expire(tmp_path, 1000, "")
    assert message.exists()

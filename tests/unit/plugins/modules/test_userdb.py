"""The module with real files: written, unchanged, check mode, refused; and what it says of passwords."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock

import pytest
from ansible.module_utils import basic

from plugins.modules import userdb
from tests.unit.run_module import run_module

UID, GID = (os.getuid(), os.getgid()) if os.getuid() else (54321, 54322)
HASH = f"$6$saltsalt${'h' * 86}"
OTHER_HASH = f"$y$j9T$saltsalt${'h' * 43}"
ALICE = {"address": "Alice@example.com", "password_hash": HASH, "name": "Alice Archer"}
BOB = {"address": "bob@example.com", "courier": ["./Maildir", "&bob@example.net"]}

MAKEUSERDB = """\
#!/bin/sh
# makeuserdb -f FILE
test "$1" = -f && echo "$2" >> "$0.calls" || exit 2
if grep -q refuse-me "$2"; then echo "Cannot store record" >&2; exit 1; fi
cp "$2" "$2.dat" && cp "$2" "${2}shadow.dat"
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Arguments for a directory of its own, with a makeuserdb."""
    for name in ("bin", "courier", "vmail"):
        (tmp_path / name).mkdir(mode=0o755)
    program = tmp_path / "bin/makeuserdb"
    program.write_text(MAKEUSERDB)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    return {
        "accounts": [ALICE, BOB],
        "domains": ["example.com"],
        "mail_root": str(tmp_path / "vmail"),
        "uid": UID,
        "gid": GID,
        "quota": "1G",
        "directory": str(tmp_path / "courier"),
        "owner": str(os.getuid()),
        "group": str(os.getgid()),
    }


@pytest.fixture
def text(tmp_path):
    """The userdb of that site."""
    rest = f"uid={UID}|gid={GID}|home={tmp_path}/vmail/example.com"
    return (
        f"alice@example.com\t{rest}/alice|quota=1073741824S|gecos=Alice Archer|systempw={HASH}\n"
        f"bob@example.com\t{rest}/bob|quota=1073741824S\n"
    )


def everything(top):
    return {
        str(path): (path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in top.rglob("*")
    }


def say(capsys, arguments):
    """What the module really prints, after Ansible has masked it."""
    with (
        mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()),
        mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy", create=True),
        pytest.raises(SystemExit),
    ):
        userdb.main()
    printed = capsys.readouterr().out
    return json.loads(printed), printed


def test_writes_accounts_and_mailboxes(site, text, tmp_path):
    result = run_module(userdb, **site)
    file = tmp_path / "courier/userdb"
    assert file.read_text() == text
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "vmail/example.com/bob/.courier").read_text().endswith("./Maildir\n&bob@example.net\n")
    homes = [str(tmp_path / "vmail/example.com" / name) for name in ("alice", "bob")]
    assert all(Path(home, "Maildir/.Trash/new").is_dir() for home in homes)
    assert {key: result[key] for key in ("changed", "files", "compiled", "mailboxes", "left_behind")} == {
        "changed": True,
        "files": [str(file)],
        "compiled": [f"{file}.dat", f"{file}shadow.dat"],
        "mailboxes": homes,
        "left_behind": [],
    }


def test_a_second_run_changes_nothing(site, tmp_path):
    run_module(userdb, **site)
    before = everything(tmp_path)
    result = run_module(userdb, **site)
    assert {key: result[key] for key in ("changed", "files", "compiled", "mailboxes", "diff")} == {
        "changed": False,
        "files": [],
        "compiled": [],
        "mailboxes": [],
        "diff": [],
    }
    assert everything(tmp_path) == before


def test_check_mode_predicts_and_writes_nothing(site, tmp_path):
    before = everything(tmp_path)
    predicted = run_module(userdb, check=True, **site)
    assert everything(tmp_path) == before
    assert predicted == run_module(userdb, **site)


def test_check_mode_does_without_a_mail_root(site, tmp_path):
    (tmp_path / "vmail").rmdir()
    assert len(run_module(userdb, check=True, **site)["mailboxes"]) == 2
    assert run_module(userdb, **site)["msg"] == (
        f"the mail root {tmp_path}/vmail is not there; make the directory first"
    )
    assert not (tmp_path / "courier/userdb").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    {
        "an account": (
            {"accounts": [ALICE, {"address": "carol@example.net"}]},
            "carol@example.net: example.net is not a hosted domain; hosted domains are: example.com",
        ),
        "a folder": (
            {"folders": ["../Sent"]},
            "'../Sent' cannot be a folder: write a name such as Sent or Archive.2026",
        ),
        "a home": (
            {"accounts": [BOB | {"home": "/elsewhere/bob"}]},
            "home /elsewhere/bob is not below the mail root {tmp_path}/vmail",
        ),
    }.values(),
    ids=["an account", "a folder", "a home"],
)
def test_a_refusal_leaves_all_as_it_was(site, tmp_path, arguments, sentence):
    run_module(userdb, **site)
    before = everything(tmp_path)
    result = run_module(userdb, **(site | arguments))
    assert result == {"failed": True, "msg": sentence.format(tmp_path=tmp_path)}
    assert everything(tmp_path) == before


def test_a_refusal_of_the_compiler_brings_the_old_accounts_back(site, text, tmp_path):
    run_module(userdb, **site)
    site["accounts"] = [ALICE | {"name": "refuse-me"}]
    result = run_module(userdb, **site)
    assert result["msg"] == "makeuserdb refused and the old files were put back: Cannot store record"
    assert (tmp_path / "courier/userdb").read_text() == text


@pytest.mark.parametrize("database", ["userdb.dat", "userdbshadow.dat"])
def test_a_missing_database_is_made_again(site, tmp_path, database):
    run_module(userdb, **site)
    (tmp_path / "courier" / database).unlink()
    result = run_module(userdb, **site)
    assert (result["changed"], result["files"]) == (True, [])
    assert result["compiled"] == [str(tmp_path / "courier" / database)]
    assert (tmp_path / "courier" / database).exists()


def test_a_directory_of_accounts_is_refused(site, tmp_path):
    (tmp_path / "courier/userdb").mkdir()
    assert run_module(userdb, **site)["msg"] == (
        f"{tmp_path}/courier/userdb is a directory; move it away, all accounts go into one file of this name"
    )
    assert list((tmp_path / "vmail").iterdir()) == []


def test_an_account_that_leaves_leaves_its_mail(site, tmp_path):
    run_module(userdb, **site)
    result = run_module(userdb, **(site | {"accounts": [ALICE]}))
    assert result["left_behind"] == [str(tmp_path / "vmail/example.com/bob")]
    assert (tmp_path / "vmail/example.com/bob/Maildir/new").is_dir()
    assert (tmp_path / "courier/userdb").read_text().startswith("alice@example.com\t")
    assert "bob" not in (tmp_path / "courier/userdb").read_text()


def test_a_home_and_a_quota_of_its_own(site, tmp_path):
    home = str(tmp_path / "vmail/example.com/robert")
    site["accounts"] = [BOB | {"home": home, "quota": "none"}, ALICE | {"quota": "500M"}]
    run_module(userdb, **site)
    alice, bob = (tmp_path / "courier/userdb").read_text().splitlines()
    assert "|quota=524288000S|" in alice
    assert bob == f"bob@example.com\tuid={UID}|gid={GID}|home={home}"


def test_without_a_quota_the_last_one_is_forgotten(site, tmp_path):
    run_module(userdb, **site)
    size = tmp_path / "vmail/example.com/bob/Maildir/maildirsize"
    size.write_text("1073741824S\n")
    assert run_module(userdb, **site)["changed"] is False
    assert run_module(userdb, **(site | {"accounts": [ALICE, BOB | {"quota": "none"}]}))["changed"] is True
    assert not size.exists()


def test_a_new_password_shows_as_a_change_but_not_itself(site):
    run_module(userdb, **site)
    site["accounts"] = [ALICE | {"password_hash": OTHER_HASH}, BOB]
    (diff,) = run_module(userdb, **site)["diff"]
    assert diff["before"].endswith("|systempw=(hidden, old)\n")
    assert diff["after"].endswith("|systempw=(hidden, new)\n")
    assert "bob@example.com" not in diff["after"]


def test_prints_no_hash(site, capsys):
    result, printed = say(capsys, site)
    assert result["changed"] is True
    assert HASH not in printed
    assert result["invocation"]["module_args"]["accounts"] == "2 accounts"


def test_masks_a_hash_that_found_its_way_into_the_answer(site, capsys, tmp_path):
    (tmp_path / "vmail/example.com" / HASH / "Maildir").mkdir(parents=True)
    if os.getuid() == 0:
        os.chown(tmp_path / "vmail/example.com", UID, GID)
    result, printed = say(capsys, site)
    assert result["left_behind"] == [f"{tmp_path}/vmail/example.com/********"]
    assert HASH not in printed


@pytest.mark.parametrize("password", ["a", "alice", "openssl", "correct horse"])
def test_a_clear_password_is_not_repeated_and_the_refusal_can_be_read(site, capsys, password):
    result, printed = say(capsys, site | {"accounts": [ALICE | {"password_hash": password}]})
    assert result["msg"] == (
        "alice@example.com: password_hash is not a hash; "
        "make one with `openssl passwd -6` ($6$) or `mkpasswd -m yescrypt` ($y$)"
    )
    assert "correct horse" not in printed


def test_extensions_come_and_go_with_every_account(site, tmp_path):
    homes = [tmp_path / "vmail/example.com" / name for name in ("alice", "bob")]
    more = site | {"extensions": {"junk": ["./Maildir/.Junk/"]}}
    assert run_module(userdb, check=True, **more)["changed"] is True
    run_module(userdb, **more)
    assert all((home / ".courier-junk").read_text().endswith("\n./Maildir/.Junk/\n") for home in homes)
    assert run_module(userdb, **more)["changed"] is False
    assert run_module(userdb, **site)["changed"] is True
    assert not any((home / ".courier-junk").exists() for home in homes)
    assert (homes[1] / ".courier").exists()


def test_what_an_account_does_with_its_mail_comes_and_goes(site, tmp_path):
    home = tmp_path / "vmail/example.com/alice"
    away = ALICE | {"vacation": {"text": "Away."}, "forward": {"to": ["bob@example.com"], "keep": True}}
    more = site | {"accounts": [away, BOB]}
    predicted = run_module(userdb, check=True, **more)
    done = run_module(userdb, **more)
    assert predicted["diff"] == done["diff"]
    assert (home / ".courier").read_text() == "# Managed by Ansible\n|| /usr/local/lib/courier-mail/deliver\n"
    mark, text = (home / ".mailrules").read_text().splitlines()
    assert (mark, json.loads(text)["vacation"]["text"]) == ("# Managed by Ansible", "Away.")
    assert (home / ".mailrules").stat().st_mode & 0o777 == 0o600
    # Whoever is asked must find his rules: they are written before he is.
    assert (home / ".mailrules").stat().st_mtime_ns < (home / ".courier").stat().st_mtime_ns
    assert run_module(userdb, **more)["changed"] is False
    assert run_module(userdb, **site)["changed"] is True
    assert not list(home.glob(".courier*")) + list(home.glob(".mailrules"))


def test_what_somebody_else_wrote_stays(site, tmp_path):
    run_module(userdb, **site)
    (tmp_path / "vmail/example.com/alice/.mailrules").write_text("mine\n")
    assert run_module(userdb, **site)["changed"] is False
    assert (tmp_path / "vmail/example.com/alice/.mailrules").read_text() == "mine\n"


def test_extensions_are_refused_before_anything_is_written(site, tmp_path):
    result = run_module(userdb, **(site | {"extensions": {"junk": ["# x"]}}))
    assert "comment" in result["msg"]
    assert list((tmp_path / "vmail").iterdir()) == []

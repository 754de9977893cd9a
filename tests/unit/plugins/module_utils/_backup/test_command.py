"""Settings, the command on the host, and what it says of itself."""

from __future__ import annotations

import pytest

from plugins.module_utils._backup import __main__ as command
from plugins.module_utils._backup import _state
from plugins.module_utils._backup._configuration import (
    SettingsError,
    check,
    check_environment,
    check_password,
    dump,
    load,
)
from plugins.module_utils._backup._take import TakeError

GOOD = {"repository": "/mnt/backup/mx1", "host": "mx1.example.com"}
TARGETS = {
    "a directory": ("/mnt/backup/mx1", True),
    "a user's directory by ssh": ("sftp:backup@b.example.com:mx1", True),
    "a directory by ssh": ("sftp:backup@b.example.com:/srv/mx1", True),
    "a port of ssh": ("sftp://backup@b.example.com:2222//srv/mx1", True),
    "a rest-server": ("rest:https://u:p@b.example.com:8000/mx1/", True),
    "S3": ("s3:https://s3.example.com/bucket/mx1", True),
    "Amazon": ("s3:s3.example.com/bucket", True),
    "nothing": ("", False),
    "a relative path": ("backup", False),
    "another program's": ("ssh://b.example.com/x", False),
    "ssh without a path": ("sftp:b.example.com", False),
    "below the mail": ("/srv/vmail/backup", False),
}
BAD = {
    "a name that is none": ({"repositry": "/b"}, "did you mean repository"),
    "a policy that keeps nothing": ({"keep": {}}, "backup_keep is .* at least one number"),
    "a policy of another program": ({"keep": {"minutely": 3}}, "backup_keep"),
    "a policy of zero": ({"keep": {"daily": 0}}, r"backup_keep.daily is 0; write 1 or more"),
    "a percentage above all": ({"check_percent": 200}, "backup_check_percent is 200; write a number from 1 to 100"),
    "a relative path": ({"paths": ["etc"]}, "backup_paths is 'etc'; write absolute paths"),
    "a way out": ({"paths": ["/srv/../etc"]}, "absolute paths"),
    "no name": ({"host": ""}, "backup_host"),
}
PASSWORDS = {
    "none": ("", "backup_password is missing.*openssl rand"),
    "a short one": ("secret", "not 16 characters"),
    "two lines": ("three ships in\nthe harbour", "in one line"),
}
ENVIRONMENTS = {
    "a variable of the shell": ({"PATH": "/tmp"}, "/b", "PATH is no variable of a target"),
    "a number": ({"AWS_ACCESS_KEY_ID": 3}, "/b", "no text"),
    "none for S3": ({"AWS_ACCESS_KEY_ID": "x"}, "s3:h/b", "has no AWS_SECRET_ACCESS_KEY"),
    "half a login for REST": ({"RESTIC_REST_USERNAME": "x"}, "rest:https://h/b/", "write both"),
}


@pytest.mark.parametrize(("repository", "good"), TARGETS.values(), ids=TARGETS)
def test_a_target_is(repository, good):
    if good:
        assert load(dump(check({**GOOD, "repository": repository}))).repository == repository
    else:
        with pytest.raises(SettingsError, match=r"backup_repository is .*; write a directory"):
            check({**GOOD, "repository": repository})


def test_a_refusal_shows_no_password():
    with pytest.raises(SettingsError) as refused:
        check({**GOOD, "repository": "http://u:hidden@b.example.com/"})
    assert "hidden" not in str(refused.value)


@pytest.mark.parametrize(("given", "said"), BAD.values(), ids=BAD)
def test_it_refuses(given, said):
    with pytest.raises(SettingsError, match=said):
        check({**GOOD, **given})


@pytest.mark.parametrize(("password", "said"), PASSWORDS.values(), ids=PASSWORDS)
def test_it_refuses_a_password(password, said):
    with pytest.raises(SettingsError, match=said):
        check_password(password)


@pytest.mark.parametrize(("given", "repository", "said"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_it_refuses_an_environment(given, repository, said):
    with pytest.raises(SettingsError, match=said):
        check_environment(given, repository)


def test_a_host_without_settings_or_password_says_so(tmp_path, capsys):
    assert command.main(["run"], str(tmp_path), str(tmp_path)) == 1
    assert "this host has no backup" in capsys.readouterr().err
    (tmp_path / "backup.json").write_text(dump(check(GOOD)))
    with pytest.raises(TakeError, match=r"password is not there, or empty; write mail_backup.password"):
        command.settings_of(str(tmp_path))
    (tmp_path / "password").write_text("")
    assert command.main(["check"], str(tmp_path), str(tmp_path)) == 1
    assert "password is not there" in capsys.readouterr().err
    # The alarm must hear of it too.
    assert "password is not there" in _state.read(str(tmp_path)).error


def test_it_knows_its_words(capsys):
    assert command.main(["tidy"]) == command.USAGE
    assert "status" in capsys.readouterr().err


def test_status_is_for_people(tmp_path, capsys):
    command.main(["status"], str(tmp_path), str(tmp_path))
    assert capsys.readouterr().out == "There is no backup yet.\n"
    _state.write(
        _state.State(finished=1.0, snapshot="9af1f05a99", messages=3, error="no room", failed=2.0), str(tmp_path)
    )
    command.main(["status"], str(tmp_path), str(tmp_path))
    said = capsys.readouterr().out
    assert "Backup 9af1f05a of 1970" in said
    assert "Restore proved: never" in said
    assert "The last run failed at 1970-01-01" in said


@pytest.mark.parametrize("text", ["", "[]", "{", '{"finished": 3, "unknown": 1}'])
def test_a_state_that_nobody_can_read_is_none(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    assert _state.read(str(tmp_path)).snapshot == ""


def test_a_person_is_told(tmp_path, monkeypatch):
    program = tmp_path / "sendmail"
    program.write_text(f"#!/bin/sh\ncat >{tmp_path}/sent\n")
    program.chmod(0o755)
    monkeypatch.setattr(command, "SENDMAIL", str(program))
    assert command.main(["report", "-"], str(tmp_path), str(tmp_path)) == 0
    assert not (tmp_path / "sent").exists()
    # It was killed, and said nothing.
    _state.write(_state.State(finished=1.0, snapshot="9af1f05a99"), str(tmp_path))
    assert command.main(["report", "alice@example.com"], str(tmp_path), str(tmp_path)) == 0
    sent = (tmp_path / "sent").read_text()
    assert "To: alice@example.com" in sent
    assert "has no backup of today" in sent
    assert "ended without saying why" in sent
    assert "ended without saying why" in _state.read(str(tmp_path)).error

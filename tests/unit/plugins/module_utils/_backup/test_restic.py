"""restic itself: a whole round, and what it says when something is wrong."""

from __future__ import annotations

import subprocess

import pytest

from plugins.module_utils._backup._bring import BringError
from plugins.module_utils._backup._configuration import Settings
from plugins.module_utils._backup._restic import UNFINISHED, NoRepositoryError, Restic, ResticError, _ssh
from tests.unit.backed_up import PASSWORD, needs_restic

# What restic 0.14 and 0.18 say, and what a postmaster is told.
SAID = {
    "a wrong password": (1, "Fatal: wrong password or no key found", "password does not open .*mail_backup.password"),
    "a wrong password, by its code": (12, "Fatal: no", "password does not open"),
    "a full disk": (1, "Fatal: unable to save snapshot: write /b/x: no space left on device", "there is no room left"),
    "another run": (
        1,
        "unable to create lock in backend: repository is already locked exclusively by PID 7 on mx2 by root",
        "locked by another run.*restic unlock",
    ),
    "a damaged pack": (
        1,
        "error: pack 12ab: ciphertext verification failed\nFatal: repository contains errors",
        "damaged",
    ),
    "a damaged index": (1, "Fatal: LoadIndex: Load(<index/12ab>, 0, 0) returned error", "is damaged"),
    "a target that only reads": (1, "Fatal: create lock: mkdir /b/locks: permission denied", "does not let us write"),
    "an absent host": (1, "Fatal: unable to open: dial tcp: lookup b.example.com: no such host", "cannot be reached"),
    "an unknown host key": (1, "Host key verification failed.\nFatal: unable to start the sftp session", "be reached"),
    "an address with a password": (
        1,
        "Fatal: unable to open rest:https://u:secret@b.example.com/mx1/: EOF",
        "unable to open rest:https://b.example.com/mx1/",
    ),
    "an unknown host key, from which nothing comes": (
        1,
        "subprocess ssh: Host key verification failed.\nFatal: unable to open repository: unexpected EOF",
        "cannot be reached",
    ),
    "a key that is not let in": (
        1,
        "subprocess ssh: u@h: Permission denied (publickey).\nFatal: unable to open repository: unexpected EOF",
        "does not let us write",
    ),
    "a REST server that does not know us": (
        1,
        "Fatal: unable to open config file: unexpected HTTP response (401): 401 Unauthorized\n"
        "Is there a repository at the following location?",
        "does not let us write: .*401",
    ),
    "a REST server that is gone": (
        1,
        'Fatal: unable to open config file: client.Head: Head "http://u:***@b.example.com/mx1/config": '
        "dial tcp 192.0.2.1:443: connect: connection refused\nIs there a repository at the following location?",
        "cannot be reached",
    ),
    "a certificate of nobody": (
        1,
        "Fatal: unable to open config file: x509: certificate signed by unknown authority\n"
        "Is there a repository at the following location?",
        "cannot be reached",
    ),
    "a wrong key of S3": (
        1,
        "Fatal: unable to open config file: Stat: The request signature we calculated does not match the signature "
        "you provided. Check your key and signing method.",
        "does not let us write",
    ),
    "something else": (1, "Fatal: the moon is full", "restic ended with 1: the moon is full"),
}


@pytest.mark.parametrize(("code", "said", "told"), SAID.values(), ids=SAID)
def test_it_means(tmp_path, code, said, told):
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}\nEND\nexit {code}\n")
    program.chmod(0o755)
    restic = Restic(Settings(repository="rest:https://u:secret@b.example.com/mx1/"), {}, program=str(program))
    with pytest.raises(ResticError, match=told) as refused:
        restic.run("check")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("code", [1, 10])
def test_no_repository_is_no_failure_of_another_kind(tmp_path, code):
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\necho 'Fatal: unable to open config file: stat' >&2\nexit {code}\n")
    program.chmod(0o755)
    with pytest.raises(NoRepositoryError):
        Restic(Settings(repository="/b"), {}, program=str(program)).run("unlock")


def test_secrets_are_no_arguments():
    restic = Restic(Settings(repository="rest:https://u:secret@b.example.com/"), {"AWS_SECRET_ACCESS_KEY": "hidden"})
    assert not [word for word in restic.command("snapshots") if "secret" in word or "hidden" in word]
    assert restic.environment["AWS_SECRET_ACCESS_KEY"] == "hidden"


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("rest:https://b.example.com:8000/mx1/", "rest:https://mx1:p%40ss%2F%20word@b.example.com:8000/mx1/"),
        ("rest:https://u:p@b.example.com/mx1/", "rest:https://u:p@b.example.com/mx1/"),
        ("s3:https://s3.example.com/bucket", "s3:https://s3.example.com/bucket"),
    ],
)
def test_a_rest_server_hears_who_we_are_by_the_address(repository, address):
    login = {"RESTIC_REST_USERNAME": "mx1", "RESTIC_REST_PASSWORD": "p@ss/ word"}
    restic = Restic(Settings(repository=repository), login)
    assert restic.environment["RESTIC_REPOSITORY"] == address
    assert "p@ss" not in restic.target


SSH = {
    "a path of the user": ("sftp:backup@b.example.com:mx1", "backup@b.example.com -s sftp"),
    "a path of the host": ("sftp:backup@b.example.com:/srv/mx1", "backup@b.example.com -s sftp"),
    "a port": ("sftp://backup@b.example.com:2222//srv/mx1", "-p 2222 backup@b.example.com -s sftp"),
}


@pytest.mark.parametrize(("repository", "called"), SSH.values(), ids=SSH)
def test_ssh_asks_nothing_and_believes_nobody(repository, called):
    option, command = _ssh(Settings(repository=repository, ssh=True), "/etc/x")
    assert option == "-o"
    assert command.endswith(f" {called}")
    assert "StrictHostKeyChecking=yes" in command
    assert "BatchMode=yes" in command


def damage(host, where):
    for path in sorted((host.repository / where).rglob("*")):
        if path.is_file():
            path.chmod(0o600)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.write_bytes(data)


@needs_restic
def test_a_whole_round(host):
    """One test, since restic takes half a second for each call, whatever it is asked."""
    host.copies = None
    host.tell(check_percent=100)
    with pytest.raises(BringError, match="there is no repository at"):
        host.bring().look(over=True)
    assert host.take().prepare()
    # A run that was cut off: it leaves a lock, and a snapshot that does not count.
    host.restic.run("backup", "--host=mx1.example.com", f"--tag={UNFINISHED}", str(host.keys))
    command = host.restic.command("backup", "--host=mx1.example.com", "--stdin")
    with subprocess.Popen(command, env=host.restic.environment, stdin=subprocess.PIPE) as process:
        while not list((host.repository / "locks").iterdir()):
            assert process.poll() is None
        process.kill()
    with pytest.raises(BringError, match="no finished backup of mx1"):
        host.bring().look(over=True)

    # Somebody called tmp is somebody.
    host.letter("6.M6.mx1:2,", home="example.com/tmp")
    (host.root / "example.com/tmp/Maildir/tmp/half").write_text("half a mess")
    old = host.root / "example.com/alice/Maildir/cur/1.M1P1.mx1:2,S"
    happened = []
    state = host.take(lambda: happened or happened.append(old.rename(f"{old}T"))).run()

    assert len(host.said) == 2
    assert state.checked
    assert [one["id"] for one in host.restic.snapshots("mx1.example.com", "")] == [state.snapshot]
    before = host.files()
    host.lose()
    (host.secrets / "password").write_text("four ships in the harbour of Kiel")
    with pytest.raises(ResticError, match=r"password does not open .*mail_backup.password"):
        host.bring().look()
    (host.secrets / "password").write_text(PASSWORD)
    host.tell(room=1 << 40)
    with pytest.raises(BringError, match=r"MiB left, and the backup needs 0 and \d+ more; give it a larger disk"):
        host.bring().look()
    assert not host.root.exists()
    host.tell(room=1)
    host.bring().place(host.bring().look()["snapshot"])
    result = host.bring().finish(hold=True)
    assert result["proved"], result["rows"]
    assert host.files() == before
    assert "example.com/tmp/Maildir/cur/6.M6.mx1:2," in before
    assert not list(host.root.rglob("half"))
    assert (host.keys / "current").read_text() == "a key"

    damage(host, "data")
    with pytest.raises(ResticError, match=r"is damaged: .*A damaged repository"):
        host.take().check(state)


@pytest.mark.parametrize(
    "said",
    [
        "could not load snapshot 0bf3833d: load <snapshot/0bf3833da1>: invalid data returned",
        'Ignoring "0bf3833d": failed to load snapshot 0bf3833d: LoadRaw(<snapshot/0bf3833da1>): invalid data returned',
    ],
)
def test_a_list_of_nothing_is_not_believed_where_there_was_something(tmp_path, said):
    program = tmp_path / "restic"
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\necho '[]'\n")
    program.chmod(0o755)
    with pytest.raises(ResticError, match="is damaged"):
        Restic(Settings(repository="/b"), {}, program=str(program)).snapshots("mx1.example.com")

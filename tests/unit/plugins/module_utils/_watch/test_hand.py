from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import types
from pathlib import Path

import pytest

from plugins.module_utils._watch import _hand

PROGRAM = Path(_hand.__file__).parents[3] / "roles/monitoring/files/hand.py"
LETTER = b"Subject: caf\xc3\xa9\r\n\r\n" + b"all is well\r\n" * 50_000  # more than a socket holds


class Part(types.ModuleType):
    """A part that keeps what it was given."""

    code = 0
    seen = ()

    def main(self, arguments):
        if isinstance(self.code, Exception):
            raise self.code  # pylint: disable=raising-bad-type
        self.seen = (arguments, sys.stdin.buffer.read(), os.environ["RECIPIENT"], os.environ["SENDER"])
        return self.code


@pytest.fixture
def part(monkeypatch):
    """What reads messages with the word arrived. What a message leaves behind is put back."""
    part = Part("part")
    monkeypatch.setattr(_hand.importlib, "import_module", lambda _name: part)
    monkeypatch.setattr(_hand.signal, "signal", lambda *_all: None)  # the main thread's alone
    monkeypatch.setattr(sys, "stdin", sys.stdin)
    for name in ("RECIPIENT", "SENDER"):
        monkeypatch.setenv(name, "")
    return part


def answered(said, end=True):
    """What somebody is told who says this."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(said)
        if end:
            theirs.shutdown(socket.SHUT_WR)
        _hand.serve(ours)
        return theirs.makefile("rb").read()


def handed(tmp_path, word="arrived", letter=LETTER, **environment):
    """The program, as Courier runs it, and what it says."""
    path = str(tmp_path / "mail")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()

    def serve():
        with listening, listening.accept()[0] as connection:
            _hand.serve(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    text = PROGRAM.read_text().replace("/run/courier-mail-watch-mail/socket", path)
    done = subprocess.run(
        [sys.executable, "-IS", "-c", text, word],
        input=letter,
        env={"RECIPIENT": "a@example.com", "SENDER": "b@example.net", **environment},
        capture_output=True,
        check=False,
    )
    thread.join(5)
    return done.returncode, done.stdout.decode()


def test_gives_the_whole_message_to_the_part(tmp_path, part):
    assert handed(tmp_path) == (0, "")
    assert part.seen == (["arrived"], LETTER, "a@example.com", "b@example.net")


def test_a_report_has_no_sender(tmp_path, part):
    assert handed(tmp_path, SENDER="") == (0, "")
    assert part.seen[3] == ""


def test_ends_with_the_code_of_the_part(tmp_path, part):
    part.code = 75
    assert handed(tmp_path)[0] == 75


def test_a_part_that_fails_has_the_message_wait(tmp_path, part):
    part.code = ValueError("broken\nin two lines")
    assert handed(tmp_path) == (
        75,
        "the watch cannot take it now: arrived: ValueError: broken in two lines\n",
    )


def test_a_word_that_reads_no_mail_is_refused(tmp_path, part):
    code, said = handed(tmp_path, word="proofs")
    assert (code, part.seen) == (75, ())
    assert "there is no word 'proofs'" in said


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"arrived\0a\0b\x0010\nhalf", b"4 of 10 bytes came"),
        (b"arrived\0a\0b\x00-1\n", b"bytes"),
        (b"arrived\0a\0b\x00999999999999\n", b"bytes"),
        (b"arrived\0a\x0010\n", b"first line"),
        (b"arrived\0a\0b\x0010", b"first line"),
        (b"a" * 10_000, b"first line"),
        (b"", b"first line"),
    ],
)
def test_half_a_message_is_none(part, said, why):
    found = answered(said)
    assert found.startswith(b"75 ")
    assert why in found
    assert part.seen == ()


def test_nobody_listens(tmp_path):
    text = PROGRAM.read_text().replace("/run/courier-mail-watch-mail/socket", str(tmp_path / "none"))
    environment = {"RECIPIENT": "a@example.com", "SENDER": ""}
    done = subprocess.run(
        [sys.executable, "-IS", "-c", text, "take"], input=b"x", env=environment, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout[:30]) == (75, b"The watch does not answer: [Er")


def test_a_client_who_has_gone_is_no_mistake(part, capsys):
    ours, theirs = socket.socketpair()
    theirs.sendall(b"arrived\0a\0b\x001\nx")
    theirs.close()
    with ours:
        _hand.serve(ours)
    assert "nobody heard" in capsys.readouterr().err

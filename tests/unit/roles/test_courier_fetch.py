# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around fetchmail: it hears of nothing but success and "later", and no message is handed over twice."""

from __future__ import annotations

import io
import json
import socket
import threading
import time
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/fetchmail/files/courier_fetch.py"
RECEIVED = "Received: from imap.example.net\r\n\tby mx1 with IMAP (fetchmail-6.4.37)\r\n\tfor <bob@example.com>; {}\r\n"
MESSAGE = "From: Ann <ann@example.net>\r\nSubject: Hello\r\n\r\nHow are you?\r\n..\r\n"
BEGIN = "EHLO mx1\r\nMAIL FROM:<ann@example.net> SIZE=100\r\nRCPT TO:<bob@example.com>\r\nDATA\r\n"


class Courier:
    """Says what it is told to: replies by the beginning of a line, or 250."""

    def __init__(self, replies):
        self.replies, self.heard, self.messages = {"DATA": "354 Go on"} | replies, [], []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = self._socket.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, peer = self._socket.accept()
            self.peer = peer[0]
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection, connection.makefile("rwb") as stream:
            self._say(stream, "220 mx1 ESMTP")
            for line in stream:
                said = line.decode().strip()
                if said.startswith(self.replies.get("HANGS UP", "nothing")):
                    del self.replies["HANGS UP"]
                    return
                self.heard.append(said)
                reply = next((reply for start, reply in self.replies.items() if said.startswith(start)), "250 Ok")
                self._say(stream, reply)
                if reply.startswith("354"):
                    text = b""
                    for part in stream:
                        if part == b".\r\n":
                            self.messages.append(text.decode())
                            self._say(stream, self.replies.get(".", "250 Taken"))
                            break
                        text += part

    def _say(self, stream, reply):
        stream.write(reply.encode() + b"\r\n")
        stream.flush()


@pytest.fixture
def program(tmp_path, monkeypatch):
    loader = SourceFileLoader("courier_fetch", str(PROGRAM))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    spec = spec_from_loader("courier_fetch", loader)
    program = module_from_spec(spec)
    loader.exec_module(program)
    monkeypatch.setattr(program, "CONFIGURATION", str(tmp_path))
    monkeypatch.setenv("FETCHMAILHOME", str(tmp_path))
    about = {"label": "bob at imap.example.net", "to": "bob@example.com", "interval": 300, "idle": False}
    (tmp_path / "bob.json").write_text(json.dumps(about))
    return program


@pytest.fixture
def deliver(program, monkeypatch, tmp_path):
    """What fetchmail hears when it says something, and the Courier behind it."""

    def deliver(said, **replies):
        courier = Courier({name.replace("_", " ").replace("DOT", "."): reply for name, reply in replies.items()})
        monkeypatch.setattr(program.Courier.__init__, "__defaults__", (courier.address,))
        heard, spoken = io.BytesIO(said.encode()), io.BytesIO()
        with program.Courier(program.source("bob")) as server:
            taken = program.Taken(tmp_path / "taken", time.time())
            program.Delivery("bob", program.settings("bob"), taken, (heard, spoken), server).run()
        return spoken.getvalue().decode().splitlines(), courier

    return deliver


def whole(when="now", message=MESSAGE):
    return f"{BEGIN}{RECEIVED.format(when)}{message}.\r\nQUIT\r\n"


def test_passes_on_what_is_taken(deliver, program):
    heard, courier = deliver(whole())
    assert heard == ["220 mx1 ESMTP", "250 Ok", "250 Ok", "250 Ok", "354 Go on", "250 Taken", "221 2.0.0 Bye"]
    assert courier.messages == [RECEIVED.format("now") + MESSAGE]
    assert courier.peer == program.source("bob")


def test_no_message_is_handed_over_twice(deliver):
    deliver(whole("on Monday"))
    heard, courier = deliver(whole("on Tuesday") + "\r\n")
    assert heard[-2:] == ["250 2.0.0 It was here before", "221 2.0.0 Bye"]
    assert courier.messages == []


def test_another_message_is_another(deliver):
    deliver(whole())
    heard, courier = deliver(whole(message=MESSAGE.replace("How", "Who")))
    assert heard[-2] == "250 Taken"
    assert len(courier.messages) == 1


def test_after_one_that_was_here_comes_the_next(deliver):
    deliver(whole())
    second = MESSAGE.replace("How", "Who")
    rest = f"{BEGIN.partition(chr(10))[2]}{RECEIVED.format('now')}{second}.\r\nQUIT\r\n"
    heard, courier = deliver(whole().replace("QUIT\r\n", "") + rest)
    assert heard[-2] == "250 Taken"
    assert courier.messages == [RECEIVED.format("now") + second]


def test_what_is_not_taken_may_come_again(deliver):
    heard, _courier = deliver(whole(), DOT="451 4.3.0 Later")
    assert heard[-2] == "451 4.3.0 Later"
    heard, _courier = deliver(whole())
    assert heard[-2] == "250 Taken"


def test_a_refusal_for_good_is_one_for_now_and_somebody_hears_of_it_once(deliver):
    heard, courier = deliver(whole(), DOT="550 5.6.0 Too many hops")
    assert heard[-2] == "450 4.7.0 Too many hops"
    # The notice is refused as well, so it is tried again.
    assert len(courier.messages) == 2
    for expected in (1, 0):
        heard, courier = refused_once(deliver)
        notices = [text for text in courier.messages if "Auto-Submitted: auto-replied" in text]
        assert len(notices) == expected
        assert all("Subject: Hello" in text and "Too many hops" in text for text in notices)


def refused_once(deliver):
    """Courier refuses the message, and takes what comes after it."""

    class Once(dict):
        asked = 0

        def get(self, key, default=None):
            if key == ".":
                self.asked += 1
                return "550 5.6.0 Too many hops" if self.asked == 1 else default
            return super().get(key, default)

    original = Courier.__init__

    def init(self, replies):
        original(self, replies)
        self.replies = Once(self.replies)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Courier, "__init__", init)
        return deliver(whole())


def test_a_sender_who_is_not_welcome_is_left_out(deliver):
    heard, courier = deliver(whole(), **{"MAIL_FROM:<ann": "517 Go away"})
    assert heard[2] == "250 Ok"
    assert "MAIL FROM:<> SIZE=100" in courier.heard
    assert len(courier.messages) == 1


def test_who_was_silent_for_too_long_is_called_again(deliver):
    """In IDLE there may be hours between two messages."""
    heard, courier = deliver(whole(), HANGS_UP="MAIL")
    assert heard[2] == "250 Ok"
    assert len(courier.messages) == 1


def test_for_whom_nobody_takes_mail_it_stays_there(deliver):
    """Of a refused recipient fetchmail would make the postmaster."""
    heard, courier = deliver(BEGIN + "RSET\r\nQUIT\r\n", RCPT="550 User unknown")
    assert heard[3].startswith("250 ")
    assert heard[4] == "451 4.1.1 bob@example.com is not taken: 550 User unknown"
    assert courier.messages == []


def test_half_a_message_is_none(deliver, tmp_path):
    with pytest.raises(ConnectionError):
        deliver(BEGIN + RECEIVED.format("now") + "From: a")
    assert not (tmp_path / "taken").exists()


def test_forgets_after_a_while(program, tmp_path):
    path = tmp_path / "taken"
    path.write_text(f"{'a' * 64} 1000\n{'b' * 64} {time.time():.0f}\n{'c' * 20}")
    taken = program.Taken(path, time.time())
    assert ("a" * 64 in taken, "b" * 64 in taken) == (False, True)
    assert path.read_text().split()[0] == "b" * 64


@pytest.mark.parametrize(
    ("idle", "failures", "seconds"),
    [(False, 0, 300), (False, 1, 600), (False, 9, 3600), (True, 0, 5), (True, 1, 10), (True, 99, 3600)],
)
def test_waits_longer_after_each_failure(program, idle, failures, seconds):
    given = program.settings("bob")._replace(idle=idle)
    assert program.pause(given, failures) == seconds


@pytest.mark.parametrize(("code", "shown"), [(3, "refuses name and password"), (5, "file"), (6, "permissions")])
def test_gives_up_what_makes_no_sense(program, monkeypatch, capsys, code, shown):
    monkeypatch.setattr(program, "fetch", lambda _name, _given: code)
    assert program.watch("bob") == code
    assert shown in capsys.readouterr().err

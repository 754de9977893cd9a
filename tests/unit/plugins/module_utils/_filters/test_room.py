# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Full mailboxes, as the filter sees them and as the service does that it asks."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from plugins.module_utils._filters import room
from plugins.module_utils._filters._verdict import PASS, Down
from tests.unit.filtered import addresses, left, message

PROGRAM = Path(__file__).parents[5] / "roles/courier_auth/files/deliver.py"
spec = importlib.util.spec_from_file_location("deliver", PROGRAM)
deliver = importlib.util.module_from_spec(spec)
spec.loader.exec_module(deliver)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """What the filter says of a message, and what it asked."""
    asked = []

    def check(*recipients, full=(), code=1):
        def ask(_path, said, _seconds):
            asked.append(said)
            return (code, "full") if said[0] in full else (0, "room")

        monkeypatch.setattr(room._forward, "ask", ask)
        found = message(tmp_path, *recipients)
        return room.Filter(room.Settings(known=addresses(tmp_path))).check(found), left(found), asked

    return check


def test_room_is_no_matter(check):
    verdict, _left, asked = check("alice@example.com", "someone@example.net")
    assert verdict == PASS
    # Only of those who have a mailbox, with the size of the message.
    assert [said[0] for said in asked] == ["alice@example.com"]
    assert int(asked[0][1]) > 100


def test_a_full_mailbox_is_refused(check):
    verdict, _left, _asked = check("alice@example.com", full=["alice@example.com"])
    assert verdict.action == "refuse"
    assert verdict.reply.startswith("552 5.2.2 The mailbox is full")
    assert verdict.note == "no room: alice@example.com"


def test_the_others_get_it(check):
    verdict, recipients, _asked = check("alice@example.com", "bob@example.com", full=["alice@example.com"])
    assert (verdict.action, verdict.note) == ("pass", "no room: alice@example.com")
    assert recipients == ["alice@example.com", "bob@example.com"]


def test_a_service_that_does_not_know_is_down(check):
    with pytest.raises(Down, match="said 75 full"):
        check("alice@example.com", full=["alice@example.com"], code=75)


@pytest.fixture
def authdaemon(tmp_path, monkeypatch):
    """Knows Alice."""
    home = tmp_path / "alice"
    (home / "Maildir/cur").mkdir(parents=True)
    (home / "Maildir/cur/1,S=900:2,").touch()
    told = f"USERNAME=x\nHOME={home}\nQUOTA=1000S\n.\n"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "authdaemon"))
    listening.listen(9)

    def serve():
        while True:
            connection = listening.accept()[0]
            said = connection.recv(999)
            connection.sendall(told.encode() if said == b"PRE . esmtp alice@example.com\n" else b"FAIL\n")
            connection.close()

    threading.Thread(target=serve, daemon=True).start()
    ask = deliver.ask_authdaemon
    monkeypatch.setattr(deliver, "ask_authdaemon", lambda address: ask(address, str(tmp_path / "authdaemon")))
    return home


def test_the_service_knows_whether_there_is_room(authdaemon):
    assert deliver.room("alice@example.com", 100) == "0 there is room"
    assert deliver.room("alice@example.com", 101) == "1 the mailbox is full"
    assert deliver.room("bob@example.com", 101) == "0 there is no limit"
    assert deliver.room("alice@example.com\nPRE . esmtp x", 101) == "0 there is no limit"
    # What Courier noted is believed, unless there is room after all; and nothing is changed.
    noted = authdaemon / "Maildir/maildirsize"
    noted.write_text("1000S\n990 1\n")
    assert deliver.room("alice@example.com", 100) == "0 there is room"
    assert noted.exists()


PASSED_ON = {
    "all of it": ("&bob@example.net\n", False),
    "by a program": ("| /usr/local/lib/courier-mail/forward a b\n", False),
    "a copy": ("./Maildir\n&bob@example.net\n", True),
    "nothing": ("", True),
}


@pytest.mark.parametrize(("lines", "stays"), PASSED_ON.values(), ids=PASSED_ON)
def test_a_mailbox_that_passes_everything_on_is_never_full(authdaemon, lines, stays):
    (authdaemon / ".courier").write_text(lines)
    assert deliver.room("alice@example.com", 101).startswith("1" if stays else "0")


@pytest.mark.parametrize(("lines", "stays"), [('["&b@example.net"]', False), ('["./Maildir"]', True)])
def test_so_is_one_whose_rules_do(authdaemon, lines, stays):
    (authdaemon / ".mailrules").write_text(f'# Managed by Ansible\n{{"lines": {lines}}}\n')
    (authdaemon / ".courier").write_text("|| deliver\n")
    assert deliver.room("alice@example.com", 101).startswith("1" if stays else "0")


def test_the_service_answers_on_the_socket_of_systemd(tmp_path):
    path = str(tmp_path / "room")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen(9)
        number = listening.fileno()
        started = ["bash", "-c", f'exec "$@" 3<&{number}', "sh", sys.executable, "-IS", str(PROGRAM), "--room"]
        service = subprocess.Popen(started, pass_fds=(number,))
    try:
        # No authdaemon is here to ask.
        for _time in range(2):
            code, text = room._forward.ask(path, ["alice@example.com", "1"], 10)
            assert code == 75, text
    finally:
        service.kill()
        service.wait()

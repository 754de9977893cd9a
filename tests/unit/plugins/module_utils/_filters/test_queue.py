from __future__ import annotations

import pytest

from plugins.module_utils._filters import _queue


@pytest.fixture
def queue(tmp_path):
    """Puts a message into a queue."""

    def put(number, *recipients, login="alice@example.com", more=""):
        place = tmp_path / str(number % 3)
        place.mkdir(exist_ok=True)
        (place / f"D{number}").write_text("Subject: s\n\n")
        lines = [f"s{login}", "fdns; x (x [192.0.2.7])", f"M{number:016}.1", f"i{login}", "uauthsmtp"]
        lines += [line for one in recipients for line in (f"r{one}", "R", "N")]
        (place / f"C{number}").write_text("".join(f"{line}\n" for line in lines) + more)

    return put


def test_finds_what_somebody_sent_and_is_not_delivered(tmp_path, queue):
    queue(1, "a@example.net", "b@example.net", more="I0 R 250 Ok\nS0 1795655331\n")
    queue(2, "a@example.net", login="bob@example.com")
    queue(3, "a@example.net", more="XThrown away\n")
    queue(4, "a@example.net", more="S0 1795655331\n")
    queue(5, "c@example.net", login="Alice@Example.com")
    assert sorted(_queue.sent_by("alice@example.com", str(tmp_path))) == [
        ("0000000000000001.1", ["b@example.net"]),
        ("0000000000000005.1", ["c@example.net"]),
    ]


def test_passes_over_what_is_gone_meanwhile(tmp_path, queue):
    queue(1, "a@example.net")
    (tmp_path / "1/D1").unlink()
    assert _queue.sent_by("alice@example.com", str(tmp_path)) == []


@pytest.mark.parametrize(("code", "cancelled"), [(0, True), (1, False)])
def test_cancels(tmp_path, monkeypatch, code, cancelled):
    program = tmp_path / "cancelmsg"
    program.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/said\nexit {code}\n')
    program.chmod(0o755)
    monkeypatch.setattr(_queue, "_CANCELMSG", str(program))
    assert _queue.cancel("1.2", "No more") is cancelled
    assert (tmp_path / "said").read_text() == "1.2 No more\n"

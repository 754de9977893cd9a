"""clamd's INSTREAM, by clamd(8), with a clamd that the test plays."""

from __future__ import annotations

import contextlib
import struct
import time
import tracemalloc

import pytest

from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import PASS, Down
from plugins.module_utils._filters.clamd import Filter, Settings, understood

END = struct.pack("!I", 0)


@pytest.fixture
def clamd(daemon):
    daemon.end = END
    daemon.answer = b"stream: OK\0"
    return daemon


def ask(clamd, message, **settings):
    return Filter(Settings(socket=clamd.path, **{"timeout": 10, **settings})).check(message)


def streamed(heard):
    command, _nul, rest = heard.partition(b"\0")
    assert command == b"zINSTREAM"
    text = b""
    while rest:
        (length,) = struct.unpack("!I", rest[:4])
        text += rest[4 : 4 + length]
        rest = rest[4 + length :]
    return text


@pytest.mark.parametrize("size", [0, 1, 1 << 17, (1 << 20) + 1])
def test_hands_over_all_of_the_message(clamd, letter, size):
    text = b"A: 1\n\n" + b"x" * size
    assert ask(clamd, letter(text)) == PASS
    assert streamed(clamd.heard) == text


def test_refuses_a_virus_by_its_name(clamd, letter):
    clamd.answer = b"stream: Eicar-Test.UNOFFICIAL FOUND\0"
    verdict = ask(clamd, letter())
    assert (verdict.action, verdict.note) == ("refuse", "Eicar-Test.UNOFFICIAL")
    assert verdict.reply == "554 5.7.1 This mail was not accepted, it holds a virus: Eicar-Test.UNOFFICIAL"


def test_a_name_cannot_break_the_reply(clamd, letter):
    clamd.answer = b"stream: a\r\n250 \xff" + b"x" * 1000 + b" FOUND\0"
    reply = ask(clamd, letter()).reply
    assert reply.isprintable()
    assert reply.isascii()
    assert len(reply) < 300


DOWN = {
    "a limit": (b"INSTREAM size limit exceeded. ERROR\0", r"clamd says: INSTREAM size limit exceeded\. ERROR"),
    "an error": (b"stream: Can't allocate memory ERROR\0", "clamd says: stream: Can't allocate memory ERROR"),
    "nothing": (b"", "clamd broke off"),
    "half of a good answer": (b"stream: OK", "clamd broke off"),
    "half of a bad one": (b"stream: Eicar FOUND", "clamd broke off"),
    "another language": (b"250 ok\0", "clamd says: 250 ok"),
    "an answer to something else": (b"PONG\0", "clamd says: PONG"),
}


@pytest.mark.parametrize(("answer", "reason"), DOWN.values(), ids=DOWN)
def test_what_was_not_scanned_is_down(clamd, letter, answer, reason):
    clamd.answer = answer
    with pytest.raises(Down, match=reason):
        ask(clamd, letter())


def test_a_clamd_that_hangs_up_while_we_write_is_down(clamd, letter):
    clamd.reads = False
    clamd.answer = b""
    with pytest.raises(Down, match=r"did not take the whole message \(is StreamMaxLength below max_size\?\)"):
        ask(clamd, letter(b"A: 1\n\n" + b"x" * (8 << 20)))


def test_a_good_answer_before_the_end_is_none():
    assert understood(b"stream: OK\0", True) == PASS
    with pytest.raises(Down):
        understood(b"stream: OK\0", False)
    assert understood(b"stream: Eicar FOUND\0", False).action == "refuse"


def test_a_clamd_that_is_silent_is_down_in_time(clamd, letter):
    clamd.silent = True
    began = time.monotonic()
    with pytest.raises(Down, match=r"socket gave no answer within 0\.2 s"):
        ask(clamd, letter(), timeout=0.2)
    assert time.monotonic() - began < 2


def test_a_clamd_that_takes_nothing_is_down_in_time(clamd, letter):
    clamd.reads, clamd.silent = False, True
    message = letter(b"A: 1\n\n" + b"x" * (8 << 20))
    began = time.monotonic()
    with pytest.raises(Down, match=r"within 0\.2 s"):
        ask(clamd, message, timeout=0.2)
    assert time.monotonic() - began < 2


def test_no_clamd_is_down(letter, tmp_path):
    with pytest.raises(Down, match="gone: No such file or directory"):
        Filter(Settings(socket=str(tmp_path / "gone"))).check(letter())


def test_what_is_too_large_is_not_scanned(clamd, letter):
    message = letter()
    with pytest.raises(Down, match=rf"too large to be scanned: {message.size} bytes, max_size is {message.size - 1}"):
        ask(clamd, message, max_size=message.size - 1)
    assert clamd.asked == 0
    assert ask(clamd, message, max_size=message.size) == PASS


def test_a_large_message_is_never_in_memory(clamd, letter):
    message = letter(b"A: 1\n\n" + b"x" * (24 << 20))
    clamd.most = 1 << 20  # or the test would hold it
    clamd.answer = b"stream: Eicar FOUND\0"
    tracemalloc.start()
    with contextlib.suppress(Down):  # it hung up, which is not the question
        ask(clamd, message)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


REFUSED = {
    "no path": ({"socket": "localhost:3310"}, "the path of clamd's socket"),
    "no time": ({"timeout": 0}, "seconds, at most 600"),
    "too much time": ({"timeout": 3600}, "seconds, at most 600"),
    "no size": ({"max_size": 0}, "a number of bytes"),
    "more than clamd can count": ({"max_size": 1 << 32}, "below 4 GiB"),
}


@pytest.mark.parametrize(("settings", "advice"), REFUSED.values(), ids=REFUSED)
def test_refuses_settings(settings, advice):
    with pytest.raises(SettingsError, match=advice):
        build(Settings, settings)

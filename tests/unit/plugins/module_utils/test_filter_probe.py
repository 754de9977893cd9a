"""A filter that answers from a script, asked as submit asks it."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from plugins.module_utils import _filter_probe
from plugins.module_utils._filter_probe import TEXTS, NotRefused, prove


@pytest.fixture
def listening(tmp_path, monkeypatch):
    """Takes verdicts: a function of the text and the envelope. Gives what it was asked."""
    queue = tmp_path / "queue"
    queue.mkdir()
    monkeypatch.setattr(_filter_probe, "QUEUE", str(queue))
    for asking in (_filter_probe.ask, _filter_probe.hand):
        monkeypatch.setattr(asking, "__defaults__", (str(queue),))
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "filter"))
    server.listen()

    def serve(verdict, *, sign=False):
        def loop():
            while True:
                try:
                    connection, _address = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("r") as asked:
                    text, envelope, end = (asked.readline() for _line in range(3))
                    assert end == "\n"
                    files = [Path(name.strip()) for name in (text, envelope)]
                    if sign and "ulocal\n" in files[1].read_text():
                        files[0].write_text(f"DKIM-Signature: v=1\n{files[0].read_text()}")
                    connection.sendall(verdict(*(file.read_text() for file in files)).encode())

        threading.Thread(target=loop, daemon=True).start()
        return str(tmp_path / "filter")

    yield serve
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    assert list(queue.iterdir()) == []


def judge(text, _envelope):
    return "554 No" if any(pattern in text for pattern in TEXTS.values()) else "200 Ok"


def test_proves_what_is_refused_and_what_is_not(listening):
    proved = prove(listening(judge), ["virus", "program", "spam"])
    assert proved == "virus refused, program refused, spam refused, harmless mail let in"


def put_off(*_):
    return "451 Later"


@pytest.mark.parametrize(
    ("verdict", "proved"),
    [
        (judge, "virus refused, harmless mail let in, own mail signed"),
        (put_off, "virus put off, harmless mail put off, own mail put off"),
    ],
    ids=["it does not", "it does"],
)
def test_a_filter_may_put_mail_off(listening, verdict, proved):
    assert prove(listening(verdict, sign=True), ["virus"], signs=True, defers=True) == proved


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (lambda *_: "200 Ok", r"\(virus\) should be refused, and the answer was '200"),
        (lambda *_: "554 No", "harmless message should be let in, and the answer was '554"),
    ],
    ids=["lets all in", "refuses all"],
)
def test_a_filter_that_may_put_mail_off_does_not_do_as_it_likes(listening, verdict, said):
    with pytest.raises(NotRefused, match=said):
        prove(listening(verdict), ["virus"], defers=True)


def test_it_comes_from_a_stranger(listening):
    seen = []
    prove(listening(lambda _text, envelope: seen.append(envelope) or "200 Ok"), [])
    assert "OTCPREMOTEIP=192.0.2.1\nusmtp\n" in seen[0]
    assert "RELAYCLIENT" not in seen[0]


FAILS = {
    "a filter that lets all in": (
        lambda *_: "200 Ok",
        ["virus"],
        r"\(virus\) should be refused, and the answer was '200",
    ),
    "a filter that is not sure": (
        lambda *_: "451 Later",
        ["spam"],
        r"\(spam\) should be refused, and the answer was '451",
    ),
    "a filter that refuses all": (
        lambda *_: "554 No",
        ["virus"],
        "harmless message should be let in, and the answer was '554",
    ),
    "a filter that says nothing": (lambda *_: "", [], "the answer was 'nothing'"),
}


@pytest.mark.parametrize(("verdict", "patterns", "said"), FAILS.values(), ids=FAILS)
def test_does_not_prove(listening, verdict, patterns, said):
    with pytest.raises(NotRefused, match=said):
        prove(listening(verdict), patterns)


def test_proves_that_own_mail_is_signed(listening):
    assert prove(listening(judge, sign=True), [], signs=True) == "harmless mail let in, own mail signed"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [(judge, "it was not"), (lambda _text, envelope: "451 Later" if "ulocal" in envelope else "200 Ok", "'451 Later'")],
    ids=["unsigned", "deferred"],
)
def test_own_mail_that_is_not_signed_fails(listening, verdict, said):
    with pytest.raises(NotRefused, match=f"own should be signed, and .*{said}"):
        prove(listening(verdict), [], signs=True)

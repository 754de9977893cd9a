from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import subprocess
import threading
import time
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from plugins.module_utils._watch import _alarm_send, _alarm_state, _parts, _places, alarm
from plugins.module_utils._watch._alarm_settings import Settings
from plugins.module_utils._watch._found import Finding, State
from plugins.module_utils._watch._settings import SettingsError, build

KEY = "a key that nobody else has"
MINUTE = 120.0


def finding(state, said="it is", part="queue", subject="oldest"):
    return Finding(part, subject, State(state), said)


@pytest.fixture
def memory(tmp_path):
    known = _alarm_state.Memory(str(tmp_path / "alarm.sqlite"))
    yield known
    known.close()


def told(memory, states, settings=None, start=1_000_000.0, **about):
    """What is told when a thing is seen in these states, look by look."""
    events = []
    for number, state in enumerate(states):
        found = [finding(state, **about)] if state else []
        now = start + number * MINUTE
        events += [(number, one.event) for one in memory.look(found, ["mail"], settings or Settings(), now)]
    return events


TOLD = {
    "nothing that is well": (["well"] * 5, []),
    "once what is bad": (["bad"] * 9, [(1, "bad")]),
    "not what is bad for a moment": (["well", "bad", "well", "bad", "well"], []),
    "once that it is well again": (["bad", "bad", *["well"] * 6], [(1, "bad"), (4, "well")]),
    "not that it is well for a moment": (["bad", "bad", "well", "well", "bad", "well", "well", "bad"], [(1, "bad")]),
    "what is to be done soon": (["soon", "soon"], [(1, "soon")]),
    "that it has become worse": (["soon", "soon", "bad", "bad"], [(1, "soon"), (3, "bad")]),
    "nothing where bad becomes soon": (["bad", "bad", "soon", "soon", "soon"], [(1, "bad")]),
    "late what is not known": (["unknown"] * 29, []),
    "in the end what is not known": (["unknown"] * 31, [(29, "unknown")]),
    "that it is watched no more": (["bad", "bad", None], [(1, "bad"), (2, "well")]),
    "nothing of what was well and is watched no more": (["well", None], []),
    "later that it is well where it was bad before": (
        [*["bad"] * 2, *["well"] * 3, *["bad"] * 2, *["well"] * 5],
        [(1, "bad"), (4, "well"), (6, "bad")],
    ),
}


@pytest.mark.parametrize(("states", "events"), TOLD.values(), ids=TOLD)
def test_tells(memory, states, events):
    assert told(memory, states) == events


def test_tells_again_what_is_bad_for_long(memory):
    assert told(memory, ["bad"] * 64, Settings(repeat_hours=1)) == [(1, "bad"), (31, "still"), (61, "still")]


def test_tells_nothing_of_what_is_silent(memory):
    told(memory, ["bad"] * 3, Settings(silent={"queue: oldest": "we know"}))
    assert memory.waiting("mail") == []


def test_tells_nothing_of_what_is_due_where_nobody_wants_to_know(memory):
    assert told(memory, ["soon"] * 5, Settings(soon=False)) == []


def test_what_comes_and_goes_is_one_alarm(memory):
    # Ten minutes bad, ten minutes well, for six hours.
    events = told(memory, [*["bad"] * 5, *["well"] * 5] * 18)
    assert [event for _number, event in events].count("bad") == 2


def test_the_worst_finding_of_a_thing_counts(memory):
    both = [finding("well"), finding("bad"), finding("soon")]
    memory.look(both, [], Settings(bad_after=1), 1.0)
    assert [(one.key, one.state) for one in memory.things()] == [("queue: oldest", State.BAD)]


def test_what_a_part_said_before_it_failed_stands(memory):
    memory.look([finding("bad")], [], Settings(bad_after=1), 1.0)
    events = memory.look([Finding("queue", "watch", State.BAD, "it failed")], [], Settings(bad_after=1), 2.0)
    assert [one.key for one in events] == ["queue: watch"]
    assert {one.key: one.state for one in memory.things()}["queue: oldest"] is State.BAD


def test_what_could_not_be_told_waits(memory):
    settings = Settings(bad_after=1)
    memory.look([finding("bad")], ["mail", "webhook a"], settings, 1.0)
    [(number, event)] = memory.waiting("mail")
    memory.sent("mail", [number], 2.0)
    memory.failed("webhook a", "it answered 500", 2.0)
    assert memory.waiting("mail") == []
    assert [one for _number, one in memory.waiting("webhook a")] == [event]
    assert [(way.name, way.error, way.sent, way.failed) for way in memory.ways()] == [
        ("mail", "", 1, 0),
        ("webhook a", "it answered 500", 0, 1),
    ]


def test_a_way_is_not_told_of_itself(memory):
    about = finding("bad", part="alarm", subject="webhook a")
    memory.look([about], ["mail", "webhook a"], Settings(bad_after=1), 1.0)
    assert (len(memory.waiting("mail")), len(memory.waiting("webhook a"))) == (1, 0)


def test_ways_that_are_no_more_are_forgotten(memory):
    memory.look([finding("bad")], ["webhook a"], Settings(bad_after=1), 1.0)
    memory.failed("webhook a", "no", 1.0)
    memory.forget(["mail"], 2.0)
    assert (memory.waiting("webhook a"), memory.ways()) == ([], [])


# Settings.

HOOK = {"webhooks": {"a": {}}, "webhook_urls": {"a": "https://hooks.example.com/x?token=hunter2"}}
REFUSED = {
    "a webhook without an address": ({"webhooks": {"a": {}}}, "webhook a has no url"),
    "an address without a webhook": ({"webhook_urls": {"a": "https://h.example.com"}}, "webhook a has a url or a key"),
    "an address in clear": (
        HOOK | {"webhook_urls": {"a": "http://hooks.example.com/hunter2"}},
        "webhook a: its url b",
    ),
    "what is no address": (HOOK | {"webhook_urls": {"a": "hooks.example.com/hunter2"}}, "webhook a: its url is none"),
    "an address of a file": (HOOK | {"webhook_urls": {"a": "file:///etc/hunter2"}}, "webhook a: its url is none"),
    "a login in an address": (
        HOOK | {"webhook_urls": {"a": "https://u:hunter2@example.com"}},
        "webhook a: its url is",
    ),
    "a line break in an address": (HOOK | {"webhook_urls": {"a": "https://h.example.com/\nhunter2"}}, "webhook a: its"),
    "a key that can be guessed": (HOOK | {"webhook_keys": {"a": "hunter2"}}, "webhook a: the key is shorter"),
    "a key of nothing that is known": (HOOK | {"webhooks": {"a": {"kind": "x"}}}, "webhook a: there is no kind"),
    "mail for nobody's address": ({"mail": ["alice"], "sender": "a@example.com"}, "mail is 'alice'; write addresses"),
    "mail from nobody": ({"mail": ["alice@example.com"]}, "sender is missing"),
    "silence without a reason": ({"silent": {"queue: oldest": " "}}, "silent: queue: oldest has no reason"),
    "never": ({"bad_after": 0}, "bad_after is 0; write a number from 1 to 10"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(SettingsError) as refused:
        build(Settings, given)
    assert str(refused.value).startswith(sentence)
    assert "hunter2" not in str(refused.value)


def test_takes_a_webhook_without_tls_for_a_reason():
    build(
        Settings, HOOK | {"webhooks": {"a": {"reason": "it is on this host"}}, "webhook_urls": {"a": "http://[::1]:8/"}}
    )


# Telling.

EVENT = _alarm_state.Event("queue: oldest", "queue", "oldest", "bad", "bad", 0.0, "a message waits for 5 hours")


class Receiver(BaseHTTPRequestHandler):
    """Keeps what it gets, and answers what it is told to."""

    def do_POST(self):
        self.server.got.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
        if self.server.answer is None:
            self.server.finished.wait(20)
            return
        self.send_response(self.server.answer)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.answer, server.finished = [], 204, threading.Event()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.finished.set()
    server.shutdown()
    server.server_close()


def hooked(receiver, scheme="http", **more):
    url = f"{scheme}://127.0.0.1:{receiver.server_port}/x?token=hunter2"
    hook = {"webhooks": {"a": {"reason": "a test"}}, "webhook_urls": {"a": url}, "webhook_keys": {"a": KEY}}
    return Settings(**{"host": "mx1.example.com", "timeout": 2, "bad_after": 1} | hook | more)


def test_a_webhook_gets_what_is_bad_with_a_signature(receiver):
    settings = hooked(receiver)
    _alarm_send.webhook(settings, "a", _alarm_send.body(settings, [EVENT], 1234.5), 1234.5)
    [(fields, text)] = receiver.got
    assert json.loads(text) == {
        "version": 1,
        "host": "mx1.example.com",
        "sent": 1234.5,
        "test": False,
        "events": [
            {
                "key": "queue: oldest",
                "part": "queue",
                "subject": "oldest",
                "event": "bad",
                "state": "bad",
                "since": 0.0,
                "said": "a message waits for 5 hours",
            }
        ],
    }
    expected = hmac.new(KEY.encode(), b"1234." + text, hashlib.sha256).hexdigest()
    assert fields["X-Courier-Mail-Timestamp"] == "1234"
    assert fields["X-Courier-Mail-Signature"] == f"sha256={expected}"
    assert fields["Content-Type"] == "application/json"


@pytest.mark.parametrize("answer", [301, 302, 307, 400, 404, 500, 503])
def test_a_webhook_that_refuses_was_not_told(receiver, answer):
    receiver.answer = answer
    with pytest.raises(_alarm_send.Untold, match=f"^it answered {answer}$"):
        _alarm_send.webhook(hooked(receiver), "a", b"{}", 0.0)
    assert len(receiver.got) == 1


def test_a_webhook_whose_certificate_nobody_knows_was_not_told(receiver, tmp_path):
    names = "subjectAltName=IP:127.0.0.1"
    files = ["-keyout", "key.pem", "-out", "crt.pem"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-addext", names, *files]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "crt.pem", tmp_path / "key.pem")
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    with pytest.raises(_alarm_send.Untold, match="certificate"):
        _alarm_send.webhook(hooked(receiver, "https"), "a", b"{}", 0.0)
    assert receiver.got == []


def test_a_webhook_that_is_not_there_shows_no_address(receiver):
    settings = hooked(receiver)
    receiver.server_close()
    receiver.socket.close()
    with pytest.raises(_alarm_send.Untold) as untold:
        _alarm_send.webhook(settings, "a", b"{}", 0.0)
    assert "hunter2" not in str(untold.value)


@pytest.fixture
def sendmail(tmp_path, monkeypatch):
    """A program in the place of sendmail, and what it got."""
    program, got = tmp_path / "sendmail", tmp_path / "got"
    program.write_text(f'#!/bin/sh\necho "$@" >{got}.arguments\ncat >{got}\n')
    program.chmod(0o755)
    # The default of an argument was made when the function was.
    monkeypatch.setattr(_alarm_send.mail, "__defaults__", (str(program),))
    return program, got


MAIL = {"host": "mx1.example.com", "mail": ["alice@example.com"], "sender": "root@mx1.example.com", "bad_after": 1}


def test_mail_says_what_is_bad(sendmail):
    _program, got = sendmail
    _alarm_send.mail(Settings(**MAIL), [EVENT, EVENT._replace(event="well", key="x: y\n: z")], 86400.0)
    letter = message_from_bytes(got.read_bytes(), policy=default)
    assert got.with_suffix(".arguments").read_text() == "-i -f root@mx1.example.com -- alice@example.com\n"
    assert letter["Subject"] == "[mx1.example.com] bad: queue: oldest and 1 more"
    assert letter["Auto-Submitted"] == "auto-generated"
    assert "a message waits for 5 hours" in letter.get_content()


def test_what_strangers_wrote_is_no_field_of_the_letter():
    event = EVENT._replace(key="queue: a\r\nBcc: victim@example.com", said="x\r\n\r\nFrom: y")
    letter = _alarm_send.letter(Settings(**MAIL), [event], 0.0)
    assert letter["Bcc"] is None
    assert b"\nBcc:" not in letter.as_bytes()


def test_mail_that_nobody_takes_was_not_told(sendmail):
    program, _got = sendmail
    program.write_text("#!/bin/sh\necho no room >&2\nexit 75\n")
    with pytest.raises(_alarm_send.Untold, match=r"^sendmail ended with 75: no room$"):
        _alarm_send.mail(Settings(**MAIL), [EVENT], 0.0)


# The command.


def test_who_does_not_answer_keeps_nobody_from_hearing_it(receiver, sendmail, memory):
    receiver.answer = None
    settings = hooked(receiver, timeout=1, **MAIL)
    began = time.monotonic()
    alarm.run(settings, memory, [finding("bad")], 1000.0)
    assert time.monotonic() - began < 15
    assert memory.waiting("mail") == []
    assert len(memory.waiting("webhook a")) == 1
    assert {way.name: bool(way.error) for way in memory.ways()} == {"mail": False, "webhook a": True}


def test_what_waited_is_told_when_it_can_be(receiver, memory):
    settings = hooked(receiver)
    receiver.answer = 503
    alarm.run(settings, memory, [finding("bad")], 1000.0)
    receiver.answer = 200
    alarm.run(settings, memory, [finding("bad")], 1120.0)
    alarm.run(settings, memory, [finding("bad")], 1240.0)
    assert [[one["event"] for one in json.loads(text)["events"]] for _fields, text in receiver.got] == [
        ["bad"],
        ["bad"],
    ]


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(_places, "STATE", str(tmp_path))
    settings = {}
    monkeypatch.setattr(_places, "settings", lambda part, kind: settings[part])
    return settings


def test_a_way_that_does_not_work_is_a_finding(host, receiver, tmp_path):
    host["alarm"] = hooked(receiver)
    receiver.answer = 500
    known = _alarm_state.Memory(str(tmp_path / "alarm.sqlite"))
    alarm.run(host["alarm"], known, [finding("bad")], 1000.0)
    known.close()
    [found] = alarm.findings()
    assert (found.key, found.state, found.since) == ("alarm: webhook a", State.BAD, 1000.0)
    assert "it answered 500" in found.said
    assert {(one.name, tuple(one.labels.values())): one.value for one in alarm.samples()} == {
        ("courier_mail_alarms", ("bad",)): 1,
        ("courier_mail_alarms", ("soon",)): 0,
        ("courier_mail_alarms", ("unknown",)): 0,
        ("courier_mail_alarm_way_up", ("webhook a",)): 0,
        ("courier_mail_alarm_messages_total", ("webhook a", "told")): 0,
        ("courier_mail_alarm_messages_total", ("webhook a", "failed")): 1,
    }


def test_a_test_reaches_everybody_and_is_none(host, receiver, capsys):
    host["alarm"] = hooked(receiver)
    assert alarm.main(["alarm", "--test"]) == 0
    assert capsys.readouterr().out == "webhook a: told\n"
    assert json.loads(receiver.got[0][1])["test"] is True
    receiver.answer = 500
    assert alarm.main(["alarm", "--test"]) == alarm.UNAVAILABLE


def test_a_test_for_nobody_fails(host, capsys):
    host["alarm"] = Settings()
    assert alarm.main(["alarm", "--test"]) == alarm.CONFIGURATION
    assert "nobody would be told" in capsys.readouterr().err


def test_lists_how_things_stand(host, tmp_path, capsys):
    host["alarm"] = Settings(bad_after=1)
    known = _alarm_state.Memory(str(tmp_path / "alarm.sqlite"))
    known.look([finding("well", subject="a"), finding("bad", subject="b")], [], host["alarm"], 1000.0)
    known.close()
    assert alarm.main(["alarm", "--list", "--json"]) == 0
    assert [(one["subject"], one["state"]) for one in json.loads(capsys.readouterr().out)] == [
        ("b", "bad"),
        ("a", "well"),
    ]


# All parts together.


def test_a_part_that_fails_is_a_finding_and_the_others_are_heard(tmp_path, monkeypatch):
    for part in ("good", "broken"):
        (tmp_path / f"{part}.json").write_text("{}")

    class Good:
        @staticmethod
        def findings():
            return [finding("well", part="good")]

        samples = findings

    monkeypatch.setattr(_parts, "_module", lambda name: {"good": Good, "broken": None}[name])
    parts = {"broken": "broken", "good": "good", "unwanted": "unwanted"}
    found = _parts.findings(parts, str(tmp_path))
    assert [(one.key, one.state) for one in found] == [
        ("broken: watch", State.BAD),
        ("good: oldest", State.WELL),
        ("good: watch", State.WELL),
    ]
    up = {one.labels["part"]: one.value for one in _parts.samples(parts, str(tmp_path)) if hasattr(one, "labels")}
    assert up == {"broken": 0, "good": 1}

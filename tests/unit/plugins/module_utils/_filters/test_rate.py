from __future__ import annotations

import threading

import pytest

from plugins.module_utils._filters import rate
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import PASS, Outcome, defer
from plugins.module_utils._filters.rate import Filter, Settings
from tests.unit.filtered import message

RECEIVED = "Received: from localhost (localhost [127.0.0.1])\n  (uid {})\n  by mx1.example.com with local\n\nx\n"


@pytest.fixture
def settings(tmp_path):
    return lambda **given: Settings(store=str(tmp_path / "store.sqlite"), **given)


@pytest.fixture
def letters(monkeypatch):
    sent = []
    monkeypatch.setattr(rate, "send", lambda *letter: sent.append(letter))
    # In the thread of the test.
    monkeypatch.setattr(
        rate.threading, "Thread", lambda target, args, daemon: type("T", (), {"start": lambda _self: target(*args)})()
    )
    return sent


def judge(one, tmp_path, *recipients, **given):
    return one.check(message(tmp_path, *recipients, **({"login": "alice@example.com"} | given)))


def actions(one, tmp_path, number, **given):
    return [judge(one, tmp_path, **given).action for _time in range(number)]


def test_holds_who_sends_too_much_until_released(tmp_path, settings):
    one = Filter(settings(messages=2))
    assert actions(one, tmp_path, 3) == ["pass", "pass", "defer"]
    verdict = judge(one, tmp_path)
    assert verdict.reply == (
        "451 4.7.1 The mail of alice@example.com waits: it sent too much within an hour. "
        "Tell the postmaster, who can let it go"
    )
    assert actions(one, tmp_path, 1, login="bob@example.com") == ["pass"]
    one._store.release("alice@example.com")
    assert actions(one, tmp_path, 3) == ["pass", "pass", "defer"]


@pytest.mark.parametrize("action", ["hold", "refuse"])
def test_holds_whom_the_operator_holds(tmp_path, settings, letters, action):
    one = Filter(settings(contact="postmaster@example.com", action=action))
    one._store.hold("alice@example.com", rate.BY_OPERATOR)
    one._store.tell("alice@example.com")
    assert judge(one, tmp_path).reply == (
        "451 4.7.1 The mail of alice@example.com waits: the postmaster wants it so. "
        "Tell the postmaster, who can let it go"
    )
    assert letters == []


def test_refuses_until_the_hour_is_over(tmp_path, settings):
    one = Filter(settings(messages=1, action="refuse"))
    assert actions(one, tmp_path, 2) == ["pass", "refuse"]
    assert judge(one, tmp_path).reply.startswith(
        "550 5.7.1 alice@example.com has sent more than 1 messages or 1000 recipients within an hour; it may send "
    )
    assert one._store.holds() == []


def test_counts_recipients(tmp_path, settings):
    one = Filter(settings(recipients=3))
    two = ("a@example.net", "b@example.net")
    assert judge(one, tmp_path, *two).action == "pass"
    assert judge(one, tmp_path, *two).action == "defer"


def test_a_message_with_too_many_recipients_is_refused_and_holds_nobody(tmp_path, settings):
    one = Filter(settings(recipients=1))
    verdict = judge(one, tmp_path, "a@example.net", "b@example.net")
    assert verdict.reply == "550 5.5.3 2 recipients are too many; one sender may have 1 within an hour"
    assert one._store.holds() == []


COUNTED = {
    "who logged in": ({"login": "Alice@example.com"}, "alice@example.com"),
    "a host that relays": ({"login": None, "relay": True}, "192.0.2.7"),
    "a program": ({"login": None, "local": True, "text": RECEIVED.format(33)}, "local 33"),
}


@pytest.mark.parametrize(("given", "key"), COUNTED.values(), ids=COUNTED)
def test_counts(tmp_path, settings, given, key):
    one = Filter(settings(messages=1, local_messages=1))
    assert actions(one, tmp_path, 2, **given) == ["pass", "defer"]
    assert [hold.key for hold in one._store.holds()] == [key]


@pytest.mark.parametrize(
    "given",
    [{"login": None}, {"login": None, "local": True, "sender": ""}],
    ids=["a stranger", "a letter to the operator"],
)
def test_does_not_count(tmp_path, settings, given):
    one = Filter(settings(messages=1, local_messages=1))
    assert actions(one, tmp_path, 3, **given) == ["pass"] * 3


def test_what_is_deferred_by_others_counts_when_it_comes_again(tmp_path, settings):
    one = Filter(settings(messages=1))
    mail = message(tmp_path, login="alice@example.com")
    for _time in range(3):
        assert one.check(mail) == PASS
        one.finish(mail, Outcome(defer("451 later"), []))
    assert one.check(mail) == PASS
    one.finish(mail, Outcome(PASS, []))
    assert one.check(mail).action == "defer"


def test_exceptions_win(tmp_path, settings):
    one = Filter(settings(messages=1, exceptions={"Alice@example.com": {"messages": 3}, "192.0.2.7": {"messages": 0}}))
    assert actions(one, tmp_path, 4) == ["pass", "pass", "pass", "defer"]
    assert actions(one, tmp_path, 4, login=None, relay=True) == ["pass"] * 4


def test_tells_the_operator_once_for_each_hold(tmp_path, settings, letters):
    one = Filter(settings(messages=1, contact="postmaster@example.com"))
    actions(one, tmp_path, 4)
    assert [(to, subject) for to, subject, _text in letters] == [
        ("postmaster@example.com", "Mail of alice@example.com waits")
    ]
    assert "courier-mail release 'alice@example.com'" in letters[0][2]
    one._store.release("alice@example.com")
    actions(one, tmp_path, 3)
    assert len(letters) == 2


def test_tells_him_again_when_he_could_not_be_told(tmp_path, settings, letters, monkeypatch, capsys):
    one = Filter(settings(messages=1, contact="postmaster@example.com"))
    monkeypatch.setattr(rate, "send", lambda *_letter: (letter for letter in ()).throw(OSError("no sendmail")))
    actions(one, tmp_path, 2)
    assert capsys.readouterr().err == (
        "rate: postmaster@example.com could not be told of the hold of alice@example.com: no sendmail\n"
    )
    monkeypatch.setattr(rate, "send", lambda *letter: letters.append(letter))
    actions(one, tmp_path, 2)
    assert len(letters) == 1


def test_the_letter_has_no_sender(monkeypatch):
    runs = []
    monkeypatch.setattr(rate.subprocess, "run", lambda *args, **options: runs.append((args, options)))
    rate.send("op@example.com", "S", "text\n")
    assert runs[0][0] == (["/usr/sbin/sendmail", "-f", "", "op@example.com"],)
    assert b"\nTo: op@example.com\n" in runs[0][1]["input"]
    assert runs[0][1]["timeout"] > 0


def test_several_at_once_do_not_get_more(tmp_path, settings):
    one, found = Filter(settings(messages=5)), []
    mails = [message(tmp_path, login="alice@example.com", name=f"D{number}") for number in range(12)]
    threads = [threading.Thread(target=lambda mail=mail: found.append(one.check(mail).action)) for mail in mails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found.count("pass") == 5


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"action": "drop"}, "action is 'drop'; write hold or refuse"),
        ({"messages": -1}, "messages is -1; write 0, which is without limit, or more"),
        ({"messages": "many"}, "messages is 'many'; write a whole number"),
        (
            {"exceptions": {"a@example.com": {"mails": 1}}},
            "exceptions.a@example.com is {'mails': 1}; write messages, recipients or both, each 0 or more",
        ),
        ({"contact": "root, op"}, "contact is 'root, op'; write one address, or nothing"),
    ],
)
def test_refuses_settings(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, given)
    assert str(refusal.value) == sentence

"""The chain: nothing is consent but a filter that has looked."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import pytest

from plugins.module_utils._filters import _chain
from plugins.module_utils._filters._chain import UNCHECKED, Chain
from plugins.module_utils._filters._verdict import PASS, Down, Verdict, accept, defer, refuse, replied


class Played:
    """A filter that does as it is told."""

    def __init__(self, verdict):
        self.verdict = verdict
        self.asked = 0
        self.told = []

    def check(self, message):
        self.asked += 1
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict(message) if callable(self.verdict) else self.verdict

    def finish(self, message, outcome):
        self.told.append(outcome)


@pytest.fixture
def chain(monkeypatch):
    """Makes a chain of filters that a test plays."""

    def make(when_down=None, **verdicts):
        played = {name: Played(verdict) for name, verdict in verdicts.items()}
        monkeypatch.setattr(_chain, "made", lambda name, _settings: played[name])
        one = Chain(list(verdicts), when_down or {}, {})
        one.played = played
        return one

    return make


def ask(chain, message):
    return chain(message.text, message.controls)


REFUSED = "554 5.7.1 No"
DEFERRED = "451 4.7.1 Later"


def test_asks_in_order_until_one_is_sure(chain, letter):
    order = []

    def say(name, verdict):
        def check(_message):
            order.append(name)
            return verdict

        return check

    one = chain(a=say("a", PASS), b=say("b", PASS), c=say("c", refuse(REFUSED)), d=say("d", PASS))
    assert ask(one, letter()) == REFUSED
    assert order == ["a", "b", "c"]


def test_accept_ends_the_chain(chain, letter):
    one = chain(a=accept(), b=refuse(REFUSED))
    assert ask(one, letter()) == ""
    assert one.played["b"].asked == 0


@pytest.mark.parametrize("verdict", [refuse(REFUSED), defer(DEFERRED)], ids=["refuse", "defer"])
def test_the_client_is_told_and_the_message_stays(chain, letter, verdict):
    message = letter()
    before = Path(message.text).read_bytes()

    def tag(one):
        one.add("X-Tag", "1")
        return PASS

    assert ask(chain(a=tag, b=verdict), message) == verdict.reply
    assert Path(message.text).read_bytes() == before


def test_what_is_let_in_is_changed_once(chain, letter):
    message = letter()

    def tag(one):
        one.add("X-Tag", "1")
        return PASS

    assert ask(chain(a=tag, b=tag, c=accept()), message) == ""
    assert Path(message.text).read_bytes().startswith(b"X-Tag: 1\nX-Tag: 1\nReceived:")


@pytest.mark.parametrize("error", [Down("no answer"), KeyError("mistake")], ids=["down", "an exception"])
@pytest.mark.parametrize(
    ("wanted", "reply", "field"),
    [("defer", "451", []), ("accept", "", []), ("tag", "", ["a"]), (None, "451", []), ("nonsense", "451", [])],
)
def test_a_filter_that_is_down_means_what_the_operator_says(chain, letter, wanted, reply, field, error):
    one = chain({"a": wanted} if wanted else {}, a=error, b=PASS)
    message = letter()
    assert ask(one, message)[:3] == reply
    assert letter(Path(message.text).read_bytes()).values(UNCHECKED) == field
    assert one.played["b"].asked == (0 if reply else 1)


SENDERS = {
    "a stranger": ((), []),
    "who logged in": (("ialice@example.com",), []),
    "a host that need not log in": (("ORELAYCLIENT",), ["No, score=-100"]),
    "this machine": (("ulocal",), ["No, score=-100"]),
}


@pytest.mark.parametrize(("records", "kept"), SENDERS.values(), ids=SENDERS)
def test_forged_scores_go_also_where_the_sender_is_believed(chain, letter, records, kept):
    message = letter(b"Subject: hello\nX-Spam-Status: No, score=-100\n\nHello.\n", records=records)
    if "ulocal" in records:
        control = Path(message.controls[0])
        control.write_text(control.read_text().replace("usmtp\n", ""))
        message = type(message)(message.text, message.controls)
    one = chain(a=accept(), spamd=PASS)
    assert ask(one, message) == ""
    assert one.played["spamd"].asked == 0
    assert letter(Path(message.text).read_bytes()).values("X-Spam-Status") == kept


def test_scores_of_others_stay_where_nobody_scores(chain, letter):
    message = letter(b"Subject: hello\nX-Spam-Status: No, score=-100\n\nHello.\n")
    ask(chain(a=PASS), message)
    assert letter(Path(message.text).read_bytes()).values("X-Spam-Status") == ["No, score=-100"]


def test_why_it_is_down_is_told(chain, letter):
    one = chain({"a": "accept"}, a=Down("no answer"))
    ask(one, letter())
    (outcome,) = one.played["a"].told
    assert outcome.as_log()["filters"] == {"a": "down, pass: no answer"}


def test_a_forged_tag_is_taken_away(chain, letter):
    message = letter(b"X-Courier-Mail-Unchecked: clamd\nSubject: x\n\n")
    assert ask(chain(a=PASS), message) == ""
    assert Path(message.text).read_bytes() == b"Subject: x\n\n"


def test_all_are_told_how_it_ended(chain, letter):
    one = chain(a=PASS, b=refuse(REFUSED, "why"), c=PASS)
    ask(one, letter())
    for played in one.played.values():
        (outcome,) = played.told
        assert (outcome.as_log()["verdict"], outcome.as_log()["reply"]) == ("refuse", REFUSED)
        assert outcome.as_log()["filters"] == {"a": "pass", "b": "refuse: why"}


def test_who_fails_when_told_changes_nothing(chain, letter, capsys):
    one = chain(a=PASS)
    one.played["a"].finish = lambda *_arguments: 1 / 0
    assert ask(one, letter()) == ""
    assert "a failed after the verdict" in capsys.readouterr().err


def test_a_message_that_cannot_be_read_is_deferred(chain, letter, tmp_path):
    assert chain(a=PASS)(str(tmp_path / "gone"), []).startswith("451 4.3.0")
    assert chain(a=PASS)(letter().text, [str(tmp_path / "gone")]).startswith("451 4.3.0")


def test_a_change_that_cannot_be_made_is_deferred(chain, letter, monkeypatch):
    def fail(_message):
        raise OSError("disk full")

    monkeypatch.setattr(_chain.Message, "commit", fail)
    assert ask(chain(a=PASS), letter()).startswith("451 4.3.0")


@pytest.mark.parametrize("name", ["no_such_filter", "broken_import", "broken_init"])
def test_a_filter_that_cannot_be_made_is_down(letter, monkeypatch, name, capsys):
    package = types.ModuleType("pythonfilter")
    package.__path__ = []
    monkeypatch.setitem(sys.modules, "pythonfilter", package)
    module = types.ModuleType("pythonfilter.broken_init")
    module.init_filter = lambda: 1 / 0
    monkeypatch.setitem(sys.modules, "pythonfilter.broken_init", module)
    message = letter()
    assert ask(Chain([name], {}, {}), message).startswith("451 4.3.0")
    assert ask(Chain([name], {name: "tag"}, {}), message) == ""
    assert letter(Path(message.text).read_bytes()).values(UNCHECKED) == [name]
    assert "Traceback" in capsys.readouterr().err


def test_a_wrong_setting_is_a_filter_that_is_down(letter, capsys):
    assert ask(Chain(["clamd"], {}, {"clamd": {"socket": 3}}), letter()).startswith("451 4.3.0")
    assert "socket is 3; write a text" in capsys.readouterr().err


def test_packaged_filters_are_asked(letter, monkeypatch):
    calls = []
    module = types.ModuleType("pythonfilter.whitelist_auth")
    module.init_filter = lambda: calls.append("init")
    module.do_filter = lambda text, controls: calls.append((text, controls)) or "200 Ok"
    monkeypatch.setitem(sys.modules, "pythonfilter", types.ModuleType("pythonfilter"))
    monkeypatch.setitem(sys.modules, "pythonfilter.whitelist_auth", module)
    message = letter()
    assert ask(Chain(["whitelist_auth", "no_such_filter"], {}, {}), message) == ""
    assert calls == ["init", (message.text, message.controls)]


REPLIES = {
    "": Verdict(),
    "200 Ok": Verdict("accept"),
    "000": Verdict("accept"),
    "451 Later": Verdict("defer", "451 Later"),
    "550 No": Verdict("refuse", "550 No"),
}


@pytest.mark.parametrize(("text", "verdict"), REPLIES.items(), ids=repr)
def test_packaged_filters_are_understood(text, verdict):
    assert replied(text) == verdict


def test_a_reply_that_is_none_is_an_error():
    with pytest.raises(KeyError):
        replied("what?")


class Sealer(Played):
    """A filter that seals, and notes what it sealed."""

    def __init__(self, said=PASS):
        super().__init__(PASS)
        self.said = said
        self.saw = []

    def seal(self, message):
        self.saw.append(Path(message.text).read_bytes())
        if isinstance(self.said, Exception):
            raise self.said
        message.put(b"Seal: 1\n")
        return self.said


@pytest.fixture
def sealing(chain):
    """A chain with a filter that seals."""

    def make(sealer, when_down=None, **verdicts):
        one = chain(when_down, **verdicts, seal=PASS, last=PASS)
        one.played["seal"] = sealer
        one._filters = [(name, one.played[name]) for name in one.played]
        return one

    return make


@pytest.mark.parametrize("believed", [PASS, accept()], ids=["passed by all", "believed before"])
def test_what_is_let_in_is_sealed_as_it_will_be(sealing, letter, believed):
    def tag(one):
        one.add("X-Tag", "1")
        return believed

    message, sealer = letter(), Sealer()
    before = Path(message.text).read_bytes()
    assert ask(sealing(sealer, a=tag), message) == ""
    assert sealer.saw == [b"X-Tag: 1\n" + before]
    assert Path(message.text).read_bytes() == b"Seal: 1\nX-Tag: 1\n" + before


@pytest.mark.parametrize("verdict", [refuse(REFUSED), defer(DEFERRED)], ids=["refuse", "defer"])
def test_what_is_not_let_in_is_not_sealed(sealing, letter, verdict):
    sealer = Sealer()
    ask(sealing(sealer, a=verdict), letter())
    assert sealer.saw == []


@pytest.mark.parametrize(
    ("wanted", "reply", "field"), [("defer", "451", []), ("accept", "", []), ("tag", "", ["seal"]), (None, "451", [])]
)
def test_what_cannot_be_sealed_means_what_the_operator_says(sealing, letter, wanted, reply, field):
    one = sealing(Sealer(Down("no key")), {"seal": wanted} if wanted else {}, a=accept())
    message = letter()
    assert ask(one, message)[:3] == reply
    assert letter(Path(message.text).read_bytes()).values(UNCHECKED) == field
    (outcome,) = one.played["a"].told
    assert outcome.as_log()["filters"]["seal"].startswith("down, ")
    assert outcome.as_log()["reply"][:3] == reply


def test_what_was_sealed_is_told(sealing, letter):
    one = sealing(Sealer(Verdict(note="signed")), a=accept("friend"))
    ask(one, letter())
    (outcome,) = one.played["a"].told
    assert outcome.as_log()["filters"] == {"a": "accept: friend", "seal": "pass: signed"}


def test_a_sealer_that_cannot_be_made_holds_the_mail_of_those_who_are_believed_too(chain, letter, monkeypatch, capsys):
    made = _chain.made
    one = chain(a=accept())
    monkeypatch.setitem(sys.modules, "dkim", None)
    one._filters.append(("dkim_sign", made("dkim_sign", {})))
    assert ask(one, letter()).startswith("451 4.3.0")
    assert "Traceback" in capsys.readouterr().err

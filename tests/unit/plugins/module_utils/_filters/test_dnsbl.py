from __future__ import annotations

import json
import threading

import pytest

from plugins.module_utils._filters import dnsbl
from plugins.module_utils._filters._resolve import Temporary
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters.dnsbl import Filter, Settings
from tests.unit.filtered import message

BAD = {
    "zone": "bl.example.org",
    "answers": ["127.0.0.2"],
    "reason": "sends spam",
    "url": "https://bl.example.org/{address}",
}
WORSE = {"zone": "b2.example.org", "answers": ["127.0.0.4"]}
GOOD = {"zone": "wl.example.org", "answers": ["127.0.2-20.1-3"]}


@pytest.fixture
def look(tmp_path):
    """What a filter says that gets these answers, by zone."""
    waiting = threading.Event()

    def look(answers, *recipients, settings=None, times=1, **said):
        given = {"blocklists": [BAD, WORSE], "allowlists": [GOOD], "state": str(tmp_path / "lists.json")}
        one = Filter(build(Settings, given | (settings or {})))
        look.asked = []

        def lookup(entry, client):
            look.asked.append(entry.zone)
            answer = answers.get(entry.zone, [])
            if answer == "silent":
                waiting.wait(5)
            if isinstance(answer, Exception):
                raise answer
            return answer

        one.lookup = lookup
        for _time in range(times):
            verdict = one.check(message(tmp_path, *recipients, **said))
        return verdict

    yield look
    waiting.set()


def test_refuses_who_is_listed_and_says_how_to_be_taken_off(look):
    verdict = look({"bl.example.org": ["127.0.0.2"]})
    assert verdict.action == "refuse"
    assert verdict.reply == (
        "550 5.7.1 192.0.2.7 is listed in bl.example.org (sends spam). To be taken off: https://bl.example.org/192.0.2.7."
        " postmaster@example.com reads mail from you"
    )
    assert verdict.note == "on bl.example.org (127.0.0.2)"


def test_all_lists_are_asked(look):
    assert look({"b2.example.org": ["127.0.0.4"]}).reply.startswith(
        "550 5.7.1 192.0.2.7 is listed in b2.example.org. To"
    )
    assert sorted(look.asked) == ["b2.example.org", "bl.example.org", "wl.example.org"]


@pytest.mark.parametrize(
    "answer",
    [[], ["127.0.0.3"], ["127.255.255.254"], ["203.0.113.7"], Temporary("SERVFAIL"), ["127.255.255.255", "0.0.0.0"]],
    ids=str,
)
def test_nothing_else_is_a_listing(look, answer):
    assert look({"bl.example.org": answer}).action == "pass"


def test_a_silent_list_refuses_nobody_and_is_left_alone_for_a_while(look):
    settings = {"timeout": 0.1}
    verdict = look({"bl.example.org": "silent"}, settings=settings, times=2)
    assert (verdict.action, verdict.note) == ("pass", "without bl.example.org")
    assert look.asked.count("bl.example.org") == 1
    look({"bl.example.org": "silent"}, settings=settings | {"pause": 0}, times=2)
    assert look.asked.count("bl.example.org") == 2


def test_a_silent_list_does_not_save_who_is_on_another(look):
    answers = {"bl.example.org": "silent", "b2.example.org": ["127.0.0.4"]}
    assert look(answers, settings={"timeout": 0.1}).action == "refuse"


def test_a_broken_list_is_not_asked(look, tmp_path):
    state = {"bl.example.org": {"broken": "gone", "since": 0, "told": True}}
    (tmp_path / "lists.json").write_text(json.dumps(state))
    verdict = look({"bl.example.org": ["127.0.0.2"]})
    assert (verdict.action, verdict.note) == ("pass", "without bl.example.org")
    assert "bl.example.org" not in look.asked


LISTED = {"bl.example.org": ["127.0.0.2"]}
SPARED = {
    "who is known as good": {"answers": {"wl.example.org": ["127.0.5.2"]}},
    "a network of ours": {"settings": {"never": ["192.0.2.0/24"]}},
    "who logged in": {"login": "alice@example.com"},
    "who may relay": {"relay": True},
    "this host": {"local": True},
}


@pytest.mark.parametrize("said", SPARED.values(), ids=SPARED)
def test_spares(look, said):
    said = dict(said)
    assert look(LISTED | said.pop("answers", {}), **said).action == "pass"


def test_spares_who_is_trusted(look, monkeypatch):
    monkeypatch.setattr(dnsbl, "is_trusted", lambda client: client == "192.0.2.7")
    assert look(LISTED).action == "pass"


@pytest.mark.parametrize(
    ("recipients", "action"),
    [
        (["postmaster@example.com"], "pass"),
        (["postmaster@example.com", "abuse@example.com"], "pass"),
        (["postmaster@example.com", "alice@example.com"], "refuse"),
    ],
)
def test_the_postmaster_hears_who_is_listed(look, recipients, action):
    assert look(LISTED, *recipients).action == action


def test_without_lists_nobody_is_asked(look):
    assert look(LISTED, settings={"blocklists": [], "allowlists": []}).action == "pass"
    assert look.asked == []


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"blocklists": [{"zone": "bl.example.org"}]}, "mail_blocklists: bl.example.org has no answers"),
        ({"allowlists": [{"zone": "x"}]}, "mail_allowlists: the zone 'x' is no name"),
        ({"blocklists": [BAD], "allowlists": [BAD]}, "it here or into mail_blocklists, where it is too"),
        ({"never": ["x"]}, "never is 'x'; write networks"),
        ({"recipients": ["postmaster"]}, "recipients is 'postmaster'; write an address"),
        ({"timeout": 0}, "timeout is 0; write seconds"),
    ],
)
def test_refuses_settings(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, given)
    assert sentence in str(refusal.value)

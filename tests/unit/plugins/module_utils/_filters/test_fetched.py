"""Mail that was fetched: whose it is, and what becomes of it instead of a refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from plugins.module_utils._filters import _chain, big_mail, rate, sender_login, spamtrap
from plugins.module_utils._filters._chain import Chain
from plugins.module_utils._filters._fetched import FIELD
from plugins.module_utils._filters._message import Message
from plugins.module_utils._filters._origin import origin
from plugins.module_utils._filters._store import Store
from plugins.module_utils._filters._verdict import PASS, defer, refuse
from tests.unit.filtered import addresses, left, message

CLIENT = "127.25.3.4"
VIRUS = (
    "From: a@example.net\nSubject: Look\nMIME-Version: 1.0\nContent-Type: application/zip\n"
    "Content-Transfer-Encoding: base64\n\nUEsDBA==\n"
)


@pytest.fixture
def chain(tmp_path, monkeypatch):
    """Filters by name and verdict."""

    def make(**verdicts):
        class Played:
            def __init__(self, name):
                self.name = name

            def check(self, _message):
                asked.append(self.name)
                return verdicts[self.name]

        asked = []
        monkeypatch.setattr(_chain, "made", lambda name, _settings: Played(name))
        one = Chain(list(verdicts), {}, {}, addresses(tmp_path))
        one.asked = asked
        return one

    return make


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"client": CLIENT}, "fetched"),
        ({"client": "127.26.0.1"}, "stranger"),
        ({"client": CLIENT, "relay": True}, "relay"),
        ({"client": CLIENT, "login": "alice@example.com"}, "account"),
        ({"client": "2001:db8::1"}, "stranger"),
    ],
)
def test_is_known_by_where_it_comes_from(tmp_path, given, kind):
    assert origin(message(tmp_path, **given)).kind == kind


def test_what_would_be_refused_is_junk_and_those_after_it_still_look(tmp_path, chain):
    one = chain(spamd=refuse("554 5.7.1 This mail scores 1000, which is spam here"), after=PASS)
    mail = message(tmp_path, client=CLIENT)
    assert one(mail.text, mail.controls) == ""
    mail = Message(mail.text, mail.controls)
    assert left(mail) == ["alice-junk@example.com"]
    assert mail.values("X-Spam-Flag") == ["YES"]
    assert mail.values(FIELD) == ["spamd: This mail scores 1000, which is spam here"]
    assert one.asked == ["spamd", "after"]


def test_what_there_is_no_room_for_stays_where_it_is(tmp_path, chain):
    one = chain(room=refuse("552 5.2.2 The mailbox is full; write again when its owner has made room", "no room"))
    mail = message(tmp_path, client=CLIENT)
    before = Path(mail.text).read_bytes()
    assert one(mail.text, mail.controls) == "452 4.2.2 The mailbox is full; write again when its owner has made room"
    assert left(Message(mail.text, mail.controls)) == ["alice@example.com"]
    assert Path(mail.text).read_bytes() == before


@pytest.mark.parametrize("name", ["clamd", "attachments"])
def test_what_is_dangerous_leaves_a_notice(tmp_path, chain, name):
    one = chain(**{name: refuse("554 5.7.1 This mail was not accepted, it holds a virus: Eicar"), "after": PASS})
    mail = message(tmp_path, client=CLIENT, text=VIRUS)
    assert one(mail.text, mail.controls) == ""
    mail = Message(mail.text, mail.controls)
    text = mail.open().read().decode()
    assert "UEsDB" not in text
    assert "it holds a virus: Eicar" in text.partition("\n\n")[2]
    assert mail.values("subject") == ["Look"]
    assert mail.values("content-type") == ["text/plain; charset=us-ascii"]
    assert mail.values("content-transfer-encoding") == []
    assert left(mail) == ["alice@example.com"]
    assert mail.size == len(text)


def test_a_stranger_is_refused_as_ever(tmp_path, chain):
    mail = message(tmp_path)
    assert chain(spamd=refuse("554 5.7.1 No"))(mail.text, mail.controls) == "554 5.7.1 No"


def test_it_waits_where_a_filter_is_down(tmp_path, chain):
    mail = message(tmp_path, client=CLIENT)
    assert chain(clamd=defer("451 4.3.0 Later"))(mail.text, mail.controls) == "451 4.3.0 Later"


def test_what_came_with_it_says_nothing(tmp_path, chain):
    mail = message(tmp_path, client=CLIENT, text=f"{FIELD}: clamd: forged\nFrom: a@example.net\n\nx\n")
    chain(spamd=refuse("554 5.7.1 No"))(mail.text, mail.controls)
    assert Message(mail.text, mail.controls).values(FIELD) == ["spamd: No"]


def test_nobody_counts_its_address(tmp_path):
    store = str(tmp_path / "store")
    known = addresses(tmp_path)
    filters = [
        rate.Filter(rate.Settings(messages=1, recipients=1, store=store)),
        spamtrap.Filter(
            spamtrap.Settings(addresses=["alice@example.com"], learn=False, store=store, known=known),
        ),
        big_mail.Filter(big_mail.Settings(min_size=1, tag=0.1, reject=0.2, store=store, known=known)),
        sender_login.Filter(sender_login.Settings(known=known)),
    ]
    for _number in range(3):
        assert [one.check(message(tmp_path, client=CLIENT)).action for one in filters] == ["pass"] * 4
    assert Store(store).events(["trap", "big", "sent"]) == []

from __future__ import annotations

import pytest

from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._verdict import Down
from plugins.module_utils._filters.spamtrap import Filter, Settings
from tests.unit.filtered import TEXT, Spamd, addresses, left, message

TRAP = "trap-win.a_2dprize_40example.com@mx1.example.com"
WRITTEN = "win.a-prize@example.com"
SAID = f"spam trap {WRITTEN}"


@pytest.fixture
def spamd(tmp_path):
    with Spamd(tmp_path) as server:
        yield server


@pytest.fixture
def settings(tmp_path):
    return lambda **given: Settings(
        **{
            "addresses": ["other@example.com", WRITTEN],
            "store": str(tmp_path / "store.sqlite"),
            "socket": str(tmp_path / "spamd.sock"),
            "known": addresses(tmp_path),
        }
        | given
    )


def hits(one):
    return [(event.key, event.note) for event in one._store.events(["trap"])]


@pytest.mark.parametrize("recipient", [TRAP, TRAP.upper(), WRITTEN])
def test_learns_counts_and_swallows(tmp_path, spamd, settings, recipient):
    one, mail = Filter(settings()), message(tmp_path, recipient)
    assert one.check(mail)[::2] == ("accept", SAID)
    assert spamd.heard == [("spam", TEXT.encode())]
    assert hits(one) == [("192.0.2.7", SAID)]
    assert left(mail) == []
    assert f"I0 R 250 Swallowed by the {SAID}\n" in (tmp_path / "CD1").read_text()


def test_others_get_it_as_spam(tmp_path, spamd, settings):
    text = f"X-Spam-Flag: NO\n{TEXT}"
    mail = message(tmp_path, TRAP, "alice@example.com", "carol@example.org", text=text)
    assert Filter(settings()).check(mail).action == "accept"
    assert left(mail) == ["carol@example.org", "alice-junk@example.com"]
    mail.commit()
    assert (tmp_path / "D1").read_text() == f"X-Spam-Flag: YES\n{TEXT}"


@pytest.mark.parametrize(
    ("others", "action", "recipients"),
    [("refuse", "refuse", [TRAP, "alice@example.com"]), ("accept", "pass", ["alice@example.com"])],
)
def test_or_what_the_operator_wants(tmp_path, spamd, settings, others, action, recipients):
    one, mail = Filter(settings(others=others)), message(tmp_path, TRAP, "alice@example.com")
    assert one.check(mail).action == action
    assert left(mail) == recipients
    assert len(spamd.heard) == len(hits(one)) == 1


UNTOUCHED = {
    "no trap": {"recipients": ["alice@example.com"]},
    "a person here": {"login": "alice@example.com"},
    "a server of ours": {"relay": True},
    "a program": {"local": True},
    "a bounce": {"sender": ""},
}


@pytest.mark.parametrize("given", UNTOUCHED.values(), ids=UNTOUCHED)
def test_leaves_alone(tmp_path, spamd, settings, given):
    one, mail = Filter(settings()), message(tmp_path, *given.pop("recipients", [TRAP]), **given)
    assert one.check(mail).action == "pass"
    assert (spamd.heard, hits(one)) == ([], [])
    assert len(left(mail)) == 1


@pytest.mark.parametrize(
    ("given", "heard", "counted"),
    [({"learn": False}, 0, 1), ({"count": False}, 1, 0), ({"learn_max_size": 10}, 0, 1)],
    ids=["not learning", "not counting", "too large"],
)
def test_settings(tmp_path, spamd, settings, given, heard, counted):
    one = Filter(settings(**given))
    one.check(message(tmp_path, TRAP))
    assert (len(spamd.heard), len(hits(one))) == (heard, counted)


@pytest.mark.parametrize(
    ("did", "complaints"), [("local, remote", 0), ("remote", 0), ("local", 1)], ids=["both", "known", "not reported"]
)
def test_reports_on_request(tmp_path, settings, capsys, did, complaints):
    with Spamd(tmp_path, f"SPAMD/1.1 0 EX_OK\r\nDidSet: {did}\r\n\r\n") as spamd:
        Filter(settings(report=True)).check(message(tmp_path, TRAP))
        Filter(settings()).check(message(tmp_path, TRAP, name="D2"))
    assert spamd.places == ["local, remote", "local"]
    assert capsys.readouterr().err.count("spamtrap: nobody took a report of 0001.D1;") == complaints


def test_counts_sites_of_ipv6(tmp_path, spamd, settings):
    one = Filter(settings())
    one.check(message(tmp_path, TRAP, client="2001:db8:1:2:3::4"))
    assert [key for key, _note in hits(one)] == ["2001:db8:1:2::/64"]


def test_counts_and_swallows_even_where_spamd_is_down(tmp_path, settings):
    one, mail = Filter(settings()), message(tmp_path, TRAP)
    with pytest.raises(Down, match=r"spamd\.sock: No such file"):
        one.check(mail)
    assert len(hits(one)) == 1
    assert left(mail) == []


def test_is_down_where_spamd_does_not_learn(tmp_path, settings):
    answer = "SPAMD/1.0 69 Service Unavailable: TELL commands are not enabled, set the --allow-tell switch.\r\n\r\n"
    with Spamd(tmp_path, answer), pytest.raises(Down, match="does not learn: Service Unavailable: TELL"):
        Filter(settings()).check(message(tmp_path, TRAP))


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"others": "drop"}, "others is 'drop'; write junk, refuse, accept"),
        ({"addresses": ["trap"]}, "addresses is 'trap'; write addresses such as trap@example.com"),
        (
            {"learn": False, "report": True},
            "report is True; write false, or learn: true, since what is reported is learned",
        ),
        ({"learn_max_size": 0}, "learn_max_size is 0; write a number of bytes"),
    ],
)
def test_refuses_settings(given, sentence):
    with pytest.raises(SettingsError) as refusal:
        build(Settings, given)
    assert str(refusal.value) == sentence

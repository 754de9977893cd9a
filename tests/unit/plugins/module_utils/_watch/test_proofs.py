from __future__ import annotations

import base64
import email
import json
import re
import smtplib
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plugins.module_utils._watch import _proof_journal, _proof_send, proofs
from plugins.module_utils._watch._proof_letter import read
from plugins.module_utils._watch._proof_store import Store
from plugins.module_utils._watch._proof_token import FIELD
from tests.unit.proved import KEYS, Host, received, report

LOCAL = {"name": "local", "to": "proof@example.com", "way": "return"}
REPORT = {"name": "report", "to": "nobody@mx1.example.com", "way": "report"}
OUTSIDE = {"name": "outside", "to": "proof@example.org", "way": "answer"}
LOOP = {"name": "loop", "to": "echo@example.net", "way": "return"}
TO_HUB = {"name": "hub", "to": "proof@example.com", "way": "receiver"}
HOUR = 3600


@pytest.fixture
def hub(tmp_path, monkeypatch):
    return Host(tmp_path / "hub", monkeypatch, "mx1.example.com", directions=[LOCAL])


@pytest.fixture
def other(tmp_path, monkeypatch):
    """A hub of another site, which knows our key."""
    host = Host(tmp_path / "other", monkeypatch, "mx1.example.org")
    host.configure(keys=KEYS)
    return host


@pytest.fixture
def satellite(tmp_path, monkeypatch):
    host = Host(tmp_path / "satellite", monkeypatch, "sat1.example.com", directions=[TO_HUB])
    host.configure(site="example.com", address="proof@sat1.example.com", home=False, keys=KEYS, key="2026")
    return host


def state(host, subject):
    return host.findings()[subject][0]


def said(host, subject):
    return host.findings()[subject][1]


def header(letter):
    return email.message_from_bytes(letter)


# --- ways that are proved ---


def test_a_letter_that_comes_home_proves_its_way(hub):
    assert state(hub, "mx1.example.com: local") == "unknown"
    (handed,) = hub.prove()
    assert handed[1:3] == ("proof@example.com", "proof@example.com")
    assert state(hub, "mx1.example.com: local") == "unknown"
    hub.later = 3
    assert re.fullmatch(r"local is proved, after [34]\.\d s", hub.take(received(handed.letter, "mx1.example.com")))
    assert state(hub, "mx1.example.com: local") == "well"
    found = hub.samples()
    labels = ("example.com", "mx1.example.com", "local")
    assert found["proved_total", *labels] == found["sent_total", *labels] == 1
    assert found["waiting", *labels] == found["late", *labels] == found["lost_total", *labels] == 0
    assert 3 <= found["latency_seconds", *labels] < 5
    assert abs(found["last_timestamp_seconds", *labels] - hub.now()) < 5
    assert hub.rejected() == {}


def test_an_answer_proves_its_way_and_tells_over_which_tls(hub, other, capsys):
    hub.configure(directions=[OUTSIDE])
    (handed,) = hub.prove()
    assert header(handed.letter)["Auto-Submitted"] == "auto-generated"
    assert other.take(received(handed.letter, "mx1.example.com", "mx1.example.org")).startswith(
        "outside of mx1.example.com"
    )
    assert (other.place / "proofs.answer").exists()
    (answer,) = other.prove()
    assert answer[1:] == ("", "proof@example.com", "")
    found = header(answer.letter)
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["In-Reply-To"] == header(handed.letter)["Message-ID"]
    assert hub.take(received(answer.letter, "mx1.example.com", tls="")).startswith("outside is proved")
    assert state(hub, "mx1.example.com: outside") == "well"
    assert other.prove() == []
    assert hub.run("proofs", "--json") == 0
    (way,) = json.loads(capsys.readouterr().out)["ways"]
    assert (way["proved"]["tls"], way["proved"]["path"]) == ("TLS1.3", "mx1.example.com")


@pytest.mark.parametrize("headers", [False, True], ids=["the letter", "its header"])
def test_a_report_that_comes_home_proves_its_way(hub, headers):
    hub.configure(directions=[REPORT])
    (handed,) = hub.prove()
    assert hub.take(report(handed.letter, headers=headers)).startswith("report is proved")
    assert state(hub, "mx1.example.com: report") == "well"


@pytest.mark.parametrize("headers", [False, True], ids=["the letter", "its header"])
def test_a_report_in_words_beyond_ascii_is_one(hub, headers):
    """Courier writes it so where the other server said such words (RFC 6533)."""
    hub.configure(directions=[REPORT])
    (handed,) = hub.prove()
    raw = report(handed.letter, said="smtp; 550 Empf\u00e4nger unbekannt\n  und weg", headers=headers)
    for ascii_only, wide in (
        (b"message/delivery-status", b"message/global-delivery-status\nContent-Transfer-Encoding: 8bit"),
        (b"message/rfc822", b"message/global\nContent-Transfer-Encoding: 8bit"),
        (b"text/rfc822-headers", b'message/global-headers; charset="utf-8"\nContent-Transfer-Encoding: 8bit'),
    ):
        raw = raw.replace(ascii_only, wide)
    assert hub.take(raw.replace(b"\n", b"\r\n")).startswith("report is proved")


@pytest.mark.parametrize(
    "quote",
    [
        lambda bare, handed: bare.replace(b"It could", header(handed.letter)["Subject"].encode() + b": it could"),
        lambda bare, handed: bare.replace(
            b"mx1.example.com\n\nFinal", f"a\nOriginal-Envelope-Id: {handed.mark}\n\nFinal".encode()
        ),
    ],
    ids=["in its text", "in the envelope"],
)
def test_a_report_without_the_header_is_known_by_the_mark(hub, quote):
    hub.configure(directions=[REPORT])
    (handed,) = hub.prove()
    bare = report(b"Subject: x\n\n")
    assert quote(bare, handed) != bare
    assert hub.take(quote(bare, handed)).startswith("report is proved")


@pytest.mark.parametrize(
    "reply",
    [
        lambda subject, _id, _body: f"Subject: Re: {subject}\n\nI have your letter.\n",
        lambda _subject, number, _body: f"Subject: Your letter\nIn-Reply-To: {number}\n\nThank you.\n",
        lambda _subject, _id, body: f"Subject: Echo\n\n> {body.replace(chr(10), chr(10) + '> ')}\n",
        lambda _subject, _id, body: (
            "Subject: Echo\nMIME-Version: 1.0\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\n"
            + base64.encodebytes(f"<p>{body.upper()}</p>".encode()).decode()
        ),
    ],
    ids=["subject", "number", "body", "encoded body"],
)
def test_a_machine_that_quotes_the_letter_proves_the_loop(hub, reply):
    hub.configure(directions=[LOOP])
    (handed,) = hub.prove()
    letter = header(handed.letter)
    assert letter["Auto-Submitted"] is None  # or it would not answer
    text = reply(letter["Subject"], letter["Message-ID"], letter.get_payload())
    assert hub.take(f"From: echo@example.net\nTo: proof@example.com\n{text}".encode(), "echo@example.net").startswith(
        "loop is proved"
    )


def test_a_forward_keeps_the_proof(hub, other):
    """The copy has another sender, and perhaps another From."""
    hub.configure(directions=[OUTSIDE | {"name": "forward", "to": "proof-forward@example.com"}])
    (handed,) = hub.prove()
    copy = handed.letter.replace(b"From: proof@example.com", b'From: "proof at example.com" <left@example.com>')
    assert other.take(received(copy, "mx1.example.com", "mx1.example.com", "mx1.example.org"), "SRS0-x@mx1.example.com")
    (answer,) = other.prove()
    assert hub.take(answer.letter).startswith("forward is proved")


def test_a_satellite_is_proved_where_it_is_expected(hub, satellite):
    expected = {"site": "example.com", "host": "sat1.example.com", "direction": "hub"}
    hub.configure(directions=[], expected=[expected, expected | {"direction": "report"}])
    satellite.configure(directions=[TO_HUB, REPORT])
    assert state(hub, "sat1.example.com: hub") == "unknown"
    hub.prove()
    assert said(hub, "sat1.example.com: hub") == "no letter came yet"
    for handed in satellite.prove():
        assert handed.sender == "proof@sat1.example.com"
        arrived = report(handed.letter) if handed.to.startswith("nobody") else handed.letter
        assert "is proved" in hub.take(received(arrived, "sat1.example.com", "mx1.example.com"))
    assert [state for state, _said in hub.findings().values()] == ["well", "well"]
    assert hub.samples()["proved_total", "example.com", "sat1.example.com", "hub"] == 1
    assert state(satellite, "sat1.example.com: hub") == "well"
    # It cannot be told, so that nothing is answered.
    assert hub.prove() == []


# --- ways that are not ---


def test_a_letter_that_does_not_come_is_late_and_then_lost(hub):
    (handed,) = hub.prove()
    asked = []
    hub.later = 29 * 60
    assert state(hub, "mx1.example.com: local") == "unknown"
    hub.later = 31 * 60
    state_, sentence = hub.findings(lambda *about: asked.append(about) or "451 later")["mx1.example.com: local"]
    assert state_ == "bad"
    assert "from proof@example.com to proof@example.com of 20" in sentence
    assert "is not proved by its return after 31 minutes; Courier said last: 451 later" in sentence
    assert asked[0][:2] == ("proof@example.com", "proof@example.com")
    assert hub.samples()["late", "example.com", "mx1.example.com", "local"] == 1
    hub.later = 25 * HOUR
    hub.prove()
    assert hub.samples()["lost_total", "example.com", "mx1.example.com", "local"] == 1
    assert hub.take(handed.letter) == "no proof, too old: mx1.example.com sent it 25 hours ago"
    assert state(hub, "mx1.example.com: local") == "bad"


def test_a_later_letter_ends_the_alarm_and_the_lost_one_is_still_told_of(hub):
    hub.prove()
    hub.later = 25 * HOUR
    (handed,) = hub.prove()
    hub.take(handed.letter)
    assert state(hub, "mx1.example.com: local") == "soon"
    assert "never came, though a later one did" in said(hub, "mx1.example.com: local")
    hub.later = 80 * HOUR
    (handed,) = hub.prove()
    hub.take(handed.letter)
    assert state(hub, "mx1.example.com: local") == "well"


def test_what_lies_in_a_queue_and_comes_at_last_ends_the_alarm(hub):
    (handed,) = hub.prove()
    hub.later = 5 * HOUR
    assert state(hub, "mx1.example.com: local") == "bad"
    hub.prove()
    hub.take(handed.letter)
    assert state(hub, "mx1.example.com: local") == "soon"
    assert "took 5 hours" in said(hub, "mx1.example.com: local")


def test_what_nobody_takes_is_told_at_once(hub, capsys):
    hub.refusal = "sendmail ended with 75: no room"
    hub.prove()
    assert state(hub, "mx1.example.com: local") == "bad"
    assert "could not be handed over: sendmail ended with 75: no room" in said(hub, "mx1.example.com: local")
    hub.refusal = ""
    (handed,) = hub.prove("--now")
    hub.take(handed.letter)
    assert state(hub, "mx1.example.com: local") == "well"


def test_what_comes_back_is_told_at_once(hub, other):
    hub.configure(directions=[OUTSIDE])
    (handed,) = hub.prove()
    assert hub.take(report(handed.letter, "delayed", "smtp; 451 later")) == "outside waits: smtp; 451 later"
    assert state(hub, "mx1.example.com: outside") == "unknown"
    assert hub.take(report(handed.letter)) == "outside came back: smtp; 550 5.1.1 User unknown"
    assert state(hub, "mx1.example.com: outside") == "bad"
    assert "came back: smtp; 550 5.1.1" in said(hub, "mx1.example.com: outside")
    assert hub.rejected() == {}


def test_a_timer_that_does_not_run_is_told(hub):
    (handed,) = hub.prove()
    hub.take(handed.letter)
    hub.later = 3 * HOUR
    assert state(hub, "mx1.example.com: local") == "bad"
    assert "nothing was sent since" in said(hub, "mx1.example.com: local")


def test_a_satellite_that_does_not_send_is_late(hub, satellite):
    hub.configure(directions=[], expected=[{"site": "example.com", "host": "sat1.example.com", "direction": "hub"}])
    hub.prove()
    hub.later = 1.9 * HOUR
    assert "no letter ever came, and one is expected every 60 minutes" in said(hub, "sat1.example.com: hub")
    satellite.later = hub.later
    hub.take(satellite.prove("--now")[0].letter)
    assert state(hub, "sat1.example.com: hub") == "well"
    hub.later = 3.9 * HOUR
    assert state(hub, "sat1.example.com: hub") == "bad"
    assert said(hub, "sat1.example.com: hub").startswith("the last letter came at 20")
    assert hub.samples()["late", "example.com", "sat1.example.com", "hub"] == 1


def test_a_letter_of_a_satellite_that_comes_back_is_told(hub, satellite):
    hub.configure(directions=[], expected=[{"site": "example.com", "host": "sat1.example.com", "direction": "hub"}])
    hub.prove()
    (handed,) = satellite.prove()
    assert hub.take(report(handed.letter)).startswith("hub of sat1.example.com came back")
    assert state(hub, "sat1.example.com: hub") == "bad"
    hub.take(satellite.prove("--now")[0].letter)
    assert state(hub, "sat1.example.com: hub") == "well"


# --- what is no proof ---


def test_a_replayed_letter_is_none(hub, other):
    (handed,) = hub.prove()
    hub.take(handed.letter)
    assert hub.take(handed.letter).startswith("no proof, replayed")
    hub.configure(directions=[OUTSIDE])
    (handed,) = hub.prove()
    other.take(handed.letter)
    assert other.take(handed.letter).startswith("no proof, replayed")
    (answer,) = other.prove()
    hub.take(answer.letter)
    assert hub.take(answer.letter).startswith("no proof, replayed")
    assert other.rejected() == {"replayed": 1}
    assert other.samples()["rejected_total", "replayed"] == 1


def test_a_letter_that_went_another_way_is_none(hub, other, satellite):
    hub.configure(directions=[OUTSIDE, REPORT])
    outside, back = hub.prove()
    # The letter itself, where an answer or a report was to come.
    assert hub.take(outside.letter).startswith("no proof, not its way")
    assert hub.take(back.letter).startswith("no proof, not its way")
    assert other.take(back.letter).startswith("no proof, not its way")
    # A report with a sender is somebody's.
    assert hub.take(report(back.letter), "someone@example.net").startswith("no proof, not its way")
    # Its own answer, sent back to who made it.
    other.take(outside.letter)
    (answer,) = other.prove()
    assert other.take(answer.letter).startswith("no proof, not ours")
    assert hub.take(report(answer.letter)).startswith("no proof, not its way")
    assert {one for one, _said in hub.findings().values()} == {"unknown"}


def test_a_key_that_nobody_knows_is_none(hub, other):
    other.configure(directions=[OUTSIDE | {"to": "proof@example.com"}])
    (handed,) = other.prove()
    assert hub.take(handed.letter) == "no proof, unknown key: example.org/a, of a letter of mx1.example.org"
    # And nothing is answered.
    assert [handed.to for handed in hub.prove()] == ["proof@example.com"]


def test_keys_are_changed_in_step(hub, other):
    hub.configure(directions=[OUTSIDE], keys={**KEYS, "example.com/2027": "the-next-secret-of-ours"}, key="2027")
    (handed,) = hub.prove()
    assert other.take(handed.letter).startswith("no proof, unknown key")
    other.configure(keys={**KEYS, "example.com/2027": "the-next-secret-of-ours"})
    assert "is proved" in other.take(handed.letter)


def test_others_may_be_given_a_key_of_their_own(hub, other):
    keys = {"example.com/for-org": "a-secret-for-example-org"}
    hub.configure(directions=[LOCAL, OUTSIDE | {"key": "for-org"}], keys={**KEYS, **keys})
    other.configure(keys={**keys, "example.org/a": KEYS["example.org/a"]})
    local, outside = hub.prove()
    assert other.take(local.letter).startswith("no proof, unknown key")
    assert "is proved" in other.take(outside.letter)
    assert hub.take(other.prove()[0].letter).startswith("outside is proved")


def test_a_host_without_a_key_proves_itself_and_nobody_else_does(hub, other):
    hub.configure(keys={}, key="")
    (handed,) = hub.prove()
    assert "k=own" in handed.letter.decode()
    assert (hub.place / "proofs.key").stat().st_mode & 0o777 == 0o600
    assert "is proved" in hub.take(handed.letter)
    assert other.take(handed.letter).startswith("no proof, unknown key")


def test_the_future_is_none(hub):
    (handed,) = hub.prove()
    hub.later = -2 * HOUR
    assert hub.take(handed.letter).startswith("no proof, from the future")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no token"),
        (b"Subject: buy now\n\nhello\n", "no token"),
        (report(b"Subject: of somebody else\n\nx\n"), "no token"),
        (b"Subject: cmp1-" + b"a" * 26 + b"b" * 32 + b"\n\n", "unknown"),
        (f"{FIELD}: v=1; c=letter\n\n".encode(), "malformed"),
        (f"{FIELD}: \xe9\x00\n\n".encode("latin-1"), "malformed"),
        (f"{FIELD}: a\n{FIELD}: b\n\n".encode(), "malformed"),
        (b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\nx\n" * 200, "malformed"),
        (b"x" * (2 << 20), "no token"),
        (None, "too large"),
    ],
    ids=range(10),
)
def test_whatever_else_comes_is_counted(hub, raw, reason):
    assert hub.take(raw).startswith(f"no proof, {reason}: ")
    assert hub.rejected() == {reason: 1}


def test_deep_mail_is_counted(hub):
    raw = b"x\n"
    for _each in range(2000):
        raw = b"Content-Type: message/rfc822\n\n" + raw
    assert hub.take(raw).startswith("no proof, ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_forged_letter_is_never_a_proof(hub, data):
    """Whoever has seen a letter changes any of it but its blanks."""
    (handed,) = hub.prove("--now")
    start = handed.letter.index(FIELD.encode()) + len(FIELD) + 2
    end = handed.letter.index(b"MIME-Version")
    place = data.draw(st.integers(start, end - 2).filter(lambda at: not handed.letter[at : at + 1].isspace()))
    forged = bytearray(handed.letter)
    forged[place] = data.draw(st.integers(33, 126).filter(lambda byte: chr(byte).lower() != chr(forged[place]).lower()))
    assert hub.take(bytes(forged)).startswith("no proof, ")
    assert "is proved" in hub.take(handed.letter)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=400), kind=st.sampled_from([b"", f"{FIELD}: v=1; ".encode(), report(b"\n\n")[:300]]))
def test_whatever_comes_is_no_proof_and_no_mistake(hub, raw, kind):
    hub.prove()
    assert hub.take(kind + raw).startswith("no proof, ")
    assert hub.samples()["proved_total", "example.com", "mx1.example.com", "local"] == 0


def test_what_strangers_write_is_one_line(hub):
    said = hub.take("From: a\x1b[2Jb\u202e <x@example.net>\nSubject: \x07\n\n".encode())
    assert said.isprintable()


def test_a_mark_of_which_half_is_right_is_none(hub):
    hub.configure(directions=[LOOP])
    (handed,) = hub.prove()
    mark = re.search(r"cmp1-(\w{26})(\w{32})", header(handed.letter)["Subject"])
    forged = f"cmp1-{mark[1]}{mark[2][:-1]}{'a' if mark[2][-1] != 'a' else 'b'}"
    assert hub.take(f"Subject: {forged}\n\n".encode()).startswith("no proof, forged")
    assert hub.take(f"Subject: {mark[0]}\n\n".encode()).startswith("loop is proved")


def test_two_tokens_are_none(hub):
    first, second = hub.prove()[0].letter, hub.prove("--now")[0].letter
    token = second[second.index(FIELD.encode()) : second.index(b"MIME-Version")]
    assert hub.take(token + first).startswith("no proof, malformed: it has several tokens")


# --- bounds ---


def test_answers_go_out_once_and_not_to_whom_nobody_named(hub, other):
    hub.configure(directions=[OUTSIDE])
    (handed,) = hub.prove()
    forged = re.sub(rb"r=proof@\w+\.com", b"r=victim@example.net", handed.letter)
    assert forged != handed.letter
    assert other.take(forged).startswith("no proof, forged")
    assert other.prove() == []


def test_answers_within_an_hour_are_bounded(hub, other):
    hub.configure(directions=[OUTSIDE])
    other.configure(answers=2)
    for _each in range(4):
        assert "is proved" in other.take(hub.prove("--now")[0].letter)
    assert len(other.prove()) == 2


def test_an_answer_that_nobody_takes_waits(hub, other, capsys):
    hub.configure(directions=[OUTSIDE])
    other.take(hub.prove()[0].letter)
    other.refusal = "no room"
    assert other.prove() == []
    assert other.samples()["answers_waiting",] == 1
    other.refusal = ""
    assert len(other.prove()) == 1


def test_letters_are_sent_when_it_is_time_and_less_often_when_they_are_late(hub):
    sent = []
    for minutes in range(0, 24 * 60, 5):
        hub.later = minutes * 60
        sent += [minutes for _letter in hub.prove()]
    assert sent == [0, 60, 180, 360, 600, 840, 1080, 1320]


def test_letters_that_wait_are_few(hub):
    hub.configure(waiting=3)
    for _each in range(6):
        hub.prove("--now")
    found = hub.samples()
    assert found["waiting", "example.com", "mx1.example.com", "local"] == 3
    assert found["lost_total", "example.com", "mx1.example.com", "local"] == 3


def test_what_is_old_is_forgotten(hub, satellite):
    hub.configure(days=31, keys=KEYS, key="2026")
    for day in range(0, 60, 3):
        hub.later = day * 24 * HOUR
        (handed,) = hub.prove()
        hub.take(handed.letter)
        satellite.later = hub.later
        hub.take(satellite.prove()[0].letter)
    store = Store(str(hub.place / "proofs.sqlite"), readonly=True)
    assert len(store.letters("local")) == 11
    assert store.database.execute("SELECT count(*) FROM seen").fetchone()[0] == 1
    store.close()
    assert hub.samples()["proved_total", "example.com", "mx1.example.com", "local"] == 20


def test_hosts_that_a_key_invents_are_few(hub, other, monkeypatch):
    monkeypatch.setattr("plugins.module_utils._watch._proof_store.MOST_ARRIVALS", 3)
    for number in range(5):
        hub.configure(host=f"mx{number}.example.com", directions=[OUTSIDE])
        said = other.take(hub.prove("--now")[0].letter)
    assert said.startswith("no proof, too many")


# --- the command ---


def test_arrived_ends_well_whatever_comes_and_waits_where_the_host_is_wrong(hub, capsys):
    (handed,) = hub.prove()
    assert hub.run("arrived", raw=handed.letter) == 0
    assert "local is proved" in capsys.readouterr().err
    assert hub.run("arrived", raw=b"x" * (2 << 20)) == 0
    assert "no proof, too large: more than 1048576 bytes" in capsys.readouterr().err
    (hub.place / "proofs.json").write_text("{")
    assert hub.run("arrived", raw=handed.letter) == 75


def test_shows_a_table(hub, capsys):
    hub.take(b"Subject: spam\nFrom: a@example.net\n\n")
    (handed,) = hub.prove()
    hub.take(received(handed.letter, "mx1.example.com"))
    assert hub.run("proofs") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["state", "host", "direction", "proved", "seconds", "over", "what"]
    assert re.match(r"well   mx1\.example\.com  local      20\S+ \S+  0\.\d      TLS1\.3  proved at", lines[1])
    assert lines[2].startswith("no proof, no token: 1, last 20")
    hub.later = 5 * HOUR
    assert hub.run("proofs") == 1


def test_only_the_directions_that_are_named(hub, capsys):
    hub.configure(directions=[LOCAL, REPORT])
    assert [handed.to for handed in hub.prove("--now", "report")] == ["nobody@mx1.example.com"]
    assert hub.run("prove", "outside") == 64
    assert "there is no direction outside" in capsys.readouterr().err


def test_asks_for_findings_before_there_is_anything(hub):
    assert state(hub, "mx1.example.com: local") == "unknown"


def test_a_login_is_used_where_one_is_given(hub, monkeypatch):
    seen = []
    monkeypatch.setattr(proofs.sending, "submit", lambda *about: seen.append(about))
    login = {"login": "bob@example.com", "server": "mx1.example.com"}
    hub.configure(directions=[OUTSIDE | login], logins={"bob@example.com": "a password"})
    assert hub.prove() == []
    ((letter, sender, to, server),) = seen
    assert (sender, to) == ("bob@example.com", "proof@example.org")
    assert server[:4] == ("mx1.example.com", 587, "bob@example.com", "a password")
    assert header(letter)["From"] == "bob@example.com"
    # The answer goes to the proof address all the same.
    assert read(letter).token.reply == "proof@example.com"


class Smtp:
    """A server."""

    said: ClassVar[list[Any]] = []

    def __init__(self, *about, **_named):
        self.said.append(about)

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        pass

    def starttls(self, context):
        self.said.append(context.check_hostname)

    def login(self, *about):
        self.said.append(about)

    def sendmail(self, *about):
        self.said.append(about)


def test_a_letter_is_submitted_within_tls_and_in_lines_of_smtp(monkeypatch):
    monkeypatch.setattr(_proof_send.smtplib, "SMTP", Smtp)
    server = _proof_send.Server("mx1.example.com", 587, "bob@example.com", "hunter2", "")
    _proof_send.submit(b"Subject: x\n\ny\n", "bob@example.com", "a@example.net", server)
    assert Smtp.said == [
        ("mx1.example.com", 587),
        True,
        ("bob@example.com", "hunter2"),
        ("bob@example.com", ["a@example.net"], b"Subject: x\r\n\r\ny\r\n"),
    ]


def test_no_password_is_told(monkeypatch):
    class Closed(Smtp):
        def login(self, _login, password):
            raise smtplib.SMTPAuthenticationError(535, f"no {password}".encode())

    monkeypatch.setattr(_proof_send.smtplib, "SMTP", Closed)
    server = _proof_send.Server("mx1.example.com", 587, "bob@example.com", "hunter2", "")
    with pytest.raises(_proof_send.NotSent) as refused:
        _proof_send.submit(b"", "bob@example.com", "a@example.net", server)
    assert str(refused.value) == "mx1.example.com:587 does not let bob@example.com in: 535"


def test_the_journal_is_asked_for_the_last_words(monkeypatch):
    lines = [
        "2026-11-26T11:44:53 mx1 courierd: completed,id=1",
        "2026-11-26T11:44:52 mx1 courieresmtp: id=1,from=<proof@example.com>,addr=<echo@example.net>,status: deferred",
        "2026-11-26T11:44:52 mx1 courieresmtp: id=1,from=<proof@example.com>,addr=<echo@example.net>: 451 later",
        "2026-11-26T11:44:50 mx1 courieresmtp: id=0,from=<proof@example.com>,addr=<other@example.net>: 550 no",
    ]
    done = type("Done", (), {"stdout": "\n".join(lines).encode()})
    monkeypatch.setattr(_proof_journal.subprocess, "run", lambda *_all, **_named: done)
    assert _proof_journal.last_line("proof@example.com", "Echo@example.net", 0).endswith(": 451 later")
    assert _proof_journal.last_line("proof@example.com", "none@example.net", 0) == ""

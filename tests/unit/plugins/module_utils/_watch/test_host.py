from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import threading
from pathlib import Path

import pytest

from plugins.module_utils._watch import _queue, host, look
from plugins.module_utils._watch._found import State
from plugins.module_utils._watch._host_settings import Settings
from plugins.module_utils._watch._settings import SettingsError, build
from tests.unit.watched import NOW, QUEUE, ROOM, SEEN, UP

DAY = 86400.0

# The queue.

WAITS = "sme@example.net\nrbob@example.com\nR\nN\nM0000000000A1.{came:016X}.00000001\n"
MESSAGES = {
    "one that was not tried": (WAITS, 60, ("waiting", "5m")),
    "one that was tried": (f"{WAITS}I0 R 451 later\nD0 1\n", 7200, ("deferred", "4h")),
    "one that was delivered": (f"{WAITS}S0 1\n", 60, None),
    "one that came back": (f"{WAITS}F0 1\n", 60, None),
    "one that one of two has": (f"{WAITS}rtwo@example.com\nR\nN\nS0 1\n", 60, ("waiting", "5m")),
    "one that is tried again for one of two": (
        f"{WAITS}rtwo@example.com\nR\nN\nS0 1\nD1 1\n",
        90000,
        ("deferred", "3d"),
    ),
    "one that was taken back": (f"{WAITS}Xno\n", 60, ("cancelled", "5m")),
    "one that is very old": (WAITS, 700_000, ("waiting", "older")),
    "one whose text looks like a record": ("sD0@example.net\nrS0@example.com\nRX\nN\n{came:.0s}", 0, ("waiting", "5m")),
}


@pytest.mark.parametrize(("text", "age", "counted"), MESSAGES.values(), ids=MESSAGES)
def test_counts(tmp_path, text, age, counted):
    (tmp_path / "3").mkdir()
    control = tmp_path / "3" / "C1"
    control.write_text(text.replace("{came:.0s}", "").format(came=int(NOW - age)))
    os.utime(control, (NOW, NOW))
    seen = _queue.look(NOW, str(tmp_path))
    found = (
        [name for name, number in seen["states"].items() if number],
        [name for name, number in seen["ages"].items() if number],
    )
    assert found == (([counted[0]], [counted[1]]) if counted else ([], []))
    assert seen["oldest"] == (age if counted else 0)


def test_counts_without_reading_what_is_too_much(tmp_path):
    (tmp_path / "1").mkdir()
    for number in range(5):
        (tmp_path / "1" / f"C{number}").write_text(WAITS.format(came=int(NOW)))
        (tmp_path / "1" / f"D{number}").write_text("a letter")
    seen = _queue.look(NOW, str(tmp_path), most=3)
    assert (sum(seen["states"].values()), seen["unread"]) == (3, 2)


# What root sees.


def test_a_certificate_ends_when_the_first_of_its_chain_does(tmp_path):
    for name, days in (("long", 90), ("short", 2)):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        files = ["-days", str(days), "-subj", "/CN=x", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*command, *files], cwd=tmp_path, check=True, capture_output=True)
    both = tmp_path / "both.pem"
    texts = [(tmp_path / name).read_text() for name in ("long.key", "long.pem", "short.pem")]
    both.write_text("".join(texts))
    assert look.expires(str(both)) == look.expires(str(tmp_path / "short.pem"))
    assert look.expires(str(both)) < look.expires(str(tmp_path / "long.pem"))


def test_a_file_without_a_certificate_is_not_well(tmp_path):
    (tmp_path / "x.pem").write_text("nothing")
    with pytest.raises(ValueError, match="has no certificate"):
        look.expires(str(tmp_path / "x.pem"))


@pytest.mark.parametrize(("answer", "up"), [(b"PONG\0", True), (b"UNKNOWN", False), (b"", False)])
def test_a_socket_is_up_that_gives_the_right_answer(tmp_path, monkeypatch, answer, up):
    path = str(tmp_path / "clamd")
    monkeypatch.setattr(look, "SOCKETS", {"clamd": (path, b"zPING\0", b"PONG"), "gone": ("/nowhere", b"", b"")})
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()

    def serve():
        client, _address = listening.accept()
        client.recv(64)
        client.sendall(answer)
        client.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert look.sockets() == {"clamd": up}
    thread.join()
    listening.close()
    assert look.sockets() == {"clamd": False}


def test_a_program_that_takes_nothing_has_a_backlog(tmp_path, monkeypatch):
    path = str(tmp_path / "filters")
    monkeypatch.setattr(look, "QUEUES", {"filters": path})
    assert look.backlogs() == {}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        assert look.backlogs() == {"filters": 0}
        clients = [socket.socket(socket.AF_UNIX) for _number in range(3)]
        for client in clients:
            client.connect(path)
        assert look.backlogs() == {"filters": 3}
        for client in clients:
            client.close()


def test_bans_that_are_over_do_not_count(tmp_path, monkeypatch):
    path = tmp_path / "fail2ban.sqlite3"
    monkeypatch.setattr(look, "BANS", str(path))
    assert look.bans(NOW) is None
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE bips (ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER)")
        rows = [("192.0.2.1", "a", NOW - 10, 60), ("192.0.2.2", "a", NOW - 100, 60), ("192.0.2.3", "b", 1, -1)]
        database.executemany("INSERT INTO bips VALUES (?, ?, ?, ?)", rows)
    database.close()
    assert look.bans(NOW) == {"a": 1, "b": 1}


def test_entries_of_lists_are_counted_without_their_comments(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "OWN_LISTS", str(tmp_path))
    (tmp_path / "block4.listed").write_text("# by us\n192.0.2.1\n192.0.2.2\n")
    (tmp_path / "block6.listed").write_text("# by us\n2001:db8::/64\n")
    (tmp_path / "block4").write_text("127.0.0.2\n")
    assert look.own_lists() == {"block": 3}


def test_mailboxes_elsewhere_were_reached_or_are_to_be(tmp_path, monkeypatch):
    monkeypatch.setattr(look, "FETCHED", str(tmp_path / "*.json"))
    monkeypatch.setattr(look, "REACHED", str(tmp_path / "{}-reached"))
    for name, idle in (("pop", False), ("new", False), ("idle", True)):
        (tmp_path / f"{name}.json").write_text(json.dumps({"idle": idle}))
        os.utime(tmp_path / f"{name}.json", (NOW, NOW))
    # What is wanted no more has left something.
    for name in ("pop", "gone"):
        (tmp_path / f"{name}-reached").touch()
        os.utime(tmp_path / f"{name}-reached", (NOW + 60, NOW + 60))
    assert look.fetched() == {"pop": NOW + 60, "new": NOW}


def show(monkeypatch, said):
    monkeypatch.setattr(look, "_said", lambda *_command: said)


def test_units_that_do_not_start_at_boot_are_not_missed(monkeypatch):
    blocks = [
        "Id=a.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\nNRestarts=3",
        "Id=b.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nUnitFileState=disabled\nNRestarts=0",
        "Id=c.service\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\nNRestarts=0",
        "Id=d.timer\nLoadState=loaded\nActiveState=active\nSubState=waiting\nUnitFileState=enabled",
    ]
    show(monkeypatch, "\n\n".join(blocks) + "\n")
    assert look.units(["a.service"]) == {
        "a.service": {"state": "failed", "restarts": 3},
        "d.timer": {"state": "active", "restarts": 0},
    }


def test_what_cannot_be_seen_hides_nothing_else(monkeypatch):
    def broken():
        raise OSError("no")

    monkeypatch.setattr(look, "failed", broken)
    seen = look.look(Settings(directories=["/"]), NOW)
    assert seen["failed"] is None
    assert seen["errors"]["failed"] == "OSError: no"
    assert seen["room"]["/"]["size"] > 0


def test_what_was_seen_is_for_its_group_alone(tmp_path):
    path = tmp_path / "seen.json"
    look._write(str(path), {"at": NOW})
    assert json.loads(path.read_text()) == {"at": NOW}
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["seen.json"]


# What of it is bad.

NOTHING = dict.fromkeys(
    (
        *("queue", "units", "failed", "sockets", "backlogs", "certificates", "room", "held", "denied", "own_lists"),
        *("lists", "bans", "fetched", "backup", "upgrade"),
    )
)
JUDGED = {
    "a queue that moves": ({"queue": QUEUE}, {}),
    "a message that waits": (
        {"queue": QUEUE | {"oldest": 7 * 3600.0}},
        {"oldest message in the queue": ("bad", "waits for 7.0 hours; mailq says why")},
    ),
    "many messages": (
        {"queue": QUEUE | {"unread": 1000}},
        {"messages in the queue": ("bad", "1003 messages wait; mailq")},
    ),
    "a unit that runs": ({"units": {"courier.service": UP}, "failed": []}, {}),
    "a unit that was stopped": (
        {"units": {"courier.service": UP | {"state": "inactive"}}, "failed": []},
        {"unit courier.service": ("bad", "starts at boot and is inactive; systemctl status courier.service says why")},
    ),
    "a unit between two lives": ({"units": {"courier.service": UP | {"state": "activating"}}, "failed": []}, {}),
    "a unit that failed": (
        {"units": {"spamd.service": UP | {"state": "failed"}}, "failed": ["spamd.service"]},
        {"unit spamd.service": ("bad", "it has failed; journalctl -u spamd.service says why")},
    ),
    "a unit that nobody named": ({"failed": ["x.service"]}, {"unit x.service": ("bad", "it has failed")}),
    "a unit that may fail": ({"failed": ["may.service"]}, {}),
    "a scanner that does not answer": (
        {"sockets": {"clamd": False, "authdaemon": True}},
        {"socket of clamd": ("bad", "it does not answer")},
    ),
    "a filter that takes nothing": ({"backlogs": {"filters": 12}}, {"socket of filters": ("bad", "12 wait for an")}),
    "a filter with much to do": ({"backlogs": {"filters": 2}}, {}),
    "a certificate that lasts": ({"certificates": {"/x.pem": NOW + 60 * DAY}}, {}),
    "a certificate that ends soon": (
        {"certificates": {"/x.pem": NOW + 10 * DAY}},
        {"certificate /x.pem": ("soon", "it ends in 10 days; whoever renews it has not done so")},
    ),
    "a certificate that ended": (
        {"certificates": {"/x.pem": NOW - 2 * DAY}},
        {"certificate /x.pem": ("bad", "it ended 2 days ago")},
    ),
    "room": ({"room": {"/": ROOM}}, {}),
    "little room": ({"room": {"/": ROOM | {"free": 9}}}, {"space in /": ("soon", "9 percent are free; make room")}),
    "no room": ({"room": {"/": ROOM | {"free": 1}}}, {"space in /": ("bad", "1 percent are free; make room")}),
    "no inodes": ({"room": {"/": ROOM | {"free_inodes": 0}}}, {"inodes in /": ("bad", "0 percent are free")}),
    "a file system that does not count inodes": ({"room": {"/": ROOM | {"inodes": 0, "free_inodes": 0}}}, {}),
    "nobody whose mail is held": ({"held": 0}, {}),
    "somebody whose mail is held": ({"held": 1}, {"held senders": ("soon", "the mail of 1 waits")}),
    "a list that is well": ({"lists": {"bl.example.net": {"broken": "", "since": 1.0}}}, {}),
    "a list that is broken": (
        {"lists": {"bl.example.net": {"broken": "no answer", "since": 1.0}}},
        {"list bl.example.net": ("soon", "it is not believed: no answer")},
    ),
    "a mailbox that was reached": ({"fetched": {"pop": NOW - 60}}, {}),
    "a mailbox that nobody reaches": (
        {"fetched": {"pop": NOW - DAY}},
        {"mailbox elsewhere pop": ("bad", "it was reached last at 2027-01-14 08:00 UTC; journalctl -u fetchmail@pop")},
    ),
    "a backup": ({"backup": {"finished": NOW - 60, "proved": NOW - DAY}}, {}),
    "a backup that is old": (
        {"backup": {"finished": NOW - 2 * DAY, "proved": NOW - DAY}},
        {"backup": ("bad", "the last one was finished at 2027-01-13 08:00 UTC")},
    ),
    "a backup that failed": (
        {"backup": {"finished": NOW - 60, "proved": NOW - DAY, "error": "the disk is full"}},
        {"backup": ("bad", "the last run failed: the disk is full; the last one was finished")},
    ),
    "a backup that nobody restored": (
        {"backup": {"finished": NOW - 60}},
        {"backup proved by a restore": ("soon", "none was restored yet to prove it; run restore_drill.yml")},
    ),
    "a state without sense": (
        {"backup": {"finished": "yesterday", "proved": True}},
        {"backup": ("bad", "there was none yet"), "backup proved by a restore": ("soon", "none was restored")},
    ),
    "an upgrade that goes on": ({"upgrade": {"stage": "begun", "at": NOW - 60}}, {}),
    "an upgrade that is done": ({"upgrade": {"stage": "done", "at": NOW - DAY}}, {}),
    "an upgrade that was cut off": (
        {"upgrade": {"stage": "upgraded", "at": NOW - DAY}},
        {"upgrade": ("bad", "an upgrade of Debian was cut off; run courier.mail.upgrade again")},
    ),
    "what cannot be seen": ({"errors": {"bans": "OSError: no"}}, {"look at bans": ("bad", "it cannot be seen: OSErr")}),
}


@pytest.mark.parametrize(("seen", "bad"), JUDGED.values(), ids=JUDGED)
def test_judges(seen, bad):
    settings = Settings(may_fail={"may.service": "it does, every other day"})
    found = list(host.judged(settings, {"at": NOW, "errors": {}} | NOTHING | seen, NOW))
    told = {one.subject: one for one in found if one.state is not State.WELL}
    assert sorted(told) == sorted(bad)
    assert len({one.subject for one in found}) == len(found)
    for name, (state, said) in bad.items():
        assert told[name].state.value == state
        assert said in told[name].said
    if not bad and seen.get("failed") != ["may.service"]:
        assert found


def test_what_was_seen_long_ago_says_nothing():
    with pytest.raises(host.Unseen, match="nobody has looked since 2027-01-15 08:00 UTC"):
        list(host.judged(Settings(), {"at": NOW, "errors": {}} | NOTHING, NOW + 601))


def test_everything_that_was_seen_is_a_number():
    found = {(one.name, *one.labels.values()): one.value for one in host.counted(SEEN)}
    assert found["courier_mail_queue_messages", "deferred"] == 2
    assert found["courier_mail_unit_up", "a.timer"] == 1
    assert ("courier_mail_unit_restarts", "a.timer") not in found
    assert found["courier_mail_dnsbl_usable", "bl.example.net"] == 0
    assert found["courier_mail_backup_restore_seconds",] == 120
    assert found["courier_mail_denied_sources",] == 7
    assert len(list(host.counted({"at": NOW, "errors": {}} | NOTHING))) == 1


REFUSED = {
    "a path that is none": ({"certificates": ["x.pem"]}, "certificates is 'x.pem'; write paths"),
    "a unit without what it is": ({"units": ["courier"]}, "units is 'courier'; write names of units"),
    "a failure without a reason": ({"may_fail": {"a.service": ""}}, "may_fail: a.service has no reason"),
    "bad before soon": ({"certificate_bad_days": 20}, "certificate_bad_days is 20, more than certificate_soon_days"),
    "never": ({"queue_hours": 0}, "queue_hours is 0; write a number from 1 to 168"),
}


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, sentence):
    with pytest.raises(SettingsError) as refused:
        build(Settings, given)
    assert str(refused.value).startswith(sentence)


def test_units_of_ours_that_are_looked_at_exist():
    """A name that nothing has would never be missed."""
    roles = Path(__file__).parents[5] / "roles"
    # The role backup is another part of the collection.
    ours = [one for one in look.UNITS if one.startswith("courier-mail-") and "backup" not in one]
    files = {path.name.removesuffix(".j2") for path in roles.rglob("courier-mail-*")}
    assert [one for one in ours if one not in files] == []

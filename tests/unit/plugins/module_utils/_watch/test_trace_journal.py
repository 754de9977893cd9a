"""Real journals, of both layouts, and what somebody writes into a field of his own. See tests/unit/journals/make.py."""

from __future__ import annotations

import gzip
import json
import shutil
import struct
from pathlib import Path

import pytest

from plugins.module_utils._watch import _trace_journal
from plugins.module_utils._watch._trace_journal import SAYS, Journal, JournalError, Line, users
from tests.unit.journals.make import COURIER, ID, ROOM, T

FILES = Path(__file__).parents[3] / "journals"
BELIEVED = {name: frozenset({0, COURIER}) for name in SAYS}
EVER = (0.0, float("inf"))
LATIN = f"id={ID},from=<>,addr=<b@example.com>: caf\xe9"
NEW = Line(T, "courierd", 700, f"newmsg,id={ID}: dns; localhost (localhost [127.0.0.1])", "courier.service")
LOCAL = Line(T + 0.5, "courierlocal", 701, LATIN, "")
ODD = Line(T + 3.0, "courierd", 706, f"MESSAGE=MESSAGE=,id={ID}", "courier.service")
END = Line(T + 4.5, "courierd", 709, f"completed,id={ID}", "courier.service")


@pytest.fixture(params=["compact", "wide"])
def file(request, tmp_path):
    """A journal's file, alone in its directory."""
    path = tmp_path / "journal/system.journal"
    path.parent.mkdir()
    path.write_bytes(gzip.decompress((FILES / f"{request.param}.journal.gz").read_bytes()))
    return path


@pytest.fixture
def journal(file):
    return Journal(str(file.parent), BELIEVED)


def test_lines_with_a_text_the_newest_first(journal):
    assert journal.lines([ID.encode()], *EVER) == ([END, ODD, LOCAL, NEW], False)


def test_several_texts(journal):
    assert journal.lines([b"newmsg,id", b"newmsg,xx", b"newmsg,id"], *EVER).found == [NEW]
    assert journal.lines([b"newmsg", b"completed"], *EVER).found == [END, NEW]
    assert journal.lines([b"newmsg,xx", b"completed", b"newmsg,id", b"complexity"], *EVER).found == [END, NEW]
    assert journal.lines([b"no such text"], *EVER) == ([], False)
    # A character of a regular expression is itself.
    assert journal.lines([b"newmsg.id"], *EVER).found == []


def test_the_same_text_again(journal):
    assert [one.pid for one in journal.lines([b"Waiting"], *EVER).found] == [705, 704]


def test_within_a_time(journal):
    assert journal.lines([ID.encode()], T + 0.5, T + 3.0).found == [ODD, LOCAL]
    assert journal.lines([ID.encode()], T + 100, float("inf")).found == []
    assert journal.lines([ID.encode()], 0, T - 100).found == []


def test_no_more_than_wanted(journal):
    assert journal.lines([ID.encode()], *EVER, most=2) == ([END, ODD], True)
    assert journal.lines([ID.encode()], *EVER, most=4).more is False


def test_who_may_not_write_it_is_not_believed(file):
    everybody = Journal(str(file.parent)).lines([b"completed,id="], *EVER).found
    assert [one.pid for one in everybody] == [709, 702]
    nobody = {name: frozenset({5000}) for name in SAYS} | {"courierlocal": frozenset({COURIER})}
    found = Journal(str(file.parent), nobody).lines([ID.encode()], *EVER).found
    assert [one.pid for one in found] == [702, 701]


def test_when_it_begins(journal, tmp_path):
    assert journal.begins() == T
    assert Journal(str(tmp_path / "none")).begins() is None


@pytest.mark.parametrize("of", ["its own entry", "an entry of Courier's"])
def test_what_looks_like_an_entry_is_none(file, of):
    """Any user may write a field of bytes. This one refers to what is of root and of courierd."""
    raw = bytearray(file.read_bytes())
    wide = not raw[12] & 1 << 4
    head = 64 if wide else 72
    place = raw.find(b"OWN=" + ROOM) + 4
    place += -place % 8
    said = f"MESSAGE=completed,id={ID} forged".encode()
    size = head + len(said)
    entry = place + size + -size % 8
    told = (
        entry if of == "its own entry" else struct.unpack_from("<Q", raw, raw.find(b"MESSAGE=Waiting") - head + 40)[0]
    )
    data = struct.pack("<B7xQQQQQQQ", 1, size, 0, 0, 0, told, 0, 1).ljust(head, b"\0") + said
    items = [place, raw.find(b"_UID=0") - head, raw.find(b"SYSLOG_IDENTIFIER=courierd") - head]
    listed = b"".join(struct.pack("<QQ", one, 0) if wide else struct.pack("<I", one) for one in items)
    head_of_entry = struct.pack("<B7xQQQ32x", 3, 64 + len(listed), 1, T * 1_000_000 + 7)
    forged = data.ljust(entry - place, b"\0") + head_of_entry + listed
    assert len(forged) < len(ROOM) - 8
    raw[place : place + len(forged)] = forged
    file.write_bytes(raw)
    found = Journal(str(file.parent), BELIEVED).lines([ID.encode()], *EVER).found
    assert found == [END, ODD, LOCAL, NEW]


BROKEN = {
    "cut short": lambda raw: raw[:5000],
    "only a header": lambda raw: raw[:272],
    "zeros": lambda raw: raw[:272] + bytes(len(raw) - 272),
    "ones": lambda raw: raw[:272] + b"\xff" * 100_000,
    "no list": lambda raw: raw[:176] + struct.pack("<Q", 8) + raw[184:],
}


def test_a_list_in_a_circle_ends(file):
    raw = bytearray(file.read_bytes())
    (first,) = struct.unpack_from("<Q", raw, 176)
    struct.pack_into("<Q", raw, first + 16, first)
    file.write_bytes(raw)
    assert journal_of(file).lines([ID.encode()], *EVER).found == [LOCAL, NEW]  # of its first part, which has four


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_no_crash(file, broken):
    file.write_bytes(broken(file.read_bytes()))
    assert journal_of(file).lines([ID.encode()], *EVER).found == []


def journal_of(file):
    return Journal(str(file.parent), BELIEVED)


@pytest.fixture
def journalctl(tmp_path, monkeypatch):
    """One that writes down how it was called, and says what a test wants."""
    program = tmp_path / "bin/journalctl"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def says(*entries, code=0, error=""):
        (tmp_path / "says").write_text("".join(f"{json.dumps(one)}\n" for one in entries))
        program.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/asked\ncat {tmp_path}/says\n"
            f"echo '{error}' >&2\nexit {code}\n"
        )
        program.chmod(0o755)

    says.asked = lambda: (tmp_path / "asked").read_text().splitlines()
    return says


ENTRY = {
    "__REALTIME_TIMESTAMP": str(T * 1_000_000),
    "SYSLOG_IDENTIFIER": "courierd",
    "_PID": "700",
    "_UID": "0",
    "_SYSTEMD_UNIT": "courier.service",
    "MESSAGE": NEW.text,
}


def test_reading_asks_journalctl(journal, file, journalctl):
    latin = ENTRY | {"SYSLOG_IDENTIFIER": "courierlocal", "MESSAGE": list(LATIN.encode("latin-1"))}
    utf8 = ENTRY | {"MESSAGE": "café"}
    stranger = ENTRY | {"_UID": "5000"}
    nobody = {name: value for name, value in ENTRY.items() if name != "_UID"}
    journalctl(ENTRY, latin, utf8, stranger, nobody, ENTRY | {"MESSAGE": None})
    found = list(journal.read(T - 1, T + 1))
    assert [one.text for one in found] == [NEW.text, LATIN, "cafÃ©", ""]
    assert found[0] == NEW
    asked = journalctl.asked()
    assert f"--file={file}" in asked
    assert f"--since=@{T - 1}.000000" in asked
    assert f"--until=@{T + 1}.000000" in asked


def test_nobody_is_asked_about_a_time_without_files(journal, journalctl, tmp_path):
    journalctl(ENTRY)
    assert list(journal.read(T + 1000, T + 1001)) == []
    assert not (tmp_path / "asked").exists()


def test_journalctl_says_why_it_cannot(journal, journalctl):
    journalctl(code=1, error="No space for a thought")
    with pytest.raises(JournalError, match="journalctl: No space for a thought"):
        list(journal.read(*EVER))
    journalctl(code=1)  # nothing found
    assert list(journal.read(*EVER)) == []


def test_without_journalctl(journal, monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(JournalError, match="journalctl"):
        list(journal.read(*EVER))


def test_another_layout_is_left_to_journalctl(file, journalctl):
    raw = bytearray(file.read_bytes())
    raw[12] |= 1 << 6
    file.write_bytes(raw)
    journalctl(ENTRY)
    assert journal_of(file).lines([b"newmsg,id", b"x.y"], *EVER).found == [NEW]
    assert r"--grep=newmsg,id|x\.y" in journalctl.asked()


@pytest.mark.skipif(not shutil.which("journalctl"), reason="there is no journalctl")
def test_a_real_journalctl_says_the_same(journal):
    found = list(journal.read(*EVER))
    assert [one for one in found if ID in one.text and len(one.text) < 512] == [NEW, LOCAL, ODD, END]
    assert any(len(one.text) > 512 for one in found)
    assert "cafÃ©" not in "".join(one.text for one in found)


def test_a_file_that_is_gone_meanwhile(journal, monkeypatch):
    monkeypatch.setattr(Journal, "_within", lambda *_: ["/nonexistent/system.journal"])
    assert journal.lines([b"x"], *EVER) == ([], False)


def test_of_this_host_only_its_own(tmp_path, monkeypatch, file):
    machine = tmp_path / "machine-id"
    machine.write_text("0123\n")
    for name in ("0123/system.journal", "0123/user-1000.journal", "remote/other.journal"):
        place = tmp_path / "var" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    monkeypatch.setattr(_trace_journal, "MACHINE", str(machine))
    monkeypatch.setattr(_trace_journal, "DIRECTORIES", (str(tmp_path / "var"), str(tmp_path / "run")))
    assert Journal("", BELIEVED).lines([ID.encode()], *EVER).found == [END, ODD, LOCAL, NEW]
    (tmp_path / "var/0123/system.journal").unlink()  # and a person's own is left
    assert Journal("", BELIEVED).begins() is None


def test_whom_to_believe(monkeypatch):
    known = {"root": 0, "courier": 100}

    def entry(name):
        return type("Entry", (), {"pw_uid": known[name]})

    monkeypatch.setattr(_trace_journal.pwd, "getpwnam", entry)
    assert users()["courierd"] == {0, 100}
    assert users()["courier-forward"] == {0}
    del known["courier"]
    assert users() is None

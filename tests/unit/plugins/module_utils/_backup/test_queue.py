"""Courier's queue, copied and given back."""

from __future__ import annotations

import os
import time

import pytest

from plugins.module_utils._backup import _queue

OWNER = (os.getuid(), os.getgid())


@pytest.fixture
def copy(host, tmp_path):
    target = tmp_path / "copy"
    target.mkdir()
    return host, target


def new_mail(host, name, number="00000000000000AA.0000000000000001.00000002", directory="179569"):
    """A message that Courier has not taken over yet."""
    place = host.courier / "tmp" / directory
    place.mkdir(exist_ok=True)
    (place / f"D{name}").write_text("new\n")
    (place / f"C{name}").write_text(f"sa@example.com\nM{number}\nrb@example.net\n")
    return place


def test_a_copy_has_what_waits_and_what_is_new(copy):
    host, target = copy
    new_mail(host, "1795690000.77.mx1")
    taken = _queue.copy(str(host.courier), str(target))
    assert sorted(one.id for one in taken) == ["0000000000000001.00000002", "0000000000001267.00000001"]
    assert sorted(_queue.identities(str(target))) == sorted(one.id for one in taken)
    assert _queue.identities(str(target)) == _queue.alive(str(host.courier))


def test_what_is_just_being_submitted_is_not_there_yet(copy):
    host, target = copy
    host.deliver(4711)
    # Of several for one message, Courier takes none before the first has gone.
    new_mail(host, "1795690000.77.mx1.1")
    new_mail(host, "1795690000.77.mx1.2", "00000000000000AB.0000000000000003.00000002")
    (host.courier / "tmp" / "179569" / "D1795690000.78.mx1").write_text("half a mess")
    assert _queue.copy(str(host.courier), str(target)) == []
    assert list(target.iterdir()) == []


def test_what_is_found_twice_is_taken_once(copy):
    """Courier takes it over while we look."""
    host, target = copy
    new_mail(host, "1795690000.77.mx1", f"{4711:016X}.{4711:016X}.00000001")
    assert len(_queue.copy(str(host.courier), str(target))) == 1


def test_it_is_seen_whether_courier_did_something(copy):
    host, target = copy
    control = host.queued(4712)
    first, second = sorted(_queue.copy(str(host.courier), str(target)), key=lambda one: one.id)
    assert not first.moved_on()
    with control.open("a") as stream:
        stream.write("S0 1\n")
    assert second.moved_on()
    host.deliver(4711)
    assert first.moved_on()


def given(host, target, **more):
    _queue.copy(str(host.courier), str(target))
    host.deliver(4711)
    numbers = _queue.give(str(target), str(host.courier), OWNER, **more)
    return numbers, sorted((host.courier / "tmp").rglob("C*"))


def test_what_is_given_back_is_new_mail_of_the_same_id(copy):
    host, target = copy
    numbers, (control,) = given(host, target, hold=False)
    text = control.read_text()
    assert numbers == ["0000000000001267.00000001"]
    assert f"M{control.stat().st_ino:016X}.0000000000001267.00000001\n" in text
    assert "\nA1\n" not in text
    assert (control.parent / f"D{control.name[1:]}").read_text() == "Subject: waiting\n\nhello\n"
    assert control.parent.name.isdigit()
    # Else Courier would look for the first of several.
    assert "." not in control.name
    assert _queue.alive(str(host.courier)) == _queue.identities(str(target))


def test_what_was_delivered_to_some_stays_so(copy):
    host, target = copy
    host.deliver(4711)
    host.queued(4711, records="I0 R 250 Ok.\nS0 1795690000\nI1 R 4")
    _numbers, (control,) = given(host, target, hold=False)
    assert control.read_text().endswith("rbob@example.net\nR\nN\nI0 R 250 Ok.\nS0 1795690000\n")


def test_what_is_held_waits_for_ten_years(copy):
    host, target = copy
    _numbers, (control,) = given(host, target, hold=True)
    lines = control.read_text().splitlines()
    assert lines[[line[0] for line in lines].index("M") + 1] == "L315360000"


def test_courier_has_a_place_for_what_is_held(copy):
    host, target = copy
    given(host, target, hold=True)
    soon = int(time.time()) + 315360000
    for moment in (soon, soon + 10000):
        # Empty, it would be gone when Courier starts.
        assert list((host.courier / "msgq" / str(moment // 10000)).iterdir())


def test_what_courier_has_is_not_given_twice(copy):
    host, target = copy
    given(host, target, hold=True)
    assert _queue.give(str(target), str(host.courier), OWNER, hold=True) == []
    assert len(list((host.courier / "tmp").rglob("C*"))) == 1


def test_courier_is_told(copy):
    host, target = copy
    os.mkfifo(host.courier / "tmp" / "trigger")
    reader = os.open(host.courier / "tmp" / "trigger", os.O_RDONLY | os.O_NONBLOCK)
    given(host, target, hold=False)
    assert os.read(reader, 10) == b"\n"
    os.close(reader)

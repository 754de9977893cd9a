from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading

import pytest

from plugins.module_utils._filters import _store
from plugins.module_utils._filters._store import Limits, Seen, Store


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "store.sqlite")


@pytest.fixture
def clock(monkeypatch):
    now = [1_000_000.0]
    monkeypatch.setattr(_store.time, "time", lambda: now[0])
    return now


def test_the_group_can_write_the_file(path):
    Store(path)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660


def test_a_count_is_of_its_kind_key_and_time(path, clock):
    store = Store(path)
    store.add("big", "192.0.2.1")
    store.add("trap", "192.0.2.1")
    store.add("big", "192.0.2.2")
    clock[0] += 10
    store.add("big", "192.0.2.1", note="late")
    assert store.count("big", "192.0.2.1", 60) == 2
    assert store.count("big", "192.0.2.1", 5) == 1
    assert [event.note for event in store.events(["big"]) if event.key == "192.0.2.1"] == ["", "late"]


@pytest.mark.parametrize(
    ("limits", "recipients", "taken"),
    [
        (Limits(2, 0), 1, [True, True, False]),
        (Limits(0, 4), 2, [True, True, False]),
        (Limits(0, 3), 2, [True, False, False]),
        (Limits(0, 0), 100, [True, True, True]),
    ],
    ids=["messages", "recipients", "recipients that would be too many", "without limits"],
)
def test_spends_up_to_the_limits(path, limits, recipients, taken):
    store = Store(path)
    assert [store.spend("alice", recipients, limits) is not None for _time in range(3)] == taken


def test_an_hour_later_everything_is_new(path, clock):
    store = Store(path)
    assert store.spend("alice", 1, Limits(1, 0))
    assert store.again("alice") == clock[0] + 3600
    clock[0] += 3599
    assert store.spend("alice", 1, Limits(1, 0)) is None
    clock[0] += 2
    assert store.spend("alice", 1, Limits(1, 0))


def test_what_is_given_back_was_not_spent(path):
    store = Store(path)
    store.give_back(store.spend("alice", 1, Limits(1, 0)))
    assert store.spend("alice", 1, Limits(1, 0))


def test_one_of_many_tells_the_operator_of_a_hold(path):
    stores = [Store(path), Store(path)]
    stores[0].hold("alice", "too much")
    stores[1].hold("alice", "again")
    assert [hold.reason for hold in stores[1].holds()] == ["too much"]
    assert [store.tell("alice") for store in stores] == [True, False]
    stores[0].untold("alice")
    assert stores[1].tell("alice")


def test_whoever_is_released_begins_anew(path):
    store = Store(path)
    store.spend("alice", 1, Limits(1, 0))
    store.hold("alice", "too much")
    assert store.release("alice")
    assert store.held("alice") is None
    assert store.spend("alice", 1, Limits(1, 0))
    assert not store.release("alice")


def test_threads_and_processes_do_not_overspend(path):
    store, taken = Store(path), []
    lock = threading.Lock()

    def spend():
        for _time in range(40):
            if store.spend("alice", 1, Limits(100, 0)) is not None:
                with lock:
                    taken.append(1)

    program = (
        "import sys; from plugins.module_utils._filters._store import Limits, Store\n"
        f"s = Store({path!r})\nprint('ready', flush=True)\n"
        "print(sum(s.spend('alice', 1, Limits(100, 0)) is not None for _time in range(60)))"
    )
    other = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    other.stdout.readline()
    threads = [threading.Thread(target=spend) for _time in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = other.stdout.read()
    assert other.wait(60) == 0
    assert len(taken) + int(answer) == 100


def test_forgets_what_is_old(path, clock):
    store = Store(path)
    store.add("sent", "alice")
    store.add("trap", "192.0.2.1")
    clock[0] += 2 * _store.DAY
    assert [event.key for event in store.events(["sent", "trap"])] == ["192.0.2.1"]
    clock[0] += 200 * _store.DAY
    assert store.events(["sent", "trap"]) == []


def test_remembers_messages_by_place_and_name(path):
    store = Store(path)
    store.see("alice", "1.a", Seen("k1", "spam"))
    store.see("bob", "1.a", Seen("k2", "ours"))
    assert store.seen("alice") == {"1.a": Seen("k1", "spam")}
    store.forget("alice", "1.a")
    assert store.seen("alice") == {}
    assert store.marked("learned") == 0
    store.mark("learned", 5.0)
    assert store.marked("learned") == 5.0


def test_a_failure_changes_nothing(path):
    store = Store(path)

    def interrupted():
        with store._transaction() as now:
            store._insert("trap", "192.0.2.1", now, 1, "")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert store.events(["trap"]) == []
    store.add("trap", "192.0.2.1")


def test_a_transaction_has_the_lock_from_the_start(path):
    one, other = Store(path), Store(path)
    waiting = threading.Thread(target=other.add, args=("trap", "192.0.2.1"))
    with one._transaction():
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
    waiting.join(30)
    assert len(one.events(["trap"])) == 1

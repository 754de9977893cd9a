"""What Courier's queue and fetchmail's files say of a message."""

from __future__ import annotations

import os
from runpy import run_path

import pytest

from plugins.module_utils._watch._trace_disk import fetched, next_try, source
from tests.unit.roles.test_courier_fetch import PROGRAM
from tests.unit.traced import ID, T, number, short

FILE = 3458234


@pytest.fixture
def queue(tmp_path):
    control = tmp_path / f"msgs/{FILE % 100}/C{FILE}"
    control.parent.mkdir(parents=True)
    control.write_bytes(f"sb@example.com\nf dns; x\nM{ID}\nrcaf\xe9@example.org\n".encode("latin-1"))
    waits = tmp_path / f"msgq/{(T + 900) // 10000}/C{FILE}.{T + 900}"
    waits.parent.mkdir(parents=True)
    waits.touch()
    waits.with_name(f"C{FILE}0.{T + 9000}").touch()  # another message's
    return tmp_path


def test_when_it_is_tried_next(queue):
    assert next_try(FILE, short(1), str(queue)) == T + 900


def test_what_is_gone(queue):
    assert next_try(FILE + 1, short(1), str(queue)) == 0
    # The number is another message's by now.
    assert next_try(FILE, short(2), str(queue)) == 0
    assert next_try(FILE, number(2), str(queue)) == 0


def test_what_is_not_known(queue, tmp_path):
    assert next_try(0, short(1), str(queue)) is None
    assert next_try(FILE, short(1), str(tmp_path / "none")) is None
    for path in (queue / "msgq").rglob("C*"):
        path.unlink()
    # Courier has it in its hands just now.
    assert next_try(FILE, short(1), str(queue)) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(queue):
    (queue / "msgq").chmod(0)
    assert next_try(FILE, short(1), str(queue)) is None


def test_from_where_it_was_fetched(tmp_path):
    (tmp_path / "office.json").write_text('{"label": "bob at imap.example.net", "to": "bob@example.com"}')
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text("[]")
    (tmp_path / "office.rc").write_text("poll imap.example.net")
    assert fetched(str(tmp_path)) == {source("office"): "bob at imap.example.net"}
    assert fetched(str(tmp_path / "none")) == {}


@pytest.mark.parametrize("name", ["office", "t-168efd1bafb1-0", "é"])
def test_the_address_is_the_one_that_the_role_has(name):
    assert source(name) == run_path(str(PROGRAM))["source"](name)

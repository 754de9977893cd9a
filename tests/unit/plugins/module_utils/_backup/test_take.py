"""What is taken of a mail host while it works, and comes back."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from plugins.module_utils._backup import _bring, _state, _take
from plugins.module_utils._backup._bring import BringError
from plugins.module_utils._backup._take import TakeError, alone


def restored(host):
    chosen = host.bring().look()
    host.bring().place(chosen["snapshot"])
    return host.bring().finish(hold=True)


def test_what_is_lost_comes_back_as_it_was(host):
    before = host.files()
    state = host.take().run()
    host.lose()

    result = restored(host)

    assert host.files() == before
    assert (host.keys / "current").read_text() == "a key"
    assert stat.S_IMODE((host.keys / "example.com" / "mx1.private").stat().st_mode) == 0o640
    assert stat.S_IMODE((host.keys / "example.com").stat().st_mode) == 0o750
    with sqlite3.connect(host.database) as database:
        assert database.execute("SELECT number FROM counts").fetchall() == [(7,)]
    assert result["proved"], result["rows"]
    assert {row["what"]: row["wanted"] for row in result["rows"]}["messages"] == 3
    assert state.messages == 3
    assert state.error == ""


def test_a_quiet_host_takes_one_round(host):
    host.take().run()
    assert [line.partition(":")[0] for line in host.said] == ["round 1"]


def test_mail_that_arrives_meanwhile_is_no_reason_for_another_round(host):
    host.take(lambda: host.letter("9.M9P9.mx1", part="new")).run()
    assert len(host.said) == 1


def happens_once(what):
    done = []
    return lambda: None if done else done.append(what())


def test_flags_that_change_meanwhile_are_in_the_backup(host):
    old = host.root / "example.com/alice/Maildir/cur/1.M1P1.mx1:2,S"
    host.take(happens_once(lambda: old.rename(f"{old}T"))).run()
    host.lose()
    restored(host)
    assert [path for path in host.files() if "1.M1P1" in path] == ["example.com/alice/Maildir/cur/1.M1P1.mx1:2,ST"]
    assert len(host.said) == 2


def test_a_message_that_is_deleted_meanwhile_is_not(host):
    gone = host.root / "example.com/alice/Maildir/cur/1.M1P1.mx1:2,S"
    host.take(happens_once(gone.unlink)).run()
    host.lose()
    assert restored(host)["proved"]
    assert not any("1.M1P1" in path for path in host.files())


def test_what_is_delivered_meanwhile_comes_back_once(host):
    def delivered():
        host.deliver(4711)
        host.letter("4.M4P4.mx1", part="new", home="example.org/bob")

    host.take(happens_once(delivered)).run()
    host.lose()
    result = restored(host)
    assert result["given"] == []
    assert any("4.M4P4" in path for path in host.files())


def test_mail_that_never_rests_is_taken_all_the_same(host):
    rounds = iter(range(100))

    def busy():
        number = next(rounds)
        host.queued(5000 + number)
        host.deliver(4999 + number if number else 4711)

    host.take(busy).run()
    assert len(host.said) == host.settings.rounds


def test_a_message_that_the_copy_lacks_is_a_failure(host, monkeypatch):
    """As when it is always in the folder that is not being read."""
    take = host.take()
    monkeypatch.setattr(take, "_excluded", lambda: [f"--exclude={host.root}/example.com/alice/Maildir/cur/1.M1P1*"])
    with pytest.raises(TakeError, match=r"not everything is in the backup: 1 messages, such as example.com/alice"):
        take.run()
    assert "not everything" in _state.read(str(host.state)).error
    assert host.restic.snapshots("mx1.example.com") == []


def test_data_are_read_every_week_and_at_first(host):
    assert host.take().run().checked
    known = _state.read(str(host.state))
    assert host.take().run().checked == known.checked


def test_a_target_that_is_not_mounted_is_not_made(host):
    host.repository.parent.rmdir()
    with pytest.raises(TakeError, match=r"backup_repository: .*backups is not there; mount it"):
        host.take().prepare()


def test_a_disk_without_room_is_refused_before_anything_is_written(host):
    host.tell(room=1 << 30)
    with pytest.raises(TakeError, match=r"MiB left, and \d+ are needed \(backup_room\)"):
        host.take().run()
    assert host.restic.snapshots("mx1.example.com") == []


def test_a_damaged_database_is_called_so(host):
    host.database.write_bytes(b"no database at all, but bytes" * 100)
    with pytest.raises(TakeError, match=r"state.sqlite cannot be copied"):
        host.take().run()
    assert list((host.state / "stage").iterdir()) == []


def test_a_database_that_opens_and_is_damaged_is_called_so(host):
    with sqlite3.connect(host.database) as database:
        database.execute("CREATE INDEX by_key ON counts (key)")
        database.executemany("INSERT INTO counts VALUES (?, ?)", [(f"key {number}", number) for number in range(2000)])
    database.close()
    data = bytearray(host.database.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = b"\xff" * 2000
    host.database.write_bytes(data)
    with pytest.raises(TakeError, match=r"the database .*state.sqlite is damaged"):
        host.take().run()


def test_accounts_of_a_table_are_accounts(host, monkeypatch):
    def dump(path, target):
        Path(target).write_text('address,home\nalice@example.com,"/srv, or so"\n')
        return 1

    monkeypatch.setattr(_take, "dump_accounts", dump)
    host.take().run()
    host.lose()
    monkeypatch.setattr(_bring, "dump_accounts", lambda path, target: 0)
    (row,) = [row for row in restored(host)["rows"] if row["what"] == "accounts"]
    assert row["differing"] == ["alice@example.com"]
    monkeypatch.setattr(_bring, "dump_accounts", dump)
    (row,) = [row for row in host.bring().finish(hold=True)["rows"] if row["what"] == "accounts"]
    assert row["is_equal"]


def test_two_at_once_are_one_too_many(host):
    with (
        alone(str(host.state)),
        pytest.raises(TakeError, match="another backup of this host runs"),
        alone(str(host.state)),
    ):
        pass


def test_a_host_that_has_mail_is_left_alone(host):
    host.take().run()
    with pytest.raises(BringError, match=r"has mail already.*backup_restore_over=mx1.example.com"):
        host.bring().look()


def test_a_host_whose_queue_has_mail_is_left_alone(host):
    host.take().run()
    host.lose()
    host.queued(99)
    with pytest.raises(BringError, match="messages in its queue already"):
        host.bring().look()


def test_mail_that_is_there_is_put_aside_when_that_is_wanted(host):
    host.take().run()
    newer = host.letter("7.M7P7.mx1:2,", "newer")
    chosen = host.bring().look(over=True)
    done = host.bring().place(chosen["snapshot"])
    assert not newer.exists()
    assert len(done["aside"]) == 2
    assert [path.read_text() for path in host.root.rglob("7.M7P7*")] == ["newer"]


def test_a_backup_is_chosen_by_its_name(host):
    first = host.take().run().snapshot
    host.letter("8.M8P8.mx1:2,")
    host.take().run()
    host.lose()
    host.bring().place(host.bring().look(first[:8])["snapshot"])
    assert len(host.files()) == 3
    with pytest.raises(BringError, match=r"has no backup feed of mx1.example.com; it has [0-9a-f]{8} of"):
        host.bring().look("feed", over=True)


def test_the_queue_comes_back_once(host):
    host.take().run()
    host.lose()
    assert restored(host)["given"] == ["0000000000001267.00000001"]
    # Courier has delivered it meanwhile.
    for path in (host.courier / "tmp").rglob("*"):
        if path.is_file():
            path.unlink()
    assert host.bring().finish(hold=False)["given"] == []


def test_a_message_of_the_backup_that_is_not_as_it_was_is_not_put_into_its_place(host):
    host.take().run()
    host.lose()
    bring = host.bring()
    original = bring._fetch

    def fetched(snapshot):
        manifest = original(snapshot)
        next((host.root / ".courier-mail-restore").rglob("1.M1P1*")).write_text("forged")
        return manifest

    bring._fetch = fetched
    with pytest.raises(BringError, match="1 messages are not as they were taken"):
        bring.place(bring.look()["snapshot"])
    assert host.files() == {}


def test_where_the_mail_was_elsewhere_says_so(host):
    host.take().run()
    host.lose()
    host.tell(mail_root=str(host.place / "other"))
    bring = host.bring()
    with pytest.raises(BringError, match="set mail_root so"):
        bring.place(bring.look()["snapshot"])


def test_a_repository_that_went_away_is_not_made_anew(host):
    host.take().run()
    host.copies.there = False
    with pytest.raises(TakeError, match="Is it mounted"):
        host.take().run()
    with pytest.raises(TakeError, match="where this host has kept backups before"):
        host.take().prepare()
    assert not host.copies.there


def test_where_there_never_was_a_repository_one_is_made(host):
    host.copies.there = False
    assert host.take().prepare()
    assert not host.take().prepare()


def test_a_failure_is_in_the_state_and_the_next_success_takes_it_away(host):
    host.tell(room=1 << 30)
    with pytest.raises(TakeError):
        host.take().run()
    assert "backup_room" in _state.read(str(host.state)).error
    host.tell(room=1)
    host.take().run()
    known = _state.read(str(host.state))
    assert (known.error, known.messages) == ("", 3)
    assert stat.S_IMODE((host.state / "state.json").stat().st_mode) == 0o644
    assert stat.S_IMODE((host.state / "stage").stat().st_mode) == 0o700
    # It has databases and the queue in clear.
    assert list((host.state / "stage").iterdir()) == []


def test_mail_of_somebody_called_tmp_is_mail(host):
    host.letter("6.M6.mx1:2,", home="example.com/tmp")
    (host.root / "example.com/tmp/Maildir/tmp/half").write_text("half a mess")
    assert host.take().run().messages == 4
    host.lose()
    assert restored(host)["proved"]
    assert "example.com/tmp/Maildir/cur/6.M6.mx1:2," in host.files()
    assert not (host.root / "example.com/tmp/Maildir/tmp/half").exists()


def test_what_spamassassin_has_learned_is_taught_again_and_once(host, monkeypatch):
    program, learned = host.place / "sa-learn", host.place / "bayes_toks"
    program.write_text(
        f'#!/bin/sh\n[ "$3" = --backup ] && exec cat {learned}\ncat "$4" >>{learned}; echo >>{host.place}/taught\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(_take, "SA_LEARN", str(program))
    monkeypatch.setattr(_bring, "SA_LEARN", str(program))
    monkeypatch.setattr(_take, "as_user", lambda _name: {})
    monkeypatch.setattr(_bring, "as_user", lambda _name: {})
    learned.write_text("v\t3\tdb_version\nv\t2\tnum_spam\nt\t2\t0\t1764000000\t0123456789\n")
    host.tell(bayes=str(host.place / "bayes"))
    host.take().run()
    host.lose()
    learned.write_text("v\t3\tdb_version\n")
    assert restored(host)["proved"]
    assert host.bring().finish(hold=True)["proved"]
    assert (host.place / "taught").read_text() == "\n"
    assert not (host.state / "bayes.txt").exists()
    (host.state / "learned").unlink()
    learned.write_text("v\t3\tdb_version\nv\t2\tnum_spam\n")
    program.write_text(f'#!/bin/sh\nif [ "$3" = --backup ]; then cat {learned}; fi\n')
    (row,) = [row for row in host.bring().finish(hold=True)["rows"] if row["what"] == "Bayes"]
    assert row["differing"] == ["1 of 2 tokens and numbers did not come back"]
    program.write_text("#!/bin/sh\necho 'bayes: cannot open' >&2; exit 1\n")
    (row,) = [row for row in host.bring().finish(hold=True)["rows"] if row["what"] == "Bayes"]
    assert row["differing"] == ["bayes: cannot open"]
    program.write_text("#!/bin/sh\necho 'bayes: locked' >&2; exit 1\n")
    with pytest.raises(TakeError, match="sa-learn --backup ended with 1: bayes: locked"):
        host.take().run()


def test_a_copy_is_removed_in_the_end(host):
    host.take().run()
    host.lose()
    restored(host)
    assert host.bring().clear()
    assert not host.bring().clear()
    with pytest.raises(BringError, match="nothing was placed"):
        host.bring().finish(hold=False)

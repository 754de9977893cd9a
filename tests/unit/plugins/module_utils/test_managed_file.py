"""Files and their databases in a real directory, with compilers that are small programs."""

from __future__ import annotations

import os
import stat
from types import SimpleNamespace

import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.module_utils._managed_file import Database, File, Link, ensure, ensure_places, read
from tests.unit.run_module import run_module

UID, GID = str(os.getuid()), str(os.getgid())
NOBODY = 54321
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can give things to somebody else")


def run(files, databases=(), *, check=False):
    """What a module answers that does nothing but ensure()."""

    def main():
        module = AnsibleModule(argument_spec={}, supports_check_mode=True)
        module.exit_json(**ensure(module, files, databases))

    return run_module(SimpleNamespace(main=main), check=check)


def ours(path, text, mode=0o640, **more):
    return File(str(path), text, UID, GID, mode, **more)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def owner_of(path):
    return path.stat().st_uid, path.stat().st_gid


def age(path, seconds):
    then = path.stat().st_mtime_ns - seconds * 10**9
    os.utime(path, ns=(then, then))


def test_writes_what_is_missing(tmp_path):
    answer = run([ours(tmp_path / "me", "mx1.example.com\n"), ours(tmp_path / "locals", "localhost\n", 0o644)])
    assert answer == {
        "changed": True,
        "files": [f"{tmp_path}/locals", f"{tmp_path}/me"],
        "compiled": [],
        "diff": [
            {
                "before_header": f"{tmp_path}/me",
                "after_header": f"{tmp_path}/me",
                "before": "",
                "after": "mx1.example.com\n",
            },
            {
                "before_header": f"{tmp_path}/locals",
                "after_header": f"{tmp_path}/locals",
                "before": "",
                "after": "localhost\n",
            },
        ],
    }
    assert (tmp_path / "me").read_text() == "mx1.example.com\n"
    assert mode_of(tmp_path / "me") == 0o640
    assert mode_of(tmp_path / "locals") == 0o644
    assert names(tmp_path) == ["locals", "me"]  # and nothing of how they were made


def test_leaves_alone_what_is_so_already(tmp_path):
    wanted = ours(tmp_path / "me", "mx1.example.com\n")
    run([wanted])
    before = (tmp_path / "me").stat()
    assert run([wanted]) == {"changed": False, "files": [], "compiled": [], "diff": []}
    after = (tmp_path / "me").stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_writes_only_what_differs(tmp_path):
    run([ours(tmp_path / "me", "mx1.example.com\n"), ours(tmp_path / "locals", "localhost\n")])
    answer = run([ours(tmp_path / "me", "mx2.example.com\n"), ours(tmp_path / "locals", "localhost\n")])
    assert answer["files"] == [f"{tmp_path}/me"]
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [("mx1.example.com\n", "mx2.example.com\n")]


def test_check_mode_writes_nothing(tmp_path):
    (tmp_path / "old").write_text("old\n")
    database = Database(f"{tmp_path}/new.dat", [f"{tmp_path}/new"], ["false"])
    answer = run([ours(tmp_path / "new", "new\n"), ours(tmp_path / "old", None)], [database], check=True)
    assert answer["changed"]
    assert answer["files"] == [f"{tmp_path}/new", f"{tmp_path}/old"]
    assert answer["compiled"] == [f"{tmp_path}/new.dat"]
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [("", "new\n"), ("old\n", "")]
    assert names(tmp_path) == ["old"]


def test_check_mode_runs_before_anything_is_there(tmp_path):
    (tmp_path / "locals").write_text("localhost\n")
    places = {f"{tmp_path}/etc/me": "mx1.example.com\n", f"{tmp_path}/locals": "localhost\n"}
    nobody = "nobody-of-this-name"
    answer = run([File(path, text, nobody, nobody) for path, text in places.items()], check=True)
    assert answer["files"] == list(places)


def test_sets_a_mode_right(tmp_path):
    wanted = ours(tmp_path / "me", "mx1.example.com\n")
    run([wanted])
    (tmp_path / "me").chmod(0o666)
    answer = run([wanted])
    assert answer["files"] == [f"{tmp_path}/me"]
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [
        ("", f"owner {UID}, group {GID}, mode 0640\n")
    ]
    assert mode_of(tmp_path / "me") == 0o640


@as_root
@pytest.mark.parametrize("whose", [(NOBODY, int(GID)), (int(UID), NOBODY)], ids=["the owner", "the group"])
def test_sets_who_owns_it_right(tmp_path, whose):
    wanted = ours(tmp_path / "me", "mx1.example.com\n")
    run([wanted])
    os.chown(tmp_path / "me", *whose)
    assert run([wanted])["files"] == [f"{tmp_path}/me"]
    assert owner_of(tmp_path / "me") == (int(UID), int(GID))


@as_root
def test_owner_and_group_may_be_names(tmp_path):
    run([File(f"{tmp_path}/me", "mx1.example.com\n", "daemon", "mail")])
    assert (tmp_path / "me").owner() == "daemon"
    assert (tmp_path / "me").group() == "mail"


def test_removes_what_has_no_text(tmp_path):
    (tmp_path / "queuetime").write_text("3d\n")
    answer = run([ours(tmp_path / "queuetime", None)])
    assert answer["files"] == [f"{tmp_path}/queuetime"]
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [("3d\n", "")]
    assert names(tmp_path) == []
    assert not run([ours(tmp_path / "queuetime", None)])["changed"]


def test_a_removal_can_leave_a_mark(tmp_path):
    gone, other = (ours(tmp_path / name, None, mark=str(tmp_path / "mark")) for name in ("queuetime", "queuelo"))
    for name in ("queuetime", "queuelo"):
        (tmp_path / name).touch()
    run([gone])
    age(tmp_path / "mark", 60)
    before = (tmp_path / "mark").stat().st_mtime_ns
    run([gone, ours(tmp_path / "me", "mx1.example.com\n", mark=str(tmp_path / "mark"))])
    assert (tmp_path / "mark").stat().st_mtime_ns == before
    run([gone, other])
    assert (tmp_path / "mark").stat().st_mtime_ns > before


def test_there_is_nothing_to_remove_below_what_is_not_there(tmp_path):
    (tmp_path / "file").touch()
    assert not run([ours(tmp_path / "none/me", None), ours(tmp_path / "file/me", None)])["changed"]


def test_a_diff_shows_no_secret(tmp_path):
    def masked(text):
        return text.replace("hunter", "********")

    run([ours(tmp_path / "auth", "login hunter1\n")])
    answer = run([ours(tmp_path / "auth", "login hunter2\n", shown=masked)])
    assert [(diff["before"], diff["after"]) for diff in answer["diff"]] == [("login ********1\n", "login ********2\n")]
    assert (tmp_path / "auth").read_text() == "login hunter2\n"
    assert "hunter" not in str(run([ours(tmp_path / "auth", None, shown=masked)]))


@pytest.mark.parametrize("content", [b"caf\xe9\n", "café\n".encode(), b"a\r\nb\rc\n", b"no newline", b""])
def test_bytes_survive_a_round_trip(tmp_path, content):
    (tmp_path / "here").write_bytes(content)
    text = read(str(tmp_path / "here"))
    run([ours(tmp_path / "there", text)])
    assert (tmp_path / "there").read_bytes() == content
    assert not run([ours(tmp_path / "there", text)])["changed"]


def test_reads_nothing_where_there_is_none(tmp_path):
    (tmp_path / "file").touch()
    assert read(f"{tmp_path}/none") is None
    assert read(f"{tmp_path}/file/none") is None


UNWRITABLE = {
    "no directory": (("etc/me", UID, GID), "No such file or directory"),
    "no such owner": (("me", "nobody-of-this-name", GID), "getpwnam(): name not found: 'nobody-of-this-name'"),
    "no such group": (("me", UID, "nobody-of-this-name"), "getgrnam(): name not found: 'nobody-of-this-name'"),
}


@pytest.mark.parametrize(("place", "reason"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_says_what_it_cannot_write(tmp_path, place, reason):
    name, owner, group = place
    answer = run([File(f"{tmp_path}/{name}", "mx1.example.com\n", owner, group)])
    assert answer["failed"]
    assert answer["msg"].startswith(f"{tmp_path}/{name} cannot be written and the old files were put back: ")
    assert reason in answer["msg"]
    assert names(tmp_path) == []


def compiler(directory, script="cat aliases/* >aliases.dat"):
    """Courier's directory with texts and a program that compiles them, and the database that it makes."""
    (directory / "aliases").mkdir()
    program = directory / "makealiases"
    program.write_text(f"#!/bin/sh\ncd {directory}\necho compiled >>compilations\n{script}\n")
    program.chmod(0o755)
    return Database(f"{directory}/aliases.dat", [f"{directory}/aliases", f"{directory}/me"], [str(program)])


def compilations(directory):
    return (read(f"{directory}/compilations") or "").count("compiled")


def test_compiles_after_the_text_was_written(tmp_path):
    database = compiler(tmp_path)
    answer = run([ours(tmp_path / "aliases/system", "postmaster: bob\n")], [database])
    assert answer["compiled"] == [f"{tmp_path}/aliases.dat"]
    assert (tmp_path / "aliases.dat").read_text() == "postmaster: bob\n"

    answer = run([ours(tmp_path / "aliases/system", "postmaster: alice\n")], [database])
    assert answer["compiled"] == [f"{tmp_path}/aliases.dat"]
    assert (tmp_path / "aliases.dat").read_text() == "postmaster: alice\n"


def test_compiles_nothing_the_second_time(tmp_path):
    database = compiler(tmp_path)
    wanted = [ours(tmp_path / "aliases/system", "postmaster: bob\n")]
    run(wanted, [database])
    assert run(wanted, [database]) == {"changed": False, "files": [], "compiled": [], "diff": []}
    assert compilations(tmp_path) == 1


def remove_the_database(directory):
    (directory / "aliases.dat").unlink()


def age_the_database(directory):
    age(directory / "aliases.dat", 5)


def write_another_text(directory):
    (directory / "aliases/local").write_text("info: bob\n")
    age(directory / "aliases.dat", 5)
    age(directory / "aliases/system", 10)
    age(directory / "aliases", 10)


def remove_another_text(directory):
    age(directory / "aliases.dat", 5)
    age(directory / "aliases/system", 10)


def write_another_source(directory):
    (directory / "me").write_text("mx1.example.com\n")
    age(directory / "aliases.dat", 5)
    age(directory / "aliases/system", 10)
    age(directory / "aliases", 10)


STALE = {
    "it is missing": remove_the_database,
    "it is older than its text": age_the_database,
    "it is older than a text of somebody else": write_another_text,
    "it is older than the directory, which has lost a text": remove_another_text,
    "it is older than a file that is no text": write_another_source,
}


@pytest.mark.parametrize("meddle", STALE.values(), ids=STALE)
def test_a_database_is_made_anew_because(tmp_path, meddle):
    database = compiler(tmp_path)
    wanted = [ours(tmp_path / "aliases/system", "postmaster: bob\n")]
    run(wanted, [database])
    meddle(tmp_path)

    answer = run(wanted, [database])
    assert answer["changed"]
    assert (answer["files"], answer["compiled"]) == ([], [f"{tmp_path}/aliases.dat"])
    assert compilations(tmp_path) == 2
    assert not run(wanted, [database])["changed"]


def test_a_text_of_another_database_compiles_nothing(tmp_path):
    database = compiler(tmp_path)
    run([ours(tmp_path / "aliases/system", "postmaster: bob\n")], [database])
    assert run([ours(tmp_path / "queuetime", "3d\n")], [database])["compiled"] == []
    assert compilations(tmp_path) == 1


def test_an_owner_set_right_compiles_too(tmp_path):
    database = compiler(tmp_path)
    wanted = [ours(tmp_path / "aliases/system", "postmaster: bob\n")]
    run(wanted, [database])
    (tmp_path / "aliases/system").chmod(0o600)
    assert run(wanted, [database])["compiled"] == [f"{tmp_path}/aliases.dat"]


def test_a_refusal_of_the_compiler_puts_the_old_texts_back(tmp_path):
    database = compiler(tmp_path, "echo 'line 1: no colon' >&2; exit 1")
    (tmp_path / "aliases/system").write_text("postmaster: bob\n")
    (tmp_path / "aliases/gone").write_text("gone: bob\n")
    places = [tmp_path / "aliases/system", tmp_path / "aliases/gone", tmp_path / "aliases"]
    for place in places:  # nothing that reads them is to be restarted
        os.utime(place, (1, 1))
    answer = run(
        [
            ours(tmp_path / "aliases/system", "postmaster\n"),
            ours(tmp_path / "aliases/new", "new: bob\n"),
            ours(tmp_path / "aliases/gone", None),
        ],
        [database],
    )
    assert answer == {
        "failed": True,
        "msg": f"{tmp_path}/makealiases refused and the old files were put back: line 1: no colon",
    }
    assert names(tmp_path / "aliases") == ["gone", "system"]
    assert (tmp_path / "aliases/system").read_text() == "postmaster: bob\n"
    assert (tmp_path / "aliases/gone").read_text() == "gone: bob\n"
    assert [place.stat().st_mtime for place in places] == [1, 1, 1]


def test_what_the_compiler_says_on_its_output_is_passed_on(tmp_path):
    database = compiler(tmp_path, "echo 'line 1: no colon'; exit 1")
    answer = run([ours(tmp_path / "aliases/system", "postmaster\n")], [database])
    assert answer["msg"].endswith(" refused and the old files were put back: line 1: no colon")


def test_after_a_refusal_texts_and_database_agree(tmp_path):
    database = compiler(tmp_path, "! grep -v : aliases/* && cat aliases/* >aliases.dat")
    good, bad = (ours(tmp_path / "aliases/system", text) for text in ("postmaster: bob\n", "postmaster\n"))
    run([good], [database])
    assert run([bad], [database])["failed"]
    assert (tmp_path / "aliases.dat").read_text() == "postmaster: bob\n"
    assert not run([good], [database])["changed"]


def test_a_database_that_was_compiled_before_another_refused_is_compiled_back(tmp_path):
    first = compiler(tmp_path)
    second = Database(f"{tmp_path}/second.dat", [f"{tmp_path}/aliases"], ["false"])
    good, better = (ours(tmp_path / "aliases/system", f"postmaster: {who}\n") for who in ("bob", "alice"))
    run([good], [first])
    assert run([better], [first, second])["failed"]
    assert (tmp_path / "aliases.dat").read_text() == "postmaster: bob\n"


@as_root
def test_a_refusal_brings_owner_and_mode_back(tmp_path):
    text = tmp_path / "system"
    text.write_text("postmaster: bob\n")
    text.chmod(0o600)
    os.chown(text, NOBODY, NOBODY)
    assert run([ours(text, "postmaster: alice\n")], [Database(f"{tmp_path}/dat", [str(text)], ["false"])])["failed"]
    assert (text.read_text(), mode_of(text), owner_of(text)) == ("postmaster: bob\n", 0o600, (NOBODY, NOBODY))


def test_a_compiler_that_is_not_there_changes_nothing(tmp_path):
    database = Database(f"{tmp_path}/dat", [str(tmp_path / "me")], ["no-such-compiler"])
    answer = run([ours(tmp_path / "me", "mx1.example.com\n")], [database])
    assert answer["msg"] == (
        "no-such-compiler cannot be run and the old files were put back: No such file or directory"
    )
    assert names(tmp_path) == []


def test_all_files_are_written_or_none(tmp_path):
    assert run([ours(tmp_path / "one", "1\n"), ours(tmp_path / "nowhere/two", "2\n")])["failed"]
    assert names(tmp_path) == []


def test_the_first_file_of_a_directory_makes_an_older_database_stale(tmp_path):
    database = compiler(tmp_path)
    run([ours(tmp_path / "aliases/system", "postmaster: bob\n")], [database])
    run([ours(tmp_path / "aliases/more", "info: bob\n")], [database])
    assert (tmp_path / "aliases.dat").read_text() == "info: bob\npostmaster: bob\n"


def place(*links, check=False):
    def main():
        module = AnsibleModule(argument_spec={}, supports_check_mode=True)
        module.exit_json(**ensure_places(module, links))

    return run_module(SimpleNamespace(main=main), check=check)


@pytest.mark.parametrize("target", ["/dev/null", None])
def test_a_link_may_go_over_a_file(tmp_path, target):
    path = tmp_path / "link"
    path.write_text("")
    assert place(Link(str(path), target, over=True), check=True)["changed"]
    assert path.read_text() == ""
    assert place(Link(str(path), target, over=True))["changed"]
    assert [str(one.readlink()) for one in tmp_path.iterdir()] == ([target] if target else [])
    assert not place(Link(str(path), target, over=True))["changed"]


def test_a_link_heals_what_a_run_left_that_died(tmp_path):
    (tmp_path / ".link~").symlink_to("/nowhere")
    place(Link(str(tmp_path / "link"), "/dev/null"))
    assert names(tmp_path) == ["link"]

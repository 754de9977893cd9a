from __future__ import annotations

import os

import pytest
import yaml

from plugins.modules import aliases
from tests.unit.run_module import run_module

SHIPPED = "root: postmaster\npostmaster:\n"
SITE = {
    "me": "mx1.example.com",
    "local": ["localhost", "mx1.example.com"],
    "domains": ["example.com"],
    "accounts": ["bob@example.com"],
}
POSTMASTER = {"name": "postmaster", "targets": ["bob@example.com"]}
CATCH_ALL = {"name": "@example.com", "targets": ["bob@example.com"]}
CATCH_ALL_FILE = ".courier-catchall-example:com-default"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Courier's directory, and a makealiases that refuses a file as the real one does."""
    for name in ("aliases", "aliasdir", "bin"):
        (tmp_path / name).mkdir()
    (tmp_path / "aliases/system").write_text(SHIPPED)
    (tmp_path / "aliasdir/.courier-mine").write_text("|/bin/true\n")
    program = tmp_path / "bin/makealiases"
    program.write_text(
        f"#!/bin/sh\ncd {tmp_path}\n"
        "if grep -v -e : -e '^#' aliases/*; then echo 'syntax error' >&2; exit 1; fi\n"
        "cat aliases/* >aliases.dat\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path


def run(directory, *wanted, check=False, **site):
    return run_module(
        aliases,
        check=check,
        aliases=list(wanted),
        directory=str(directory),
        owner=str(os.getuid()),
        group=str(os.getgid()),
        **(site or SITE),
    )


def names(directory):
    return sorted(path.name for path in (directory / "aliasdir").iterdir())


def test_replaces_the_aliases_that_debian_ships(directory):
    answer = run(directory, POSTMASTER)
    assert answer["changed"]
    assert answer["files"] == [f"{directory}/aliases/system"]
    assert answer["compiled"] == [f"{directory}/aliases.dat"]
    assert (directory / "aliases/system").read_text() == "postmaster: bob@example.com\n"
    assert (directory / "aliases.dat").read_text() == "postmaster: bob@example.com\n"


def test_changes_nothing_that_is_so_already(directory):
    run(directory, POSTMASTER)
    answer = run(directory, POSTMASTER)
    assert not answer["changed"]
    assert answer["compiled"] == []


def test_a_new_name_of_the_host_compiles_again(directory):
    run(directory, POSTMASTER)
    (directory / "me").write_text("mx2.example.com\n")
    later = (directory / "aliases.dat").stat().st_mtime_ns + 1
    os.utime(directory / "me", ns=(later, later))
    answer = run(directory, POSTMASTER)
    assert answer["files"] == []
    assert answer["compiled"] == [f"{directory}/aliases.dat"]


def test_check_mode_writes_nothing(directory):
    answer = run(directory, POSTMASTER, CATCH_ALL, check=True)
    assert answer["changed"]
    assert answer["files"] == [f"{directory}/aliasdir/{CATCH_ALL_FILE}", f"{directory}/aliases/system"]
    assert (directory / "aliases/system").read_text() == SHIPPED
    assert names(directory) == [".courier-mine"]
    assert not (directory / "aliases.dat").exists()


def test_a_catch_all_comes_with_its_file_and_goes_with_it(directory):
    run(directory, CATCH_ALL)
    assert names(directory) == [CATCH_ALL_FILE, ".courier-mine"]
    assert (directory / "aliasdir" / CATCH_ALL_FILE).read_text() == "&bob@example.com\n"
    answer = run(directory, POSTMASTER)
    assert answer["files"] == [f"{directory}/aliasdir/{CATCH_ALL_FILE}", f"{directory}/aliases/system"]
    assert names(directory) == [".courier-mine"]


def test_a_refused_list_leaves_everything_as_it_was(directory):
    answer = run(directory, CATCH_ALL, {"name": "info@example.com", "targets": ["bbo@example.com"]})
    assert answer["failed"]
    assert answer["msg"].startswith("info@example.com goes to bbo@example.com, which is neither ")
    assert (directory / "aliases/system").read_text() == SHIPPED
    assert names(directory) == [".courier-mine"]


def test_a_refusal_of_the_compiler_puts_everything_back(directory):
    (directory / "aliases/local").write_text("no alias\n")
    answer = run(directory, CATCH_ALL)
    assert answer["failed"]
    assert answer["msg"] == "makealiases refused and the old files were put back: syntax error"
    assert (directory / "aliases/system").read_text() == SHIPPED
    assert names(directory) == [".courier-mine"]


def test_its_own_examples_work(directory):
    for task in yaml.safe_load(aliases.EXAMPLES):
        options = task["courier.mail.aliases"]
        run(directory, *options.pop("aliases"), **options)
    assert "root: postmaster\n" in (directory / "aliases.dat").read_text()
    assert len(names(directory)) == 5


def test_traps_and_sinks_come_with_their_files_and_go_with_them(directory):
    wanted = {"traps": ["t@example.com"], "refused_traps": ["r@example.com"], "sinks": ["s@example.com"]}
    run(directory, POSTMASTER, **SITE, **wanted)
    files = [".courier-mine", *(f".courier-{name}_40example:com" for name in ("refused-r", "sink-s", "trap-t"))]
    assert sorted(names(directory)) == sorted(files)
    assert (directory / "aliasdir/.courier-trap-t_40example:com").read_text() == "# Nothing is kept.\n"
    assert "t@example.com: trap-t_40example.com\n" in (directory / "aliases/system").read_text()
    run(directory, POSTMASTER)
    assert names(directory) == [".courier-mine"]

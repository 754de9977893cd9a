"""The module with a clamd and a clamscan of its own, which refuse what the real ones refuse."""

from __future__ import annotations

import os

import pytest

from plugins.modules import clamd
from tests.unit.run_module import run_module

SIGNATURE = "Example.Test:0:*:6578616d706c65\n"
PROGRAMS = {
    "clamd": """
file=${1#--config-file=}; shift
n=$(grep -n '^Foo' "$file") || exit 0
echo "ERROR: Parse error at $file:${n%%:*}: Unknown option Foo" >&2
echo "ERROR: Can't open/parse the config file $file" >&2
exit 1""",
    "clamscan": """
file=${1#--database=}
grep -q broken "$file" || exit 0
echo "LibClamAV Error: yyerror(): $file line 1 syntax error" >&2""",
}


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("etc", "database", "bin"):
        (tmp_path / name).mkdir()
    for name, text in PROGRAMS.items():
        program = tmp_path / "bin" / name
        program.write_text(f"#!/bin/sh\necho {name} >>{tmp_path}/asked{text}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path


def run(host, **arguments):
    where = {"directory": f"{host}/etc", "database": f"{host}/database"}
    return run_module(clamd, check=True, **where | arguments)


def test_writes_settings_and_signatures(host):
    answer = run(host, signatures={"local.ndb": SIGNATURE})
    assert answer["files"] == [f"{host}/database/courier-mail-local.ndb", f"{host}/etc/clamd.conf"]
    assert (host / "asked").read_text().split() == ["clamd", "clamscan"]


def test_removes_signatures_of_ours_only(host):
    for name in ("courier-mail-gone.ndb", "others.ndb", "main.cvd"):
        (host / "database" / name).write_text(SIGNATURE)
    answer = run(host)
    assert f"{host}/database/courier-mail-gone.ndb" in answer["files"]
    assert not [path for path in answer["files"] if "others" in path or "main" in path]


def test_asks_nobody_where_nothing_is_installed(host):
    for program in (host / "bin").iterdir():
        program.unlink()
    assert run(host, settings={"Foo": "bar"})["changed"]


def test_asks_nobody_about_what_is_there_already(host):
    conf = host / "etc/clamd.conf"
    conf.write_text(clamd.render({}, clamd.SPEC["largest"]["default"]))
    (host / "database/courier-mail-local.ndb").write_text(SIGNATURE)
    run(host, signatures={"local.ndb": SIGNATURE})
    assert not (host / "asked").exists()


REFUSED = {
    "a setting": ({"settings": {"Foo": "bar"}}, "clamd refuses its settings: Unknown option Foo"),
    "a signature that clamd would pass over": (
        {"signatures": {"local.yar": "broken"}},
        "ClamAV refuses local.yar: line 1 syntax error",
    ),
    "a limit": ({"settings": {"StreamMaxLength": "1M"}}, "a message may have 26214400 bytes"),
    "nothing to find": ({"official": False}, "clamd has no signature at all"),
    "exceptions only": ({"official": False, "signatures": {"local.ign2": "Example.Test"}}, "no signature at all"),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(host, arguments, sentence):
    answer = run(host, **arguments)
    assert answer["failed"]
    assert sentence in answer["msg"]


@pytest.mark.parametrize("name", ["main.cvd", "daily.cld", "others.ndb"])
def test_signatures_of_others_are_something_to_find(host, name):
    (host / "database" / name).write_text("x")
    assert "failed" not in run(host, official=False)

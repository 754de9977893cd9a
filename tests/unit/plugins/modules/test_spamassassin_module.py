"""The module with a spamassassin of its own, which reads the file like the real one, and the Perl of this machine."""

from __future__ import annotations

import os

import pytest

from plugins.modules import spamassassin
from tests.unit.run_module import run_module

SPAMASSASSIN = """#!/bin/sh
for word; do case $word in --siteconfigpath=*) site=${word#*=};; esac; done
echo lint >>HOME/asked
cat "$site"/*.cf | grep -e nonsense | sort -u | while read line; do
  echo "Nov 25 21:09:41.283 [4419] warn: config: failed to parse line in $site/x.cf (line 1): $line" >&2
done
test -e "$site/courier_mail_clamd.pm" -o ! -e "HOME/wants-plugin"
"""
RUNUSER = '#!/bin/sh\nshift 3\nexec "$@"\n'


@pytest.fixture
def host(tmp_path, monkeypatch):
    for name in ("etc", "bin"):
        (tmp_path / name).mkdir()
    for name, text in (("spamassassin", SPAMASSASSIN.replace("HOME", str(tmp_path))), ("runuser", RUNUSER)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "etc/local.cf").write_text("# theirs\n")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    monkeypatch.setattr(spamassassin.shutil, "chown", lambda *_, **__: None)
    return tmp_path


def run(host, **arguments):
    return run_module(spamassassin, check=True, directory=f"{host}/etc", **arguments)


def rule(definition, kind="body"):
    return {"name": "OUR_RULE", "kind": kind, "definition": definition}


def test_writes_one_file(host):
    answer = run(host, settings={"required_score": 5}, rules=[rule("/a/")])
    assert answer["files"] == [f"{host}/etc/zz_courier_mail.cf"]
    assert (host / "asked").read_text().split() == ["lint"]


def test_writes_the_plugin_and_shows_it_to_spamassassin(host):
    (host / "wants-plugin").touch()
    answer = run(host, plugin="1;\n", clamd_socket="/run/x")
    assert answer["files"] == [f"{host}/etc/courier_mail_clamd.pm", f"{host}/etc/zz_courier_mail.cf"]
    assert "clamd_socket /run/x\n" in answer["diff"][1]["after"]


def test_loads_the_plugin_for_re2_beside_the_other(host):
    answer = run(host, plugin="1;\n", re2="2;\n")
    assert answer["files"][:2] == [f"{host}/etc/courier_mail_clamd.pm", f"{host}/etc/courier_mail_re2.pm"]
    loaded = [line for line in answer["diff"][2]["after"].splitlines() if line.startswith("loadplugin ")]
    assert [line.split()[2] for line in loaded] == ["courier_mail_clamd.pm", "courier_mail_re2.pm"]


@pytest.mark.parametrize("plugin", ["courier_mail_clamd.pm", "courier_mail_re2.pm"])
def test_a_plugin_that_is_not_wanted_goes(host, plugin):
    (host / "etc" / plugin).write_text("1;\n")
    assert f"{host}/etc/{plugin}" in run(host)["files"]


def test_asks_nobody_about_what_is_there_already(host):
    (host / "etc/zz_courier_mail.cf").write_text("# Managed by courier.mail\n")
    assert not run(host)["changed"]
    assert not (host / "asked").exists()


def test_their_mistakes_are_not_held_against_us(host):
    (host / "etc/local.cf").write_text("nonsense of theirs\n")
    assert "failed" not in run(host)
    assert "nonsense of theirs" not in run(host, settings={"nonsense_setting": 3})["msg"]


REFUSED = {
    "a setting that there is not": (
        {"settings": {"nonsense_setting": 3}},
        "SpamAssassin refuses: failed to parse line: nonsense_setting 3",
    ),
    "an expression that does not compile": (
        {"rules": [rule("/cheap (watches/i")]},
        "rule OUR_RULE: Unmatched ( in regex; marked by <-- HERE in m/",
    ),
    "an expression of which Perl warns": ({"rules": [rule("/x{/")]}, "rule OUR_RULE: Unescaped left brace in regex"),
    "a flag that there is not": ({"rules": [rule("/x/q")]}, "rule OUR_RULE: there is no flag q"),
    "code in an expression": (
        {"rules": [rule("/(?{ unlink 1 })/")]},
        "rule OUR_RULE: Eval-group not allowed at runtime",
    ),
}


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(host, arguments, sentence):
    answer = run(host, **arguments)
    assert answer["failed"]
    assert sentence in answer["msg"]


def test_perl_looks_where_there_is_no_spamassassin(host):
    (host / "bin/spamassassin").unlink()
    assert run(host, rules=[rule("/(/")])["failed"]
    assert "failed" not in run(host, rules=[rule("/(?<name>a)\\1/i")], settings={"nonsense_setting": 3})


@pytest.mark.parametrize("definition", ["/a/", "m{a/b}i", "m!a!x", "/[[:alpha:]]+ (?:a|b){2,3}/", "/\\bcaf(é|e)\\b/i"])
def test_takes(host, definition):
    assert "failed" not in run(host, rules=[rule(definition)])
    assert "failed" not in run(host, rules=[rule(f"Subject =~ {definition}", "header")])

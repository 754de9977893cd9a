from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from plugins.action.validate import refusal
from plugins.modules import watch
from tests.unit.run_module import run_module

KEY = "hunter2 hunter2 hunter2"
URL = "https://hooks.example.com/token/hunter2"
WHOLE = {
    "parts": {"alarm": {"host": "mx1.example.com", "webhooks": {"a": {}}}, "host": {}},
    "secrets": {"alarm": {"webhook_urls": {"a": URL}, "webhook_keys": {"a": KEY}}, "host": {}},
    "units": {"courier-mail-watch-look.timer": "[Timer]\n"},
}

REFUSED = {
    "a part that is none": (
        {"parts": {"alarms": {}}, "secrets": {}},
        "there is no part alarms of the watch; there are",
    ),
    "a setting that is none": (
        {"parts": {"alarm": {"hots": "x"}}, "secrets": {}},
        "alarm: there is no setting hots; did you mean host?",
    ),
    "secrets of nothing": ({"parts": {}}, "alarm: there are secrets and no settings"),
    "a webhook without an address": (
        {"secrets": {"alarm": {}}},
        "alarm: webhook a has no url; write where it is, as https://hooks.example.com/mail",
    ),
    "an exporter without a port": (
        {"exporter": ["127.0.0.1"]},
        "monitoring_exporter_addresses has '127.0.0.1'; write an address and a port, 127.0.0.1:9100 or [::1]:9100",
    ),
    "an exporter at a name": ({"exporter": ["localhost:9100"]}, "monitoring_exporter_addresses has 'localhost:9100'"),
    "an address of IPv6 that is bare": ({"exporter": ["::1:9100"]}, "monitoring_exporter_addresses has '::1:9100'"),
}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The module in a directory of the test, whose files are the tester's."""
    for name in ("UNITS", "PROGRAM", "PACKAGE", "COMMAND", "_TRACE", "ETC", "STATE", "TEXTFILES"):
        monkeypatch.setattr(watch, name, str(tmp_path / name.lower().strip("_")))
    (tmp_path / "units").mkdir()
    (tmp_path / "program").mkdir()
    me = {"owner": str(os.getuid()), "group": str(os.getgid())}
    file, directory = watch.File, watch.Directory
    monkeypatch.setattr(
        watch,
        "File",
        lambda path, text, _owner, _group, mode, *shown: file(path, text, **me, mode=mode)._replace(
            **({"shown": shown[0]} if shown else {})
        ),
    )
    monkeypatch.setattr(watch, "Directory", lambda path, *_rest: directory(path, **me))
    return lambda **given: run_module(watch, **{"textfiles": str(tmp_path / "textfiles")} | WHOLE | given)


@pytest.mark.parametrize(("given", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_before_anything_is_changed(given, sentence):
    said = refusal("watch", WHOLE | given)
    assert said.startswith(sentence)
    assert "hunter2" not in said


def test_what_it_writes_runs(run, tmp_path):
    assert run()["changed"] is True
    (tmp_path / "program/courier_mail_watch").symlink_to(tmp_path / "package")
    done = subprocess.run(
        [sys.executable, "-IB", str(tmp_path / "program"), "nothing"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert "there is no command 'nothing'; there are alarm, " in done.stderr


def test_a_second_run_changes_nothing(run):
    run()
    assert run()["changed"] is False


def test_settings_and_secrets_are_for_the_watch_alone(run, tmp_path):
    run()
    for name, value in (("alarm.json", WHOLE["parts"]["alarm"]), ("alarm.secrets.json", WHOLE["secrets"]["alarm"])):
        path = tmp_path / "etc" / name
        assert json.loads(path.read_text()) == value
        assert path.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "etc/host.secrets.json").exists()


def test_no_secret_is_shown(run):
    first = run()
    second = run(secrets={"alarm": WHOLE["secrets"]["alarm"] | {"webhook_keys": {"a": f"{KEY} x"}}})
    assert second["changed"] is True
    assert "hunter2" not in json.dumps([first, second])


def test_what_is_wanted_no_more_goes(run, tmp_path):
    run()
    (tmp_path / "package/older.py").write_text("")
    (tmp_path / "state/alarm.sqlite").write_text("")
    run(parts={"host": {}}, secrets={})
    assert sorted(one.name for one in (tmp_path / "etc").iterdir()) == ["host.json"]
    assert not (tmp_path / "package/older.py").exists()
    assert (tmp_path / "state/alarm.sqlite").exists()


def test_where_nobody_watches_nothing_is_left_but_what_was_found_out(run, tmp_path):
    run(exporter=["127.0.0.1:9100"])
    (tmp_path / "state/alarm.sqlite").write_text("")
    off = {"parts": {}, "secrets": {}, "present": False, "exporter": []}
    assert run(**off)["changed"] is True
    assert run(**off)["changed"] is False
    left = sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*") if not one.is_dir())
    assert left == ["state/alarm.sqlite"]


def test_a_look_touches_nothing(run, tmp_path):
    assert run_module(watch, check=True, **WHOLE)["changed"] is True
    assert not (tmp_path / "etc").exists()


def test_the_exporter_listens_where_it_is_told(run, tmp_path):
    drop_in = tmp_path / "units/prometheus-node-exporter.service.d/courier-mail.conf"
    run(exporter=["192.0.2.1:9100", "[2001:db8::1]:9100"])
    listens = "--web.listen-address=192.0.2.1:9100 --web.listen-address=[2001:db8::1]:9100\n"
    assert drop_in.read_text().endswith(listens)
    assert os.readlink(tmp_path / "textfiles/courier_mail.prom") == watch.FILE
    run()
    assert drop_in.exists()
    run(exporter=[])
    assert not drop_in.exists()


def test_nobody_collects_where_nobody_is_wanted(run, tmp_path):
    run()
    assert (tmp_path / "textfiles/courier_mail.prom").is_symlink()
    run(textfiles="")
    assert not (tmp_path / "textfiles/courier_mail.prom").is_symlink()


@pytest.mark.parametrize(
    ("alarm", "warns"), [({}, True), ({"mail": ["a@example.com"]}, False), ({"webhooks": {"a": {}}}, False)]
)
def test_alarms_that_nobody_hears_are_said(alarm, warns):
    assert bool(watch.unheard({"alarm": alarm})) == warns
    assert watch.unheard({}) == []

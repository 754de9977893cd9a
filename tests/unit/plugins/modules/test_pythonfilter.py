from __future__ import annotations

import json
import os

import pytest

from plugins.module_utils._filters import _catalogue, _configuration
from plugins.module_utils._managed_file import File
from plugins.modules import pythonfilter
from tests.unit.run_module import run_module


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A host whose files are below tmp_path, and belong to us."""
    (tmp_path / "courier_mail").mkdir()
    for name in ("CONF", "PATH", "ADDRESSES"):
        monkeypatch.setattr(pythonfilter, name, str(tmp_path / name.lower()))

    def ours(path, text, _owner="", _group="", mode=0o640):
        return File(path, text, str(os.getuid()), str(os.getgid()), mode)

    monkeypatch.setattr(pythonfilter, "File", ours)
    return tmp_path


def run(host, *, check=False, **arguments):
    return run_module(pythonfilter, check=check, package=str(host / "courier_mail"), **arguments)


def test_writes_the_order_the_settings_and_the_filters(host):
    answer = run(host, modules=["noduplicates", "whitelist_auth"], when_down={"noduplicates": "accept"})
    assert answer["changed"]
    assert [line for line in (host / "conf").read_text().splitlines() if line[0] != "#"] == ["courier_mail"]
    assert _configuration.read(str(host / "path"))[:2] == (
        ["noduplicates", "whitelist_auth"],
        {"noduplicates": "accept"},
    )
    assert json.loads((host / "addresses").read_text()) == {"mailboxes": [], "senders": {}, "managed": {}}
    package = {path.name: path.read_text() for path in (host / "courier_mail").iterdir()}
    assert package == _catalogue.sources()
    assert not run(host, modules=["noduplicates", "whitelist_auth"], when_down={"noduplicates": "accept"})["changed"]


def test_a_filter_of_pythonfilter_gets_its_settings(host):
    settings = {"greylist": {"greylist_time": 60}, "whitelist_dnswl": {"dnswl_zone": ["list.example.com"]}}
    run(host, modules=["greylist"], settings=settings)
    assert {name: _configuration.read(str(host / "path"))[2][name] for name in settings} == settings


def test_the_package_has_every_file_there_is():
    package = os.path.dirname(_catalogue.__file__)
    assert set(_catalogue.sources()) == {name for name in os.listdir(package) if name.endswith(".py")}


def test_a_filter_that_is_no_more_leaves_the_host(host):
    (host / "courier_mail/gone.py").write_text("")
    (host / "courier_mail/__pycache__").mkdir()
    answer = run(host, modules=[])
    assert f"{host}/courier_mail/gone.py" in answer["files"]
    assert not (host / "courier_mail/gone.py").exists()


def test_check_mode_writes_nothing(host):
    assert run(host, check=True, modules=[])["changed"]
    assert not (host / "conf").exists()


REFUSED = {
    "an unknown filter": (
        {"modules": ["whitelist_aut"]},
        "there is no filter whitelist_aut; did you mean whitelist_auth",
    ),
    "a filter twice": ({"modules": ["noduplicates", "noduplicates"]}, "noduplicates is twice"),
    "an outcome that is none": (
        {"modules": [], "when_down": {"noduplicates": "ignore"}},
        "when noduplicates is down: 'ignore'; write defer, accept, tag",
    ),
    "an outcome of no filter": ({"modules": [], "when_down": {"spam": "tag"}}, "there is no filter spam"),
    "a setting that a filter of pythonfilter's has not": (
        {"modules": ["greylist"], "settings": {"greylist": {"greylist_tim": 60}}},
        "filter greylist: there is no setting greylist_tim; did you mean greylist_time?",
    ),
    "a setting of a filter that has none": (
        {"modules": [], "settings": {"whitelist_auth": {"users": ["alice"]}}},
        "filter whitelist_auth: there is no setting users; it has no settings",
    ),
    "a text for a number of pythonfilter's": (
        {"modules": ["greylist"], "settings": {"greylist": {"greylist_time": "300"}}},
        "filter greylist: greylist_time is '300'; write a whole number",
    ),
    "a text for a list of senders": (
        {"modules": [], "settings": {"privateaddr": {"private_rcpts": {"help@example.com": "@example.com"}}}},
        "; write a dictionary, each value a list, each entry a text",
    ),
    "settings of no filter": ({"modules": [], "settings": {"clam": {}}}, "there is no filter clam"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_refuses(host, arguments, said):
    answer = run(host, **arguments)
    assert answer["failed"]
    assert said in answer["msg"]
    assert not (host / "conf").exists()


@pytest.mark.parametrize("name", ["smuggling", "clamd", "attachments"])
def test_what_everybody_must_pass_stands_before_whom_is_believed(name):
    after = _catalogue.unseen(["log", "whitelist_block", name])
    assert list(after) == [f"{name} comes after whitelist_block, whose mail it never sees"]
    assert not list(_catalogue.unseen([name, "whitelist_block"]))

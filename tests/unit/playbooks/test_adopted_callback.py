"""What the playbook adopted keeps of its tasks for the last of them."""

from __future__ import annotations

import importlib.util
import json
import types
from pathlib import Path
from unittest import mock

import pytest
from ansible.plugins.loader import add_all_plugin_dirs, callback_loader, init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig

from plugins.action import adopted_differences

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
SOURCE = PLAYBOOKS / "callback_plugins/adopted.py"


@pytest.fixture
def module():
    spec = importlib.util.spec_from_file_location("adopted_callback", SOURCE)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def start(module, tmp_path):
    """Begin a playbook, and return the callback and what it has kept."""

    def go(name):
        callback = module.CallbackModule()
        with mock.patch.object(module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path)):
            callback.v2_playbook_on_start(types.SimpleNamespace(_file_name=f"/somewhere/playbooks/{name}.yml"))
        record = tmp_path / module.RECORD
        return callback, lambda: [json.loads(line) for line in record.read_text().splitlines()]

    return go


def result(said, old=False):
    task = types.SimpleNamespace(get_name=lambda: "courier.mail.courier_mta : Say who we are")
    host = types.SimpleNamespace(get_name=lambda: "mx1.example.com")
    if old:  # ansible-core before 2.19
        return types.SimpleNamespace(_result=said, _task=task, _host=host)
    return types.SimpleNamespace(result=said, task=task, host=host)


@pytest.mark.parametrize("old", [False, True])
def test_it_keeps_what_a_task_would_change(start, old):
    callback, kept = start("adopted")
    callback.v2_runner_on_ok(result({"changed": True, "diff": [{"after_header": "/x"}]}, old))
    callback.v2_runner_on_ok(result({"changed": True, "results": [{"diff": {"after_header": "/y"}}, {}]}, old))
    callback.v2_runner_on_ok(result({"changed": False, "diff": []}, old))
    assert kept() == [
        {
            "host": "mx1.example.com",
            "task": "courier_mta: Say who we are",
            "changed": True,
            "diff": [{"after_header": f"/{name}"}],
        }
        for name in "xy"
    ]


def test_it_does_nothing_in_other_playbooks(start):
    callback, kept = start("site")
    callback.v2_runner_on_ok(result({"changed": True, "diff": []}))
    with pytest.raises(FileNotFoundError):
        kept()


def test_whoever_reads_it_knows_where_it_is(module):
    assert module.RECORD == adopted_differences.RECORD


def test_ansible_finds_it_beside_the_playbook():
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([])
    add_all_plugin_dirs(str(PLAYBOOKS))  # as Playbook.load does first of all, of a collection's playbooks as well
    found = [Path(plugin._original_path) for plugin in callback_loader.all(class_only=True)]
    assert SOURCE in found

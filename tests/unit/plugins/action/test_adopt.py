"""The inventory of a hand-made host, as it comes to lie on the controller; and the judgement of a run on it."""

from __future__ import annotations

import json
import stat
from unittest import mock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.vault import VaultLib, VaultSecret

from plugins.action import adopt, adopted_differences
from plugins.module_utils._adopt._host import as_data
from tests.unit.adopted_host import lay, read

NAME = "mx1.example.com"
SECRETS = f"host_vars/{NAME}/secrets.yml"


def action(plugin, check=False, **arguments):
    task = mock.Mock(args=arguments, check_mode=check, async_val=0, diff=False)
    made = plugin.ActionModule(
        task=task,
        connection=mock.Mock(),
        play_context=mock.Mock(),
        loader=mock.Mock(),
        templar=mock.Mock(),
        shared_loader_obj=mock.Mock(),
    )
    return made


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return as_data(read(lay(tmp_path_factory.mktemp("host"))))


@pytest.fixture
def run(host, tmp_path):
    """Adopt the host into a directory."""

    def go(check=False, seen=None, **arguments):
        made = action(adopt, check, directory=str(tmp_path / "adopted"), **arguments)
        with mock.patch.object(made, "_execute_module", return_value=seen or {"host": host}) as asked:
            result = made.run(task_vars={"inventory_hostname": NAME, "ansible_facts": {"fqdn": NAME}})
        assert asked.call_args[0] == ("courier.mail.adopt_info", {"name": NAME})
        return result

    return go


def test_it_writes_an_inventory(run, tmp_path):
    result = run()
    assert result["changed"]
    assert (tmp_path / f"adopted/{NAME}.yml").exists()
    assert str(tmp_path / "adopted" / SECRETS) in result["files"]
    assert result["counts"]["move"] == len([one for one in result["notes"] if one["kind"] == "move"])


def test_secrets_are_for_their_owner_and_in_no_result(run, tmp_path):
    result = run()
    path = tmp_path / "adopted" / SECRETS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "a-secret-of-the-provider" in path.read_text()
    assert "ansible-vault encrypt" in result["warnings"][0]
    assert not [word for word in ("a-secret", "a secret", "$6$") if word in json.dumps(result)]


def test_secrets_are_encrypted_where_there_is_a_password(run, tmp_path):
    result = run(vault_password="correct horse")
    path = tmp_path / "adopted" / SECRETS
    text = path.read_text()
    assert text.startswith("$ANSIBLE_VAULT;")
    secret = VaultSecret(b"correct horse")
    assert b"a-secret-of-the-provider" in VaultLib([("default", secret)]).decrypt(text.encode())
    assert not result.get("warnings")
    assert not run(vault_password="correct horse")["changed"]
    assert path.read_text() == text


def test_a_second_time_nothing_is_changed(run):
    run()
    assert run()["files"] == []


def test_what_somebody_has_edited_is_not_overwritten(run, tmp_path):
    run()
    edited = tmp_path / f"adopted/host_vars/{NAME}/site.yml"
    edited.write_text("---\nmail_hostname: mine.example.com\n")
    with pytest.raises(AnsibleActionFail, match=r"site\.yml is there already and says something else"):
        run()
    assert "mine" in edited.read_text()
    assert run(replace=True)["files"] == [str(edited)]
    assert "mine" not in edited.read_text()


def test_check_mode_writes_nothing(run, tmp_path):
    assert run(check=True)["changed"]
    assert not (tmp_path / "adopted").exists()


def test_a_host_without_courier_is_one_clear_error(run, host, tmp_path):
    files = {path: text for path, text in host["files"].items() if not path.endswith("/courierd")}
    with pytest.raises(AnsibleActionFail, match=r"mx1\.example\.com has no Courier"):
        run(seen={"host": {**host, "files": files, "packages": {}}})
    assert not (tmp_path / "adopted").exists()


def test_what_the_host_refuses_is_said(run):
    assert run(seen={"failed": True, "msg": "run this as root"})["msg"] == "run this as root"


def test_unknown_arguments_are_refused(run):
    with pytest.raises(AnsibleActionFail, match="Supported parameters include"):
        run(there="no")


@pytest.fixture
def compare(tmp_path):
    """Judge what tasks did."""

    def go(*lines, check=True, recorded=True, explained=()):
        record = tmp_path / adopted_differences.RECORD
        if recorded:
            record.write_text("".join(f"{json.dumps({'host': NAME} | line)}\n" for line in lines))
        made = action(adopted_differences, check, explained=list(explained), before={})
        with mock.patch.object(adopted_differences.constants, "DEFAULT_LOCAL_TMP", str(tmp_path)):
            return made.run(task_vars={"inventory_hostname": NAME})

    return go


DIFFERENCE = {
    "task": "courier_mta: Say who we are",
    "changed": True,
    "diff": [{"after_header": "/etc/courier/esmtpd", "before": 'PORT="25"\n', "after": 'PORT="26"\n'}],
}


def test_a_difference_that_nobody_has_explained_fails_the_run(compare):
    result = compare(DIFFERENCE)
    assert result["failed"]
    assert result["unexplained"] == [{"path": "/etc/courier/esmtpd", "item": "PORT", "detail": "'25' -> '26'"}]
    assert "1 of 1 differences are explained nowhere" in result["msg"]
    assert result["table"] == ["NOT EXPLAINED  /etc/courier/esmtpd: PORT: '25' -> '26'"]


def test_one_that_is_explained_does_not(compare):
    result = compare(DIFFERENCE, explained=[{"path": "/etc/courier/esmtpd", "items": ["PORT"], "why": "so it is"}])
    assert "failed" not in result
    assert result["table"] == ["explained      /etc/courier/esmtpd: PORT: so it is"]


def test_other_hosts_do_not_count(compare):
    assert compare(DIFFERENCE | {"host": "mx2.example.com"})["table"] == []


def test_nothing_recorded_is_no_success(compare):
    with pytest.raises(AnsibleActionFail, match="nothing was recorded"):
        compare(recorded=False)


def test_after_a_run_there_is_nothing_to_compare(compare):
    assert compare(DIFFERENCE, check=False)["skipped"]

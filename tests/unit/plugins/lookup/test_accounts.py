"""The lookup with real files, as Ansible loads them."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader

from plugins.lookup.accounts import LookupModule


@pytest.fixture
def look(tmp_path):
    def look(directory=tmp_path / "accounts", **variables):
        (found,) = LookupModule(loader=DataLoader(), templar=None).run([str(directory)], variables)
        return found

    (tmp_path / "accounts").mkdir()
    return look


def test_each_file_is_an_account(look, tmp_path):
    (tmp_path / "accounts/bob@example.com.yml").write_text("# x\nquota: 1G\n")
    (tmp_path / "accounts/alice@example.com.yml").write_text("")
    for name in (".bob@example.com.yml.swp", "bob@example.com.yml~"):
        (tmp_path / "accounts" / name).write_text("x")
    accounts = [{"address": "alice@example.com"}, {"address": "bob@example.com", "quota": "1G"}]
    assert look() == accounts
    (tmp_path / "accounts/bob@example.com.yml").write_text("quota: 2G\n")
    assert look()[1]["quota"] == "2G"


def test_no_directory_has_no_accounts(look, tmp_path):
    assert look(tmp_path / "none") == []


def test_what_is_no_account_is_refused(look, tmp_path):
    (tmp_path / "accounts/bob.txt").write_text("x")
    with pytest.raises(AnsibleError, match=r"bob\.txt is not a file of an account"):
        look()


def test_a_directory_that_ansible_takes_for_inventories_is_refused(look, tmp_path):
    hosts = tmp_path / "hosts.yml"
    hosts.write_text("")
    assert look(ansible_inventory_sources=[str(hosts)]) == []
    with pytest.raises(AnsibleError, match="where Ansible takes each file for an inventory"):
        look(ansible_inventory_sources=[str(tmp_path)])

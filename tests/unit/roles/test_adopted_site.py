"""What the roles would say of a hand-made host with the inventory that was read of it: no more than is explained.

The variables of the roles are templated as in a run, and the modules are asked in check mode on the files of the host.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar
from ansible.utils.collection_loader import AnsibleCollectionConfig

from plugins.action.validate import refusals
from plugins.module_utils._adopt import _adopting
from plugins.module_utils._adopt._differences import judge
from plugins.modules import acceptmailfor, aliases, esmtproutes, settings, smtpaccess, userdb, values
from tests.unit.adopted_host import lay, read
from tests.unit.run_module import run_module

NAME = "mx1.example.com"
ROLES = Path(__file__).parents[3] / "roles"
# By task: the module, the role, and the name of the task that asks it.
ASKED = {
    "courier_auth: Give each account its mailbox and its login": userdb,
    "courier_auth: Look accounts up where they are": settings,
    "courier_mta: Set up the daemon and its listeners": settings,
    "courier_mta: Say who we are, and how long mail may wait": values,
    "courier_mta: Decide which mail is ours": acceptmailfor,
    "courier_mta: Decide who else has an address": aliases,
    "courier_mta: Decide where other mail goes": esmtproutes,
    "courier_mta: Decide what single hosts may do": smtpaccess,
    "courier_imap: Set up the mailbox servers": settings,
}

# Roles that ask modules on the controller, and of which the host had something.
VALIDATED = ["courier_auth", "courier_mta", "courier_imap", "courier_srs", "pythonfilter", "fetchmail", "fail2ban"]


# What is written otherwise on other hosts, and the differences that somebody has to see.
MOVED = ("mailboxes below /var/mail", "/var/mail/example.com/dave")
HOSTS = {
    "accounts in userdb": ({}, {MOVED, ("/etc/courier/userdb", "dave@example.com home")}),
    "users of the system": (
        {
            "authdaemonrc": 'authmodulelist="authpam"\n',
            "locals": "localhost\nmx1.example.com\nexample.com\n",
            "hosteddomains/main": "example.org\n",
            "userdb": None,
            "aliases/system": "postmaster: dave\nroot: postmaster\nsales: dave\n",
            "aliases/system-user": "info: dave, someone@partner.example.net\n",
            "esmtpacceptmailfor.dir/managed-hosts": None,
        },
        {("mailboxes below /srv/vmail", "/srv/vmail/example.com/dave")},
    ),
    "lists in plain files": (
        {
            "hosteddomains": "example.com\nexample.org\n",
            "esmtpacceptmailfor": "localhost\nmx1.example.com\nexample.com\nexample.org\nsat1.example.com\n",
            "esmtpacceptmailfor.dir/domains": None,
            "esmtpacceptmailfor.dir/managed-hosts": None,
            "esmtpacceptmailfor.dir/backup": None,
        },
        {MOVED, ("/etc/courier/userdb", "dave@example.com home")},
    ),
    "no mailboxes": (
        {
            "userdb": None,
            "hosteddomains/main": None,
            "esmtpacceptmailfor.dir/domains": "localhost\nmx1.example.com\n",
            "esmtpacceptmailfor.dir/managed-hosts": None,
            "aliases/system": "postmaster: alice@example.com\nroot: postmaster\n",
            "aliases/system-user": None,
            "bofh": None,
        },
        set(),
    ),
}


@pytest.fixture(scope="module", params=HOSTS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def root(kind, tmp_path_factory):
    place = lay(tmp_path_factory.mktemp("host"))
    for name, text in HOSTS[kind][0].items():
        path = place / "etc/courier" / name
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        if text is not None:
            path.write_text(text)
    return place


@pytest.fixture(scope="module")
def site(root, tmp_path_factory):
    """The inventory, as Ansible loads it, and what is explained."""
    host = read(root)
    directory = tmp_path_factory.mktemp("inventory")
    written = _adopting.written(host, NAME)
    loader = DataLoader()
    found = {}
    for path, text in (*written.files.items(), written.secrets):
        if path.startswith("host_vars") and path.endswith(".yml"):
            place = directory / Path(path).name
            place.write_text(text)
            found |= loader.load_from_file(str(place), trusted_as_template=True) or {}
    return found, _adopting.adopt(host)


@pytest.fixture(scope="module")
def template(site):
    """Template what a role says."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([])
    found, _adopted = site
    loader = DataLoader()

    def go(role, value):
        variables = {}
        for part in ("defaults", "vars"):
            variables |= loader.load_from_file(str(ROLES / role / part / "main.yml"), trusted_as_template=True)
        whole = (
            variables
            | found
            | {
                "inventory_hostname": NAME,
                "ansible_facts": {"fqdn": NAME, "distribution_major_version": "13", "packages": {}},
                "groups": {"all": [NAME], "mail_servers": [NAME]},
                "hostvars": {NAME: {**found, "inventory_hostname": NAME, "mail_hostname": NAME}},
                "role_path": str(ROLES / role),
            }
        )
        return Templar(loader=loader, variables=whole).template(value)

    return go


def task(role, name):
    loader = DataLoader()
    for path in sorted((ROLES / role / "tasks").glob("*.yml")):
        for one in loader.load_from_file(str(path), trusted_as_template=True) or []:
            if one.get("name") == name:
                return next(value for key, value in one.items() if key.startswith("courier.mail."))
    raise AssertionError(f"{role} has no task {name}")


@pytest.fixture(scope="module")
def answers(root, template):
    """What each module says in check mode."""
    found = {}
    for name, module in ASKED.items():
        role, _separator, title = name.partition(": ")
        arguments = {
            key: value
            for key, value in template(role, task(role, title)).items()
            if not str(value).startswith("__omit")
        }
        arguments["directory"] = str(root / "etc/courier")
        if module is userdb:
            arguments["mail_root"] = f"{root}{arguments['mail_root']}"
        found[name] = run_module(module, check=True, **arguments)
    return found


@pytest.mark.parametrize("name", ASKED)
def test_no_module_refuses_what_a_role_asks_of_it(answers, name):
    assert answers[name].get("msg") is None


@pytest.mark.parametrize("role", VALIDATED)
def test_nothing_refuses_before_the_host_is_touched(template, role):
    loader = DataLoader()
    asked = {}
    for one in loader.load_from_file(str(ROLES / role / "tasks/validate.yml"), trusted_as_template=True):
        if "courier.mail.validate" in one:
            asked |= template(role, one["courier.mail.validate"])
    arguments = {
        module: {key: value for key, value in given.items() if not str(value).startswith("__omit")}
        for module, given in asked.items()
    }
    assert arguments
    assert refusals(arguments) == []


def shown(text, root):
    """A text of a difference as a host has it. Whom directories belong to here is no matter."""
    return re.sub(r"^/\S+ belongs to \d+:\d+\n", "", text.replace(str(root), ""), flags=re.MULTILINE)


def test_what_is_different_is_explained(answers, site, root, kind):
    _found, adopted = site
    records = [
        {
            "task": name,
            "changed": answer["changed"],
            "diff": [{key: shown(text, root) for key, text in part.items()} for part in answer["diff"]],
        }
        for name, answer in answers.items()
    ]
    judged = judge(records, adopted.explained, adopted.before)
    assert {(one.path, one.item) for one in judged if not one.why} == HOSTS[kind][1]
    assert len(judged) > 50

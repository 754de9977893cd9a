"""Which differences of a run on an adopted host nobody has explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from plugins.module_utils._adopt import _adopting
from plugins.module_utils._adopt._differences import judge
from plugins.module_utils._adopt._explained import TASKS
from plugins.module_utils._adopt._packaged import BASELINE
from plugins.module_utils._adopt._plan import Explained, plain
from plugins.module_utils._courier.aliases import Alias, aliasdir, forwarded, render, srs, traps
from plugins.module_utils._courier.domains import render as render_domains
from plugins.module_utils._courier.esmtproutes import Route, in_sections
from plugins.module_utils._courier.esmtproutes import render as render_routes
from plugins.module_utils._courier.peers import Peer, entries
from plugins.module_utils._courier.smtpaccess import Access
from plugins.module_utils._courier.smtpaccess import render as render_access
from plugins.module_utils._courier.terms import Terms
from plugins.module_utils._courier.userdb import Account, changes
from plugins.module_utils._courier.userdb import render as render_userdb
from tests.unit.adopted_host import lay, read

NAME = "mx1.example.com"
COURIER = "/etc/courier"
HASH = "$6$salt$" + "a" * 86


def record(path, before, after):
    diff = {"before_header": path, "after_header": path, "before": before, "after": after}
    return {"task": "role: Write it", "changed": True, "diff": [diff]}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return read(lay(tmp_path_factory.mktemp("host")))


@pytest.fixture(scope="module")
def adopted(host):
    return _adopting.adopt(host)


@pytest.fixture(scope="module")
def found(adopted):
    return plain(adopted.variables)


@pytest.fixture
def unexplained(adopted):
    """What a run with these files would show that nobody has explained."""

    def ask(*records):
        judged = judge(records, adopted.explained, adopted.before)
        return [(one.path, one.item) for one in judged if not one.why]

    return ask


@pytest.fixture
def lists(host, found):
    local = ["localhost", NAME]
    return render_domains(
        found["mail_domains"], found["mail_domain_aliases"], local, found["courier_mta_backup_domains"]
    )


def test_the_lists_of_domains_say_what_they_said(host, lists, unexplained):
    files = {
        "locals": lists.locals,
        "hosteddomains/site": lists.hosteddomains,
        "esmtpacceptmailfor.dir/site": lists.esmtpacceptmailfor,
    }
    records = [record(f"{COURIER}/{name}", host.text(name) or "", text) for name, text in files.items()]
    assert unexplained(*records) == []


def test_a_domain_more_is_noticed_and_one_less(lists, unexplained):
    path = f"{COURIER}/hosteddomains/site"
    text = lists.hosteddomains.replace("example.org\n", "evil.example.com\n")
    assert unexplained(record(path, "", text)) == [(path, "evil.example.com"), (path, "example.org")]


@pytest.fixture
def routes(found):
    several = [
        Route(**{name: value for name, value in one.items() if name not in ("password", "reason")}, kind=kind)
        for kind, some in found["mail_routes"].items()
        for one in some
    ]
    return [route._replace(password="a-secret" if route.user else None) for route in several]


def test_routes_say_what_they_said(host, routes, unexplained):
    text = render_routes(in_sections(routes))
    assert unexplained(record(f"{COURIER}/esmtproutes", host.text("esmtproutes"), text)) == []


def test_a_route_less_is_noticed_and_one_elsewhere(routes, unexplained):
    path = f"{COURIER}/esmtproutes"
    text = render_routes(
        route._replace(relay="evil.example.net") if route.domain == "sms.example.net" else route
        for route in in_sections(routes)
        if route.domain != "partner.example.net"
    )
    assert unexplained(record(path, "", text)) == [(path, "partner.example.net"), (path, "sms.example.net")]


@pytest.fixture
def access(found):
    peers = [
        Peer(kind, one["networks"], one.get("name"), one.get("lift"), terms=Terms(one.get("reason")))
        for kind, some in found["mail_peers"].items()
        for one in some
    ]
    own = [Access("127.0.0.1", variables={"RELAYCLIENT": None}), Access("::1", variables={"RELAYCLIENT": None})]
    others = [Access(one["network"], one["action"], one.get("variables", {})) for one in found["courier_mta_access"]]
    return [*entries(peers), *own, Access("127.25.0.0/16", variables={"BOFHCHECKDNS": "0"}), *others]


def test_clients_may_what_they_could(host, access, unexplained):
    path = f"{COURIER}/smtpaccess/default"
    assert unexplained(record(path, host.text("smtpaccess/default"), render_access(access))) == []


def test_somebody_more_who_relays_is_noticed(access, unexplained):
    path = f"{COURIER}/smtpaccess/default"
    text = render_access([*access, Access("203.0.113.77", variables={"RELAYCLIENT": None})])
    assert unexplained(record(path, "", text)) == [(path, "203.0.113.77")]


def test_a_rule_for_everybody_that_is_left_out_explains_nobody_else(host):
    rule = '*\tallow,RELAYCLIENT,BLOCK="451 4.7.1 Please try another MX"\n'
    adopted = _adopting.adopt(host._replace(files={**host.files, f"{COURIER}/smtpaccess/tarbaby": rule}))
    path = f"{COURIER}/smtpaccess/default"
    judged = judge([record(path, "", "192.0.2.99\tallow,RELAYCLIENT\n")], adopted.explained, adopted.before)
    why = {one.item: one.why for one in judged}
    assert why["*"]
    assert not why["192.0.2.99"]


def test_somebody_less_who_is_denied_is_noticed(access, unexplained):
    path = f"{COURIER}/smtpaccess/default"
    text = render_access([one for one in access if one.network != "203.0.113.64"])
    assert unexplained(record(path, "", text)) == [(path, "203.0.113.64")]


@pytest.fixture
def addresses(found):
    site = {
        "domains": [*found["mail_domains"], *found["mail_domain_aliases"]],
        "local": ["localhost", NAME],
        "accounts": [one["address"] for one in found["mail_accounts"]],
        "me": NAME,
    }
    contact = (found["mail_contact"],)
    taken = {one["name"] for one in found["mail_aliases"]}
    names = ["root", "daemon", "mailer-daemon", "nobody", "postmaster", "uucp", "www-data"]
    names += [f"{who}@{domain}" for domain in found["mail_domains"] for who in ("abuse", "hostmaster", "webmaster")]

    def write(*more):
        given = [Alias(one["name"], tuple(one["targets"])) for one in found["mail_aliases"] + found["mail_forwards"]]
        given += [Alias(name, contact) for name in names if name not in taken]
        given += traps(found["mail_traps"], [], found["mail_sinks"])
        some = forwarded([*given, *more], domains=site["domains"], local=site["local"], inside=[])
        some += srs(NAME, **site)
        return render(some, **site), aliasdir(some, NAME, "/usr/local/lib/courier-mail/forward")

    return write


def test_addresses_lead_where_they_led(host, addresses, unexplained):
    text, files = addresses()
    records = [record(f"{COURIER}/aliases/system", host.text("aliases/system"), text)]
    records += [record(f"{COURIER}/aliasdir/{name}", "", content) for name, content in files.items()]
    assert unexplained(*records) == []


def test_an_address_more_is_noticed(host, addresses, unexplained):
    path = f"{COURIER}/aliases/system"
    text, _files = addresses(Alias("new@example.com", ("bob@example.com",)))
    assert unexplained(record(path, host.text("aliases/system"), text)) == [(path, "new@example.com")]


def test_an_address_that_leads_elsewhere_is_noticed(host, addresses, unexplained):
    path = f"{COURIER}/aliases/system"
    text = addresses()[0].replace("info@example.com: alice@example.com", "info@example.com: bob@example.com")
    assert unexplained(record(path, host.text("aliases/system"), text)) == [(path, "info@example.com")]


@pytest.fixture
def userdb(host, found, adopted):
    """The difference of userdb as a run shows it."""
    hashes = adopted.secrets["password_hashes"]

    def write(**other):
        accounts = [
            Account(
                one["address"],
                other.get("hash", hashes.get(one["address"])),
                f"/var/mail/{one['address'].partition('@')[2]}/{one['address'].partition('@')[0]}",
                1999,
                1999,
                one.get("quota"),
                one.get("name"),
            )
            for one in found["mail_accounts"]
            if one["address"] not in other.get("without", ())
        ]
        before, after = changes(host.text("userdb"), render_userdb(accounts, found["mail_domains"]))
        return record(f"{COURIER}/userdb", before, after)

    return write


def test_people_are_who_they_were_but_for_who_must_move(userdb, unexplained):
    assert unexplained(userdb()) == [(f"{COURIER}/userdb", "dave@example.com home")]


def test_another_password_is_noticed(userdb, unexplained):
    other = "$6$other.salt$" + "a" * 86
    items = [item for _path, item in unexplained(userdb(hash=other))]
    assert "alice@example.com systempw" in items


def test_somebody_less_is_noticed(userdb, unexplained):
    assert (f"{COURIER}/userdb", "alice@example.com home") in unexplained(userdb(without=["alice@example.com"]))


def test_people_of_a_local_domain_are_who_they_were(host):
    texts = {
        "locals": "localhost\nmx1.example.com\nexample.com\nwww.example.com\n",
        "hosteddomains/main": "",
        "esmtpacceptmailfor.dir/domains": "localhost\nmx1.example.com\nexample.com\n",
        "esmtpacceptmailfor.dir/managed-hosts": "",
        "userdb": f"alice\thome=/var/mail/example.com/alice|uid=1999|gid=1999|systempw={HASH}\n",
        "aliases/system": "postmaster: alice\nsales: alice\n",
    }
    other = host._replace(files={**host.files, **{f"{COURIER}/{name}": text for name, text in texts.items()}})
    adopted = _adopting.adopt(other)
    found = plain(adopted.variables)
    assert found["mail_domain_aliases"] == {"www.example.com": "example.com"}
    assert found["mail_accounts"][0]["address"] == "alice@example.com"
    assert {"name": "sales@example.com", "targets": ["alice@example.com"]} in found["mail_aliases"]
    lists = render_domains(
        found["mail_domains"], found["mail_domain_aliases"], ["localhost", NAME], found["courier_mta_backup_domains"]
    )
    accounts = [Account("alice@example.com", HASH, "/var/mail/example.com/alice", 1999, 1999)]
    records = [
        record(f"{COURIER}/locals", texts["locals"], lists.locals),
        record(f"{COURIER}/hosteddomains/site", "", lists.hosteddomains),
        record(f"{COURIER}/esmtpacceptmailfor.dir/site", "", lists.esmtpacceptmailfor),
        record(f"{COURIER}/userdb", *changes(texts["userdb"], render_userdb(accounts, found["mail_domains"]))),
    ]
    assert [one for one in judge(records, adopted.explained, adopted.before) if not one.why] == []


def test_settings_of_the_roles_are_explained_and_others_are_not(host, unexplained):
    path = f"{COURIER}/esmtpd"
    after = host.text("esmtpd") + 'TLS_PRIORITY="NONE"\nTARPIT="0"\nMAXPERIP="20"\n'
    assert unexplained(record(path, host.text("esmtpd"), after)) == [(path, "MAXPERIP"), (path, "TARPIT")]


def test_a_mailbox_that_would_be_new_is_noticed(unexplained):
    path = "mailboxes below /var/mail"
    after = "/var/mail/example.com/dave is a new mailbox\n/var/mail/example.com/bob/Maildir/.Junk\n"
    assert unexplained(record(path, "", after)) == [(path, "/var/mail/example.com/dave")]


def test_a_task_that_shows_nothing_counts(unexplained):
    task = {"task": "courier_mta: Do something", "changed": True, "diff": []}
    assert unexplained(task) == [("task courier_mta: Do something", "*")]
    assert unexplained({**task, "task": "courier_mta: Install Courier"}) == []
    assert unexplained({**task, "changed": False}) == []


def test_what_a_role_does_that_is_new_as_a_whole_is_explained(unexplained):
    one = record("/somewhere/on/the/controller.tar.gz", "", "x\n")
    assert unexplained({**one, "task": "pythonfilter: Bring pythonfilter"}) == []
    assert unexplained(one) == [("/somewhere/on/the/controller.tar.gz", "*")]


def test_it_says_what_it_was_and_what_it_becomes():
    (one,) = judge(
        [record(f"{COURIER}/esmtpd", 'PORT="smtp"\n', 'PORT="26"\n')], [Explained("/etc/mailname", ["*"], "so")], {}
    )
    assert (one.item, one.why, one.detail) == ("PORT", "", "'smtp' -> '26'")


def test_the_settings_that_roles_have_are_those_that_are_explained():
    """A setting more in a role is a difference more on an adopted host."""
    roles = {
        "courier_mta": {
            "courierd": "__courier_mta_courierd",
            "esmtpd": "__courier_mta_esmtpd",
            "esmtpd-msa": "__courier_mta_esmtpd_msa",
            "esmtpd-ssl": "__courier_mta_esmtpd_ssl",
        },
        "courier_auth": {"authdaemonrc": "__courier_auth_authdaemonrc"},
    }
    for role, files in roles.items():
        with open(f"roles/{role}/vars/main.yml", encoding="utf-8") as stream:
            variables = yaml.safe_load(stream)
        for file, name in files.items():
            assert set(variables[name]) == set(BASELINE[file]), file


@pytest.mark.parametrize("role", [role for role, tasks in TASKS.items() if tasks != ("*",)])
def test_tasks_that_are_explained_are_there(role):
    """A task that gets another name is a difference more on an adopted host."""
    found = set()
    for path in Path("roles", role, "tasks").glob("*.yml"):
        found |= {task.get("name") for task in yaml.safe_load(path.read_text()) or []}
    assert set(TASKS[role]) <= found


def test_files_that_are_set_aside_are_explained(adopted, unexplained):
    assert unexplained(*(record(path, "x\n", "") for path in adopted.aside)) == []


def test_what_is_written_of_it_can_be_read_again(adopted):
    data = json.loads(json.dumps([one._asdict() for one in adopted.explained]))
    assert [Explained(one["path"], tuple(one["items"]), one["why"]) for one in data] == [
        one._replace(items=tuple(one.items)) for one in adopted.explained
    ]

"""What becomes of a host that was set up by hand."""

from __future__ import annotations

import json
import re
import shutil

import pytest
import yaml

from plugins.action.validate import refusals
from plugins.module_utils._adopt import _adopting, _host
from plugins.module_utils._adopt._adopting import AdoptError
from plugins.module_utils._adopt._plan import KINDS, acceptable
from tests.unit.adopted_host import lay, read

NAME = "mx1.example.com"
HASH = "$6$courier.mail$Ugp825YLqWtQIIiHWU2jD.gDc5h1DUjlFUo8G0bEGUu/IGEbeZxwoKxUUwnb8gDlglC13BlGP.wxE1GpWT/Hh."
SECRETS = (HASH, "a-secret-of-the-provider", "a-secret-of-the-smarthost", "a secret elsewhere")


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def load(text):
    return yaml.load(text, Loader)


@pytest.fixture
def root(tmp_path):
    return lay(tmp_path)


@pytest.fixture
def adopt(root):
    """Adopt the host with some files changed, and return what was written and the variables."""

    def change(**texts):
        for name, text in texts.items():
            path = root / "etc/courier" / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        host = read(root)
        written = _adopting.written(_host.from_data(json.loads(json.dumps(_host.as_data(host)))), NAME)
        variables = {}
        for path, text in (*written.files.items(), written.secrets):
            if path.startswith("host_vars") and path.endswith((".yml", ".json")):
                variables |= load(text) or {}
        return written, variables

    return change


def notes(written, kind=None):
    return [f"{note.source}: {note.what}" for note in written.notes if kind in (None, note.kind)]


def test_the_host_is_in_the_group_of_mail_servers(adopt):
    written, _variables = adopt()
    assert load(written.files["mx1.example.com.yml"]) == {"mail_servers": {"hosts": {NAME: None}}}


def test_it_says_what_the_host_is_called_and_what_is_its_own(adopt):
    _written, found = adopt()
    assert found["mail_hostname"] == NAME
    assert found["mail_domains"] == ["example.com", "example.org", "sat1.example.com"]
    assert found["mail_domain_aliases"] == {"old.example.com": "example.com"}
    assert found["courier_mta_backup_domains"] == ["partner.example.net"]
    assert "courier_mta_listeners" not in found
    assert "courier_imap_listeners" not in found


def test_mailboxes_stay_where_they_are_and_belong_to_whom_they_did(adopt):
    _written, found = adopt()
    assert (found["mail_root"], found["mail_user"], found["mail_uid"]) == ("/var/mail", "virtual", 1999)
    assert [account.get("home") for account in found["mail_accounts"]] == [None] * 4


def test_people_have_their_passwords(adopt):
    written, found = adopt()
    alice = found["mail_accounts"][0]
    assert alice == {
        "address": "alice@example.com",
        "name": "Alice Example",
        "password_hash": "{{ adopted_secrets.password_hashes['alice@example.com'] }}",
        "quota": "1073741824S",
    }
    assert found["adopted_secrets"]["password_hashes"]["alice@example.com"] == HASH
    assert not [text for text in written.files.values() if any(secret in text for secret in SECRETS)]


def test_a_password_that_is_easily_broken_is_left_out_and_named(adopt):
    written, found = adopt()
    carol = next(one for one in found["mail_accounts"] if one["address"] == "carol@example.org")
    assert "password_hash" not in carol
    assert any("carol@example.org is of the kind $1$" in note for note in notes(written, "left"))
    assert "U4Ru" not in json.dumps([*written.files.values(), written.secrets])


def test_what_somebody_does_with_his_mail_is_said(adopt):
    _written, found = adopt()
    bob = next(one for one in found["mail_accounts"] if one["address"] == "bob@example.com")
    assert bob["forward"] == {"to": ["bob.elsewhere@partner.example.net"], "keep": True}


def test_mail_that_must_be_moved_is_named_with_what_to_do(adopt):
    written, _found = adopt()
    (move,) = [note for note in written.notes if "dave@example.com" in note.what]
    assert move.kind == "move"
    assert "mv /home/dave/Maildir /var/mail/example.com/dave/Maildir" in move.todo
    assert "chown -R 1999:1999 /var/mail/example.com/dave" in move.todo


def test_addresses_are_what_they_were(adopt):
    written, found = adopt()
    assert found["mail_contact"] == "alice@example.com"
    assert {one["name"]: one["targets"] for one in found["mail_aliases"]} == {
        "@sat1.example.com": ["alice@example.com"],
        "everybody@example.com": ["alice@example.com", "someone@partner.example.net"],
        "info@example.com": ["alice@example.com"],
        "sales@example.com": ["alice@example.com", "bob@example.com"],
        "web": ["webmaster@example.com"],
        "webmaster@example.com": ["bob@example.com"],
    }
    assert found["mail_forwards"] == [{"name": "partners@example.com", "targets": ["someone@partner.example.net"]}]
    assert found["mail_traps"] == ["spamtrap@example.com", "win.a.million@example.com"]
    assert found["mail_sinks"] == ["noreply@example.com"]
    assert any("lost@example.com has no target" in note for note in notes(written, "left"))


@pytest.mark.parametrize(
    ("program", "sink"),
    [
        ("/dev/null", True),
        ("|cat >/dev/null", True),
        ("| /bin/cat > /dev/null", True),
        ("|/bin/true", True),
        ("|cat >/var/log/mail", False),
        ("|cat", False),
        ("|/usr/bin/true-story", False),
    ],
)
def test_only_what_throws_mail_away_is_a_sink(adopt, program, sink):
    _written, found = adopt(aliases__system=f"postmaster: alice@example.com\nx@example.com: {program}\n")
    assert ("x@example.com" in found.get("mail_sinks", [])) == sink
    assert ({"name": "x@example.com", "targets": [program]} in found["mail_aliases"]) != sink


def test_an_alias_to_nowhere_is_no_sink(adopt):
    written, found = adopt(aliases__system="x@example.com: postmaster\npostmaster:\n")
    assert "mail_sinks" not in found
    assert found["mail_contact"] == "alice@example.com"
    assert any("reaches no address" in note for note in notes(written, "guess"))


def test_the_contact_may_be_an_alias_to_several(adopt):
    text = "root: postmaster\npostmaster: team@example.com\nteam@example.com: alice@example.com, bob@example.com\n"
    _written, found = adopt(aliases__system=text)
    assert found["mail_contact"] == "team@example.com"
    names = {one["name"] for one in found["mail_aliases"]}
    assert "team@example.com" in names
    assert not {"root", "postmaster"} & names


def test_of_several_contacts_one_is_taken_and_the_alias_stays(adopt):
    written, found = adopt(aliases__system="root: postmaster\npostmaster: bob@example.com, alice@example.com\n")
    assert found["mail_contact"] == "alice@example.com"
    targets = {one["name"]: one["targets"] for one in found["mail_aliases"]}
    assert targets["postmaster"] == ["bob@example.com", "alice@example.com"]
    assert targets["root"] == ["postmaster"]
    assert any("is taken for mail_contact" in note for note in notes(written, "guess"))


def test_whoever_is_not_found_at_the_host_is_an_alias(adopt, root):
    (root / "etc/courier/aliasdir/.courier-default").write_text("&bob@example.com\n")
    _written, found = adopt()
    assert {"name": "@", "targets": ["bob@example.com"]} in found["mail_aliases"]


def test_a_host_that_is_ours_already_is_refused(adopt):
    with pytest.raises(AdoptError, match="was set up by this collection already"):
        adopt(esmtptls="")


def test_a_host_that_only_sends_may_be_a_satellite(adopt):
    written, found = adopt(
        userdb="",
        hosteddomains__main="",
        aliases__system="postmaster: alice@example.com\n",
        esmtproutes=": mx9.example.com,465 /SECURITY=SMTPS\n",
        **{"esmtpacceptmailfor.dir__domains": "", "esmtpacceptmailfor.dir__managed-hosts": ""},
    )
    assert "mail_domains" not in found
    assert found["mail_routes"]["smarthosts"] == [{"relay": "mx9.example.com", "port": 465, "security": "smtps"}]
    assert any("makes it a satellite" in note.todo for note in written.notes)


def test_routes_have_their_class_and_their_login(adopt):
    _written, found = adopt()
    routes = found["mail_routes"]
    assert list(routes) == ["special", "broken_starttls", "sms", "safe", "providers", "smarthosts"]
    assert routes["providers"][0] == {
        "domain": "provider.example.net",
        "relay": "smtp.provider.example.net",
        "port": 587,
        "security": "required",
        "user": "example",
        "password": "{{ adopted_secrets.route_passwords['smtp.provider.example.net,587'] }}",
    }
    assert routes["smarthosts"][0]["security"] == "smtps"
    assert routes["broken_starttls"] == [{"domain": "broken.example.net"}]


def test_a_route_that_a_wider_one_of_an_earlier_class_would_hide_comes_first(adopt):
    text = "# Safe routes\na.example.net: relay.example.net\n# other\n.example.net: relay.example.net\n"
    _written, found = adopt(esmtproutes=text, esmtpauthclient="")
    assert [route["domain"] for route in found["mail_routes"]["special"]] == ["a.example.net", ".example.net"]


def test_peers_have_their_class(adopt):
    _written, found = adopt()
    peers = found["mail_peers"]
    assert peers["managed"][0] == {"networks": ["192.0.2.21"], "name": "sat1.example.com", "reason": "sat1.example.com"}
    assert peers["managed"][1] == {"networks": ["192.0.2.22"], "domains": ["*"]}
    assert peers["trusted"] == [{"networks": ["198.51.100.0/24"], "reason": "newsletters of example.net"}]
    assert [(one["networks"], one["lift"]) for one in peers["broken"]] == [
        (["203.0.113.9"], "dnsbl"),
        (["203.0.113.10"], "sender_domain"),
    ]
    assert peers["denied"] == [
        {"networks": ["203.0.113.64", "203.0.113.65"], "reason": "AUTH attackers"},
        {"networks": ["203.0.113.128"], "reason": "BIG-mail spammer"},
    ]
    assert [one["network"] for one in found["courier_mta_access"]] == ["203.0.113.129", "203.0.113.11"]


def test_nobody_relays_because_a_package_said_so(adopt):
    written, found = adopt()
    assert any("all of 10.0.0.0/8 may relay" in note for note in notes(written, "left"))
    assert "10.0.0.0/8" not in json.dumps([found["mail_peers"], found["courier_mta_access"]])


def test_a_rule_that_opens_the_host_to_everybody_is_left_out(adopt):
    text = '*\tallow,RELAYCLIENT,BLOCK="451 4.7.1 Please try another MX"\n'
    written, found = adopt(smtpaccess__tarbaby=text)
    assert any("mail_tarbaby" in note.todo for note in written.notes)
    assert "*" not in [one["network"] for one in found["courier_mta_access"]]


def test_the_policy_has_its_reasons(adopt):
    written, found = adopt()
    assert found["mail_policy"]["senders"] == [{"address": "@spam.example.net", "reason": "sells lists of addresses"}]
    assert found["mail_policy"]["exchangers"][0]["address"] == "203.0.113.25"
    assert found["mail_policy"]["most_recipients"]["hard"] is True
    assert found["mail_spf"] == {"mailfrom": ["pass", "none", "neutral", "softfail", "unknown"]}
    assert any("'freemial example.net' is no rule" in note for note in notes(written, "left"))
    assert any("badfrom @example.com" in note for note in notes(written, "left"))


def test_what_was_changed_in_courier_s_files_is_kept_and_what_was_not_is_not(adopt):
    written, found = adopt()
    assert found["courier_mta_esmtpd"] == {"MAXPERIP": "10"}
    assert any("-block=bl.example.net has no message" in note for note in notes(written, "left"))
    assert found["courier_mta_courierd"] == {"ESMTP_PREFER_IPV6_MX": "0"}
    assert found["courier_auth_authdaemonrc"] == {"DEBUG_LOGIN": "0"}
    assert found["courier_imap_connections_per_address"] == 30
    assert found["courier_imap_expunge_to_trash"] is True
    assert found["mail_folder_days"] == {}
    assert "courier_mta_esmtpd_msa" not in found


def test_files_of_one_value_are_kept_as_they_were_meant(adopt):
    written, found = adopt()
    files = found["courier_mta_files"]
    assert (files["queuetime"], files["warntime"], files["respawnlo"]) == ("2d", "8h", "23h")
    assert files["sizelimit"] == 26214400
    assert any("Courier reads 25M as 25 bytes" in note for note in notes(written, "guess"))


def test_what_the_host_did_not_have_is_off(adopt):
    _written, found = adopt()
    assert found["clamav_running"] is False
    assert found["fail2ban_running"] is False
    assert found["mail_monitoring"] is False
    assert found["spamassassin_running"] is True
    assert found["mail_filters"][0] == "log"
    assert found["mail_filters"][-2:] == ["spamd", "repair"]
    assert found["mail_signer"] == ""


def test_a_scanner_that_is_not_there_is_not_asked(adopt, root):
    (root / "var/lib/dpkg/status").write_text("Package: courier-mta\nStatus: install ok installed\nVersion: 1\n")
    written, found = adopt()
    assert "spamd" not in found["mail_filters"]
    assert found["spamassassin_running"] is False
    assert any("a filter asks spamd, which is not installed" in note for note in notes(written, "left"))


def test_filters_that_courierfilter_would_start_beside_ours_are_named(adopt, root):
    active = root / "etc/courier/filters/active"
    active.mkdir(parents=True)
    (active / "pythonfilter").symlink_to("/usr/lib/courier/filters/pythonfilter")
    (active / "perlfilter").symlink_to("/usr/lib/courier/filters/perlfilter")
    written, _found = adopt()
    assert [note.todo for note in written.notes if note.source.endswith("/active/pythonfilter")] == [
        "just before the host is taken over: filterctl stop pythonfilter"
    ]
    assert any("perlfilter goes on looking at mail" in note for note in notes(written, "stays"))


def test_what_is_no_text_is_named(adopt, root):
    (root / "etc/courier/program").write_bytes(b"\x7fELF\0\1")
    (root / "etc/courier/old").write_bytes("Käse".encode("latin-1"))
    written, _found = adopt()
    assert "/etc/courier/program: was not read, since it is no text" in notes(written, "left")
    assert "/etc/courier/old:1: old: nothing here reads or writes it" in notes(written, "stays")


def test_mailboxes_elsewhere_are_fetched(adopt):
    _written, found = adopt()
    (one,) = found["mail_remote_mailboxes"]
    assert (one["host"], one["protocol"], one["to"]) == ("pop.example.net", "pop3s", "alice@example.com")
    assert found["adopted_secrets"]["remote_passwords"] == {"alice.old at pop.example.net": "a secret elsewhere"}


def test_users_of_the_system_who_have_mail_become_accounts(adopt, root):
    (root / "etc/shadow").write_text(f"dave:{HASH}:1::::::\n")
    shutil.rmtree(root / "var/mail")
    written, found = adopt(
        authdaemonrc='authmodulelist="authpam"\n',
        locals="localhost\nmx1.example.com\nexample.com\n",
        hosteddomains__main="example.org\n",
        aliases__system="postmaster: dave\n",
    )
    assert found["mail_accounts"] == [
        {
            "address": "dave@example.com",
            "name": "Dave Example",
            "password_hash": "{{ adopted_secrets.password_hashes['dave@example.com'] }}",
        }
    ]
    assert found["mail_contact"] == "dave@example.com"
    assert "example.com" in found["mail_domains"]
    assert any("the user dave becomes the account dave@example.com" in note for note in notes(written, "guess"))
    assert any("/srv/vmail/example.com/dave" in note.todo for note in written.notes if note.kind == "move")


def test_what_jinja_would_read_is_not_read(adopt):
    program = "|echo {{ 1 + 1 }} >/dev/tty"
    written, found = adopt(aliases__system=f"postmaster: alice@example.com\nx@example.com: {program}\n")
    assert {"name": "x@example.com", "targets": [program]} in found["mail_aliases"]
    assert f'!unsafe "{program}"' in written.files["host_vars/mx1.example.com/addresses.yml"]
    assert "{{" not in written.files["host_vars/mx1.example.com/adopted.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_note_is_in_the_report(adopt, kind):
    written, _found = adopt()
    report = written.files["host_vars/mx1.example.com/adopted.md"]
    assert notes(written, kind)
    assert f"## {KINDS[kind]}\n" in report


def test_every_note_has_a_file(adopt):
    written, _found = adopt()
    assert [note for note in written.notes if not note.source.startswith("/")] == []


def test_every_entry_has_the_line_that_it_came_from(adopt, root):
    written, _found = adopt()
    for path, text in written.files.items():
        for name, number in re.findall(r"# (/etc/\S+):(\d+)$", text, re.MULTILINE) if path.endswith(".yml") else []:
            lines = (root / name[1:]).read_text().split("\n")
            assert int(number) <= len(lines), (path, name, number)


def test_a_host_without_courier_is_refused(root):
    for path in ("etc/courier/courierd", "var/lib/dpkg/status"):
        (root / path).unlink()
    with pytest.raises(AdoptError, match=r"mx1\.example\.com has no Courier"):
        _adopting.written(read(root), NAME)


def test_lists_that_courier_itself_refuses_are_named(adopt):
    with pytest.raises(AdoptError, match=r"'example\.com' is there twice"):
        adopt(hosteddomains__other="example.com\n")


def test_names_that_courier_never_matches_are_left_out(adopt):
    written, found = adopt(hosteddomains__more="*.example.net\n", locals="localhost\nmx1.example.com\nexam ple.com\n")
    assert "*.example.net" not in found["mail_domains"]
    assert [note for note in notes(written, "left") if "hosteddomains/more:1: '*.example.net' is no wildcard" in note]
    assert [note for note in notes(written, "left") if "locals:3: 'exam ple.com'" in note]


def test_what_is_said_elsewhere_now_is_set_aside(adopt):
    _written, found = adopt()
    names = [path.removeprefix("/etc/courier/") for path in found["adopted_aside"]]
    assert "smtpaccess/attackers" in names
    assert "hosteddomains/main" in names
    assert "aliases/system-user" in names
    assert not {"smtpaccess/default", "aliases/system", "userdb"} & set(names)


@pytest.fixture
def arguments():
    """What the roles would ask modules, of the variables of an inventory."""

    def asked(found):
        me = found["mail_hostname"]
        domains = found["mail_domains"]
        local = ["localhost", me]
        accounts = [one["address"] for one in found["mail_accounts"]]
        secrets = found["adopted_secrets"]
        people = [
            {**one, "password_hash": secrets["password_hashes"][one["address"]] if "password_hash" in one else None}
            for one in found["mail_accounts"]
        ]
        routes = [
            {**one, "class": kind, **({"password": "a-secret"} if "password" in one else {})}
            for kind, several in found["mail_routes"].items()
            for one in several
        ]
        peers = [{**one, "class": kind} for kind, several in found["mail_peers"].items() for one in several]
        return {
            "acceptmailfor": {
                "hosted": domains,
                "aliases": found["mail_domain_aliases"],
                "local": local,
                "accepted": found["courier_mta_backup_domains"],
            },
            "aliases": {
                "aliases": found["mail_aliases"] + found["mail_forwards"],
                "traps": found["mail_traps"],
                "sinks": found["mail_sinks"],
                "forwarder": "/usr/local/lib/courier-mail/forward",
                "domains": domains + list(found["mail_domain_aliases"]),
                "local": local,
                "accounts": accounts,
                "me": me,
            },
            "esmtproutes": {"routes": routes},
            "smtpaccess": {"peers": peers, "entries": found["courier_mta_access"]},
            "settings": {"files": {"esmtpd": found["courier_mta_esmtpd"]}},
            "values": {"values": found["courier_mta_files"]},
            "userdb": {
                "accounts": people,
                "domains": domains,
                "mail_root": found["mail_root"],
                "uid": found["mail_uid"],
                "gid": found["mail_uid"],
            },
        }

    return asked


def test_no_module_refuses_what_was_adopted(adopt, arguments):
    _written, found = adopt()
    assert refusals(arguments(found)) == []


def test_a_check_keeps_all_that_it_can():
    def check(items):
        if 3 in items or (5 in items and 6 not in items):
            raise ValueError("no")

    assert acceptable([5, 3, 1, 6], check) == ([1, 6, 5], [(3, "no")])

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both sites move their accounts into one database, lose it for a while, and move back. Nobody's mail is refused."""

from __future__ import annotations

import imaplib
import json
import secrets
import smtplib
import threading
from contextlib import suppress
from email.message import EmailMessage

import pytest

SENDER = "mailbox@example.net"
SHARED = "shared.example.net"
HASH = f"$6$courier.mail${'x' * 86}"
LEFT = "/etc/courier/userdb /etc/courier/userdb.dat /etc/courier/userdbshadow.dat"


@pytest.fixture(scope="module")
def server(host_named):
    return host_named("acme.example.net")


@pytest.fixture(scope="module")
def world(host_named):
    return host_named("mx.example.net")


@pytest.fixture(scope="module")
def run(play, tmp_path_factory):
    """Give hosts their accounts, from the database with the people of a domain that both have, or as they were."""

    def run(*people, database=True):
        names = [{"address": f"{who}@{SHARED}", "password_hash": HASH} for who in people]
        said = {
            "courier_auth_database": "{{ bed_database }}",
            "courier_auth_methods": ["PLAIN", "LOGIN"],
            "courier_auth_accounts": "{{ mail_accounts + " + json.dumps(names) + " }}",
            "courier_auth_domains": "{{ mail_domains + ['" + SHARED + "'] }}",
        }
        path = tmp_path_factory.mktemp("said") / "vars.json"
        path.write_text(json.dumps(said if database else {}))
        return play("courier.mail.ground", "--tags=courier_auth", "--limit=full", f"--extra-vars=@{path}")

    return run


class Letters:
    """Somebody who does not stop writing to Alice of each site."""

    def __init__(self, world, sites):
        self.world, self.sites = world, sites
        self.sent = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _write(self):
        while not self._stop.wait(0.5):
            token = secrets.token_hex(12)
            for site in self.sites:
                self.world.sendmail(letter(token), SENDER, f"alice@{site.domain}")
            self.sent.append(token)


def letter(token):
    letter = EmailMessage()
    letter["Subject"] = f"About {token}"
    letter["From"] = SENDER
    letter.set_content("All is well.\n")
    return letter


def arrived(site, tokens, world):
    """How often each letter is in Alice's mailbox, the folder Junk included. What was deferred comes again at once.

    Here as well: while mail for her waits, Courier answers 456 to whoever has more.
    """
    site.check_output("courier flush")
    world.check_output("postqueue -f")
    found = site.run("grep -rhoE 'Subject: About [0-9a-f]{24}' /srv/vmail/%s/alice/Maildir", site.domain).stdout
    return [found.count(token) for token in tokens]


def known(site):
    """All that Courier knows of some people of a site."""
    return [site.check_output("authtest %s", site.accounts[who].address) for who in ("alice", "dave", "erin", "heidi")]


class Stay:
    """The time that both sites spend with the database, and what was sent to them on the way."""

    def __init__(self, run, world, sites):
        self.run, self.world, self.sites = run, world, sites
        self.known = {site.name: known(site) for site in sites}
        self.sent = self.go("yves")

    def go(self, *people, database=True):
        """Move all of them, while mail comes."""
        self.there = database
        with Letters(self.world, self.sites) as letters:
            results = self.run(*people, database=database)
        assert not results.failures
        return letters.sent


@pytest.fixture(scope="module")
def stay(run, world, sites):
    stay = Stay(run, world, sites)
    yield stay
    if stay.there:
        stay.go(database=False)
    for site in sites:
        site.run(f"rm -r /srv/vmail/{SHARED}")


def logs_in(site, caller, account):
    """By IMAP and by SMTP; the code that SMTP answers."""
    with site.imap(caller) as imap:
        imap.login(*account)
    with site.smtp(caller, 587) as smtp:
        return smtp.login(*account)[0]


def let_in(site, caller):
    """Whether Alice is let in now."""
    with suppress(imaplib.IMAP4.error, smtplib.SMTPException):
        return logs_in(site, caller, site.accounts["alice"]) == 235
    return False


def test_people_come_in_as_before(stay, site, stranger, eventually):
    for who in ("alice", "dave", "erin"):
        assert logs_in(site, stranger, site.accounts[who]) == 235
    assert stay.sent
    assert eventually(lambda: arrived(site, stay.sent, stay.world) == [1] * len(stay.sent), 60)


def test_courier_knows_as_much_of_them(stay, site):
    """Homes, quotas and passwords."""
    assert all("Quota: " in said and "Encrypted Password: $" in said for said in stay.known[site.name])
    assert known(site) == stay.known[site.name]


def test_the_server_is_asked_within_tls(stay, site, server):
    asked = "SELECT host(client_addr), version FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)"
    said = server.check_output(
        "runuser -u postgres -- psql -At mail -c %s", f"{asked} WHERE application_name = 'authdaemond'"
    )
    links = [line.split("|") for line in said.splitlines()]
    assert {version for address, version in links if address in site.addresses.values()} == {"TLSv1.3"}


def test_nothing_is_left_where_nobody_looks(stay, site):
    assert site.run(f"ls {LEFT}").stdout == ""
    assert site.check_output("stat -c '%a %U %G' /etc/courier/authpgsqlrc") == "640 root courier"
    assert "a-secret-for-runs" not in site.run("grep -rs a-secret-for-runs /etc").stdout


def test_nobody_sees_more_than_his_own_domains(stay, sites):
    for site, other in (sites, sites[::-1]):
        assert site.run("authtest alice@%s", other.domain).rc != 0
        assert site.run("authtest yves@%s", SHARED).rc == 0


def test_another_run_has_nothing_to_do(stay, run):
    assert not [result for result in run("yves") if result.outcome not in ("ok", "skipped")]


def test_who_is_added_for_one_host_is_on_both(stay, play, sites, tmp_path):
    """By the playbook for it. Who was not in its files any more is gone."""
    said = {
        "account_password_hash": HASH,
        "mail_accounts_directory": sites[0].account_files(tmp_path / "accounts"),
        "mail_accounts": "{{ lookup('courier.mail.accounts', mail_accounts_directory) }}",
        "mail_auth_methods": ["PLAIN", "LOGIN"],
        "mail_domains": f"{{{{ [mail_domain, 'shop.' ~ mail_domain, 'void.' ~ mail_domain, '{SHARED}'] }}}}",
        "courier_auth_database": "{{ bed_database }}",
        "courier_auth_accounts": "{{ mail_accounts }}",
    }
    (tmp_path / "vars.json").write_text(json.dumps(said))
    what = ("account_action=add", f"account=zoe@{SHARED}", f"@{tmp_path}/vars.json")
    extra = [f"--extra-vars={one}" for one in what]
    results = play("courier.mail.account", "--tags=courier_auth", f"--limit={sites[0].name}", *extra)
    assert not results.failures
    assert HASH not in str([result.result.get("diff") for result in results])
    for site in sites:
        assert site.run("authtest zoe@%s", SHARED).rc == 0
        assert site.run("authtest yves@%s", SHARED).rc != 0


def test_an_outage_refuses_nobody(stay, sites, server, world, stranger, eventually):
    token = secrets.token_hex(12)
    server.check_output("systemctl stop postgresql@17-main")
    try:
        for site in sites:
            with site.smtp(stranger, 25, tls=False) as smtp:
                smtp.ehlo()
                smtp.mail(SENDER)
                assert 400 <= smtp.rcpt(f"alice@{site.domain}")[0] < 500
                assert 400 <= smtp.rcpt(f"nobody@{site.domain}")[0] < 500
            with site.imap(stranger) as imap, pytest.raises((imaplib.IMAP4.error, OSError)):
                imap.login(*site.accounts["alice"])
            with site.smtp(stranger, 587) as smtp, pytest.raises((smtplib.SMTPException, OSError)):
                smtp.login(*site.accounts["alice"])
            world.sendmail(letter(token), SENDER, f"alice@{site.domain}")
        assert eventually(lambda: world.run("postqueue -p").stdout.count("Service temporarily unavailable") >= 2)
    finally:
        server.check_output("systemctl start postgresql@17-main")
    # A process of Courier looks once a minute whether a connection that broke can be had again.
    for site in sites:
        assert eventually(lambda site=site: arrived(site, [token], world) == [1], 90)
        assert eventually(lambda site=site: let_in(site, stranger), 90)


def test_the_way_back_loses_nobody(stay, sites, stranger, eventually):
    sent = stay.go(database=False)
    for site in sites:
        assert logs_in(site, stranger, site.accounts["erin"]) == 235
        assert eventually(lambda site=site: arrived(site, sent, stay.world) == [1] * len(sent), 60)
        assert site.run("ls /etc/courier/authpgsqlrc").rc != 0
        assert site.run("authtest zoe@%s", SHARED).rc != 0

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is refused for a list in DNS, what a list may say without refusing anybody, and our own lists."""

from __future__ import annotations

import json
import smtplib

import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.resolver
import dns.reversename
import pytest

ZONE, GOOD = "listed.example.net", "good.example.net"
WRITER = "somebody@acme.example.net"


def backwards(address):
    return dns.reversename.from_address(address).relativize(dns.name.from_text("in-addr.arpa")).to_text()


@pytest.fixture(scope="module", autouse=True)
def well(sites):
    """Other tests break the list for a moment, and the test of each hour may have seen that."""
    for site in sites:
        site.run_unit("courier-mail-lists.service")


@pytest.fixture
def listed(nsupdate):
    """Let a list say something of an address until the test is over."""
    put = set()

    def listed(name, *answers, zone=ZONE):
        name = f"{name}.{zone}"
        put.add(name)
        nsupdate("example.net", f"update delete {name} A", *(f"update add {name} 1 A {answer}" for answer in answers))

    yield listed
    for name in sorted(put):
        nsupdate("example.net", f"update delete {name}")
    nsupdate("example.net", f"update add 2.0.0.127.{ZONE} 60 A 127.0.0.2")


@pytest.fixture
def bad(host_named):
    """A host that nobody knows."""
    return host_named("acme.example.net")


@pytest.fixture
def write(site, letter):
    """The answer to a message."""

    def write(caller, *names, where=site):
        with where.smtp(caller, 25) as smtp:
            try:
                smtp.send_message(letter, WRITER, [f"{name}@{where.domain}" for name in names or ["alice"]])
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code, refused.smtp_error.decode()
        return 250, ""

    return write


def test_who_is_listed_is_refused_and_hears_how_to_be_taken_off(site, bad, write, listed):
    address = bad.addresses["ipv4"]
    assert write(bad) == (250, "")
    listed(backwards(address), "127.0.0.5")
    code, text = write(bad)
    assert code == 550
    assert f"{address} is listed in {ZONE} (a test list). To be taken off: https://{ZONE}/{address}." in text
    assert f"postmaster@{site.domain} reads mail from you" in text
    assert write(bad, "postmaster") == (250, "")
    assert write(bad, "postmaster", "alice")[0] == 550


def test_a_list_of_good_hosts_takes_precedence(bad, write, listed):
    listed(backwards(bad.addresses["ipv4"]), "127.0.0.2")
    listed(backwards(bad.addresses["ipv4"]), "127.0.5.0", zone=GOOD)
    assert write(bad)[0] == 550
    listed(backwards(bad.addresses["ipv4"]), "127.0.5.2", zone=GOOD)
    assert write(bad) == (250, "")


@pytest.mark.parametrize("answers", [["127.255.255.254"], ["127.0.0.3"], ["203.0.113.7"]], ids=str)
def test_what_is_no_listing_refuses_nobody(bad, write, listed, answers):
    listed(backwards(bad.addresses["ipv4"]), *answers)
    assert write(bad) == (250, "")


def test_a_list_that_gives_no_answer_refuses_nobody_and_is_asked_again(
    bad, write, listed, nsupdate, host_named, eventually
):
    name = f"{backwards(bad.addresses['ipv4'])}.{ZONE}"
    listed(backwards(bad.addresses["ipv4"]))  # it is taken away in the end
    nsupdate("example.net", f"update add {name} 1 CNAME nobody.dead.test")
    names = host_named("dns.example.net").addresses["ipv4"]
    assert dns.query.tcp(dns.message.make_query(name, "A"), names, 30).rcode() == dns.rcode.SERVFAIL
    assert write(bad) == (250, "")
    nsupdate("example.net", f"update delete {name}", f"update add {name} 1 A 127.0.0.2")
    assert eventually(lambda: write(bad)[0] == 550)  # the filter waits for a moment, and so does the name server


def test_a_list_that_says_nothing_at_all_refuses_nobody(site, sites, bad, write, eventually):
    (other,) = (one for one in sites if one.name != site.name)
    since = site.check_output("date +%s")
    site.check_output(
        "nft 'table inet silent { chain out { "
        "type filter hook output priority 0; meta l4proto { tcp, udp } th dport 8053 drop; }; }'"
    )
    try:
        assert write(bad) == (250, "")
    finally:
        site.check_output("nft delete table inet silent")
    said = f"journalctl -u courier-pythonfilter -o cat --since=@{since}"
    assert eventually(lambda: f"without bl.{other.domain}" in site.check_output(said))


def test_whom_we_trust_is_not_looked_for(partner, write, listed):
    listed(backwards(partner.addresses["ipv4"]), "127.0.0.2")
    assert write(partner) == (250, "")


def test_who_logs_in_is_not_looked_for(site, bad, letter, listed, token, eventually):
    listed(backwards(bad.addresses["ipv4"]), "127.0.0.2")
    account = site.accounts["alice"]
    with site.smtp(bad, 587) as smtp:
        smtp.login(*account)
        smtp.send_message(letter, account.address, [account.address])
    assert eventually(lambda: site.inbox(account, token))


BROKEN = {
    "it is gone": ("2.0.0.127", [], "the answer is that it is not"),
    "it serves us no more": ("2.0.0.127", ["127.255.255.254"], "the answer is 127.255.255.254"),
    "it lists everybody": ("1.0.0.127", ["127.0.0.2"], "127.0.0.1 must not be listed"),
}


@pytest.mark.parametrize(("name", "answers", "said"), BROKEN.values(), ids=BROKEN)
def test_a_list_that_breaks_is_reported_once_and_left_out(site, bad, write, listed, eventually, name, answers, said):
    # More often than systemd starts anything.
    test = "systemctl reset-failed courier-mail-lists; systemctl start courier-mail-lists"
    lists = "/var/lib/pythonfilter/lists.json"
    listed(backwards(bad.addresses["ipv4"]), "127.0.0.2")
    site.check_output(test)
    assert write(bad)[0] == 550
    since = site.check_output("date +%s")
    errors = f"journalctl -u courier-mail-lists -p err -o cat --since=@{since}"
    letters = len(site.inbox(site.accounts["alice"], ZONE))
    listed(name, *answers)

    def broken():
        site.check_output(test)  # the resolver of the bed remembers for a second
        return json.loads(site.check_output(f"cat {lists}"))[ZONE]["broken"]

    assert said in eventually(broken)
    assert write(bad) == (250, "")
    site.check_output(test)
    assert site.check_output(errors).count(f"the list {ZONE} is broken and refuses nobody: ") == 1
    found = site.run("courier-mail lists")
    assert (found.rc, f"{ZONE} (bad hosts): broken since" in found.stdout) == (1, True)
    assert eventually(lambda: len(site.inbox(site.accounts["alice"], ZONE)) == letters + 1)
    listed(name)
    listed("2.0.0.127", "127.0.0.2")
    assert eventually(lambda: not broken())
    assert eventually(lambda: write(bad)[0] == 550)


def test_what_our_filters_find_is_on_our_list_for_the_other_site(site, sites, bad, write, eventually):
    (other,) = (one for one in sites if one.name != site.name)
    address = bad.addresses["ipv4"]

    def pardon():
        site.run("courier-mail pardon %s", address)
        site.run_unit("courier-mail-zones.service")

    def ask(name, kind="bl"):
        one = dns.resolver.Resolver(configure=False)
        one.nameservers, one.port = [site.addresses["ipv4"]], 8053

        def answers():
            try:
                return [record.to_text() for record in one.resolve(f"{name}.{kind}.{site.domain}", "A")]
            except dns.resolver.NXDOMAIN:
                return []

        return site.inside(answers)

    assert (ask("2.0.0.127"), ask("1.0.0.127"), ask("2.0.0.127", "wl")) == (["127.0.0.2"], [], ["127.0.0.2"])
    try:
        pardon()
        for _visit in range(3):
            write(bad, "win.a.million")
        site.run_unit("courier-mail-zones.service")
        assert eventually(lambda: ask(backwards(address)) == ["127.0.0.2"])
        assert eventually(lambda: f"{address} is listed in bl.{site.domain}" in write(bad, where=other)[1])
    finally:
        pardon()
    assert eventually(lambda: ask(backwards(address)) == [])


def test_our_list_never_has_whom_we_trust(site, partner):
    site.run_unit("courier-mail-zones.service")
    said = site.check_output("cat /var/lib/courier-rbldnsd/allow4.listed")
    assert partner.addresses["ipv4"] in said.splitlines()


def test_a_list_that_fails_its_test_is_not_switched_on(site, play):
    zone = '{"zone": "bl.example.net", "answers": ["127.0.0.2"]}'
    before = site.check_output("sha256sum /etc/pythonfilter-modules.conf")
    results = play(
        "courier.mail.filters", "--limit", site.name, "--tags", "pythonfilter", "-e", f'{{"mail_blocklists": [{zone}]}}'
    )
    said = " ".join(str(result) for result in results)
    assert "bl.example.net: 127.0.0.2 must be listed with 127.0.0.2, and the answer is that it is not" in said
    assert site.check_output("sha256sum /etc/pythonfilter-modules.conf") == before

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last exchanger takes nothing, whatever is tried and whatever is broken, and tells who asks it first."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
import re
import smtplib
import time

import dns.message
import dns.query
import pytest

VISITS = "/var/lib/courier-tarbaby/visits.sqlite"
VICTIM = "mailbox@example.net"
# Of addresses that nobody has: one for each test on each site. What was written down of another test is nothing to it,
# and neither is what one site hears of the other's exchanger.
NUMBERS = itertools.cycle([*range(2, 11), *range(15, 21), *range(33, 40), *range(46, 53), *range(54, 66)])
RECIPIENTS = [
    "<alice@{domain}>",
    "<nobody@{domain}>",
    f"<{VICTIM}>",
    f"<@{{domain}}:{VICTIM}>",
    "<mailbox%example.net@{domain}>",
    f'<"{VICTIM}"@{{domain}}>',
    "<example.net!mailbox@{domain}>",
    "<alice@[127.0.0.1]>",
    "<postmaster>",
    "<>",
    "",
    "<alice@{domain}> NOTIFY=SUCCESS ORCPT=rfc822;x",
]

# What a program could try that somebody has made the server run. It prints what it could do.
ATTEMPT = """
import os, socket, subprocess
def attempt(name, call):
    try:
        call()
    except Exception:
        return
    print("COULD", name, flush=True)
def sendmail():
    subprocess.run(["/usr/sbin/sendmail", "-i", "{victim}"], input=b"Subject: {token}\\n\\n", check=True, timeout=30)
attempt("connect over IPv4", lambda: socket.create_connection(("{foreign}", 25), 5))
attempt("make a socket", lambda: socket.socket(socket.AF_INET))
attempt("make a socket of IPv6", lambda: socket.socket(socket.AF_INET6))
for path in "/run/courier/authdaemon/socket /run/courier-forward/socket".split():
    attempt("call " + path, lambda: socket.socket(socket.AF_UNIX).connect(path))
for path in "/etc/courier /var/lib/courier /var/lib/courier/msgs /var/lib/courier/tmp /srv/vmail".split():
    attempt("list " + path, lambda: os.listdir(path))
    attempt("write to " + path, lambda: open(path + "/{token}", "w"))
attempt("send mail", sendmail)
print("TRIED {token}", flush=True)
"""


@pytest.fixture
def addresses(site):
    """Where it listens, by family."""
    found = site.facts["mail_tarbaby"]["addresses"]
    return {"ipv4": next(one for one in found if ":" not in one), "ipv6": next(one for one in found if ":" in one)}


@pytest.fixture
def visitor(site, host_named):
    """An address that nobody has come from, on a host that writes to nobody but in these tests."""
    host = host_named("acme.example.net")
    first = ipaddress.ip_network(site.facts["bed_ipv4_network"]).network_address
    address = str(first + next(NUMBERS))
    host.check_output("ip addr replace %s/32 dev eth0", address)
    yield host, address
    host.check_output("ip addr del %s/32 dev eth0", address)
    site.run("courier-mail pardon %s", address)


@pytest.fixture
def call(addresses, visitor):
    """Call it, or another address of the host."""

    def call(family="ipv4", address=None):
        host, mine = visitor
        mine = mine if family == "ipv4" else "::"
        there = address or addresses[family]
        return host.inside(lambda: smtplib.SMTP(there, 25, host.name, timeout=30, source_address=(mine, 0)))

    return call


class TestTakesNothing:
    def test_every_recipient_is_to_come_again(self, site, call, family, token):
        with call(family) as smtp:
            assert smtp.ehlo()[0] == 250
            assert not {"auth", "starttls"} & smtp.esmtp_features.keys()
            for sender in (f"{token}@example.net", f"alice@{site.domain}", ""):
                assert smtp.docmd("MAIL", f"FROM:<{sender}>")[0] == 250
                answers = {
                    recipient: smtp.docmd("RCPT", f"TO:{recipient.format(domain=site.domain)}")
                    for recipient in RECIPIENTS
                }
                assert {code for code, _text in answers.values()} == {451}
                assert smtp.docmd("DATA")[0] == 503
                assert smtp.docmd("BDAT", "5 LAST")[0] >= 500
                assert smtp.rset()[0] == 250
        assert token not in site.check_output("mailq -batch")

    def test_nobody_logs_in(self, site, call, family):
        alice = site.accounts["alice"]
        plain = base64.b64encode(f"\0{alice.address}\0{alice.password}".encode()).decode()
        with call(family) as smtp:
            smtp.ehlo()
            for said in (f"PLAIN {plain}", "LOGIN", "CRAM-MD5"):
                assert smtp.docmd("AUTH", said)[0] == 502
            smtp.docmd("MAIL", f"FROM:<{alice.address}>")
            assert smtp.docmd("RCPT", f"TO:<{VICTIM}>")[0] == 451

    def test_pipelining_and_smuggling_lead_nowhere(self, site, call, foreign, token):
        with call() as smtp:
            smtp.ehlo()
            letter = f"MAIL FROM:<a@example.net>\r\nRCPT TO:<{VICTIM}>\r\nDATA\r\nSubject: {token}\r\n\r\n.\r\n"
            smtp.sock.sendall(letter.encode() + b"NOOP\r\n")
            codes = [smtp.getreply()[0] for _line in range(7)]
            assert codes == [250, 451, 503, 500, 500, 500, 250]
        assert token not in site.check_output("mailq -batch")
        assert not foreign.received(token)

    def test_who_goes_on_for_ever_is_sent_away(self, call):
        with call() as smtp:
            smtp.ehlo()
            codes = [smtp.docmd("RCPT", "TO:<x@example.test>")[0] for _number in range(100)]
            assert set(codes) == {451}
            assert smtp.docmd("RCPT", "TO:<x@example.test>")[0] == 421

    def test_one_source_does_not_fill_it(self, call):
        open_ = [call() for _number in range(10)]
        with pytest.raises(smtplib.SMTPConnectError) as refused:
            call()
        assert refused.value.smtp_code == 421
        for smtp in open_:
            smtp.close()

    @pytest.mark.parametrize("how", ["damaged", "missing", "no place for it"])
    def test_what_it_remembers_does_not_matter(self, site, call, eventually, how):
        directory = VISITS.rpartition("/")[0]
        change = {
            "damaged": f"sh -c 'rm -f {VISITS}*; head -c 9999 /dev/urandom >{VISITS}; chown courier-tarbaby {VISITS}'",
            "missing": f"rm -f {VISITS}",
            "no place for it": f"sh -c 'rm -f {VISITS}; mkdir {VISITS}'",
        }[how]
        site.check_output(
            f"systemctl stop courier-tarbaby; rm -rf /tmp/tarbaby; cp -a {directory} /tmp/tarbaby; {change}"
        )
        site.check_output("systemctl start courier-tarbaby")
        try:
            with call() as smtp:
                smtp.ehlo()
                for _again in range(2):
                    smtp.docmd("MAIL", "FROM:<a@example.net>")
                    assert smtp.docmd("RCPT", f"TO:<alice@{site.domain}>")[0] == 451
            if how != "no place for it":
                assert eventually(lambda: "alice" in site.run("courier-tarbaby").stdout)
            with call() as smtp:
                assert smtp.docmd("RCPT", f"TO:<alice@{site.domain}>")[0] == 451
        finally:
            site.check_output(
                f"systemctl stop courier-tarbaby; rm -rf {directory}/visits* && cp -a /tmp/tarbaby/. {directory}/ && "
                "systemctl start courier-tarbaby"
            )


class TestHasNoRights:
    def test_the_process_has_none_to_lose(self, site):
        pid = site.check_output("systemctl show -P MainPID courier-tarbaby")
        status = dict(line.split(":\t", 1) for line in site.check_output(f"cat /proc/{pid}/status").splitlines())
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {16 * "0"}
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert status["Uid"].split()[0] == site.check_output("id -u courier-tarbaby")
        assert status["Groups"].split() in ([], [site.check_output("id -g courier-tarbaby")])

    def test_another_program_in_its_place_can_do_nothing_either(self, site, foreign, token):
        text = ATTEMPT.format(victim=VICTIM, token=token, foreign=foreign.addresses["ipv4"])
        unit = site.check_output("cat /etc/systemd/system/courier-tarbaby.service")
        unit = re.sub(r"(?m)^ExecStart=.*", "ExecStart=/usr/bin/python3 /usr/local/lib/tarbaby-attempt", unit)
        unit = re.sub(r"(?m)^(Requires|After|Restart|RestartSec)=.*\n", "", unit).replace("Type=exec", "Type=oneshot")
        for path, content in (
            ("/usr/local/lib/tarbaby-attempt", text),
            ("/run/systemd/system/tarbaby-attempt.service", unit),
        ):
            site.check_output("echo %s | base64 -d > %s", base64.b64encode(content.encode()).decode(), path)
        site.check_output("systemctl daemon-reload && systemctl start tarbaby-attempt")
        said = site.check_output("journalctl --sync; journalctl --no-pager -o cat -t courier-tarbaby --since -2min")
        assert f"TRIED {token}" in said
        assert [line for line in said.splitlines() if line.startswith("COULD")] == []
        assert token not in site.check_output("mailq -batch")
        site.check_output(
            "rm /usr/local/lib/tarbaby-attempt /run/systemd/system/tarbaby-attempt.service; systemctl daemon-reload"
        )

    def test_courier_listens_beside_it(self, site, stranger, family):
        with site.smtp(stranger, 25, family) as smtp:
            assert smtp.ehlo()[0] == 250


def test_a_mail_server_goes_on_to_the_next(site, foreign, addresses, token, eventually):
    """Postfix is told of it first here, defers, and brings its mail to the real one."""
    with site.smtp(foreign, 25) as smtp:
        smtp.ehlo()  # as who asks the real one first, which is what mail servers do
    way = f"smtp:[{addresses['ipv4']}],[{site.addresses['ipv4']}]"
    foreign.check_output("postconf -e %s", f"transport_maps=inline:{{{{{site.domain} = {way}}}}}")
    foreign.check_output("postfix reload")
    try:
        foreign.check_output(
            "echo %s | base64 -d | sendmail -i -f mailbox@example.net %s",
            base64.b64encode(f"Subject: {token}\nFrom: mailbox@example.net\n\nHello.\n".encode()).decode(),
            f"bob@{site.domain}",
        )
        assert eventually(lambda: site.inbox(site.accounts["bob"], token))
    finally:
        foreign.check_output("postconf -X transport_maps && postfix reload")
    assert eventually(lambda: foreign.addresses["ipv4"] in site.run("courier-tarbaby").stdout)
    # That counts for nothing.
    assert foreign.addresses["ipv4"] not in site.check_output("courier-mail deny")
    assert foreign.addresses["ipv4"] not in site.check_output("courier-mail traps")


@pytest.mark.usefixtures("no_timers")
class TestCounts:
    @staticmethod
    def visit(call, recipient):
        with call() as smtp:
            smtp.ehlo()
            smtp.docmd("MAIL", "FROM:<someone@example.net>")
            assert smtp.docmd("RCPT", f"TO:<{recipient}>")[0] == 451

    @staticmethod
    def events(site, address):
        lines = site.check_output("courier-tarbaby events --after %s", repr(time.time() - 60)).splitlines()
        return [event for event in map(json.loads, lines) if event[0] == address]

    def test_who_asks_it_first_is_refused_by_the_real_one(self, site, visitor, call, token, eventually):
        _host, address = visitor
        self.visit(call, f"alice@{site.domain}")
        assert eventually(lambda: self.events(site, address))
        # Once is nothing,
        assert address not in site.check_output("courier-mail deny")
        assert f"{address}  asked for TO:<alice@{site.domain}>" in site.check_output("courier-mail traps")
        # but counts beside a letter to a trap.
        with call(address=site.addresses["ipv4"]) as smtp:
            smtp.sendmail("someone@example.net", [f"win.a.million@{site.domain}"], f"Subject: {token}\n\n{token}\n")
        assert f"{address} is refused from now on" in site.check_output("courier-mail deny")

        def refused():
            with call(address=site.addresses["ipv4"]) as smtp:
                smtp.ehlo()
                smtp.mail("someone@example.net")
                return smtp.rcpt(f"alice@{site.domain}")[0] == 550

        assert eventually(refused)

    def test_who_asks_one_on_another_host_counts_as_well(self, site, sites, visitor, call, eventually):
        (other,) = (one for one in sites if one.name != site.name)
        _host, address = visitor
        (there,) = (one for one in other.facts["mail_tarbaby"]["addresses"] if ":" not in one)
        try:
            with call(address=there) as smtp:
                smtp.ehlo()
                smtp.docmd("MAIL", "FROM:<someone@example.net>")
                assert smtp.docmd("RCPT", f"TO:<alice@{site.domain}>")[0] == 451
            assert eventually(lambda: self.events(other, address))
            assert address not in site.check_output("courier-mail deny")
            said = site.check_output("courier-mail traps")
            assert f"{address}  asked for TO:<alice@{site.domain}>" in said
        finally:
            other.run("courier-mail pardon %s", address)

    def test_who_asked_the_real_one_before_does_not_count(self, site, visitor, call, eventually):
        _host, address = visitor
        with call(address=site.addresses["ipv4"]) as smtp:
            smtp.ehlo()
        self.visit(call, f"alice@{site.domain}")
        assert eventually(lambda: self.events(site, address))
        assert address not in site.check_output("courier-mail deny")
        assert address not in site.check_output("courier-mail traps")

    def test_who_asks_for_a_dead_domain_does_not_count(self, site, host_named, visitor, call, eventually):
        """DNS has no other exchanger for it."""
        _host, address = visitor
        domain = f"dead.{site.domain}"
        question = dns.message.make_query(domain, "MX")
        said = dns.query.tcp(question, host_named("dns.example.net").addresses["ipv4"], timeout=30).answer
        assert [str(one) for answer in said for one in answer] == [f"90 {site.facts['mail_tarbaby']['host']}."]
        self.visit(call, f"somebody@{domain}")
        assert eventually(lambda: self.events(site, address))
        assert address not in site.check_output("courier-mail deny")

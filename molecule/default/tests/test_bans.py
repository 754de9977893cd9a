# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who guesses passwords is kept out, and nobody else is.

Attacks come from addresses that a host of the bed has for one test only, because fail2ban remembers.
"""

from __future__ import annotations

import base64
import functools
import ipaddress
import itertools
import random
import re
import smtplib
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import NamedTuple

import pytest

PORTS = [25, 110, 143, 465, 587, 993, 995]
# Hosts of the bed's network that nobody has, and that the inventory does not deny. Each is taken once: the deny list
# remembers, too.
FREE = itertools.chain(range(70, 96), range(104, 126))
# Of the networks that documentation uses, but none that the run's own proof bans addresses of.
VICTIM = {"ipv4": "203.0.113.209", "ipv6": "2001:db8:113::209"}
SSH = (
    "SSH_ASKPASS=/bin/echo SSH_ASKPASS_REQUIRE=force timeout 60 ssh -n -b %s -l %s -o PreferredAuthentications=%s"
    " -o NumberOfPasswordPrompts=1 -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s true"
)


class Attacker(NamedTuple):
    """An address on a host, and the site that it turns to."""

    site: object
    host: object
    family: str
    address: str

    def connect(self, port, timeout=20.0):
        target = (self.site.addresses[self.family], port)
        return self.host.inside(lambda: socket.create_connection(target, timeout, (self.address, 0)))

    def smtp(self, port):
        target, source = self.site.addresses[self.family], (self.address, 0)
        if port == 465:
            return self.host.inside(
                lambda: smtplib.SMTP_SSL(target, port, "x", timeout=20, source_address=source, context=self.site.trust)
            )
        client = self.host.inside(lambda: smtplib.SMTP(target, port, "x", timeout=20, source_address=source))
        if port == 587:
            client.starttls(context=self.site.trust)
        return client

    def is_kept_out(self, port):
        try:
            self.connect(port, 1.0).close()
        except TimeoutError:
            return True
        except ConnectionRefusedError:
            return False
        return False

    def is_kept_out_of(self, ports):
        with ThreadPoolExecutor(len(ports)) as pool:
            return list(pool.map(self.is_kept_out, ports))

    def guess(self, port, times, name, method="PLAIN", password="wrong"):
        """Try to log in by SMTP."""
        # Without a QUIT, which nobody may hear any more.
        with closing(self.smtp(port)) as smtp:
            smtp.ehlo()
            for _each in range(times):
                self.try_once(smtp, name, method, password)

    @staticmethod
    def try_once(smtp, name, method, password):
        said = {
            "PLAIN": [f"\0{name}\0{password}"],
            "LOGIN": [name, password],
            "CRAM": [f"{name} {'0' * 32}"],
        }[method.partition("-")[0]]
        code, _text = smtp.docmd("AUTH", method)
        for one in said:
            if code == 334:
                code, _text = smtp.docmd(base64.b64encode(one.encode()).decode())
        assert code == 535

    def guess_imap(self, names):
        self.talk_imap([[f"1 LOGIN {name} wrong"] for name in names])

    def talk_imap(self, dialogs):
        """Try to log in by IMAP, which keeps whoever fails waiting, so at once."""

        def guess(dialog):
            # Who is kept out meanwhile hears no answer.
            with suppress(OSError), self.site.trust.wrap_socket(self.connect(993)) as connection:
                stream = connection.makefile("rb")
                stream.readline()
                for line in dialog:
                    connection.sendall(f"{line}\r\n".encode())
                    stream.readline()

        with ThreadPoolExecutor(len(dialogs)) as pool:
            list(pool.map(guess, dialogs))

    def ssh(self, name, way):
        """Log in by SSH or try to, with a password that is wrong."""
        return self.host.run(SSH, self.address, name, way, self.site.addresses[self.family])

    def guess_ssh(self, name):
        """Fail five times: sshd says in each connection that nobody has the name, and twice that the password is wrong.

        Debian 13's own sshd makes whoever failed in three connections wait, so they come at once.
        """
        ways = ("none", "password", "password")
        with ThreadPoolExecutor(len(ways)) as pool:
            assert not [done for done in pool.map(lambda way: self.ssh(name, way), ways) if done.rc == 0]


@pytest.fixture
def attacker(site, stranger):
    made = []

    def attacker(family):
        facts = site.facts
        network = ipaddress.ip_network(facts[f"bed_{family}_network"])
        number = next(FREE) if family == "ipv4" else random.randrange(2**32, 2**48)
        one = Attacker(site, stranger, family, str(network[number]))
        stranger.check_output("ip address replace %s/%s dev eth0 nodad", one.address, str(network.prefixlen))
        made.append((one.address, network.prefixlen))
        return one

    yield attacker
    for address, length in made:
        stranger.run("ip address del %s/%s dev eth0", address, str(length))
        site.run("fail2ban-client unban %s", address)
        site.run(
            "courier-mail pardon %s",
            str(ipaddress.ip_network((address, 64), strict=False)) if ":" in address else address,
        )


@pytest.fixture
def lasting(site):
    """Bans count from the last failure, so what fail2ban takes to ban on a busy machine is taken from short ones."""
    jails = ("courier-strangers", "courier-accounts")
    before = {jail: site.check_output("fail2ban-client get %s bantime", jail) for jail in jails}
    for jail in jails:
        site.check_output("fail2ban-client set %s bantime 300", jail)
    yield
    for jail, seconds in before.items():
        site.check_output("fail2ban-client set %s bantime %s", jail, seconds)


def banned(site, jail):
    return site.check_output("fail2ban-client get %s banip", jail).split()


DOORS = {
    "AUTH PLAIN on 587": (587, "PLAIN"),
    "AUTH LOGIN on 465": (465, "LOGIN"),
    "AUTH CRAM-MD5 on 587": (587, "CRAM-MD5"),
    "AUTH CRAM-SHA256 on 465": (465, "CRAM-SHA256"),
}


@pytest.mark.usefixtures("lasting")
def test_who_tries_names_is_kept_out_of_every_door(site, stranger, attacker, eventually, family):
    attackers = {door: attacker(family) for door in DOORS}

    def attack(door):
        port, method = DOORS[door]
        one = attackers[door]
        one.guess(port, 5, f"nobody@{site.domain}", method)
        return eventually(lambda: one.is_kept_out(port)) and one.is_kept_out_of(PORTS)

    # All at once: Courier keeps whoever fails waiting.
    with ThreadPoolExecutor(len(DOORS)) as pool:
        found = dict(zip(DOORS, pool.map(attack, DOORS), strict=True))
    assert found == dict.fromkeys(DOORS, [True] * len(PORTS))
    # Not those who share nothing with him but the way, nor his other addresses.
    himself = Attacker(site, stranger, family, stranger.addresses[family])
    for other in (25, 465, 587, 993):
        himself.connect(other).close()


@pytest.mark.usefixtures("lasting")
def test_who_tries_names_by_imap_is_kept_out(site, attacker, eventually, family):
    one = attacker(family)
    one.guess_imap([f"nobody{number}@{site.domain}" for number in range(5)])
    assert eventually(lambda: one.is_kept_out(993))
    assert one.is_kept_out(587)
    # Who it was and how to let him in again is in the journal, and the filters' store remembers him.
    said = site.run("journalctl --output=cat --identifier=courier-mail-bans | grep -F %s", one.address).stdout
    assert f"fail2ban-client unban {one.address}" in said
    known = f"{one.address} " if family == "ipv4" else one.address.rpartition(":")[0][:12]
    assert eventually(lambda: known in site.run("courier-mail traps").stdout)


@pytest.mark.usefixtures("lasting")
def test_who_tries_by_authenticate_is_kept_out(site, attacker, eventually, family):
    one = attacker(family)
    plain = base64.b64encode(f"\0nobody@{site.domain}\0wrong".encode()).decode()
    # Courier logs no name of it, which is given more patience.
    one.talk_imap([["1 AUTHENTICATE PLAIN", plain] * 2] * 7)
    assert eventually(lambda: one.is_kept_out(993))
    assert one.address in banned(site, "courier-accounts")


@pytest.mark.usefixtures("lasting")
def test_who_tries_where_no_login_is_offered_is_kept_out(attacker, eventually):
    one = attacker("ipv4")
    with closing(one.smtp(25)) as smtp:
        smtp.ehlo()
        for _each in range(12):
            assert smtp.docmd("AUTH", "PLAIN AGEAYg==")[0] >= 500
    assert eventually(lambda: one.is_kept_out(587))


@pytest.mark.usefixtures("lasting")
def test_a_connection_that_is_open_is_cut(site, attacker, eventually, family):
    one = attacker(family)
    with closing(one.smtp(587)) as before:
        assert before.noop()[0] == 250
        one.guess(587, 5, f"nobody@{site.domain}")
        assert eventually(lambda: one.is_kept_out(587))
        before.sock.settimeout(2)
        with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
            before.noop()


def test_a_ban_ends_by_itself_and_the_next_one_is_longer(site, attacker, eventually):
    one = attacker("ipv6")
    one.guess(587, 5, f"nobody@{site.domain}")
    assert eventually(lambda: one.is_kept_out(587))
    assert eventually(lambda: not one.is_kept_out(587), within=25)
    one.guess(587, 5, f"nobody@{site.domain}")
    assert eventually(lambda: one.is_kept_out(587))
    times = site.check_output("fail2ban-client get courier-strangers banip --with-time").splitlines()
    (line,) = [line for line in times if line.startswith(one.address)]
    assert int(line.partition("+")[2].split()[0]) >= 24


def test_a_jail_of_ones_own_closes_its_own_port(site, attacker, eventually, family):
    one = attacker(family)
    with site.inside(lambda: socket.create_server(("::", 8025), family=socket.AF_INET6, dualstack_ipv6=True)):
        one.connect(8025).close()
        site.check_output("fail2ban-client set bed-door banip %s", one.address)
        assert eventually(lambda: one.is_kept_out(8025))
        assert one.is_kept_out_of(PORTS) == [False] * len(PORTS)


def test_who_is_banned_again_and_again_is_from_all_ports(site, attacker, eventually, family):
    one = attacker(family)
    for _each in range(4):
        site.check_output("fail2ban-client set bed-door banip %s", one.address)
        assert eventually(lambda: one.address in banned(site, "bed-door"))
        site.check_output("fail2ban-client set bed-door unbanip %s", one.address)
    with site.inside(lambda: socket.create_server(("::", 8026), family=socket.AF_INET6, dualstack_ipv6=True)):
        assert eventually(lambda: one.is_kept_out(8026))
    assert one.is_kept_out_of(PORTS) == [True] * len(PORTS)
    assert one.address in banned(site, "recidive")


@pytest.mark.usefixtures("lasting")
def test_one_command_lets_somebody_in_again(site, attacker, eventually):
    one = attacker("ipv4")
    one.guess(587, 5, f"nobody@{site.domain}")
    assert eventually(lambda: one.is_kept_out(587))
    assert site.check_output("fail2ban-client unban %s", one.address) == "1"
    assert eventually(lambda: not one.is_kept_out(587), within=5)


def test_a_ban_survives_restarts_of_fail2ban_and_of_the_firewall(site, attacker, eventually):
    one = attacker("ipv4")
    site.check_output("fail2ban-client set courier-strangers bantime 300")
    try:
        one.guess(587, 5, f"nobody@{site.domain}")
        assert eventually(lambda: one.is_kept_out(587))
        for command in ("restart fail2ban", "restart nftables", "reload nftables"):
            site.check_output(f"systemctl {command}")
            assert eventually(lambda: one.address in site.run("nft list ruleset").stdout)
            assert eventually(lambda: one.is_kept_out(587))
        site.check_output("nft flush ruleset")
        assert not one.is_kept_out(587)
        site.check_output("systemctl restart fail2ban")
        assert eventually(lambda: one.is_kept_out(587))
    finally:
        site.run("systemctl stop nftables")
        site.run("systemctl restart fail2ban")


def test_a_jail_that_hears_nothing_is_named(site, task):
    answers = [{"protocol": "fail2ban", "jails": ["courier-accounts", "courier-strangers"]}]
    asked = {"units": [{"name": "fail2ban", "running": True, "answers": answers}], "timeout": 1}
    site.check_output("fail2ban-client set courier-strangers idle on")
    try:
        result = task(site.name, "units", **asked)
    finally:
        site.check_output("fail2ban-client set courier-strangers idle off")
    assert result.outcome == "failed"
    assert "what is logged does not come to the jail courier-strangers;" in result.result["msg"]
    assert task(site.name, "units", units=asked["units"]).outcome == "ok"


def test_an_old_password_is_not_a_stranger(site, attacker, eventually):
    one = attacker("ipv6")
    one.guess(587, 8, site.accounts["alice"].address)
    assert eventually(
        lambda: f"[courier-accounts] Found {one.address}" in site.check_output("cat /var/log/fail2ban.log")
    )
    assert not one.is_kept_out(587)
    one.guess(587, 4, site.accounts["alice"].address.upper(), "LOGIN")
    assert eventually(lambda: one.address in banned(site, "courier-accounts"))
    assert one.address not in banned(site, "courier-strangers")
    # The report of the week has it.
    site.run_unit("courier-mail-bans.service")
    row = re.compile(rf"^ +1  {re.escape(one.address)}\r?$", re.MULTILINE)
    assert eventually(
        lambda: [
            letter
            for letter in site.inbox(site.accounts["alice"], "Bans of the last week")
            if row.search(letter.get_content())
        ]
    )


def test_nobody_is_banned_while_no_password_can_be_right(site, attacker, eventually):
    one = attacker("ipv4")
    door = "/run/courier/authdaemon/socket"
    ignored = f"[courier-strangers] Ignore {one.address} by command"
    site.check_output("mv %s %s", door, f"{door}.away")
    try:
        one.guess_imap([f"nobody{number}@{site.domain}" for number in range(6)])
        assert eventually(lambda: site.check_output("cat /var/log/fail2ban.log").count(ignored) == 6)
    finally:
        site.check_output("mv %s %s", f"{door}.away", door)
    assert not one.is_kept_out(993)
    one.guess_imap([f"nobody{number}@{site.domain}" for number in range(5)])
    assert eventually(lambda: one.is_kept_out(993))


def test_who_guesses_by_ssh_is_kept_out_of_that_alone(site, stranger, attacker, eventually):
    attackers = [attacker(family) for family in VICTIM]

    def attack(one):
        # Nor does a name ban somebody else.
        one.guess_ssh(f"x from {VICTIM[one.family]} port 1 ssh2")
        assert eventually(lambda: one.is_kept_out(22))
        assert one.is_kept_out_of(PORTS) == [False] * len(PORTS)
        one._replace(address=stranger.addresses[one.family]).connect(22).close()
        assert VICTIM[one.family] not in site.check_output("cat /var/log/fail2ban.log")
        assert site.check_output("fail2ban-client unban %s", one.address) == "1"
        assert eventually(lambda: not one.is_kept_out(22))

    with ThreadPoolExecutor(len(attackers)) as pool:
        list(pool.map(attack, attackers))


@pytest.fixture
def key(site, stranger):
    """Lets root in by SSH."""
    key = stranger.check_output(
        "ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; cat /root/.ssh/id_ed25519.pub"
    )
    site.check_output("install -d -m 700 /root/.ssh && echo %s >/root/.ssh/authorized_keys", key)
    yield
    stranger.check_output("rm /root/.ssh/id_ed25519*")
    site.check_output("rm /root/.ssh/authorized_keys")


@pytest.mark.usefixtures("key")
def test_sshd_bans_neither_who_logs_in_nor_friends_nor_whom_a_user_writes_of(site, stranger, attacker, eventually):
    one = attacker("ipv6")
    friend = Attacker(site, stranger, "ipv4", stranger.addresses["ipv4"])
    ignored = f"[sshd] Ignore {friend.address} by ip"
    log = functools.partial(site.check_output, "cat /var/log/fail2ban.log")
    before = log().count(ignored)
    friend.guess_ssh("nobody-here")
    assert eventually(lambda: log().count(ignored) == before + 5)
    friend.connect(22).close()
    said = f"Invalid user x from {VICTIM['ipv4']} port 1"
    site.check_output("cp /usr/bin/logger /tmp/sshd && runuser -u nobody -- /tmp/sshd -t sshd %s; rm /tmp/sshd", said)
    with ThreadPoolExecutor(6) as pool:
        assert [done.rc for done in pool.map(lambda _each: one.ssh("root", "publickey"), range(6))] == [0] * 6
    assert one.ssh("nobody-here", "none").rc
    assert eventually(lambda: f"[sshd] Found {one.address}" in log())
    assert log().count(f"[sshd] Found {one.address} - ") == 1
    assert VICTIM["ipv4"] not in log()


def test_hopeless_names_have_less_patience(site, attacker, eventually):
    one = attacker("ipv4")
    one.guess(587, 2, "root", "LOGIN")
    assert eventually(lambda: one.address in banned(site, "courier-attackers"))


def test_the_controller_is_never_banned(site, family):
    address = str(ipaddress.ip_network(site.facts[f"bed_{family}_network"])[1])
    for _each in range(4):
        with smtplib.SMTP_SSL(site.addresses[family], 465, "x", timeout=20, context=site.trust) as smtp:
            assert smtp.sock.getsockname()[0] == address
            smtp.ehlo()
            for _try in range(25):
                Attacker.try_once(smtp, f"nobody@{site.domain}", "PLAIN", "wrong")
    socket.create_connection((site.addresses[family], 587), 5).close()
    assert not re.search(rf"Ban {address}$", site.check_output("cat /var/log/fail2ban.log"), re.MULTILINE)


def test_a_login_name_bans_nobody_else(site, attacker, eventually, family):
    victim = VICTIM[family]
    line = f'error,relay={victim},port=1,msg="535 Authentication failed.",cmd: AUTH LOGIN a'
    names = [
        f"x\n{line}",
        f"x\r\nmx1 courieresmtpd: {line}",
        f'x",relay={victim},port=1',
        f"x, ip=[{victim}], port=[1]",
    ]
    methods = {method: attacker(family) for method in ("PLAIN", "LOGIN")}

    def attack(method):
        with closing(methods[method].smtp(587)) as smtp:
            smtp.ehlo()
            for name in names:
                methods[method].try_once(smtp, name, method, "wrong")

    with ThreadPoolExecutor(len(methods)) as pool:
        list(pool.map(attack, methods))
    ending = f", ip=[{victim}], port=[1]"
    quoted = [
        f'"x{ending}"',
        f'"x{ending}\\nLOGIN FAILED, user=y{ending}"',
        *(f'"{"x" * length}{ending}"' for length in (150, 460, 980)),
    ]
    other = attacker(family)
    other.guess_imap(quoted)
    assert eventually(lambda: f"Found {other.address}" in site.check_output("cat /var/log/fail2ban.log"))
    assert victim not in site.check_output("cat /var/log/fail2ban.log")


def test_a_report_counts(site, attacker, eventually):
    one = attacker("ipv6")
    one.guess(587, 2, "root", "LOGIN")
    assert eventually(lambda: one.address in banned(site, "courier-attackers"))
    said = site.check_output("python3 /usr/local/lib/courier-mail-bans/report.py")
    assert "courier-attackers" in said
    assert "courier-proof" not in said

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message that was accepted is delivered, whatever happens to the host. These tests restart it, so they come last."""

from __future__ import annotations

import re
import smtplib

import pytest


def units(site, kind, state):
    """Units of a kind in a state, but for those that come and go."""
    listed = site.check_output(f"systemctl list-units --type={kind} --state={state} --plain --no-legend")
    names = {line.split()[0] for line in listed.splitlines()}
    ours = ("clamav", "courier", "fail2ban", "fetchmail", "nginx", "spamd")
    passing = re.compile(r"courier-mail-(?!room)[a-z-]+(@.*)?[.]service")
    return {name for name in names if name.startswith(ours) and not passing.fullmatch(name)}


def refused(site, stranger, letter):
    """Whether the filters refuse a program that somebody sends."""
    letter.add_attachment(b"MZ", "application", "octet-stream", filename="probe.exe")
    with pytest.raises(smtplib.SMTPDataError) as answer, site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, "mailbox@example.net", [site.accounts["bob"].address])
    return answer.value.smtp_code >= 500


def reboot(host):
    host.container.restart()


def lose_power(host):
    host.container.kill()
    host.container.start()


@pytest.mark.parametrize("accident", [reboot, lose_power])
def test_queued_mail_and_all_that_runs_survive(site, foreign, stranger, letter, token, eventually, web, accident):
    alice = site.accounts["alice"]
    friend = f"mailbox+{token}@example.net"
    # Until the restart, which makes the routes anew, the recipient's server is out of reach.
    for address in foreign.addresses.values():
        site.check_output("ip route add unreachable %s", address)
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [friend])
    assert eventually(lambda: friend in site.check_output("mailq"))
    assert not foreign.received(token)
    services, timers = units(site, "service", "running"), units(site, "timer", "active")
    assert {"courier.service", "courier-pythonfilter.service", "courier-horde.service"} <= services

    accident(site)

    assert eventually(lambda: all(site.is_open(port) for port in (25, 587, 465, 993)), within=60)
    assert eventually(lambda: site.run("courier flush").succeeded and foreign.received(token))
    assert len(foreign.received(token)) == 1
    assert eventually(lambda: friend not in site.check_output("mailq"))
    assert eventually(lambda: units(site, "service", "running") >= services, within=60), services
    assert units(site, "timer", "active") == timers
    assert eventually(lambda: web(f"webmail.{site.domain}", "/horde/login.php").status == 200)
    assert refused(site, stranger, letter)

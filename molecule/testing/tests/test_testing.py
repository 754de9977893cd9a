# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian testing: mail flows, and a boot empties neither the queue nor the configuration, as its packages want it."""

from __future__ import annotations

import smtplib

import pytest

# What the packages have emptied at boot, and what of ours is there.
KEPT = ["aliases", "aliasdir", "hosteddomains", "esmtpacceptmailfor.dir", "smtpaccess", "filters"]


def configuration(site):
    return site.check_output(f"cd /etc/courier && find {' '.join(KEPT)} | sort").splitlines()


def running(site):
    listed = site.check_output(
        "systemctl list-units --state=running --plain --no-legend 'courier*' clamav* spamd* fail2ban*"
    )
    names = {line.split()[0] for line in listed.splitlines()}
    return {name for name in names if "@" not in name}  # those read one message each


def timers(site):
    listed = site.check_output("systemctl list-units --type=timer --state=active --plain --no-legend 'courier*'")
    return {line.split()[0] for line in listed.splitlines()}


def test_it_is_courier_2(site):
    assert site.check_output("dpkg-query -W -f '${Version}' courier-mta").startswith("2.")


def test_mail_comes_in(site, foreign, letter, token, eventually):
    with site.smtp(foreign, 25) as smtp:
        smtp.send_message(letter, "mailbox@example.net", [site.accounts["alice"].address])
    assert eventually(lambda: len(site.inbox(site.accounts["alice"], token)) == 1)


def test_mail_goes_out(site, foreign, letter, token, eventually):
    alice = site.accounts["alice"]
    with site.smtp(foreign, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [f"mailbox+{token}@example.net"])
    assert eventually(lambda: foreign.received(token))


def test_mail_to_an_alias_comes_to_both(site, foreign, letter, token, eventually):
    with site.smtp(foreign, 25) as smtp:
        smtp.send_message(letter, "mailbox@example.net", ["team@example.com"])
    for account in site.accounts.values():
        assert eventually(lambda account=account: len(site.inbox(account, token)) == 1)


def test_nobody_relays(site, foreign):
    with site.call(foreign, 25) as smtp:
        smtp.ehlo()
        smtp.mail("mailbox@example.net")
        assert 500 <= smtp.rcpt("somebody@elsewhere.test")[0] < 600


def refuses_programs(site, foreign, letter):
    letter.clear_content()
    letter.set_content("Dear friend,\n\nrun this.\n")
    letter.add_attachment(b"MZ", "application", "octet-stream", filename="probe.exe")
    with pytest.raises(smtplib.SMTPDataError) as refused, site.smtp(foreign, 25) as smtp:
        smtp.send_message(letter, "mailbox@example.net", [site.accounts["bob"].address])
    return refused.value.smtp_code >= 500


def test_filters_refuse(site, foreign, letter):
    assert refuses_programs(site, foreign, letter)


def test_packages_would_empty_what_lasts(site):
    """If this fails, Debian has mended it, and the module tmpfiles has nothing to do any more."""
    said = site.check_output("cat /usr/lib/tmpfiles.d/courier-mta.conf")
    assert [line for line in said.splitlines() if line.split()[:2] == ["D", "/var/lib/courier/msgs/"]]


def test_a_boot_keeps_the_queue_the_configuration_and_mailboxes(site, foreign, letter, token, eventually):
    alice = site.accounts["alice"]
    friend = f"mailbox+{token}@example.net"
    for address in foreign.addresses.values():
        site.check_output("ip route add unreachable %s", address)
    with site.smtp(site, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [friend, alice.address])
    assert eventually(lambda: friend in site.check_output("mailq"))
    assert eventually(lambda: len(site.inbox(alice, token)) == 1)
    before = configuration(site), running(site), timers(site)
    assert {f"{name}/default" for name in ("smtpaccess",)} <= set(before[0])

    site.container.restart()

    # All that a host runs starts at once.
    assert eventually(lambda: all(site.is_open(port) for port in (25, 587, 465, 993)), within=90)
    assert configuration(site) == before[0]
    assert eventually(lambda: running(site) >= before[1], within=90)
    assert timers(site) == before[2]
    assert eventually(lambda: site.run("courier flush").succeeded and foreign.received(token), within=90)
    assert len(foreign.received(token)) == 1
    assert len(site.inbox(alice, token)) == 1
    assert refuses_programs(site, foreign, letter)


def test_nothing_is_left_to_do_after_a_boot(play):
    results = play("courier.mail.site", "--check", "--diff")
    assert [result for result in results if result.outcome not in ("ok", "skipped")] == []


def test_webmail_is_refused(play):
    results = play("courier.mail.site", "--check", "-e", '{"mail_webmail": {"host": "webmail.example.com"}}')
    (refused,) = [result for result in results if result.outcome == "failed"]
    assert "mail_webmail is for Debian 12 and 13" in refused.message

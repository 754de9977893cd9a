# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every daemon that dies comes back, and mail with it; systemd never gives one up."""

from __future__ import annotations

import smtplib

import pytest

DAEMONS = [
    "courier",
    "courierfilter",
    "courier-mta",
    "courier-msa",
    "courier-mta-ssl",
    "courier-authdaemon",
    "courier-imap-ssl",
    "courier-pythonfilter",
    "courier-forward",
    "courier-mail-room",
    "courier-autoconfig",
    "courier-horde",
    "courier-tarbaby",
    "courier-rbldnsd",
    "clamav-daemon",
    "spamd",
    "fail2ban",
    "nginx",
    "prometheus-node-exporter",
]


def processes(site):
    """The main process of each, 0 where none runs."""
    shown = site.check_output(f"systemctl show --property=MainPID --value -- {' '.join(DAEMONS)}")
    return dict(zip(DAEMONS, map(int, shown.split()), strict=True))


def test_systemd_gives_none_up(site):
    properties = "--property=StartLimitIntervalUSec --property=Restart"
    shown = site.check_output(f"systemctl show {properties} -- {' '.join(DAEMONS)}").split("\n\n")
    found = dict(zip(DAEMONS, (dict(line.split("=") for line in one.splitlines()) for one in shown), strict=True))
    assert {name: one for name, one in found.items() if one["StartLimitIntervalUSec"] not in ("0", "infinity")} == {}
    assert {name: one for name, one in found.items() if one["Restart"] != "always"} == {}


def test_what_is_killed_comes_back(site, stranger, letter, token, eventually):
    before = processes(site)
    assert 0 not in before.values(), before
    site.check_output(f"kill -9 {' '.join(map(str, before.values()))}")
    # Some are taken along by others, and start more than once.
    assert eventually(lambda: not set(processes(site).values()) & {0, *before.values()}, within=90)
    assert eventually(lambda: all(site.is_open(port) for port in (25, 80, 443, 465, 587, 993)), within=60)
    alice = site.accounts["alice"]

    def sent():
        try:
            with site.smtp(stranger, 587) as smtp:
                smtp.login(*alice)
                return smtp.send_message(letter, alice.address, [alice.address]) == {}
        except (OSError, smtplib.SMTPException):
            return False

    assert eventually(sent, within=60)
    assert eventually(lambda: site.inbox(alice, token))


def test_a_killed_filter_never_lets_mail_in_unseen(site, stranger, letter, eventually):
    """courierfilter starts no filter again; systemd does, and until then mail waits."""
    letter.add_attachment(b"MZ", "application", "octet-stream", filename="probe.exe")
    bob = site.accounts["bob"]
    site.check_output("systemctl kill --signal=KILL courier-pythonfilter")

    def refused():
        with site.smtp(stranger, 25) as smtp, pytest.raises(smtplib.SMTPException) as answer:
            smtp.send_message(letter, "mailbox@example.net", [bob.address])
        return getattr(answer.value, "smtp_code", 0) >= 500

    assert eventually(refused)


def test_no_listener_opens_without_the_filters(site):
    for listener in ("courier-mta", "courier-msa", "courier-mta-ssl"):
        shown = site.check_output("systemctl show --property=Requires --property=After -- %s", listener)
        said = dict(line.split("=", 1) for line in shown.splitlines())
        assert all("courier-pythonfilter.socket" in said[key].split() for key in ("Requires", "After")), listener


def test_the_socket_of_the_filters_is_there_whoever_is_started_first(site):
    """courierfilter removes all sockets when it starts, and Courier passes mail that no socket is there for."""
    listeners = "courier-mta courier-msa courier-mta-ssl"
    try:
        site.check_output("systemctl stop courierfilter")
        site.check_output("systemctl start courier-pythonfilter")
    finally:
        site.check_output(f"systemctl start courierfilter courier {listeners}")
    assert site.check_output("ls /var/lib/courier/allfilters") == "pythonfilter"

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without listeners sends and delivers its own mail, and hears nobody."""

from __future__ import annotations

import smtplib

import pytest


@pytest.mark.parametrize("port", [25, 587, 465, 143, 993, 110, 995])
def test_no_door_is_open(site, family, port):
    assert not site.is_open(port, family)


def test_programs_still_reach_port_25_on_the_loopback(site):
    client = site.inside(lambda: smtplib.SMTP("127.0.0.1", 25, timeout=60))
    with client as smtp:
        assert smtp.ehlo()[0] == 250


def test_a_program_writes_to_a_mailbox(site, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", f"alice@{site.domain}")
    assert eventually(lambda: site.run("grep -rl %s /srv/vmail/%s/alice/Maildir/new", token, site.domain).succeeded)


def test_a_program_writes_to_the_world(site, foreign, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", "mailbox@example.net")
    assert eventually(lambda: foreign.received(token))


def test_nothing_is_left_of_mailboxes_elsewhere(site):
    assert site.run("ls /etc/fetchmail /usr/local/lib/courier-fetch").stdout.split() == [
        "/etc/fetchmail:",
        "/usr/local/lib/courier-fetch:",
    ]
    assert site.run("find /etc/systemd/system -name 'fetchmail*.service'").stdout == ""
    assert site.run("systemctl list-units --plain --no-legend 'fetchmail@*'").stdout == ""

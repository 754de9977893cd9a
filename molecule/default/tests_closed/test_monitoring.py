# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nobody watches any more, nothing is left but what was found out."""

from __future__ import annotations


def test_nobody_watches_any_more(site):
    assert site.run("ls /usr/local/sbin/courier-mail-watch /usr/local/bin/mailtrace").failed
    assert site.run("find /etc/systemd/system -name 'courier-mail-watch*'").stdout == ""
    assert site.run("systemctl list-units --plain --no-legend 'courier-mail-watch*'").stdout == ""
    assert site.run("find /etc/courier-mail-watch -type f").stdout == ""


def test_the_exporter_is_closed(site):
    assert site.run("systemctl is-active prometheus-node-exporter").stdout.strip() == "inactive"
    assert site.run("test -L /var/lib/prometheus/node-exporter/courier_mail.prom").failed


def test_what_was_found_out_is_kept(site):
    assert site.run("test -s /var/lib/courier-mail-watch/alarm.sqlite").succeeded

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The webmail has left the inventory. Mail programs are still told how to set themselves up, by the same web server."""

from __future__ import annotations

import ssl

import pytest

LEFT = " ".join(
    [
        "/etc/nginx/*/courier-mail-horde*",
        "/etc/apt/*/courier-mail-horde*",
        "/etc/tmpfiles.d/courier-horde.conf",
        "/etc/systemd/system/courier-horde.service",
        "/etc/courier-horde/* /usr/local/share/courier-horde/*",
        "/etc/horde/*/conf.php /etc/horde/*/*.local.php",
    ]
)


def test_nobody_shows_it(site, web, family):
    with pytest.raises(ssl.SSLError):
        web(f"webmail.{site.domain}", "/", family=family)


def test_it_does_not_start_again(site):
    assert site.run("systemctl is-active courier-horde").stdout.strip() == "inactive"
    assert site.run("systemctl is-enabled courier-horde").stdout.strip() in ("", "disabled", "not-found")
    assert "courier-horde" not in site.check_output("fail2ban-client status")


def test_nothing_of_it_is_left_but_what_people_set(site):
    assert site.run(f"ls -d {LEFT}").stdout == ""
    assert site.check_output("ls /var/lib/courier-horde/horde.sqlite3")

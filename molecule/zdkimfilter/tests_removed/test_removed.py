# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When somebody else signs, zdkimfilter has left nothing that mail could stumble over."""

from __future__ import annotations


def test_neither_runs_nor_comes_back(site):
    assert site.run("pgrep -f [a]ctive/000-zdkimfilter").stdout == ""
    assert site.run("systemctl is-active courier-zdkimfilter").stdout.strip() == "inactive"
    assert site.run("systemctl is-enabled courier-zdkimfilter").stdout.strip() == "disabled"


def test_its_configuration_links_and_socket_have_gone(site):
    assert site.check_output("ls /etc/courier/filters/active") == ""
    assert "zdkimfilter" not in site.check_output("ls -A /var/lib/courier/allfilters /var/lib/courier/filters")
    assert not site.run("test -e /etc/courier/filters/zdkimfilter.conf").succeeded


def test_mail_is_taken_as_before(site, letter, token, eventually):
    letter["From"], letter["To"] = f"alice@{site.domain}", f"bob@{site.domain}"
    with site.smtp(site, 587) as smtp:
        smtp.login(*site.accounts["alice"])
        smtp.send_message(letter)
    where = f"/srv/vmail/{site.domain}/bob/Maildir/new"
    file = eventually(lambda: site.run("grep -rl %s %s", token, where).stdout).strip()
    assert "DKIM-Signature" not in site.check_output("cat %s", file)

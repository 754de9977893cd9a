# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where nothing is shown any more there is no web server, and the authority is answered without one."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("port", [80, 443])
def test_nobody_listens(site, family, port):
    assert not site.is_open(port, family)


@pytest.mark.parametrize("unit", ["nginx.service", "courier-autoconfig.service", "courier-autoconfig.socket"])
def test_nothing_starts_again(site, unit):
    assert site.run("systemctl is-active %s", unit).stdout.strip() == "inactive"
    assert site.run("systemctl is-enabled %s", unit).stdout.strip() == "disabled"


def test_no_site_is_left(site):
    assert "courier-mail" not in site.check_output("find /etc/nginx /etc/courier-autoconfig.json -name '*' || true")


def test_certbot_listens_itself_again(site):
    assert "authenticator = standalone" in site.check_output("cat /etc/letsencrypt/renewal/courier-mail.conf")
    site.check_output("certbot renew --quiet --force-renewal --no-random-sleep-on-renew")

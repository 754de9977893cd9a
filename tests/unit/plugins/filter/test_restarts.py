"""Units that come back."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from plugins.filter.restarts import restarts

REFUSED = ["/srv/my mail", "srv", "/srv/%i", '/srv/"', "/srv/a\\b"]


def test_makes_a_drop_in_for_each_unit():
    made = restarts({"courier.service": 2, "fail2ban.service": 10})
    assert made["directories"] == [
        {"path": "/etc/systemd/system/courier.service.d"},
        {"path": "/etc/systemd/system/fail2ban.service.d"},
    ]
    courier, fail2ban = made["files"]
    assert courier["path"] == "/etc/systemd/system/courier.service.d/courier-mail-restart.conf"
    assert courier["content"] == (
        "# Written by Ansible (role mailhost).\n"
        "[Unit]\n"
        "After=network.target\n"
        "StartLimitIntervalSec=0\n"
        "\n"
        "[Service]\n"
        "Restart=always\n"
        "RestartSec=2\n"
        "RestartPreventExitStatus=\n"
    )
    assert "RestartSec=10\n" in fail2ban["content"]


def test_waits_for_file_systems():
    (file,) = restarts({"courier.service": 2}, ["/var/lib", "/srv/vmail"])["files"]
    assert "\nRequiresMountsFor=/var/lib /srv/vmail\n" in file["content"].partition("[Service]")[0]


@pytest.mark.parametrize("path", REFUSED)
def test_refuses_paths_that_systemd_would_misread(path):
    with pytest.raises(AnsibleFilterError, match="write a path without blanks and quotes"):
        restarts({"courier.service": 2}, [path])

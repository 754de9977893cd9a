# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run whose letters are lost goes back, and says so."""

from __future__ import annotations

import json
import re

import pytest

from tests.playbook import play_on_bed

HUB, SATELLITE = "mx1.example.com", "sat1.example.com"
KEPT = "/var/backups/courier-mail-revert"
# Nobody answers there: the route is valid, and leads nowhere.
NOWHERE = [{"domain": "example.net", "relay": "[192.0.2.250]"}]


def run(playbook: str, *arguments: str, limit: str = f"{HUB},{SATELLITE}", **variables):
    given = json.dumps({"mail_revert_on_failure": True, "verify_timeout": 12} | variables)
    return play_on_bed("--limit", limit, *arguments, "-e", given, playbook)


def outcomes(record, task: str) -> set[str]:
    return {one["outcome"] for one in record if one["task"].rpartition(" : ")[2] == task}


def configuration(host) -> str:
    """All texts and databases of Courier, with owners and modes."""
    # Whom the filters refuse changes by itself.
    found = "find . -name 'smtpaccess*' -prune -o -printf '%p %m %u %g\\n' | sort"
    texts = "find . -name 'smtpaccess*' -prune -o -type f -print0 | sort -z | xargs -0 sha256sum"
    return host.check_output(f"cd /etc/courier && {found} && {texts}")


def names(host) -> list[str]:
    return host.run(f"ls {KEPT}").stdout.split()


@pytest.fixture(scope="module")
def hub(host_named):
    return host_named(HUB)


@pytest.fixture(scope="module")
def proved(hub, host_named):
    """A run that changes nothing, and so has a configuration to go back to."""
    done, record = run("courier.mail.site", "--tags", "courier_mta")
    assert done.returncode == 0
    return record


def test_a_run_that_changes_nothing_sends_nothing(proved, hub):
    assert outcomes(proved, "Send what programs and people of this host send") <= {"skipped"}
    assert any(name.endswith(".tar.gz") for name in names(hub))
    assert "pending" not in names(hub)


def test_only_root_reads_what_is_kept(proved, hub):
    assert hub.check_output(f"stat -c '%a %U' {KEPT}") == "700 root"
    assert set(hub.check_output(f"stat -c '%a %U' {KEPT}/*.tar.gz").splitlines()) == {"600 root"}


class TestARouteIntoNowhere:
    @pytest.fixture(scope="class")
    @classmethod
    def lost(cls, proved, hub):
        before = configuration(hub)
        done, record = run("courier.mail.site", "--tags", "courier_mta", bed_family_routes=NOWHERE)
        return before, done, record

    def test_fails_and_says_which_letter_was_lost(self, lost):
        _before, done, record = lost
        assert done.returncode != 0
        (said,) = {
            one["result"]["msg"]
            for one in record
            if one["task"].endswith("Fail where letters were lost") and (one["outcome"], one["host"]) == ("failed", HUB)
        }
        said = re.sub(r"\s+", " ", said)
        assert re.search(
            r"out: \w[\w ]* on mx1\.example\.com, to \S+: waits on mx1\.example\.com: No route to host", said
        )
        assert "is back, and the letters arrive with it" in said
        assert "/etc/courier/esmtproutes" in said

    def test_sent_letters_only_where_something_changed(self, lost):
        sent = [
            one["result"]["letters"]
            for one in lost[2]
            if one["task"].endswith("Send what programs and people of this host send") and "letters" in one["result"]
        ]
        directions = {letter["direction"] for letters in sent for letter in letters}
        assert directions
        assert all(one.startswith(("out: ", "in: satellite")) for one in directions)

    def test_the_old_configuration_is_back(self, lost, hub):
        assert configuration(hub) == lost[0]
        assert "192.0.2.250" not in hub.check_output("cat /etc/courier/esmtproutes")

    def test_the_doors_are_open(self, lost, site, foreign):
        assert site.smtp(foreign, 25).noop()[0] == 250

    def test_the_next_run_has_nothing_to_do(self, lost):
        done, record = run("courier.mail.site", "--tags", "courier_mta")
        assert done.returncode == 0
        changed = {one["task"] for one in record if one["outcome"] == "changed"}
        assert not [task for task in changed if "courier_mta" in task]


def test_a_change_that_is_well_stays(proved, hub):
    try:
        done, record = run(
            "courier.mail.site", "--tags", "courier_mta", courier_mta_files={"warntime": "5h", "esmtpdelay": "0"}
        )
        assert done.returncode == 0
        assert "changed" in outcomes(record, "Send what programs and people of this host send")
        assert hub.check_output("cat /etc/courier/warntime") == "5h"
        assert "pending" not in names(hub)
    finally:
        run("courier.mail.site", "--tags", "courier_mta")


def test_a_run_that_died_is_brought_back_by_hand(proved, hub):
    before = configuration(hub)
    done, _record = run("courier.mail.keep", limit=HUB)
    assert done.returncode == 0
    hub.check_output(
        "echo half > /etc/courier/me; rm /etc/courier/locals; chmod 0644 /etc/courier/userdb; touch /etc/courier/left"
    )
    # Another one that dies keeps nothing of this.
    assert run("courier.mail.keep", limit=HUB)[0].returncode == 0
    dry, record = run("courier.mail.revert", "--check", limit=HUB)
    assert dry.returncode == 0
    (paths,) = [one["result"]["paths"] for one in record if "paths" in one["result"]]
    assert {"/etc/courier/me", "/etc/courier/locals", "/etc/courier/userdb", "/etc/courier/left"} <= set(paths)
    assert hub.check_output("cat /etc/courier/me") == "half"
    done, _record = run("courier.mail.revert", limit=HUB)
    assert done.returncode == 0
    assert configuration(hub) == before
    assert hub.check_output("systemctl is-active courier courier-mta courier-imap-ssl").split() == ["active"] * 3


def test_without_somebody_to_write_to_nothing_is_done():
    done, record = run("courier.mail.site", limit=HUB, revert_contact="")
    assert done.returncode != 0
    assert "set mail_contact" in re.sub(r"\s+", " ", done.stdout)
    assert {one["outcome"] for one in record} <= {"ok", "skipped", "failed"}


def test_a_dry_run_keeps_nothing(proved, hub):
    before = names(hub)
    done, _record = run("courier.mail.site", "--check", "--tags", "courier_mta", bed_family_routes=NOWHERE)
    assert done.returncode == 0
    assert names(hub) == before

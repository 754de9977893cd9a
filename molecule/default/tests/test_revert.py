# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run whose letters are lost goes back, and says so."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest

from tests.playbook import play_on_bed

# Of both releases.
HUBS, SATELLITE = ["mx1.example.com", "mx1.example.org"], "sat1.example.com"
KEPT = "/var/backups/courier-mail-revert"
# Nobody answers there: the route is valid, and leads nowhere.
NOWHERE = [{"domain": "example.net", "relay": "[192.0.2.250]"}]


def run(playbook: str, *arguments: str, limit: Sequence[str] = (*HUBS, SATELLITE), **variables):
    given = json.dumps({"mail_revert_on_failure": True, "verify_timeout": 20} | variables)
    return play_on_bed("--limit", ",".join(limit), *arguments, "-e", given, playbook)


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
def hubs(host_named):
    return [host_named(name) for name in HUBS]


@pytest.fixture(params=HUBS)
def hub(request, host_named):
    return host_named(request.param)


@pytest.fixture(scope="module", autouse=True)
def same_deny_list(hubs):
    """Whom the filters refuse is a change like any other, and these runs have none but their own."""
    timer = "courier-mail-deny.timer"
    for hub in hubs:
        hub.check_output(f"systemctl stop {timer} courier-mail-deny.service")
    yield
    for hub in hubs:
        hub.check_output(f"systemctl start {timer}")


class TestARouteIntoNowhere:
    @pytest.fixture(scope="class")
    @classmethod
    def lost(cls, hubs):
        before = {hub.name: configuration(hub) for hub in hubs}
        done, record = run("courier.mail.site", "--tags", "courier_mta", bed_family_routes=NOWHERE)
        return before, done, record

    @pytest.fixture(scope="class")
    @classmethod
    def next(cls, lost):
        """A run that changes nothing."""
        done, record = run("courier.mail.site", "--tags", "courier_mta")
        assert done.returncode == 0
        return record

    def test_fails_and_says_which_letter_was_lost(self, lost, hub):
        _before, done, record = lost
        assert done.returncode != 0
        (said,) = {
            one["result"]["msg"]
            for one in record
            if one["task"].endswith("Fail where letters were lost")
            and (one["outcome"], one["host"]) == ("failed", hub.name)
        }
        said = re.sub(r"\s+", " ", said)
        name = re.escape(hub.name)
        assert re.search(rf"out: \w[\w ]* on {name}, to \S+: waits on {name}: No route to host", said)
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
        assert configuration(hub) == lost[0][hub.name]
        assert "192.0.2.250" not in hub.check_output("cat /etc/courier/esmtproutes")

    def test_the_doors_are_open(self, lost, site, foreign):
        assert site.smtp(foreign, 25).noop()[0] == 250

    def test_the_next_run_has_nothing_to_do(self, next):
        changed = {one["task"] for one in next if one["outcome"] == "changed"}
        assert not [task for task in changed if "courier_mta" in task]

    def test_a_run_that_changes_nothing_sends_nothing(self, next, hub):
        assert outcomes(next, "Send what programs and people of this host send") == {"skipped"}
        assert any(name.endswith(".tar.gz") for name in names(hub))
        assert "pending" not in names(hub)

    def test_only_root_reads_what_is_kept(self, next, hub):
        assert hub.check_output(f"stat -c '%a %U' {KEPT}") == "700 root"
        assert set(hub.check_output(f"stat -c '%a %U' {KEPT}/*.tar.gz").splitlines()) == {"600 root"}


def test_a_change_that_is_well_stays_until_somebody_goes_back(hubs):
    before = [configuration(hub) for hub in hubs]
    try:
        done, record = run(
            "courier.mail.site", "--tags", "courier_mta", courier_mta_files={"warntime": "5h", "esmtpdelay": "0"}
        )
        assert done.returncode == 0
        assert "changed" in outcomes(record, "Send what programs and people of this host send")
        assert [hub.check_output("cat /etc/courier/warntime") for hub in hubs] == ["5h", "5h"]
        assert not [hub.name for hub in hubs if "pending" in names(hub)]
    finally:
        done, _record = run("courier.mail.revert")
    assert done.returncode == 0
    assert [configuration(hub) for hub in hubs] == before


def test_a_run_that_died_is_brought_back_by_hand(hubs):
    before = [configuration(hub) for hub in hubs]
    done, _record = run("courier.mail.keep", limit=HUBS)
    assert done.returncode == 0
    for hub in hubs:
        hub.check_output("cd /etc/courier && echo half > me && rm locals && chmod 0644 userdb && touch left")
    # Another one that dies keeps nothing of this.
    assert run("courier.mail.keep", limit=HUBS)[0].returncode == 0
    dry, record = run("courier.mail.revert", "--check", limit=HUBS)
    assert dry.returncode == 0
    paths = {one["host"]: set(one["result"]["paths"]) for one in record if "paths" in one["result"]}
    harmed = {f"/etc/courier/{name}" for name in ("me", "locals", "userdb", "left")}
    assert {name for name, found in paths.items() if harmed <= found} == set(HUBS)
    assert [hub.check_output("cat /etc/courier/me") for hub in hubs] == ["half", "half"]
    done, _record = run("courier.mail.revert", limit=HUBS)
    assert done.returncode == 0
    assert [configuration(hub) for hub in hubs] == before
    active = "systemctl is-active courier courier-mta courier-imap-ssl"
    assert [hub.check_output(active).split() for hub in hubs] == [["active"] * 3] * 2


def test_without_somebody_to_write_to_nothing_is_done():
    done, record = run("courier.mail.site", "--tags", "courier_mta", limit=HUBS, revert_contact="")
    assert done.returncode != 0
    assert "set mail_contact" in re.sub(r"\s+", " ", done.stdout)
    assert {one["outcome"] for one in record} <= {"ok", "skipped", "failed"}


def test_a_dry_run_keeps_nothing(hubs):
    hub = hubs[0]
    before = names(hub)
    done, record = run(
        "courier.mail.site", "--check", "--tags", "courier_mta", limit=HUBS[:1], bed_family_routes=NOWHERE
    )
    assert done.returncode == 0
    assert "changed" in {one["outcome"] for one in record if "courier_mta" in one["task"]}
    assert names(hub) == before

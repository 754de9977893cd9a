# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fresh hosts, whose clamd waits for its first signatures: one puts mail off, the other lets it in meanwhile."""

from __future__ import annotations

import functools
import json
import smtplib

import pytest

from plugins.module_utils._filter_probe import TEXTS
from tests.playbook import Play, play_on_bed

DEFERS, ACCEPTS = "mx1.example.com", "mx1.example.org"
CLAMD = "clamav-daemon.socket clamav-daemon.service"
WATCHES = "courier-mail-watch-look.timer courier-mail-watch-prove.timer"
WAITING = {
    "clamav_freshclam": True,
    "clamav_mirror": "http://acme.example.net:9",  # nobody listens there
    "clamav_database_timeout": 5,
    "clamav_memory": 100,
    "clamav_signatures": {},
    "bed_when_down": {DEFERS: {}, ACCEPTS: {"clamd": "accept", "spamd": "defer"}},
    "pythonfilter_when_down": "{{ bed_when_down[inventory_hostname] }}",
}


def run(limit: str = f"{DEFERS},{ACCEPTS}", tags: str = "clamav,dkim,pythonfilter", **variables: object) -> Play:
    given = json.dumps({"mail_revert_on_failure": True} | variables)
    return play_on_bed("--limit", limit, "--tags", tags, "-e", given, "courier.mail.site")


@functools.cache
def run_as_usual() -> Play:
    return run()


@pytest.fixture(scope="module")
def fresh(sites):
    """A run for hosts where there are no signatures."""
    # What is not well for a while is nobody's business.
    for site in sites:
        site.check_output(f"systemctl stop {WATCHES} {CLAMD}")
    yield run(**WAITING)
    run_as_usual()
    for site in sites:
        site.check_output(f"systemctl start {CLAMD} {WATCHES}")


@pytest.fixture
def write(stranger, letter, token):
    """Write to Alice of a host. Returns the code of the answer."""

    def write(site, text="Yours.\n"):
        letter.set_content(text)
        with site.smtp(stranger, 25) as smtp:
            try:
                smtp.send_message(letter, f"{token}@example.net", [site.accounts["alice"].address])
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code
        return 250

    return write


@pytest.fixture
def copies(eventually, token):
    """How many of a letter have come, when nothing of it is in the queue any more."""

    def copies(site):
        assert eventually(lambda: not site.waiting(token), within=60)
        return len(site.inbox(site.accounts["alice"], token))

    return copies


@pytest.fixture
def named(sites):
    return {site.name: site for site in sites}


def proved(played: Play, host: str) -> str:
    """What the filters did with the test messages."""
    (said,) = [
        one
        for result in played.record
        if result["host"] == host
        for one in result["result"].get("proved", [])
        if one.startswith("courierfilter ")
    ]
    return said


def test_the_run_goes_on_and_says_why_nothing_is_scanned(fresh):
    assert fresh.done.returncode == 0
    said = [one for one in fresh.record if "clamd does not run yet" in str(one["result"].get("msg"))]
    assert sorted(one["host"] for one in said) == [DEFERS, ACCEPTS]
    assert [
        one for one in fresh.record if "No letter is sent, and the next run proves" in str(one["result"].get("msg"))
    ]
    assert proved(fresh, DEFERS).endswith(
        ": virus put off, program put off, spam put off, harmless mail put off, own mail put off"
    )
    assert proved(fresh, ACCEPTS).endswith(": program refused, spam refused, harmless mail let in, own mail signed")


def test_a_run_of_the_filters_alone_knows_that_clamd_waits(fresh):
    played = run(DEFERS, "pythonfilter", mail_filter_settings={"attachments": {"depth": 3}}, **WAITING)
    assert played.done.returncode == 0
    assert "virus put off" in proved(played, DEFERS)


def test_mail_waits_for_a_scanner_that_it_needs(fresh, named, write, copies):
    site = named[DEFERS]
    assert write(site) == 451
    assert write(site, TEXTS["virus"]) == 451
    assert copies(site) == 0


def test_mail_is_let_in_without_a_scanner_that_it_does_not_need(fresh, named, write, copies, eventually):
    site = named[ACCEPTS]
    assert write(site) == 250
    assert eventually(lambda: copies(site) == 1)
    site.check_output("systemctl stop spamd.service")
    try:
        assert write(site) == 451
        assert copies(site) == 1
    finally:
        site.check_output("systemctl start spamd.service")
    assert eventually(lambda: write(site) == 250)
    assert eventually(lambda: copies(site) == 2)


def test_the_next_run_with_signatures_finds_the_virus(fresh, sites, write, copies, eventually):
    played = run_as_usual()
    assert played.done.returncode == 0
    for site in sites:
        assert "pending" not in site.check_output("ls /var/backups/courier-mail-revert")
        assert proved(played, site.name).endswith(
            ": virus refused, program refused, spam refused, harmless mail let in, own mail signed"
        )
        assert write(site, TEXTS["virus"]) == 554
        assert write(site) == 250
        assert eventually(lambda site=site: copies(site) == 1)

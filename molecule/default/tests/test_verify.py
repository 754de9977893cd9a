# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook verify on a site where all is well, and on one where something is not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from tests.playbook import play_on_bed

STRANGER = "nobody-here@example.net"
# One of each release.
HUBS = ["mx1.example.com", "mx1.example.org"]
SATELLITES = ["sat1.example.com", "sat1.example.org"]


class Verification(NamedTuple):
    code: int
    said: str
    rows: list[dict[str, Any]]
    outcomes: dict[str, set[str]]  # by task

    def failed(self) -> set[tuple[str, str]]:
        return {(row["host"], row["direction"]) for row in self.rows if row["result"] == "failed"}

    def of(self, host: str, result: str = "failed") -> dict[str, dict[str, Any]]:
        """A host's rows with a result, by direction."""
        return {row["direction"]: row for row in self.rows if (row["host"], row["result"]) == (host, result)}


def only(*hosts: str) -> tuple[str, str]:
    return "--limit", ",".join(hosts)


@pytest.fixture(params=HUBS)
def hub(request) -> str:
    return request.param


@pytest.fixture(params=zip(HUBS, SATELLITES, strict=True), ids=HUBS)
def pair(request) -> tuple[str, str]:
    return request.param


@pytest.fixture(scope="module")
def verify(tmp_path_factory):
    """Run the playbook with other variables, on all hosts or some."""

    def verify(*arguments: str, **variables: Any) -> Verification:
        report = tmp_path_factory.mktemp("verify") / "verify.json"
        given = json.dumps(variables | {"mail_verify_report": str(report)})
        done, record = play_on_bed(*arguments, "-e", given, "courier.mail.verify")
        outcomes: dict[str, set[str]] = {}
        for result in record:
            outcomes.setdefault(result["task"].rpartition(" : ")[2], set()).add(result["outcome"])
        rows = json.loads(report.read_text())["rows"] if report.exists() else []
        return Verification(done.returncode, done.stdout, rows, outcomes)

    return verify


@pytest.fixture(scope="module", autouse=True)
def nothing_of_before(sites, host_named):
    """What other tests broke is told of for hours; here a watch begins that knows nothing of it."""
    names = [f"{name}.{site.domain}" for site in sites for name in ("mx1", "out1", "sat1", "sat2")]
    for host in map(host_named, names):
        # What runs at this moment would write into files that are gone, and fail.
        parts = " ".join(f"courier-mail-watch-{part}.service" for part in ("alarm", "metrics", "look", "prove"))
        host.check_output(
            f"systemctl stop {parts}; systemctl reset-failed; rm -f /var/lib/courier-mail-watch/*.sqlite*"
        )
        host.check_output("systemctl start courier-mail-watch-look courier-mail-watch-metrics")
    for site in sites:
        # Letters of runs whose letters were lost for a while.
        there = f"grep -rl --null 'courier.mail verify' /srv/vmail/{site.domain}/*/Maildir/???"
        site.run(f"{there} | xargs -0 rm -f")


@pytest.fixture(scope="module")
def well(verify):
    return verify()


class TestASiteWhereAllIsWell:
    def test_passes(self, well):
        assert well.failed() == set()
        assert well.code == 0

    def test_has_a_row_for_each_direction(self, well, site):
        found = {row["direction"] for row in well.rows if row["host"] == site.name and row["result"] == "ok"}
        # A mailbox elsewhere may not have been reached yet, and there may be no backup and no watch.
        sometimes = {"in: fetched", "backup", *(one for one in found if one.startswith("watch"))}
        assert found - sometimes == {
            "in: local",
            "in: foreign",
            "in: foreign, for a satellite",
            "in: authenticated, 587",
            "in: authenticated, 465",
            "out: foreign or by a route",
            "out: forwarded",
            "out: report",
            "read: IMAP",
            "read: webmail",
            "filter",
            "certificate",
            "units",
            "door",
            "relay",
            "list",
            *(f"sender rule: {rule}" for rule in ("ptr", "spf", "spf-helo", "dkim", "dmarc", "tls")),
        }

    def test_says_when_mailboxes_elsewhere_were_reached(self, well, site):
        rows = [row for row in well.rows if row["host"] == site.name and row["direction"] == "in: fetched"]
        assert {row["to"] for row in rows} >= {"starttls", "pop"}

    def test_what_was_passed_on_was_taken_elsewhere(self, well, site):
        (row,) = [row for row in well.rows if row["host"] == site.name and row["direction"] == "out: forwarded"]
        assert row["to"] == f"left@{site.domain}"
        assert row["what"].startswith(f"mx.example.net took it from {site.name}: 250 ")

    def test_has_a_row_for_each_record_in_dns(self, well, site):
        names = {row["to"] for row in well.rows if row["direction"].startswith("dns: ")}
        assert {site.domain, f"_dmarc.{site.domain}", f"_imaps._tcp.{site.domain}", site.name} <= names

    def test_follows_the_mail_of_satellites_to_its_end(self, well, site, satellite):
        rows = {row["direction"]: row for row in well.rows if row["host"] == satellite.name}
        # It may have a watch, and filters of its own.
        assert set(rows) >= {"in: satellite", "out: smarthost", "out: report", "door", "units", "certificate", "backup"}
        assert rows["backup"]["result"] in ("ok", "skipped")
        assert rows["in: satellite"]["what"].startswith(f"in INBOX of {site.accounts['alice'].address}, over TLS1.3")
        # The hub gives it to the world, the smarthost to its provider.
        taker = "mx.example.net" if satellite.name.startswith("sat1") else "smtp.provider.example.net"
        assert rows["out: smarthost"]["what"].startswith(f"{taker} took it from ")

    def test_says_how_long_certificates_last(self, well, site):
        doors = {row["to"]: row["what"] for row in well.rows if row["host"] == site.name and row["direction"] == "door"}
        assert set(doors) == {
            "smtp 127.0.0.1:25 STARTTLS",
            "smtp 127.0.0.1:587 STARTTLS",
            "smtp 127.0.0.1:465",
            "imap 127.0.0.1:993",
        }
        assert all("TLSv1.3, certificate for " in what for what in doors.values())

    def test_asks_every_listener_to_relay_over_both_families(self, well, site):
        rows = {
            (row["from"], row["to"]): row["what"]
            for row in well.rows
            if row["host"] == site.name and row["direction"] == "relay"
        }
        hosts = [site.addresses["ipv4"], f"[{site.addresses['ipv6']}]"]
        assert set(rows) == {("stranger", f"smtp {host}:{port}") for host in hosts for port in (25, 465, 587)} | {
            ("authenticated", f"smtp {host}:{port}") for host in hosts for port in (465, 587)
        }
        assert "42 combinations of sender and recipient, none of them open" in rows["stranger", f"smtp {hosts[0]}:25"]
        assert "535 Authentication required" in rows["stranger", f"smtp {hosts[1]}:587"]

    def test_prints_each_row(self, well):
        assert all(row["what"].replace('"', '\\"') in well.said for row in well.rows)

    def test_says_no_password(self, well):
        assert "correct horse" not in well.said

    def test_leaves_nothing_in_the_mailboxes(self, well, site):
        for name in ("alice", "bob"):
            assert site.inbox(site.accounts[name], "courier.mail verify") == []


class TestTwoRunsAtOnce:
    @pytest.fixture(scope="class")
    @classmethod
    def both(cls, verify):
        hosts = only(HUBS[0], SATELLITES[0])
        with ThreadPoolExecutor(2) as threads:
            return [one.result() for one in [threads.submit(verify, *hosts) for _each in range(2)]]

    def test_both_pass(self, both):
        assert [run.failed() for run in both] == [set(), set()]
        assert [run.code for run in both] == [0, 0]

    def test_both_have_the_same_rows(self, both):
        # A way that is not proved yet is a row until its letter is back, which may be between the two.
        unproved = ("watch: proofs", "skipped")
        one, other = (
            [
                (row["host"], row["direction"], row["to"])
                for row in run.rows
                if (row["direction"], row["result"]) != unproved
            ]
            for run in both
        )
        assert one == other

    def test_both_leave_nothing(self, both, site):
        for name in ("alice", "bob"):
            assert site.inbox(site.accounts[name], "courier.mail verify") == []


def test_a_dry_run_sends_nothing(verify):
    dry = verify("--check")
    assert dry.code == 0
    assert "would be sent" in dry.said
    assert "skipped" in dry.outcomes["Fail if a row failed"]


def test_a_certificate_that_expires_soon_fails(verify):
    run = verify(*only(*SATELLITES), verify_days=9999)
    assert run.failed() == {(name, what) for name in SATELLITES for what in ("door", "certificate")}
    assert run.code != 0
    # Records are those of all hosts, or of none.
    (row,) = [row for row in run.rows if row["direction"] == "dns"]
    assert row["result"] == "skipped"
    assert "leave out --limit" in row["what"]


class TestHubsThatNobodyLooksAfter:
    """Everything that sends and receives is well, and one day nothing will be. Of two recipients one is gone."""

    @pytest.fixture(scope="class")
    @classmethod
    def neglected(cls, verify, host_named):
        hubs = [host_named(name) for name in HUBS]
        state = "/var/lib/courier-mail-backup/state.json"
        before = [hub.run(f"cat {state}") for hub in hubs]
        try:
            for hub in hubs:
                hub.check_output(f"mkdir -p {state.rpartition('/')[0]}")
                hub.check_output(f'echo \'{{"finished": 1000000, "proved": null}}\' > {state}')
                # One that fails at once, and is nothing to the rest.
                hub.run("systemd-run --unit=courier-mail-neglected false")
            return verify(*only(*HUBS), mail_verify_recipients=["mailbox@example.net", STRANGER])
        finally:
            for hub, was in zip(hubs, before, strict=True):
                hub.run("systemctl reset-failed courier-mail-neglected.service")
                hub.check_output(f"rm -f {state}")
                if was.rc == 0:
                    hub.check_output(f"echo %s > {state}", was.stdout)

    def test_fails_with_what_is_wrong(self, neglected, hub):
        assert {"backup", "units"} <= neglected.of(hub).keys()
        assert neglected.code != 0

    def test_says_what(self, neglected, hub):
        rows = neglected.of(hub)
        assert "days ago" in rows["backup"]["what"]
        assert rows["units"]["what"] == "courier-mail-neglected.service has failed"

    def test_a_recipient_who_is_refused_fails_alone(self, neglected, hub):
        ways = ("in: ", "out: ", "read: ")
        (row,) = [
            row
            for row in neglected.rows
            if (row["host"], row["result"]) == (hub, "failed") and row["direction"].startswith(ways)
        ]
        assert row["to"] == STRANGER
        assert "User unknown" in row["what"]
        assert neglected.outcomes["Fail if a row failed"] == {"failed"}
        assert STRANGER in neglected.said.rpartition("rows failed")[2]


class TestAScannerThatIsDown:
    @pytest.fixture(scope="class")
    @classmethod
    def unscanned(cls, verify, host_named):
        hubs = [host_named(name) for name in HUBS]
        try:
            for hub in hubs:
                hub.check_output("systemctl stop courier-pythonfilter.service courier-pythonfilter.socket")
            return verify(*only(*HUBS), verify_timeout=5)
        finally:
            for hub in hubs:
                hub.check_output("systemctl start courier-pythonfilter.socket courier-pythonfilter.service")
                hub.check_output("systemctl start courierfilter courier-mta courier-msa courier-mta-ssl")

    def test_is_seen_through_its_filter(self, unscanned, hub):
        assert {"units", "filter"} & unscanned.of(hub).keys()
        assert unscanned.code != 0


class TestHubsThatDoNotDeliver:
    @pytest.fixture(scope="class")
    @classmethod
    def stuck(cls, verify, host_named):
        hubs = [host_named(name) for name in HUBS]
        try:
            for hub in hubs:
                hub.check_output("systemctl stop courier")
            return verify(*only(*HUBS, *SATELLITES), verify_timeout=5)
        finally:
            for hub in hubs:
                hub.check_output("systemctl start courier courierfilter courier-mta courier-msa courier-mta-ssl")

    def test_fail_with_all_that_needs_them(self, stuck, pair):
        hub, satellite = pair
        assert {(hub, "in: local"), (hub, "in: foreign"), (satellite, "in: satellite")} <= stuck.failed()
        assert stuck.code != 0

    def test_and_with_nothing_else(self, stuck, pair):
        hub, satellite = pair
        # But for lists in DNS, which others serve.
        well = [
            row for row in stuck.rows if row["result"] == "ok" and row["direction"] != "list" and row["host"] in pair
        ]
        still = {"certificate", "filter", "watch", "read: webmail", "units", "in: fetched", "registration"}
        assert {(row["host"], row["to"]) for row in well if row["direction"] not in still} == {
            (hub, "imap 127.0.0.1:993"),
            (satellite, "smtp 127.0.0.1:25 STARTTLS"),
        }

    def test_say_where_letters_wait(self, stuck, pair):
        assert f" on {pair[1]}" in stuck.of(pair[1])["in: satellite"]["what"]

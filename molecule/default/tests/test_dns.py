# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook dns on a site that has published all, and on one where something is missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import dns.query
import dns.rcode
import dns.update
import dns.zone
import pytest

from plugins.module_utils._courier.published import Finding, compare, questions, update_text
from plugins.module_utils._courier.records import Record, rdata, zone_of
from plugins.module_utils._dns import Resolver
from tests.playbook import play_on_bed

ABSENT = "old._domainkey.example.com"


class Run(NamedTuple):
    code: int
    said: str
    report: dict[str, Any]
    zone: str
    update: str


class Names:
    """The bed's name server, asked and changed as anybody may."""

    def __init__(self, address: str, zones: list[str]) -> None:
        self.address, self.zones = address, zones

    def change(self, record: Record, how: str) -> None:
        """Add a record, or delete it."""
        update = dns.update.UpdateMessage(zone_of(record.name, self.zones))
        given = (f"{record.name}.", *((60,) if how == "add" else ()), record.kind, rdata(record.kind, record.value))
        getattr(update, how)(*given)
        self.send(update)

    def send(self, update: dns.update.UpdateMessage) -> None:
        assert dns.query.tcp(update, self.address, timeout=10).rcode() == dns.rcode.NOERROR

    def findings(self, records: Iterable[Record]) -> list[Finding]:
        """What the check says that is not well."""
        wanted = list(records)
        resolver = Resolver(self.address)
        return [finding for finding in compare(wanted, resolver.ask_for_data, [ABSENT]) if finding.state != "ok"]


@pytest.fixture(scope="module")
def dns_run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    def run(*arguments: str, **variables: Any) -> Run:
        where = tmp_path_factory.mktemp("dns")
        files = {
            "mail_dns_report": where / "dns.json",
            "mail_dns_zone_file": where / "dns.zone",
            "mail_dns_update_file": where / "dns.update",
        }
        given = json.dumps(variables | {name: str(path) for name, path in files.items()})
        done, _record = play_on_bed(*arguments, "-e", given, "courier.mail.dns")

        def text(path: Path) -> str:
            return path.read_text() if path.exists() else ""

        report, zone, update = map(text, files.values())
        # Molecule has what failed on the other channel.
        return Run(done.returncode, done.stdout + done.stderr, json.loads(report or "{}"), zone, update)

    return run


@pytest.fixture(scope="module")
def well(dns_run: Callable[..., Run]) -> Run:
    # The tests of certificates made other keys than those that were published.
    published, _record = play_on_bed("molecule/shared/publish.yml")
    assert published.returncode == 0, published.stdout + published.stderr
    return dns_run()


@pytest.fixture(scope="module")
def records(well: Run) -> list[Record]:
    return [Record(one["name"], one["type"], one["value"]) for one in well.report["records"]]


@pytest.fixture(scope="module")
def ours(well: Run, records: list[Record]) -> list[Record]:
    """Those in our zones. Names of addresses are their owner's, and are there from the beginning."""
    return [record for record in records if zone_of(record.name, well.report["zones"])]


@pytest.fixture(scope="module")
def names(well: Run, host_named: Callable[[str], Any], records: list[Record]) -> Iterator[Names]:
    names = Names(host_named("dns.example.net").addresses["ipv4"], well.report["zones"])
    yield names
    # Whatever a test left undone, the others find done.
    for finding in names.findings(records):
        for value in finding.add:
            names.change(Record(finding.name, finding.type, value), "add")


def test_a_site_that_published_all_passes(well):
    assert [finding for finding in well.report["findings"] if finding["state"] != "ok"] == []
    assert well.code == 0
    assert well.update == ""


def test_has_all_kinds_of_records(well):
    kinds = {finding["kind"] for finding in well.report["findings"]}
    assert kinds >= {
        "A",
        "AAAA",
        "CAA",
        "CNAME",
        "MX",
        "PTR",
        "SRV",
        "TLSA",
        "SPF",
        "DKIM",
        "DMARC",
        "MTA-STS",
        "TLS-RPT",
    }


def test_the_policies_are_those_that_the_web_server_shows(well, web, site):
    policies = {url: text for url, text in well.report["policies"].items() if site.domain in url}
    assert f"https://mta-sts.{site.domain}/.well-known/mta-sts.txt" in policies
    for url, text in policies.items():
        assert web(url.split("/")[2], "/.well-known/mta-sts.txt").text.decode() == text
    shown = {one["name"]: one["state"] for one in well.report["findings"] if one["kind"] == "MTA-STS policy"}
    assert {name: state for name, state in shown.items() if site.domain in name} == {
        url.split("/")[2]: "ok" for url in policies
    }


def test_a_policy_that_is_not_shown_is_missed(dns_run, well, host_named):
    """Of the hub on Debian 12, as a host on Debian 13 sees it."""
    server = host_named("mx1.example.org")
    server.check_output("systemctl stop nginx")
    try:
        run = dns_run()
    finally:
        server.check_output("systemctl start nginx")
    assert run.code != 0
    wrong = {one["name"]: one for one in run.report["findings"] if one["state"] != "ok"}
    assert set(wrong) == {f"mta-sts.{domain}" for domain in ("example.org", "shop.example.org", "void.example.org")}
    assert "Connection refused; as it is, senders know of none" in wrong["mta-sts.example.org"]["said"]


def test_tlsa_is_the_key_that_port_25_shows(well, site):
    (value,) = [
        one["value"]
        for one in well.report["records"]
        if (one["name"], one["type"]) == (f"_25._tcp.{site.name}", "TLSA")
    ]
    digest = site.check_output(
        "openssl s_client -connect 127.0.0.1:25 -starttls smtp </dev/null 2>/dev/null | openssl x509 -pubkey -noout"
        " | openssl pkey -pubin -outform DER | sha256sum | cut -d ' ' -f 1"
    )
    assert value == f"3 1 1 {digest}"


def test_the_texts_of_others_are_left_alone(names):
    assert "site-verification=of-somebody" in Resolver(names.address).ask_for_data("example.com", "TXT")


def test_each_record_is_missed_when_it_is_removed(names, ours):
    for record in ours:
        names.change(record, "delete")
        try:
            (finding,) = names.findings(one for one in ours if (one.name, one.kind) == (record.name, record.kind))
        finally:
            names.change(record, "add")
        assert finding.state == "missing", record
        assert finding.said.startswith(f"add {record.name} {record.kind} {record.value}; without it "), record
    assert names.findings(ours) == []


@pytest.mark.parametrize(
    ("name", "kind", "value", "said"),
    [
        ("example.com", "MX", "5 mx.example.net", "that is no host of ours for this domain, and gets its mail"),
        ("example.com", "TXT", "v=spf1 +all", "with two SPF records receivers heed none"),
        ("_dmarc.example.com", "TXT", "v=DMARC1; p=none", "with two DMARC records receivers heed none"),
        ("mx1.example.com", "A", "192.0.2.9", "the host does not have this address"),
        (ABSENT, "TXT", "v=DKIM1; p=AAAA", "nothing is signed with this key any more"),
    ],
    ids=["an exchanger", "a second SPF", "a second DMARC", "an address", "an old key"],
)
def test_what_is_there_beside_it_is_found(names, ours, name, kind, value, said):
    extra = Record(name, kind, value)
    names.change(extra, "add")
    try:
        (finding,) = names.findings(ours)
    finally:
        names.change(extra, "delete")
    assert (finding.state, finding.name, list(finding.remove)) == ("extra", name, [value])
    assert said in finding.said


def test_the_zone_text_loaded_into_empty_zones_is_all_that_is_wanted(names, well, ours):
    for origin in names.zones:
        loaded = dns.zone.from_text(well.zone, origin, relativize=False, check_origin=False)
        update = dns.update.UpdateMessage(origin)
        for name, kind in questions(record for record in ours if zone_of(record.name, names.zones) == origin):
            update.delete(f"{name}.", kind)
        names.send(update)
        assert {
            one.state for one in names.findings(one for one in ours if zone_of(one.name, names.zones) == origin)
        } == {"missing"}
        update = dns.update.UpdateMessage(origin)
        for name, rdataset in loaded.iterate_rdatasets():
            update.add(name, rdataset)
        # It has taken away what is somebody else's as well.
        if origin == "example.com":
            update.add("example.com.", 60, "TXT", '"site-verification=of-somebody"')
        names.send(update)
    assert names.findings(ours) == []


def test_a_name_server_that_is_silent_is_no_missing_record(ours, host_named):
    # Nobody answers on that host.
    resolver = Resolver(host_named("mx.example.net").addresses["ipv4"], timeout=1)
    (finding,) = compare(ours[:1], resolver.ask_for_data)
    assert finding.state == "unanswered"
    assert finding.said.startswith(f"DNS has no answer for {ours[0].kind} of {ours[0].name}: ")


def test_a_part_of_the_site_has_no_records(dns_run):
    run = dns_run("--limit", "mx1.example.com")
    assert run.code != 0
    assert "leave out --limit" in run.said


def test_what_is_wrong_fails_the_play_and_nsupdate_mends_it(dns_run, names, ours, host_named):
    gone = [record for record in ours if record.name in ("_dmarc.example.com", "_25._tcp.mx1.example.com")]
    for record in gone:
        names.change(record, "delete")
    run = dns_run()
    assert run.code != 0
    for record in gone:
        assert f"add {record.name} {record.kind} {record.value}; without it" in run.said
    assert run.report["wrong"] == len(gone) == 2
    server = host_named("dns.example.net")
    server.check_output("printf %%s %s | nsupdate", run.update.replace("zone", "server 127.0.0.1\nzone", 1))
    assert names.findings(ours) == []
    assert update_text(names.findings(ours), names.zones) == ""

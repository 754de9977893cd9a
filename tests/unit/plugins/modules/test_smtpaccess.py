from __future__ import annotations

import os

import pytest
import yaml

from plugins.module_utils._courier.smtpaccess import parse
from plugins.modules import smtpaccess
from tests.unit.run_module import run_module

SHIPPED = "127.0.0.1\tallow,RELAYCLIENT\n10\tallow,RELAYCLIENT\n"
LOOPBACK = {"network": "127.0.0.1", "variables": {"RELAYCLIENT": None, "AUTH_REQUIRED": 0}, "comment": "ourselves"}
WRITTEN = "# ourselves\n127.0.0.1\tallow,RELAYCLIENT,AUTH_REQUIRED=0\n"


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """Courier's directory, and a makesmtpaccess that refuses duplicates as the real one does."""
    (tmp_path / "smtpaccess").mkdir()
    (tmp_path / "smtpaccess/default").write_text(SHIPPED)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/makesmtpaccess"
    program.write_text(
        f"#!/bin/sh\ncd {tmp_path}\n"
        "if cut -f1 smtpaccess/* | sort | uniq -d | grep -v '^#'; then echo duplicate >&2; exit 1; fi\n"
        "cat smtpaccess/* >smtpaccess.dat\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    return tmp_path


def run(directory, *entries, peers=(), check=False, **others):
    return run_module(
        smtpaccess,
        check=check,
        entries=list(entries),
        peers=list(peers),
        **others,
        directory=str(directory),
        owner=str(os.getuid()),
        group=str(os.getgid()),
    )


def test_replaces_the_list_that_debian_ships(directory):
    answer = run(directory, LOOPBACK)
    assert answer["changed"]
    assert answer["files"] == [f"{directory}/smtpaccess/default"]
    assert answer["compiled"] == [f"{directory}/smtpaccess.dat"]
    assert (directory / "smtpaccess/default").read_text() == WRITTEN
    assert (directory / "smtpaccess.dat").read_text() == WRITTEN


def test_changes_nothing_that_is_so_already(directory):
    run(directory, LOOPBACK)
    answer = run(directory, LOOPBACK)
    assert not answer["changed"]
    assert answer["compiled"] == []


def test_check_mode_writes_nothing(directory):
    answer = run(directory, LOOPBACK, check=True)
    assert answer["changed"]
    assert answer["diff"][0]["before"] == SHIPPED
    assert answer["diff"][0]["after"] == WRITTEN
    assert (directory / "smtpaccess/default").read_text() == SHIPPED
    assert not (directory / "smtpaccess.dat").exists()


def test_a_refused_list_leaves_the_file_as_it_was(directory):
    answer = run(directory, LOOPBACK, {"network": "*", "variables": {"RELAYCLIENT": None}})
    assert answer["failed"]
    assert answer["msg"].startswith("* with RELAYCLIENT is an open relay; ")
    assert (directory / "smtpaccess/default").read_text() == SHIPPED


def test_a_boolean_of_yaml_is_refused(directory):
    answer = run(directory, {"network": "192.0.2.1", "variables": {"BOFHCHECKDNS": False}})
    assert answer["msg"] == "192.0.2.1: BOFHCHECKDNS is 'False'; write 0 or 1"


def test_a_refusal_of_the_compiler_puts_the_file_back(directory):
    (directory / "smtpaccess/local").write_text("127.0.0.1\tdeny\n")
    answer = run(directory, LOOPBACK)
    assert answer["failed"]
    assert answer["msg"] == "makesmtpaccess refused and the old files were put back: duplicate"
    assert (directory / "smtpaccess/default").read_text() == SHIPPED


def test_its_own_examples_work(directory):
    for task in yaml.safe_load(smtpaccess.EXAMPLES):
        run(directory, *task["courier.mail.smtpaccess"]["entries"])
    assert len(parse((directory / "smtpaccess/default").read_text())) == 8


class TestPeersBySpf:
    @pytest.fixture
    def publish(self, monkeypatch):
        """Put a TXT record of example.net into DNS; without one DNS fails."""

        def publish(record=None):
            def ask(name, kind):
                if record is None:
                    raise smtpaccess.NoAnswer(f"DNS has no answer for {kind} of {name}: timed out")
                return [record] if (name, kind) == ("example.net", "TXT") else []

            monkeypatch.setattr(smtpaccess, "ask", ask)

        return publish

    def test_are_written_by_network(self, directory, publish):
        publish("v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.7 -all")
        answer = run(directory, LOOPBACK, peers=[{"class": "trusted", "spf": "example.net", "networks": ["192.0.2.9"]}])
        assert answer["changed"]
        granted = "allow,BLOCK,BOFHSPFMAILFROM=all,BOFHSPFHELO=all,BOFHSPFFROM=off"
        assert (directory / "smtpaccess/default").read_text() == (
            "# trusted: by the SPF record of example.net\n"
            f"192.0.2.9\t{granted}\n192.0.2\t{granted}\n198.51.100.7\t{granted}\n{WRITTEN}"
        )

    def test_change_nothing_while_dns_is_out_of_order(self, directory, publish):
        publish()
        answer = run(directory, LOOPBACK, peers=[{"class": "trusted", "spf": "example.net"}])
        assert answer["msg"] == "DNS has no answer for TXT of example.net: timed out"
        assert (directory / "smtpaccess/default").read_text() == SHIPPED

    def test_are_refused_where_everybody_passes(self, directory, publish):
        publish("v=spf1 +all")
        answer = run(directory, LOOPBACK, peers=[{"class": "trusted", "spf": "example.net"}])
        assert answer["msg"].startswith("the SPF record of example.net lets everybody send")
        assert (directory / "smtpaccess/default").read_text() == SHIPPED


def test_a_peer_that_is_over_is_refused(directory):
    answer = run(directory, peers=[{"class": "denied", "networks": ["192.0.2.1"], "until": "2020-01-31"}])
    assert answer["msg"] == (
        "the denied peer 192.0.2.1 was to be until 2020-01-31, which is over; remove it, or give it a later until"
    )
    assert (directory / "smtpaccess/default").read_text() == SHIPPED


def test_takes_its_clients_out_of_the_deny_list(directory):
    filtered = directory / "smtpaccess/filtered"
    filtered.write_text("# by the filters\n192.0.2.7\tdeny\n192.0.2.8\tdeny\n")
    answer = run(directory, {"network": "192.0.2.7", "variables": {"BLOCK": None}})
    assert not answer.get("failed")
    assert filtered.read_text() == "# by the filters\n192.0.2.8\tdeny\n"
    assert answer["files"] == [f"{directory}/smtpaccess/default", f"{directory}/smtpaccess/filtered"]


def test_leaves_the_deny_list_alone_otherwise(directory):
    filtered = directory / "smtpaccess/filtered"
    filtered.write_text("192.0.2.8\tdeny\n")
    run(directory, LOOPBACK)
    assert filtered.read_text() == "192.0.2.8\tdeny\n"
    assert "192.0.2.8\tdeny\n" in (directory / "smtpaccess.dat").read_text()
    assert not run(directory, LOOPBACK)["changed"]


LIST = {"name": "attackers", "text": "# of today\n203.0.113.0/24\n203.0.113.0/24 # again\n", "reason": "guess"}


class TestDeniedLists:
    def test_are_denied(self, directory):
        run(directory, LOOPBACK, denied_lists=[LIST])
        written = (directory / "smtpaccess/default").read_text()
        assert written == f"# denied: attackers; guess\n203.0.113\tdeny\n{WRITTEN}"

    def test_may_not_hold_what_is_ours(self, directory):
        answer = run(directory, LOOPBACK, denied_lists=[LIST], ours=["203.0.113.7"])
        assert answer["failed"]
        assert "mail_denied_lists: attackers, line 2: 203.0.113.0/24 holds 203.0.113.7" in answer["msg"]
        assert (directory / "smtpaccess/default").read_text() == SHIPPED

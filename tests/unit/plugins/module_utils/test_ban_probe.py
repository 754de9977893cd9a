"""A fail2ban that bans is told from one that only runs."""

from __future__ import annotations

import pytest

from plugins.module_utils import _ban_probe
from plugins.module_utils._ban_probe import NotBanned, prove


class Bans:
    """fail2ban and nft, which are of one mind unless told otherwise."""

    def __init__(self, log):
        self.jails, self.pong = ("courier-proof", "sshd", "courier-accounts"), "Server replied: pong"
        self.log, self.level, self.hears = log, "INFO", True
        self.firewall: set[str] = set()
        self.banned = {"sshd": "203.0.113.9"}
        self.reaches = self.leaves = True
        self.seen: list[str] = []

    def client(self, *said):
        if said[0] == "ping":
            return 0, self.pong
        if said[0] == "status":
            return 0, f"Status\n|- Number of jail:\t{len(self.jails)}\n`- Jail list:\t{', '.join(self.jails)}"
        if said == ("get", "loglevel"):
            return 0, f"Current logging level is '{self.level}'"
        if said[0] == "get" and said[2] == "journalmatch":
            heard = "imapd + _UID=0 SYSLOG_IDENTIFIER=courier-proof" if said[1].startswith("courier-") else "sshd"
            return 0, f"Current match filter:\nSYSLOG_IDENTIFIER={heard}"
        if said[0] == "get":
            return 0, self.banned.get(said[1], "")
        _set, jail, verb, address = said
        entry = f"{'addr6' if ':' in address else 'addr'}-set-{jail} {{ {address} }}"
        self.seen.append(entry)
        if verb == "banip" and self.reaches:
            self.firewall.add(entry)
        elif verb == "unbanip" and self.leaves:
            self.firewall.discard(entry)
        return 0, "1"

    def nft(self, *said):
        return int(" ".join(said[4:]) not in self.firewall), ""

    def logger(self, address):
        if self.hears and self.level == "INFO":
            with self.log.open("a") as stream:
                stream.write(f"2026-11-27 [1]: INFO [courier-accounts] Ignore {address} by ip\n")
        return 0, ""

    def prove(self, *jails):
        return prove(jails, self.client, self.nft, self.logger, str(self.log))


@pytest.fixture
def bans(monkeypatch, tmp_path):
    monkeypatch.setattr(_ban_probe, "_PATIENCE", 0.2)
    return Bans(tmp_path / "fail2ban.log")


def test_a_ban_comes_and_goes_in_both_families(bans):
    bans.firewall.add("addr-set-sshd { 203.0.113.9 }")
    assert bans.prove("sshd") == "bans for IPv4 and IPv6, jails sshd"
    assert bans.firewall == {"addr-set-sshd { 203.0.113.9 }"}
    assert {entry.partition("-")[0] for entry in bans.seen} == {"addr", "addr6"}


NOT_PROVED = {
    "a fail2ban that does not answer": ({"pong": "Failed to access socket"}, [], "ping should be answered with pong"),
    "a jail that is not there": (
        {"jails": ("courier-proof",)},
        ["sshd"],
        "the jails sshd should be there, and are not",
    ),
    "a ban without nft": ({"reaches": False}, [], "does not reach the firewall; /var/log/fail2ban.log says why"),
    "a ban for ever": ({"leaves": False}, [], "does not leave the firewall; /var/log/fail2ban.log says why"),
    "a jail that hears nothing": (
        {"hears": False},
        ["courier-accounts"],
        "what is logged does not come to the jail courier-accounts; /var/log/fail2ban.log says why",
    ),
    "a firewall that was emptied": (
        {},
        ["sshd"],
        "the ban of 203.0.113.9 by sshd is not in the firewall, which somebody has emptied; "
        "systemctl restart fail2ban brings back all of them",
    ),
}


@pytest.mark.parametrize(("changes", "jails", "sentence"), NOT_PROVED.values(), ids=NOT_PROVED)
def test_is_not_proved_by(bans, changes, jails, sentence):
    for name, value in changes.items():
        setattr(bans, name, value)
    with pytest.raises(NotBanned) as refusal:
        bans.prove(*jails)
    assert sentence in str(refusal.value)


def test_a_jail_hears_what_is_logged_now_and_not_what_was(bans):
    bans.log.write_text("older\n")
    assert bans.prove("courier-accounts").endswith("jails courier-accounts")
    said = bans.log.read_text()
    bans.hears = False
    with pytest.raises(NotBanned):
        bans.prove("courier-accounts")
    assert bans.log.read_text() == said


def test_a_log_that_is_rotated_meanwhile_is_read_from_its_beginning(bans, monkeypatch):
    bans.log.write_text("older\n" * 100)
    write = bans.logger

    def rotate(address):
        bans.log.unlink()
        return write(address)

    monkeypatch.setattr(bans, "logger", rotate)
    assert bans.prove("courier-accounts")


def test_a_fail2ban_that_notes_little_is_not_asked_what_it_heard(bans):
    bans.level = "WARNING"
    assert bans.prove("courier-accounts")

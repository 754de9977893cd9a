"""A fail2ban that bans is told from one that only runs."""

from __future__ import annotations

import pytest

from plugins.module_utils import _ban_probe
from plugins.module_utils._ban_probe import NotBanned, prove


class Bans:
    """fail2ban and nft, which are of one mind unless told otherwise."""

    def __init__(self, jails=("courier-proof", "sshd"), pong="Server replied: pong"):
        self.jails, self.pong = jails, pong
        self.firewall: set[str] = set()
        self.banned = {"sshd": "203.0.113.9"}
        self.reaches = self.leaves = True
        self.seen: list[str] = []

    def client(self, *said):
        if said[0] == "ping":
            return 0, self.pong
        if said[0] == "status":
            return 0, f"Status\n|- Number of jail:\t{len(self.jails)}\n`- Jail list:\t{', '.join(self.jails)}"
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


@pytest.fixture
def bans(monkeypatch):
    monkeypatch.setattr(_ban_probe, "_PATIENCE", 0.2)
    return Bans()


def test_a_ban_comes_and_goes_in_both_families(bans):
    bans.firewall.add("addr-set-sshd { 203.0.113.9 }")
    assert prove(["sshd"], bans.client, bans.nft) == "bans for IPv4 and IPv6, jails sshd"
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
        prove(jails, bans.client, bans.nft)
    assert sentence in str(refusal.value)

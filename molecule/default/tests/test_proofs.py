# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail that proves that mail arrives: between the sites, from satellites, and what is no proof."""

from __future__ import annotations

import contextlib
import json
import smtplib
import time

import pytest

DIRECTIONS = ["local", "report", "outside", "submission", "forward", "forward-report", "loop"]
COMMAND = "/usr/local/sbin/courier-mail-watch"
DATABASE = "/var/lib/courier-mail-watch/proofs.sqlite"
# Written by what takes letters, for what sends answers.
ASKED = "/var/lib/courier-mail-watch/proofs.answer"
# Signs as a host of the site would that has the keys of this one.
SIGN = """
import sys, time
sys.path.insert(0, "/usr/local/lib/courier-mail-watch")
from courier_mail_watch import _places, _proof_letter, _proof_settings, _proof_token as tokens
settings = _places.settings("proofs", _proof_settings.Settings)
host, direction, sent = sys.argv[1], sys.argv[2], int(time.time()) + int(sys.argv[3])
token = tokens.Token("letter", settings.key, settings.site, host, direction, "receiver", sent, tokens.nonce())
text = tokens.sign(token, settings.keys[f"{settings.site}/{settings.key}"])
mac = text.rpartition("b=")[2]
sys.stdout.write(_proof_letter.compose(token, text, mac, f"proof@{host}", settings.address).decode())
"""


class Proofs:
    """What is proved on a host."""

    def __init__(self, host, eventually):
        self.host, self.eventually = host, eventually

    def shown(self):
        return json.loads(self.host.run(f"{COMMAND} proofs --json").stdout)

    def way(self, direction, of=""):
        wanted = of or self.host.name, direction
        return next(one for one in self.shown()["ways"] if (one["host"], one["direction"]) == wanted)

    def proved(self, direction, since, of=""):
        """The last proof of a direction, if it is as new as that and nothing is wrong."""
        way = self.way(direction, of)
        # What is late for a test's sake is told of for a day.
        return way["proved"] if way["proved"] and way["proved"]["at"] >= since and way["state"] != "bad" else None

    def comes(self, direction, since, of="", waits_on=None):
        def proved():
            if waits_on:  # what was under way at one flush is put off after it
                waits_on.check_output("courier flush")
            return self.proved(direction, since, of)

        assert self.eventually(proved), self.way(direction, of)
        return self.proved(direction, since, of)

    def rejected(self, reason):
        return sum(one["count"] for one in self.shown()["rejected"] if one["reason"] == reason)

    def prove(self, *directions):
        """Send, and say when that was."""
        now = self.now()
        self.host.check_output(f"{COMMAND} prove --now {' '.join(directions)}")
        return now

    def now(self):
        return float(self.host.check_output("date +%s"))


@pytest.fixture
def proofs(site, eventually):
    return Proofs(site, eventually)


@pytest.fixture
def signed(site):
    """A letter that a host with our key has signed, as it is sent."""

    def signed(host, direction, age=0):
        return site.check_output("python3 -c %s %s %s %s", SIGN, host, direction, str(-age)).encode() + b"\n"

    return signed


@pytest.fixture
def arrives(site, stranger):
    """Bring a letter to the address, as anybody may."""

    def arrives(letter, sender="someone@example.net"):
        with site.call(stranger, 25) as smtp:
            return smtp.sendmail(sender, [f"proof@{site.domain}"], letter.replace(b"\n", b"\r\n"))

    return arrives


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_hub_proves(proofs, direction):
    proof = proofs.comes(direction, proofs.prove(direction))
    assert proof["seconds"] < 60
    if direction in ("outside", "submission", "forward"):
        assert proof["tls"].startswith("TLS1.")


def test_a_smarthost_has_an_answer_of_the_hub(smarthost, eventually):
    proofs = Proofs(smarthost, eventually)
    since = proofs.prove()
    for direction in ("local", "report", "hub"):
        proofs.comes(direction, since)


def test_a_satellite_is_proved_where_its_mail_arrives(site, satellite, smarthost, proofs, eventually):
    since = Proofs(satellite, eventually).prove()
    proof = proofs.comes("hub", since, satellite.name)
    assert satellite.name.startswith("sat2") or proof["tls"].startswith("TLS1.")
    assert proof["path"].endswith(site.name)
    # What comes back goes to the host that has its mail.
    back = Proofs(site if satellite.name.startswith("sat1") else smarthost, eventually)
    back.comes("report", since, satellite.name)


@pytest.fixture
def cut():
    """Let no mail of a host reach another, and let it go on afterwards."""

    @contextlib.contextmanager
    def cut(host, other):
        # Its exchanger of the worst preference, too: who has been there stays connected, and is told to wait once more.
        addresses = [*other.addresses.values(), *other.facts["mail_tarbaby"]["addresses"]]
        ways = [f"unreachable {address}" for address in addresses]
        host.check_output("; ".join(f"ip route add {way}" for way in ways))
        try:
            yield
        finally:
            host.check_output("; ".join(f"ip route del {way}" for way in ways))
            host.check_output("courier flush")

    return cut


@pytest.mark.parametrize("satellite", ["sat1"], indirect=True)
def test_a_satellite_whose_way_is_cut_is_late(site, satellite, proofs, cut, eventually):
    proofs.comes("hub", Proofs(satellite, eventually).prove(), satellite.name)
    with cut(satellite, site):
        since = Proofs(satellite, eventually).prove()
        proofs.host.age_proofs("arrivals", ["arrived", "expected"], 7200, "hub")
        way = proofs.way("hub", satellite.name)
        assert way["state"] == "bad"
        assert "the last letter came at" in way["said"]
        assert proofs.host.run(f"{COMMAND} proofs").rc == 1
    proofs.comes("hub", since, satellite.name, waits_on=satellite)


def test_a_letter_that_does_not_leave_is_late_and_told_with_where_it_lies(site, sites, proofs, cut):
    proofs.comes("outside", proofs.prove("outside"))
    (other,) = [one for one in sites if one.name != site.name]
    with cut(site, other):
        since = proofs.prove("outside")
        proofs.host.age_proofs("sent", ["at"], 3600, "outside")
        way = proofs.way("outside")
        assert way["state"] == "bad"
        assert "is not proved by an answer after" in way["said"]
    proofs.comes("outside", since, waits_on=site)


def test_a_mail_loop_is_measured_and_late_while_nobody_reflects(site, proofs, foreign):
    def latency():
        site.run_unit("courier-mail-watch-metrics.service")
        labels = f'direction="loop",host="{site.name}",site="{site.domain}"'
        line = f"courier_mail_proof_latency_seconds{{{labels}}}"
        return float(site.check_output("grep -F %s /run/courier-mail-watch/courier_mail.prom", line).split()[-1])

    proof = proofs.comes("loop", proofs.prove("loop"))
    assert latency() == pytest.approx(proof["seconds"])
    assert proof["path"] == f"mx.example.net > {site.name}"
    foreign.check_output("touch /run/bed-echo-silent")
    try:
        since = proofs.prove("loop")
        proofs.host.age_proofs("sent", ["at"], 3600, "loop")
        way = proofs.way("loop")
        assert way["state"] == "bad"
        assert "is not proved by its return after" in way["said"]
    finally:
        foreign.check_output("rm /run/bed-echo-silent")
    assert proofs.eventually(lambda: foreign.check_output("postqueue -f") or proofs.proved("loop", since))
    assert latency() > 3600


def test_what_cannot_be_handed_over_is_told_at_once(site, proofs):
    site.check_output("mv /usr/sbin/sendmail /usr/sbin/sendmail.away")
    try:
        proofs.prove("local")
        assert "could not be handed over" in proofs.way("local")["said"]
    finally:
        site.check_output("mv /usr/sbin/sendmail.away /usr/sbin/sendmail")
    proofs.comes("local", proofs.prove("local"))


def test_a_letter_is_a_proof_once(proofs, signed, arrives):
    letter = signed("sat1.example.test", "once")
    before = proofs.rejected("replayed")
    arrives(letter)
    arrives(letter)
    assert proofs.eventually(lambda: proofs.rejected("replayed") == before + 1)


def test_a_forged_letter_is_none(proofs, signed, arrives):
    letter = signed("sat1.example.test", "forged")
    before = proofs.rejected("forged")
    arrives(letter.replace(b"d=forged", b"d=outside"))
    assert proofs.eventually(lambda: proofs.rejected("forged") == before + 1)


def test_an_old_letter_is_none(proofs, signed, arrives):
    before = proofs.rejected("too old")
    arrives(signed("sat1.example.test", "old", 30 * 3600))
    assert proofs.eventually(lambda: proofs.rejected("too old") == before + 1)


def test_other_mail_is_swallowed_and_counted_and_nobody_is_answered(site, proofs, letter, token, arrives, foreign):
    before = proofs.rejected("no token")
    arrives(bytes(letter), f"mailbox+{token}@example.net")
    assert proofs.eventually(lambda: proofs.rejected("no token") == before + 1)
    assert not site.inbox(site.accounts["alice"], token)
    assert not foreign.received(token)
    assert proofs.eventually(lambda: not site.waiting(token))


def test_a_program_is_refused_there_like_anywhere(site, arrives, letter):
    letter["From"] = "someone@example.net"
    letter.add_attachment(b"MZ", "application", "octet-stream", filename="probe.exe")
    with pytest.raises(smtplib.SMTPDataError):
        arrives(bytes(letter))


def test_only_courier_hands_mail_over(site):
    hand = "echo | RECIPIENT=a SENDER=b runuser -u %s -- /usr/local/lib/courier-mail-watch/hand arrived"
    assert "Permission denied" in site.run(hand, "www-data").stdout
    assert site.run(hand, "www-data").rc == 75
    assert site.run(hand, "courier").rc == 0


def test_mail_waits_while_nobody_reads_it(site, proofs):
    def unheard():
        return site.said("program-watch").count("The watch does not answer")

    before = unheard()
    site.check_output("systemctl stop courier-mail-watch-mail.socket")
    try:
        since = proofs.prove("local")
        assert proofs.eventually(lambda: unheard() > before)
    finally:
        site.check_output("systemctl start courier-mail-watch-mail.socket")
    proofs.comes("local", since, waits_on=site)


def test_an_answer_that_comes_up_while_others_are_sent_does_not_wait(site, eventually):
    def state():
        return site.check_output("systemctl show --property=ActiveState --value courier-mail-watch-prove.service")

    # What sends answers waits for the lock, and the file that asks for one more is written meanwhile.
    site.check_output(f"systemd-run -q --unit=bed-lock flock {DATABASE}.lock sleep infinity")
    try:
        assert eventually(lambda: site.run(f"flock --nonblock {DATABASE}.lock true").rc != 0)
        site.check_output("systemctl start --no-block courier-mail-watch-prove.service")
        assert eventually(lambda: state() == "activating")
        assert eventually(lambda: site.run(f"test -e {ASKED}").rc != 0)
        site.check_output(f"runuser -u courier-mail-watch -- touch {ASKED}")
    finally:
        site.check_output("systemctl stop bed-lock")
    assert eventually(lambda: site.run(f"test -e {ASKED}").rc != 0, within=60)


def test_keys_and_state_are_nobody_else_s(site):
    for path in ("/etc/courier-mail-watch/proofs.secrets.json", DATABASE):
        assert site.run("runuser -u www-data -- cat %s", path).rc != 0
    assert (
        site.check_output("stat -c %a:%U:%G /etc/courier-mail-watch/proofs.secrets.json")
        == "640:root:courier-mail-watch"
    )


def test_letters_go_by_themselves(sites):
    """Since the host was set up, or for an hour."""
    for site in sites:
        ways = json.loads(site.run(f"{COMMAND} proofs --json").stdout)["ways"]
        last = max(way["proved"]["at"] for way in ways if way["proved"])
        assert time.time() - last < 3600
        assert site.run("systemctl is-active courier-mail-watch-prove.timer courier-mail-watch-prove.path").rc == 0

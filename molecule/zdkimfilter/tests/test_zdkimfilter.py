# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people send is signed, what others bring is verified, and when that cannot be, nothing is silent."""

from __future__ import annotations

import os
import smtplib

import pytest

SOCKET = "/var/lib/courier/allfilters/000-zdkimfilter"
SELECTOR = "mx1-20260101-rsa"
# On the host, by the record beside the key.
VERIFY = """
import dkim, sys
record = open(sys.argv[1], "rb").read().strip()
sys.exit(not dkim.verify(sys.stdin.buffer.read(), dnsfunc=lambda *_, **__: record))
"""
standin = pytest.mark.skipif(bool(os.environ.get("ZDKIMFILTER_DEB")), reason="the real one has no moods")


def delivered(site, who, token):
    """What Courier put into a mailbox."""
    return site.run("grep -rl %s /srv/vmail/%s/%s/Maildir/new", token, site.domain, who).stdout.split()


def verifies(site, file):
    record = f"/etc/courier/dkim/{site.domain}/{SELECTOR}.txt"
    return site.run("sed 's/$/\\r/' %s | python3 -c %s %s", file, VERIFY, record).succeeded


def listener(site):
    """The process that listens for Courier."""
    return site.run("test -S %s && pgrep -o -f [a]ctive/000-zdkimfilter", SOCKET).stdout.strip()


def opens(site):
    return site.is_open(25) and site.is_open(587)


@pytest.fixture
def mood(sites):
    """Have the stand-ins do one thing wrong, until the test is over."""

    def be(word):
        for site in sites:
            site.check_output("echo %s >/etc/courier/filters/mood", word)

    yield be
    for site in sites:
        site.check_output("rm -f /etc/courier/filters/mood")


@pytest.fixture
def converge(play):
    """Run the role, and say what became of it on each host."""

    def run():
        results = play("courier.mail.site", "--tags", "zdkimfilter")
        return lambda site, *outcomes: [
            result for result in results if result.host == site.name and result.outcome in outcomes
        ]

    return run


@pytest.fixture
def alice(site, letter):
    """Send a letter from Alice, who has logged in, to Bob."""

    def send():
        letter["From"], letter["To"] = f"alice@{site.domain}", f"bob@{site.domain}"
        with site.smtp(site, 587) as smtp:
            smtp.login(*site.accounts["alice"])
            smtp.send_message(letter)

    return send


def test_it_was_the_real_one():
    if not os.environ.get("ZDKIMFILTER_DEB"):
        pytest.skip("ZDKIMFILTER_DEB names no package: zdkimfilter itself was not run, only what stands in for it")


def test_it_is_asked_before_the_others(site):
    names = sorted(site.check_output("ls /var/lib/courier/allfilters").split())
    assert names == ["000-zdkimfilter", "pythonfilter"][: len(site.facts["mail_filters"]) + 1]
    assert site.check_output("ls /etc/courier/filters/active").split() == ["000-zdkimfilter"]


def test_courier_leaves_alone_what_is_signed(site):
    assert "NOADDRREWRITE=2" in site.check_output("cat /etc/courier/esmtpd").replace('"', "")
    assert "esmtp" in site.check_output("cat /etc/courier/enablefiltering").split()
    assert "opt MIME=none" in site.check_output("cat /etc/courier/bofh")


def test_is_for_courier_alone(site):
    assert site.check_output(f"stat -c '%U %G %a' {SOCKET}") == "courier courier 660"
    assert site.check_output("stat -c '%U %G %a' /etc/courier/filters/zdkimfilter.conf") == "root courier 640"


def test_both_programs_of_one_name_are_there(site):
    owner = site.run("dpkg -S /usr/bin/dkimsign").stdout
    assert "python3-dkim" in owner
    if not os.environ.get("ZDKIMFILTER_DEB"):
        assert site.check_output("/usr/bin/dkimsign.zdkimfilter") == "the one of zdkimfilter"


def test_signs_what_people_send(site, alice, token, eventually):
    alice()
    (file,) = eventually(lambda: delivered(site, "bob", token))
    assert verifies(site, file)
    assert f"s={SELECTOR}" in site.check_output("cat %s", file)


def test_verifies_what_others_bring(site, alice, token, eventually, host_named):
    """Bob's copy goes out and comes back by somebody else."""
    alice()
    (file,) = eventually(lambda: delivered(site, "bob", token))
    signed = site.run("sed -n '/^DKIM-Signature/,$p' %s", file).stdout_bytes
    with site.call(host_named("dns.example.net"), 25) as smtp:
        smtp.sendmail(f"alice@{site.domain}", f"alice@{site.domain}", signed.replace(b"\n", b"\r\n"))
    (file,) = eventually(lambda: delivered(site, "alice", token))
    # The key of example.com is in DNS, that of example.org is not yet.
    found = site.check_output("grep -A1 -i ^Authentication-Results: %s", file)
    assert ("dkim=pass" in found) == (site.domain == "example.com")


def test_does_not_sign_what_programs_send(site, letter, token, eventually):
    """As the README says."""
    site.sendmail(letter, f"root@{site.name}", f"bob@{site.domain}")
    (file,) = eventually(lambda: delivered(site, "bob", token))
    assert "DKIM-Signature" not in site.check_output("cat %s", file)


def test_a_second_run_changes_nothing_and_says_what_it_proved(sites, converge):
    results = converge()
    for site in sites:
        assert [result.task for result in results(site, "changed", "failed")] == []
        (proof,) = [result.result["proved"] for result in results(site, "ok") if result.result.get("proved")]
        end = "and verifies" if site.domain == "example.com" else "which nobody can verify yet: DNS does not have "
        assert f"signs for {site.domain} with {SELECTOR}, {end}" in proof[0]


def test_comes_back_when_it_dies(site, alice, token, eventually):
    before = listener(site)
    site.check_output("kill -KILL %s", before)
    assert eventually(lambda: listener(site) not in ("", before), within=60)
    assert eventually(lambda: opens(site), within=60)
    alice()
    (file,) = eventually(lambda: delivered(site, "bob", token))
    assert verifies(site, file)


@standin
def test_fails_where_mail_would_leave_unsigned(sites, converge, mood):
    mood("unsigned")
    results = converge()
    for site in sites:
        (failed,) = results(site, "failed")
        assert "courierfilter does not prove itself on zdkimfilter" in failed.message
        assert f"what somebody of {site.domain} sends leaves unsigned" in failed.message


@standin
def test_closes_the_doors_where_it_does_not_start(sites, converge, mood, eventually):
    """And the run says why. The next one opens them, though nothing has changed but zdkimfilter."""
    mood("exit")
    for site in sites:
        site.run("systemctl restart courierfilter")
    results = converge()
    for site in sites:
        (failed,) = results(site, "failed")
        assert "they do not run: courier-zdkimfilter" in failed.message
        assert any("is in no mood" in line for line in failed.result["journal"])
        assert not site.is_open(25)
        assert not site.is_open(587)
    mood("fine")
    results = converge()
    for site in sites:
        assert results(site, "failed") == []
        site.check_output("systemctl start courier-mta courier-msa")  # as the role courier_mta does
        assert eventually(lambda site=site: opens(site))


@standin
def test_defers_what_it_cannot_sign(site, alice):
    """tempfail_on_error: rather late than unsigned."""
    key = f"/etc/courier/dkim/{site.domain}/{SELECTOR}.private"
    site.check_output("chmod 0600 %s", key)
    try:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            alice()
    finally:
        site.check_output("chmod 0640 %s", key)
    assert refused.value.smtp_code == 432

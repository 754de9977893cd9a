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
    return site.run("ss -Hxlp src %s | grep -o 'pid=[0-9]*' | head -n 1 | cut -d= -f2", SOCKET).stdout.strip()


def opens(site):
    return site.is_open(25) and site.is_open(587)


def refused(results, site):
    """Why the role failed on a host."""
    return next((result for result in results if result.host == site.name and result.outcome == "failed"), None)


@pytest.fixture
def mood(site):
    """Have the stand-in do one thing wrong, until the test is over."""

    def be(word):
        site.check_output("echo %s >/etc/courier/filters/mood", word)

    yield be
    site.check_output("rm -f /etc/courier/filters/mood")


@pytest.fixture
def converge(play, site):
    """Run the role on this host alone."""
    return lambda *arguments: play("courier.mail.filters", "--tags", "zdkimfilter", "--limit", site.name, *arguments)


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
    assert names == ["000-zdkimfilter", "pythonfilter"]
    assert site.check_output("ls /etc/courier/filters/active").split() == ["000-zdkimfilter"]


def test_courier_leaves_alone_what_is_signed(site):
    assert "NOADDRREWRITE=2" in site.check_output("cat /etc/courier/esmtpd").replace('"', "")
    assert "esmtp" in site.check_output("cat /etc/courier/enablefiltering").split()
    assert "opt MIME=none" in site.check_output("cat /etc/courier/bofh")


def test_its_configuration_is_for_courier_alone(site):
    assert site.check_output("stat -c '%%U %%G %%a' /etc/courier/filters/zdkimfilter.conf") == "root courier 640"


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


def test_a_second_run_changes_nothing_and_says_what_it_proved(site, converge):
    results = converge()
    assert [result.task for result in results if result.outcome not in ("ok", "skipped")] == []
    (proof,) = [result.result["proved"] for result in results if "proved" in result.result]
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
def test_fails_where_mail_would_leave_unsigned(site, converge, mood):
    mood("unsigned")
    failed = refused(converge("-e", "ansible_check_mode=false"), site)
    assert "courierfilter does not prove itself on zdkimfilter" in failed.message
    assert f"what somebody of {site.domain} sends leaves unsigned" in failed.message


@standin
def test_closes_the_doors_where_it_does_not_start(site, converge, mood, eventually):
    """And the run says why, and the next one opens them."""
    mood("exit")
    site.check_output("touch /etc/courier/filters/zdkimfilter.conf")  # which it has not read
    failed = refused(converge(), site)
    assert "they do not run: courier-zdkimfilter" in failed.message
    assert any("is in no mood" in line for line in failed.result["journal"])
    assert not site.is_open(25)
    assert not site.is_open(587)
    mood("fine")
    assert refused(converge(), site) is None
    site.check_output("systemctl start courier-mta courier-msa")
    assert eventually(lambda: opens(site))


def test_refuses_keys_that_others_can_read(site, converge):
    key = f"/etc/courier/dkim/{site.domain}/{SELECTOR}.private"
    site.check_output("chmod 0644 %s", key)
    try:
        failed = refused(converge(), site)
    finally:
        site.check_output("chmod 0640 %s", key)
    assert f"{key} can be read by others than courier (mode 0644)" in failed.message


REFUSED = {
    "an option that 2.0 lacks": (
        "zdkimfilter_options={honour_dmarc: true}",
        "zdkimfilter 2.0 has no option honour_dmarc; did you mean honor_dmarc?",
    ),
    "two signers": (
        "mail_filters=[log, authenticate]",
        "mail_signer is zdkimfilter, and mail_filters has authenticate",
    ),
    "a second one for accounts": ("mail_filters=[dkim_sign]", "mail_filters has dkim_sign, which would do the same"),
    "no package": ("zdkimfilter_package={}", "zdkimfilter_package has nothing, and Debian has no zdkimfilter"),
    "a package without its checksum": (
        "zdkimfilter_package={url: 'https://deb.example.net/zdkimfilter.deb'}",
        "zdkimfilter_package has url, and Debian has no zdkimfilter",
    ),
    "a signer that there is not": ("mail_signer=opendkim", "mail_signer is 'opendkim'; write filters"),
    "addresses that Courier rewrites": (
        "courier_mta_esmtpd={NOADDRREWRITE: '0'}",
        "mail_signer is zdkimfilter, which verifies nothing right without these: NOADDRREWRITE",
    ),
}


@standin
@pytest.mark.parametrize(("setting", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(play, setting, sentence):
    name, _equals, value = setting.partition("=")
    results = play("courier.mail.validate", "--limit", "mx1.example.com", "-e", f"{{{name}: {value}}}")
    assert any(sentence in result.message for result in results if result.outcome == "failed")


def test_nobody_else_can_connect(site):
    """Neither can what is not Courier hand it mail."""
    assert site.check_output("stat -c '%%U %%G %%a' %s", SOCKET) == "courier courier 660"


def test_alice_cannot_send_when_it_defers(site, alice, mood):
    """tempfail_on_error: rather late than unsigned."""
    if os.environ.get("ZDKIMFILTER_DEB") or site.domain != "example.com":
        pytest.skip("asked once, of the stand-in")
    key = f"/etc/courier/dkim/{site.domain}/{SELECTOR}.private"
    site.check_output("chmod 0600 %s", key)
    try:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            alice()
    finally:
        site.check_output("chmod 0640 %s", key)
    assert refused.value.smtp_code == 432

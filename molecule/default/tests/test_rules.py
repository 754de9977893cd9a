# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SpamAssassin's rules: RE2 finds what Perl finds, and new ones from a channel count if they are believed."""

from __future__ import annotations

import json
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path

import pytest

UNIT = "spamassassin-maintenance.service"
BELIEVED, UNKNOWN = "rules@example.net", "somebody@example.net"
PUBLISH = """
set -e
version=%s rules=%s signer=%s
cd /srv/rules
gpg --list-keys "$signer" || gpg --batch --passphrase '' --quick-generate-key "$signer" ed25519 sign never
mkdir $version
echo "$rules" >$version/bed.cf
tar -C $version -czf $version.tar.gz bed.cf
gpg --batch --local-user "$signer" --detach-sign --armor $version.tar.gz
"""
# As a run leaves it that fetched rules of a channel which left the inventory later.
LEAVE_OLD = """
cd /var/lib/spamassassin/[0-9]*
install -d -o debian-spamd ../channels/old.example.net old_example_net
echo 'body BED_OLD /./' >old_example_net.cf
"""
STOCK = "MISSING_FROM"
OLD = "ls -d /var/lib/spamassassin/channels/old.* /var/lib/spamassassin/[0-9]*/old_*"


@pytest.fixture
def publish(host_named, nsupdate):
    """Have rules in the channel, as its newest version."""
    server = host_named("mx.example.net")
    versions = []

    def publish(rules, signer=BELIEVED):
        versions.append(versions[-1] + 1 if versions else int(time.time()))
        server.check_output(PUBLISH, str(versions[-1]), rules, signer)
        # Whichever version of SpamAssassin asks.
        say(f"update add *.rules.example.net 0 TXT {versions[-1]}")

    def say(*lines):
        nsupdate("example.net", "update delete *.rules.example.net TXT", *lines)

    yield publish
    say()
    server.run("rm -r /srv/rules/[0-9]*")


def on_all(sites, do):
    with ThreadPoolExecutor() as threads:
        return list(threads.map(do, sites))


def state(site):
    """The socket, which spamd makes when it starts and when it reads its rules anew, and the rules."""
    return site.check_output(
        "stat -c '%i %Z' /run/spamd/spamd.sock; find /var/lib/spamassassin/[0-9]* -name '*.cf' -printf '%p %T@\\n'"
    )


def refuses(site):
    """Whether new rules are refused, and the watch sees that."""
    with pytest.raises(AssertionError, match="Unexpected exit code"):
        site.run_unit(UNIT)
    site.run_unit("courier-mail-watch-look.service")
    found = json.loads(site.run("/usr/local/sbin/courier-mail-watch findings --json").stdout)
    return [one["state"] for one in found if one["subject"] == f"unit {UNIT}"]


def test_re2_misses_nothing_that_perl_finds(sites):
    script = Path(__file__).with_name("re2_and_perl.pl").read_text()
    for said in on_all(sites, lambda site: site.check_output("perl -e %s", script)):
        counts, *different = said.splitlines()
        rules, asked, fitted, loosely, hit = map(int, counts.split())
        assert different == []
        assert asked > 0.9 * rules
        assert fitted > 20 * asked
        assert loosely < 0.05 * fitted
        assert hit > 0.5 * rules


def test_spamd_has_re2(sites):
    ask = "runuser -u debian-spamd -- spamassassin --lint -D courier_mail_re2"
    for said in on_all(sites, lambda site: site.run(ask).stderr):
        asked, rules = re.search(r"courier_mail_re2: asked first about (\d+) of (\d+) rules", said).groups()
        assert int(asked) > 0.9 * int(rules)


def test_new_rules_count_and_bad_ones_change_nothing(sites, publish, stranger, eventually):
    def rules(site):
        """Rules that a letter to Alice meets: those of the channel, and one that is SpamAssassin's."""
        letter, token, alice = EmailMessage(), secrets.token_hex(12), site.accounts["alice"]
        letter["Subject"] = f"About {token}"
        letter.set_content("Plonkor, and wibbet.\n")
        with site.smtp(stranger, 25) as smtp:
            smtp.send_message(letter, "mailbox@example.net", [alice.address])
        (message,) = eventually(lambda: site.inbox(alice, token))
        return re.findall(rf"BED_\w+|{STOCK}", message.get("X-Spam-Status", ""))

    for site in sites:
        assert site.check_output("systemctl is-enabled spamassassin-maintenance.timer") == "enabled"
        assert site.check_output("systemctl is-active spamassassin-maintenance.timer") == "active"
    try:
        publish("body BED_PLONKOR /plonkor/i\nscore BED_PLONKOR 16")
        on_all(sites, lambda site: site.run_unit(UNIT))
        # spamd needs a moment to read them, in which mail passes without a score.
        on_all(sites, lambda site: eventually(lambda: "BED_PLONKOR" in rules(site)))
        assert on_all(sites, rules) == len(sites) * [["BED_PLONKOR", STOCK]]

        before = on_all(sites, state)
        on_all(sites, lambda site: site.run_unit(UNIT))
        assert on_all(sites, state) == before

        for text, signer in (("body BED_WIBBET /wibbet/", UNKNOWN), ("body BED_WIBBET /(wibbet/", BELIEVED)):
            publish(text, signer)
            assert on_all(sites, refuses) == len(sites) * [["bad"]]
            assert on_all(sites, state) == before
            assert on_all(sites, rules) == len(sites) * [["BED_PLONKOR", STOCK]]

        publish("body BED_WIBBET /wibbet/\nscore BED_WIBBET 17")
        on_all(sites, lambda site: site.check_output(LEAVE_OLD))
        on_all(sites, lambda site: site.run_unit(UNIT))
        on_all(sites, lambda site: eventually(lambda: "BED_WIBBET" in rules(site)))
        assert on_all(sites, rules) == len(sites) * [["BED_WIBBET", STOCK]]
        assert not any(site.run(OLD).stdout for site in sites)
    finally:
        for site in sites:
            site.run(
                "rm -r /var/lib/spamassassin/[0-9]*/rules_*; systemctl reset-failed %s; systemctl reload spamd", UNIT
            )
        on_all(sites, lambda site: eventually(lambda: rules(site) == [STOCK]))

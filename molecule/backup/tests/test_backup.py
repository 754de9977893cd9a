# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is backed up while it works, and says aloud when it is not."""

from __future__ import annotations

import json
import secrets
import threading
from email.message import EmailMessage

import pytest

REPOSITORY = "/srv/backups/mx1"
LISTED = "courier-mail-backup restic dump --tag courier-mail latest /var/lib/courier-mail-backup/stage/messages.tsv"


def letter(site, who="alice"):
    message = EmailMessage()
    message["Subject"] = secrets.token_hex(12)
    message["From"] = "someone@example.net"
    message["To"] = site.accounts[who].address
    message.set_content("Hello.")
    return message


def file_of(site, token, eventually):
    """Where a letter is, below the mail root."""

    def found():
        return site.run("grep -rl --include='*mx1*' %s /srv/vmail", token).stdout.split()

    return eventually(found)[0].removeprefix("/srv/vmail/")


@pytest.fixture(scope="session")
def world(host_named):
    return host_named("dns.example.net")


def test_mail_that_comes_in_meanwhile_stops_nothing_and_is_not_stopped(site, world, play, state, eventually):
    before = letter(site)
    site.sendmail(before, "someone@example.net", site.accounts["alice"].address)
    file_of(site, before["Subject"], eventually)
    with site.imap(site) as imap:
        imap.login(*site.accounts["alice"])
        imap.select()
        imap.store("1:*", "+FLAGS", r"(\Seen \Flagged)")
    seen = file_of(site, before["Subject"], eventually)
    assert seen.endswith(":2,FS")
    # Nobody answers for that domain: it stays in the queue.
    waiting = letter(site)
    site.sendmail(waiting, site.accounts["alice"].address, f"{waiting['Subject']}@dead.test")
    assert eventually(lambda: site.waiting(str(waiting["Subject"])))
    sent, stop = [], threading.Event()

    def send():
        with site.smtp(world, 25, tls=False) as client:
            while not stop.is_set():
                message = letter(site, "bob")
                client.send_message(message, "someone@example.net", [site.accounts["bob"].address])
                sent.append(message["Subject"])
                stop.wait(0.2)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        results = play("courier.mail.backup")
    finally:
        stop.set()
        sender.join()
    assert not results.failures
    known = state()
    assert known["error"] == ""
    assert known["snapshot"]
    listed = site.check_output(LISTED)
    assert seen in listed
    assert len(sent) > 3
    for token in (sent[0], sent[-1]):
        file_of(site, token, eventually)
    copy = "courier-mail-backup restic ls --tag courier-mail latest /var/lib/courier-mail-backup/stage/queue"
    assert "/queue/C" in site.check_output(copy)


def test_a_second_run_of_the_site_changes_nothing(play):
    for dry in ([], ["--check"]):
        results = play("courier.mail.site", "--tags", "backup", *dry)
        assert [one.task for one in results if one.outcome not in ("ok", "skipped")] == []


def test_it_runs_every_night(site):
    assert site.check_output("systemctl is-enabled courier-mail-backup.timer") == "enabled"
    assert "02:30" in site.check_output("systemctl cat courier-mail-backup.timer")


def test_secrets_are_roots(site):
    assert site.check_output("stat -c %a /etc/courier-mail-backup /etc/courier-mail-backup/password") == "700\n600"
    assert "three ships" not in site.check_output("journalctl --no-pager -u 'courier-mail-backup*'")


def test_a_missing_secret_is_told(site, failing):
    site.check_output("mv /etc/courier-mail-backup/password /root/")
    try:
        assert "password is not there, or empty; write mail_backup.password" in failing()
    finally:
        site.check_output("mv /root/password /etc/courier-mail-backup/")


def test_a_full_disk_is_told_before_anything_is_written(site, failing, eventually):
    place = "/var/lib/courier-mail-backup"
    site.check_output(f"mount -t tmpfs -o size=20m tmpfs {place} && echo '{{}}' >{place}/state.json")
    try:
        assert "MiB left, and 200 are needed" in failing()
        # The contact hears of it.
        assert eventually(lambda: site.inbox(site.accounts["alice"], "has no backup of today"))
    finally:
        site.check_output(f"umount {place}")


def test_a_damaged_repository_is_told(site, world):
    world.check_output(f"cp -a {REPOSITORY} {REPOSITORY}.well")
    world.check_output(
        f"find {REPOSITORY}/data -type f | while read f; do chmod u+w $f;"
        " printf XXXX | dd of=$f bs=1 seek=100 conv=notrunc status=none; done"
    )
    try:
        done = site.run("courier-mail-backup check")
        assert done.rc == 1
        assert "is damaged" in done.stderr
        assert "A damaged repository" in done.stderr
    finally:
        world.check_output(f"rm -rf {REPOSITORY} && mv {REPOSITORY}.well {REPOSITORY}")


def test_a_target_that_is_gone_is_told_and_not_made_anew(site, world, failing):
    world.check_output(f"mv {REPOSITORY} {REPOSITORY}.away")
    try:
        assert "Is it mounted?" in failing()
    finally:
        assert world.run(f"test -e {REPOSITORY}").failed
        world.check_output(f"mv {REPOSITORY}.away {REPOSITORY}")


def test_another_host_in_its_place_is_not_believed(site, failing):
    site.check_output("sed -i.well 's/AAAA/AAAB/' /etc/courier-mail-backup/known_hosts")
    try:
        assert "cannot be reached" in failing()
    finally:
        site.check_output("cd /etc/courier-mail-backup && mv known_hosts.well known_hosts")


def test_then_it_is_well_again(site, state):
    site.check_output("systemctl start courier-mail-backup")
    assert state()["error"] == ""
    assert site.check_output("courier-mail-backup status").startswith("Backup ")


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ({"backup_password": "short"}, "backup_password is not 16 characters"),
        ({"backup_repository": "ftp://backup"}, "backup_repository is 'ftp://backup'"),
        ({"backup_known_hosts": ""}, "backup_known_hosts has no line of the target"),
        ({"backup_homes": ["/home/eve"]}, "/home/eve is not below /srv/vmail"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_changes(play, variable, said):
    results = play("courier.mail.backup", "-e", json.dumps(variable))
    assert [one for one in results if one.outcome == "failed" and said in one.message]
    assert not [one for one in results if one.outcome == "changed"]

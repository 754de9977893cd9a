# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What left the inventory in side_effect.yml is gone from the hosts."""

from __future__ import annotations

import imaplib
import json
import smtplib

import pytest

WRITER = "mailbox@example.net"


@pytest.mark.parametrize(
    "recipient",
    ["anybody@shop.{domain}", "sales@{domain}", "left@{domain}", "erin@{domain}"],
    ids=["domain", "alias", "forward", "account"],
)
def test_nobody_is_there_any_more(site, stranger, recipient):
    with site.smtp(stranger, 25) as smtp:
        smtp.ehlo()
        smtp.mail(WRITER)
        assert smtp.rcpt(f"alice@{site.domain}")[0] == 250
        assert 500 <= smtp.rcpt(recipient.format(domain=site.domain))[0] < 600


def test_nothing_of_a_former_forward_is_left(site):
    names = site.check_output("ls -A /etc/courier/aliasdir").split()
    assert [name for name in names if name.startswith(".courier-forward-")] == [
        f".courier-forward-partners_40{site.domain.replace('.', ':')}"
    ]


def test_a_former_account_logs_in_nowhere(site, stranger):
    with site.smtp(stranger, 587) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(*site.accounts["erin"])
    with site.imap(stranger) as imap, pytest.raises(imaplib.IMAP4.error, match="Login failed"):
        imap.login(*site.accounts["erin"])


def test_the_mail_of_a_former_account_is_kept(site):
    kept = site.check_output("grep -rl 'Subject: Keep this' /srv/vmail/%s/erin/Maildir/new", site.domain)
    assert kept


def test_nobody_sorts_answers_or_passes_on_any_more(site, letter, token, eventually):
    for name in ("grace", "heidi"):
        home = f"/srv/vmail/{site.domain}/{name}"
        # Whom she has answered is hers.
        left = set(site.check_output("ls -A %s", home).split()) - {"Maildir", ".mailreplies"}
        assert left == {".courier-junk"}
        # The rule for newsletters would put it elsewhere, and a forward would not keep it.
        letter["List-Id"] = "<news.example.net>"
        site.sendmail(letter, "mailbox@example.net", f"{name}@{site.domain}")
        assert eventually(lambda home=home: site.run("grep -rl %s %s/Maildir/new", token, home).stdout)
        del letter["List-Id"]


def test_a_former_domain_does_not_sign_and_its_keys_are_kept(site):
    assert f"shop.{site.domain}" not in site.check_output("cat /etc/courier/dkim/signing.json")
    assert site.check_output("ls /etc/courier/dkim/shop.%s/*.private", site.domain)


def test_the_listener_is_closed(site, family):
    assert site.is_open(587, family)
    assert not site.is_open(465, family)


def test_no_certificate_is_renewed_any_more(site):
    before = site.check_output("cat /etc/ssl/mail/mail.crt")
    assert "courier-mail" not in site.check_output("certbot certificates")
    assert not site.run("ls /etc/letsencrypt/live/courier-mail /usr/local/lib/courier-certificate").succeeded
    site.check_output("certbot renew --force-renewal --no-random-sleep-on-renew")
    assert site.check_output("cat /etc/ssl/mail/mail.crt") == before
    assert site.check_output("systemctl show --property=OnFailure certbot.service") == "OnFailure="


def test_others_are_where_they_were(site, stranger, letter, token, eventually):
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*site.accounts["bob"])
        smtp.send_message(letter, site.accounts["bob"].address, [site.accounts["alice"].address])
    assert eventually(lambda: site.inbox(site.accounts["alice"], token))


class TestAFormerSatellite:
    @pytest.fixture
    def satellite(self, site, host_named):
        return host_named(f"sat1.{site.domain}")

    def test_relays_no_more(self, site, satellite, family):
        with site.smtp(satellite, 587, family) as smtp:
            smtp.ehlo()
            assert 500 <= smtp.mail(WRITER)[0] < 600
        with site.smtp(satellite, 25, family) as smtp:
            smtp.ehlo()
            # In its own name SPF would stop it before.
            assert smtp.mail("root@spf-none.example.net")[0] == 250
            assert smtp.rcpt("mailbox@example.net")[0] == 513

    def test_has_no_addresses(self, site, stranger):
        with site.smtp(stranger, 25) as smtp:
            smtp.ehlo()
            smtp.mail(WRITER)
            assert 500 <= smtp.rcpt(f"root@sat1.{site.domain}")[0] < 600


def test_a_former_relay_hears_nothing_and_its_login_is_gone(site, faults, letter, token, eventually):
    recipient = f"{token}@right-smtps.example.net"
    site.sendmail(letter, f"root@{site.name}", recipient)
    # DNS knows no such domain.
    assert eventually(lambda: "status: " in site.said(recipient))
    assert not faults.visits(token)
    assert site.run("grep -rl a-secret /etc/courier").stdout == ""


class TestAFormerSharedFolder:
    def test_is_its_owner_s_alone(self, site, stranger):
        for who in ("alice", "bob"):
            with site.imap(stranger) as imap:
                imap.login(*site.accounts[who])
                assert imap.select('"#shared.carol.Orders"')[0] == "NO"
                assert imap.lsub('""', '"#shared.*"')[1] == [None]

    def test_keeps_its_mail_and_no_rights(self, site, stranger):
        with site.imap(stranger) as imap:
            imap.login(*site.accounts["carol"])
            assert imap.select("INBOX.Orders")[0] == "OK"
            rights = b" ".join(imap.getacl("INBOX.Orders")[1])
        assert b"owner" in rights
        assert b"user=" not in rights


def test_trash_is_kept(site):
    assert 'IMAP_EMPTYTRASH=","' in site.check_output("cat /etc/courier/imapd").splitlines()
    assert site.run("systemctl is-active courier-mail-expire.timer").stdout.strip() == "inactive"
    with site.imap(site) as imap:
        imap.login(*site.accounts["dave"])
        imap.append("INBOX.Trash", None, None, b"Subject: x\r\n\r\n")
        assert int(imap.select("INBOX.Trash")[1][0]) > 0


def test_lists_in_dns_are_asked_no_more(site, stranger):
    assert "There are no lists" in site.check_output("courier-mail lists")
    for unit in ("courier-mail-lists.timer", "courier-mail-zones.timer", "courier-rbldnsd"):
        assert site.run("systemctl is-active %s", unit).stdout.strip() == "inactive"
    assert (
        site.run("ls -A /var/lib/courier-rbldnsd; ls /etc/systemd/system | grep -e rbldnsd.service -e zones").stdout
        == ""
    )


def test_a_limit_is_courier_s_own_again(site, letter, token, eventually):
    alice = site.accounts["alice"]
    letter.set_content((70 * "x" + "\n") * 400)  # 28 kB, between what side_effect.yml took out (20000) and 32768
    site.sendmail(letter, alice.address, f"nobody-{token}@example.net")
    assert eventually(lambda: site.inbox(alice, token, "TEXT"))
    (notice,) = site.inbox(alice, token, "TEXT")
    assert [part.get_content_type() for part in notice.iter_parts()][2] == "message/rfc822"


def test_the_last_exchanger_is_gone(site, stranger):
    (address,) = [one for one in site.facts["bed_addresses"] if ":" not in one]
    with pytest.raises(ConnectionRefusedError):
        stranger.connect(address, 25)
    assert site.is_open(25)


def test_what_is_excepted_is_not_taken_any_more(site):
    drop_in = "/etc/systemd/system/{}.service.d/courier-mail-hardening.conf"
    assert not site.run(f"test -e {drop_in.format('courier-imap-ssl')}").succeeded
    assert "SystemCallFilter" not in site.check_output(f"cat {drop_in.format('courier-msa')}")
    assert site.check_output("systemctl show -P PrivateDevices courier-imap-ssl courier-msa").split() == ["no", "yes"]


def test_a_mailbox_elsewhere_is_not_fetched_any_more(site):
    left = site.run("find /etc/fetchmail /etc/systemd/system /run/fetchmail /var/lib/fetchmail -name '*poptls*'").stdout
    assert left == ""
    assert not site.run("systemctl is-active fetchmail@poptls").succeeded
    assert site.run("systemctl is-active fetchmail@idle").succeeded


def test_nothing_is_proved_with_others_any_more(site):
    settings = json.loads(site.check_output("cat /etc/courier-mail-watch/proofs.json"))
    assert [one["name"] for one in settings["directions"]] == ["local", "report"]
    secrets = json.loads(site.check_output("cat /etc/courier-mail-watch/proofs.secrets.json"))
    assert list(secrets["keys"]) == [f"{site.domain}/2026"]
    assert secrets["logins"] == {}
    assert f"proof@sat1.{site.domain}" not in site.check_output("cat /etc/courier/aliases/system")

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is broken is seen, counted and told, and so is that it is well again."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import subprocess
import time

import pytest

COMMAND = "/usr/local/sbin/courier-mail-watch"
EXPORTER = "http://127.0.0.1:9100/metrics"
KEY = "a-secret-for-the-vault"
GOT = "/run/bed-hook"
KNOWN = "/etc/ssl/bed.pem /etc/ssl/private/bed.key"
UNKNOWN = "/run/bed-unknown.pem /run/bed-unknown.key"
# Changes a setting of a part, and says what it was.
SET = """
import json, sys
path, name, value = f"/etc/courier-mail-watch/{sys.argv[1]}.json", sys.argv[2], json.loads(sys.argv[3])
with open(path) as stream: settings = json.load(stream)
print(json.dumps(settings.get(name)))
settings[name] = value
if value is None: del settings[name]
with open(path, "w") as stream: json.dump(settings, stream)
"""


class Receiver:
    """Where alarms go."""

    def __init__(self, host, eventually):
        self.host, self.eventually = host, eventually

    def start(self, certificate=KNOWN, answer=204):
        self.stop()
        self.host.check_output(f"systemd-run -q --unit=bed-hook python3 /usr/local/bin/hook.py {certificate} {answer}")
        assert self.eventually(lambda: self.host.is_open(8443))

    def stop(self):
        self.host.run("systemctl stop hook bed-hook; systemctl reset-failed bed-hook")

    def got(self, site):
        """What came from a site: fields of the header, and the body as it came."""
        found = [json.loads(line) for line in self.host.run(f"awk 1 {GOT}/*").stdout.splitlines()]
        return [one for one in found if json.loads(one["body"])["host"] == site.name]

    def events(self, site, key):
        """What came of a thing."""
        said = [event for one in self.got(site) for event in json.loads(one["body"])["events"]]
        return [event["event"] for event in said if event["key"] == key]


class Watch:
    """What watches a host."""

    def __init__(self, host):
        self.host = host

    def look(self, times=1):
        for _look in range(times):
            for service in ("look", "metrics", "alarm"):
                self.host.run_unit(f"courier-mail-watch-{service}.service")

    def findings(self):
        said = json.loads(self.host.run(f"{COMMAND} findings --json").stdout)
        return {f"{one['part']}: {one['subject']}": one for one in said}

    def alarms(self):
        said = json.loads(self.host.check_output(f"{COMMAND} alarm --list --json"))
        return {f"{one['part']}: {one['subject']}": one["state"] for one in said}

    def number(self, name, **labels):
        """A number, as whoever collects them gets it."""
        self.host.run_unit("courier-mail-watch-metrics.service")
        text = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
        wanted = f"courier_mail_{name}{{{text}}}" if text else f"courier_mail_{name}"
        script = f"import urllib.request; print(urllib.request.urlopen('{EXPORTER}').read().decode())"
        lines = self.host.check_output("python3 -c %s", script).splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.rpartition(" ")[0] == wanted), None)

    @contextlib.contextmanager
    def setting(self, part, name, value):
        """Another setting for a while."""
        before = self.host.check_output("python3 -c %s %s %s %s", SET, part, name, json.dumps(value))
        try:
            yield
        finally:
            self.host.check_output("python3 -c %s %s %s %s", SET, part, name, before)


@pytest.fixture(scope="module")
def partner_host(host_named):
    return host_named("mx.example.net")


@pytest.fixture
def receiver(partner_host, eventually):
    found = Receiver(partner_host, eventually)
    found.start()
    yield found
    found.stop()
    partner_host.check_output("systemctl start hook")


@pytest.fixture
def watch(site):
    return Watch(site)


BROKEN = {
    "a daemon that was stopped": (
        "systemctl stop spamd",
        "systemctl start spamd",
        "host: unit spamd.service",
        ("unit_up", {"unit": "spamd.service"}, 0),
    ),
    "a webmail that was stopped": (
        "systemctl stop courier-horde",
        "systemctl start courier-horde",
        "host: unit courier-horde.service",
        ("unit_up", {"unit": "courier-horde.service"}, 0),
    ),
    "a unit that failed": (
        "systemd-run -q --unit=bed-broken false",
        "systemctl reset-failed bed-broken",
        "host: unit bed-broken.service",
        None,
    ),
    "a scanner that hangs": (
        "systemctl kill -s STOP clamav-daemon",
        "systemctl kill -s CONT clamav-daemon",
        "host: socket of clamd",
        ("socket_up", {"socket": "clamd"}, 0),
    ),
    "a disk that is full": (
        "mkdir -p /run/bed-full && mount -t tmpfs -o size=1M bed /run/bed-full"
        " && head -c 2M /dev/zero >/run/bed-full/x || :",
        "umount /run/bed-full",
        "host: space in /run/bed-full",
        ("room_free_bytes", {"directory": "/run/bed-full"}, 0),
    ),
    "a certificate that ends": (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=x"
        " -keyout /run/bed-ends.key -out /run/bed-ends.pem",
        "rm /run/bed-ends.pem",
        "host: certificate /run/bed-ends.pem",
        None,
    ),
    "a backup that failed": (
        "mkdir /var/lib/courier-mail-backup"
        """ && echo '{"error": "the disk is full"}' >/var/lib/courier-mail-backup/state.json""",
        "rm -r /var/lib/courier-mail-backup",
        "host: backup",
        ("backup_failed", {}, 1),
    ),
    "a mailbox elsewhere that nobody reaches": (
        "echo '{}' >/etc/fetchmail/bed.json && touch -d '1 day ago' /etc/fetchmail/bed.json",
        "rm /etc/fetchmail/bed.json",
        "host: mailbox elsewhere bed",
        None,
    ),
}


def tells(watch, receiver, harm, mend, key, number=None):
    """Break something and see the alarm, the number and the webhook; mend it, and see that told as well."""
    with (
        watch.setting("host", "directories", ["/", "/run/bed-full"]),
        watch.setting("host", "certificates", ["/etc/ssl/mail/mail.crt", "/run/bed-ends.pem"]),
        # Mail waits for scanners that hang.
        watch.setting("alarm", "mail", []),
        watch.setting("alarm", "bad_after", 1),
        watch.setting("alarm", "well_after", 1),
    ):
        watch.look()
        before = receiver.events(watch.host, key)
        try:
            harm()
            watch.look(2)
            assert watch.alarms()[key] == "bad"
            if number:
                name, labels, value = number
                assert watch.number(name, **labels) == value
            assert receiver.events(watch.host, key) == [*before, "bad"]
        finally:
            mend()
        # What came and went lately takes longer to be well.
        assert receiver.eventually(
            lambda: watch.look() or receiver.events(watch.host, key) == [*before, "bad", "well"], within=120
        )
        assert watch.alarms().get(key, "well") == "well"


@pytest.mark.parametrize(("harm", "mend", "key", "number"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_is_told_once_and_that_it_is_well_again(site, watch, receiver, harm, mend, key, number):
    tells(watch, receiver, lambda: site.check_output(harm), lambda: site.run(mend), key, number)


def test_a_full_queue_is_told(site, watch, receiver, token, letter, eventually):
    def waiting():
        return sum(int(watch.number("queue_messages", state=state)) for state in ("deferred", "waiting"))

    def fill():
        for number in range(10):
            site.sendmail(letter, f"alice@{site.domain}", f"{token}-{number}@dead.test")  # DNS does not answer
        assert eventually(lambda: watch.look() or waiting() >= before + 8, within=120)

    def empty():
        site.run("mailq -batch | grep %s | cut -d';' -f2 | xargs -r -n1 cancelmsg", token)

    watch.look()
    before = waiting()
    # What others have left there goes while this fills it.
    with watch.setting("host", "queue_messages", before + 4):
        tells(watch, receiver, fill, empty, "host: messages in the queue")


@pytest.mark.parametrize("watcher", ["itself", "relay.example.net"])
def test_an_address_of_ours_on_a_list_is_told(site, receiver, nsupdate, host_named, watcher):
    """By the host itself, and by one that has no mail and watches."""
    watch = Watch(site if watcher == "itself" else host_named(watcher))
    address, zone = site.addresses["ipv4"], "listed.example.net"
    name = f"{'.'.join(reversed(address.split('.')))}.{zone}"

    def say(line):
        nsupdate("example.net", line)
        watch.host.run_unit("courier-mail-watch-blocklists.service")

    tells(
        watch,
        receiver,
        lambda: say(f"update add {name} 1 A 127.0.0.5"),
        lambda: say(f"update delete {name}"),
        f"blocklists: {address} on {zone}",
        ("blocklist_listed", {"list": zone, "subject": address}, 1),
    )


def test_a_proof_that_is_late_because_dns_does_not_answer_is_told(site, watch, receiver, host_named, eventually):
    ways = [f"unreachable {address}" for address in host_named("dns.example.net").addresses.values()]

    def cut():
        # Without DNS, who hears alarms is found only by what is written there.
        site.check_output(f"echo {receiver.host.addresses['ipv4']} {receiver.host.name} bed-hook >>/etc/hosts")
        # Lists that are tested meanwhile are not believed for a while.
        site.check_output("systemctl stop courier-mail-lists.timer")
        site.check_output("; ".join(f"ip route add {way}" for way in ways))
        # A letter may go by a connection that was opened before.
        site.check_output("systemctl restart courier")
        site.check_output(f"{COMMAND} prove --now outside")
        site.age_proofs("sent", ["at"], 3600, "outside")

    def mend():
        site.run("; ".join(f"ip route del {way}" for way in ways))
        # Docker has mounted it, and it cannot be replaced.
        site.run("grep -v bed-hook /etc/hosts >/run/bed-hosts; cat /run/bed-hosts >/etc/hosts")
        site.run("systemctl start courier-mail-lists.timer; courier flush")
        assert eventually(proved, within=120)

    def proved():
        # Again, where a scanner was not ready for it.
        site.run(f"{COMMAND} prove --now outside")
        return site.run(f"{COMMAND} proofs | grep '^well .* outside '").rc == 0

    labels = {"site": site.domain, "host": site.name, "direction": "outside"}
    tells(watch, receiver, cut, mend, f"proofs: {site.name}: outside", ("proof_late", labels, 1))


def test_who_gets_an_alarm_knows_that_it_is_from_the_host(site, watch, receiver):
    assert site.check_output(f"{COMMAND} alarm --test | grep bed") == "webhook bed: told"
    one = [one for one in receiver.got(site) if json.loads(one["body"])["test"]][-1]
    signed = f"{one['fields']['X-Courier-Mail-Timestamp']}.{one['body']}".encode()
    expected = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()
    assert one["fields"]["X-Courier-Mail-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("trouble", ["nobody", "a certificate that nobody knows", "a refusal"])
def test_a_webhook_that_does_not_work_is_told_by_mail_and_told_all_later(site, watch, receiver, trouble, eventually):
    def told():
        return site.inbox(site.accounts["alice"], "webhook bed")

    key = "host: unit bed-broken.service"
    receiver.host.check_output(
        "openssl req -x509 -newkey rsa:2048 -nodes -addext subjectAltName=DNS:mx.example.net -subj /CN=mx.example.net"
        " -keyout /run/bed-unknown.key -out /run/bed-unknown.pem"
    )
    with watch.setting("alarm", "bad_after", 1), watch.setting("alarm", "well_after", 1):
        before, mails = receiver.events(site, key), len(told())
        receiver.stop()
        if trouble != "nobody":
            receiver.start(*((UNKNOWN, 204) if trouble != "a refusal" else (KNOWN, 500)))
        try:
            site.check_output("systemd-run -q --unit=bed-broken false; sleep 0.1")
            watch.look(2)
            assert watch.alarms()["alarm: webhook bed"] == "bad"
            assert watch.number("alarm_way_up", way="webhook bed") == 0
            assert eventually(lambda: len(told()) > mails)
            receiver.start()
            watch.look()
            # That which came before it refused may be there, too.
            assert receiver.events(site, key)[len(before) :].count("bad") >= 1
        finally:
            site.run("systemctl reset-failed bed-broken")
        assert eventually(lambda: watch.look() or watch.alarms()["alarm: webhook bed"] == "well", within=120)


def test_mail_that_cannot_be_sent_is_told_by_webhook(site, watch, receiver):
    key = "alarm: mail"
    with watch.setting("alarm", "bad_after", 1), watch.setting("alarm", "well_after", 1):
        before = receiver.events(site, key)
        # As where Courier is not there at all.
        site.check_output("mount --bind /bin/false /usr/sbin/sendmail")
        try:
            site.run("systemd-run -q --unit=bed-broken false; sleep 0.1")
            watch.look(2)
            assert receiver.events(site, key)[len(before) :] == ["bad"]
        finally:
            site.run("umount /usr/sbin/sendmail; systemctl reset-failed bed-broken")
        assert receiver.eventually(
            lambda: watch.look() or receiver.events(site, key)[len(before) :] == ["bad", "well"], within=120
        )


def test_mail_that_flows_is_counted_once(site, watch, stranger, letter, token, eventually):
    alice = site.accounts["alice"]
    directions = [("received_total", {"direction": "authenticated"})]
    directions += [("deliveries_total", {"direction": "local", "result": "delivered"})]
    before = [watch.number(name, **labels) or 0 for name, labels in directions]
    latencies = watch.number("delivery_seconds_count", direction="local") or 0
    with site.smtp(stranger, 587) as smtp:
        smtp.login(*alice)
        smtp.send_message(letter, alice.address, [alice.address])
    assert eventually(lambda: site.inbox(alice, token))
    # Courier's last line about it comes after it is there.
    name, labels = directions[-1]
    assert eventually(lambda: (watch.number(name, **labels) or 0) > before[-1])
    after = [watch.number(name, **labels) for name, labels in directions]
    assert [one - other for one, other in zip(after, before, strict=True)] == [1, 1]
    assert watch.number("delivery_seconds_count", direction="local") == latencies + 1
    # What was read is not read again.
    assert [watch.number(name, **labels) for name, labels in directions] == after


def test_refusals_are_counted_by_what_they_are_about(site, watch, stranger, eventually):
    before = watch.number("refused_total", reason="relaying") or 0
    with site.smtp(stranger, 25) as smtp:
        smtp.ehlo()
        smtp.mail("someone@example.net")
        assert smtp.rcpt("victim@elsewhere.example.net")[0] >= 500
    assert eventually(lambda: (watch.number("refused_total", reason="relaying") or 0) > before)
    assert watch.number("refused_total", reason="relaying") == before + 1


def test_a_line_that_imitates_couriers_counts_nothing(site, watch):
    before = watch.number("received_total", direction="local") or 0
    line = "newmsg,id=0000000000396461.000000006B081E15.00006C96: dns; localhost (localhost [127.0.0.1])"
    site.check_output("runuser -u nobody -- logger -t courierd %s", line)
    assert (watch.number("received_total", direction="local") or 0) == before


def test_prometheus_takes_the_numbers(site):
    site.run_unit("courier-mail-watch-metrics.service")
    numbers = site.check_output("cat /run/courier-mail-watch/courier_mail.prom")
    assert numbers.count("# HELP courier_mail_") > 30
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=f"{numbers}\n", capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_it_writes_is_for_the_watch_alone(site):
    modes = site.check_output(
        "stat -c '%U %G %a' /etc/courier-mail-watch/alarm.secrets.json /run/courier-mail-watch-look/seen.json"
        " /var/lib/courier-mail-watch"
    ).splitlines()
    assert modes == [
        "root courier-mail-watch 640",
        "root courier-mail-watch 640",
        "courier-mail-watch courier-mail-watch 750",
    ]


def test_all_parts_can_look_everywhere(site, satellite, smarthost):
    for host in (site, satellite, smarthost):
        watch = Watch(host)
        watch.look()
        found = watch.findings()
        parts = {"alarm: watch", "host: watch", "flow: watch"}
        assert {key: found[key]["state"] for key in parts} == dict.fromkeys(parts, "well")
        assert [one["said"] for key, one in found.items() if key.startswith("host: look at")] == []
        assert found["flow: journal"]["state"] == "well"


def test_the_timers_do_it_by_themselves(sites, eventually):
    def seen(site):
        return float(json.loads(site.check_output("cat /run/courier-mail-watch-look/seen.json"))["at"])

    before = [seen(site) for site in sites]
    for site, then in zip(sites, before, strict=True):
        assert eventually(lambda site=site, then=then: seen(site) > then, within=90)
        assert time.time() - then < 600

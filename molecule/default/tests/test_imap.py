# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading: what IMAP promises, who is told at once, what many do at a time, and folders that several people read."""

from __future__ import annotations

import base64
import hashlib
import imaplib
import re
import ssl
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

# All that the servers of both releases offer after the login. There is no MOVE and no SPECIAL-USE in Courier.
CAPABILITIES = {
    "IMAP4REV1", "UIDPLUS", "CHILDREN", "NAMESPACE", "THREAD=ORDEREDSUBJECT", "THREAD=REFERENCES", "SORT", "QUOTA",
    "IDLE", "AUTH=PLAIN", "ACL", "ACL2=UNION", "ENABLE", "UTF8=ACCEPT",
}  # fmt: skip
SESSIONS = 30
MANY = 10_000
NAMES = ["Grüße & Küsse", "Δοκιμή.日本語", "Привет"]

FILL = """
import os, sys
directory, number, token, size = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
for one in range(number):
    text = (f"From: w{one % 7}@example.net\\nSubject: {token} {one % 100}\\nMessage-ID: <{one}.{token}@example.net>\\n"
            f"References: <{one // 10}.{token}@example.net>\\n"
            f"Date: Mon, {one % 28 + 1:02} Jun 2026 10:{one % 60:02}:00 +0000\\n\\n{one} " + "x" * size + "\\n")
    with open(f"{directory}/cur/{1700000000 + one}.M{one}P1.{token},S={len(text)}:2,", "w") as file:
        file.write(text)
"""


def mutf7(text):
    """A folder's name as IMAP writes it (RFC 3501, 5.1.3)."""

    def shift(match):
        return "&" + base64.b64encode(match[0].encode("utf-16-be")).rstrip(b"=").decode().replace("/", ",") + "-"

    return re.sub("[^\x20-\x7e]+", shift, text.replace("&", "&-"))


def numbers(answer):
    return [int(number) for number in answer[0].split()]


def listed(imap, pattern="*", reference='""'):
    """The names of folders, and their attributes."""
    lines = [line for line in imap.list(reference, pattern)[1] if line]
    matches = [re.fullmatch(rb'\((.*?)\) "\." "?(.*?)"?', line) for line in lines]
    return {match[2].decode(): match[1].decode().split() for match in matches}


def append(imap, folder, subject, flags=None):
    status, answer = imap.append(f'"{folder}"', flags, None, f"Subject: {subject}\r\n\r\nHello\r\n".encode())
    assert status == "OK", answer
    return int(re.search(rb"APPENDUID \d+ (\d+)", answer[0])[1])


@pytest.fixture
def session(site, stranger):
    """Log in: `session("bob")`. Everybody is logged out at the end."""
    opened = []

    def session(who="bob", caller=stranger):
        imap = site.imap(caller)
        opened.append(imap)
        imap.login(*site.accounts[who])
        return imap

    yield session
    for imap in opened:
        with suppress(imaplib.IMAP4.error, OSError):
            imap.logout()


@pytest.fixture
def folder(site, session, token):
    """A new folder of Bob's."""
    imap = session()
    name = f"INBOX.{token}"
    assert imap.create(name)[0] == "OK"
    yield name
    # Courier takes two seconds to delete a folder.
    site.check_output("rm -rf /srv/vmail/%s/bob/Maildir/.%s*", site.domain, token)


@pytest.fixture
def fill(site, token):
    """Put messages into a folder of Bob's, as fast as the disk takes them."""

    def fill(folder, number, size=100):
        directory = f"/srv/vmail/{site.domain}/bob/Maildir/{folder.removeprefix('INBOX')}"
        site.check_output(
            "runuser -u vmail -- python3 -c %s %s %s %s %s", FILL, directory, str(number), token, str(size)
        )

    return fill


class TestEachPromiseIsKept:
    def test_nothing_else_is_promised(self, session):
        assert {*session().capabilities} == CAPABILITIES

    def test_auth_plain(self, site, stranger):
        bob = site.accounts["bob"]
        with site.imap(stranger) as imap:
            assert "AUTH=PLAIN" in imap.capabilities
            assert "LOGINDISABLED" not in imap.capabilities
            assert imap.authenticate("PLAIN", lambda _: f"\0{bob.address}\0{bob.password}".encode())[0] == "OK"

    def test_uidplus(self, session, folder):
        imap = session()
        first, second = append(imap, folder, "a"), append(imap, folder, "b")
        imap.select(folder)
        imap.store("1:2", "+FLAGS", r"\Deleted")
        assert imap.uid("EXPUNGE", str(second))[0] == "OK"
        assert numbers(imap.uid("SEARCH", "ALL")[1]) == [first]
        assert b"COPYUID" in imap.copy("1", folder)[1][0]

    def test_children_and_namespace(self, session, folder):
        imap = session()
        imap.create(f"{folder}.Inner")
        found = listed(imap, f"{folder}*")
        assert r"\HasChildren" in found[folder]
        assert r"\HasNoChildren" in found[f"{folder}.Inner"]
        assert imap.namespace()[1] == [b'(("INBOX." ".")) NIL (("#shared." ".")("shared." "."))']

    def test_sort_and_thread(self, session, folder, fill):
        fill(folder, 30)
        imap = session()
        imap.select(folder)
        days = [imap.fetch(str(one), "(BODY[HEADER.FIELDS (DATE)])")[1][0][1][11:13] for one in range(1, 31)]
        order = numbers(imap.sort("(REVERSE DATE)", "UTF-8", "ALL")[1])
        assert sorted(order) == [*range(1, 31)]
        assert [days[one - 1] for one in order] == sorted(days, reverse=True)
        for kind in ("REFERENCES", "ORDEREDSUBJECT"):
            answer = imap.thread(kind, "UTF-8", "ALL")[1][0].decode()
            assert sorted(map(int, re.findall(r"\d+", answer))) == [*range(1, 31)]
        # Ten answers hang below one message.
        assert "(11)(12)(13)(14)" in imap.thread("REFERENCES", "UTF-8", "ALL")[1][0].decode()

    def test_quota(self, site, session, letter, eventually):
        imap = session("alice")
        site.sendmail(letter, f"root@{site.name}", f"alice@{site.domain}")
        # Before the first delivery, Courier does not count.
        before = eventually(lambda: self.used(imap))
        uid = append(imap, "INBOX.Sent", "x" * 100 * 1024)
        # In whole kilobytes; a letter to her may come meanwhile.
        assert before + 99 <= self.used(imap) < before + 150
        imap.select("INBOX.Sent")
        imap.uid("STORE", str(uid), "+FLAGS", r"\Deleted")
        imap.uid("EXPUNGE", str(uid))
        assert self.used(imap) < before + 50

    @staticmethod
    def used(imap):
        status, (_roots, quotas) = imap.getquotaroot("INBOX")
        assert status == "OK"
        found = re.search(rb"STORAGE (\d+) (\d+)", quotas[0])
        assert not found or int(found[2]) == 1 << 20
        return found and int(found[1])

    def test_keywords(self, session, folder):
        imap, other = session(), session()
        append(imap, folder, "a")
        imap.select(folder)
        imap.store("1", "+FLAGS", "($Forwarded Junk-not)")
        other.select(folder)
        assert b"$Forwarded" in other.fetch("1", "(FLAGS)")[1][0]
        assert numbers(other.search(None, "KEYWORD", "$Forwarded")[1]) == [1]


class TestNamesOfFolders:
    @pytest.mark.parametrize("name", NAMES)
    def test_go_both_ways(self, site, session, folder, name):
        imap, modern = session(), session()
        wanted = f"{folder}.{mutf7(name)}"
        assert imap.create(f'"{wanted}"')[0] == "OK"
        append(imap, wanted, "a")
        assert wanted in listed(imap, f"{folder}.*")
        assert site.run("test -d %s", f"/srv/vmail/{site.domain}/bob/Maildir/{folder[5:]}.{name}").succeeded
        # A client that wants UTF-8 gets it (RFC 6855).
        modern.enable("UTF8=ACCEPT")
        assert f"{folder}.{name}" in listed(modern, f'"{folder}.*"')
        assert modern.select(f'"{folder}.{name}"')[1] == [b"1"]
        assert imap.rename(f'"{wanted}"', f'"{folder}.plain"')[0] == "OK"
        assert imap.select(f"{folder}.plain")[1] == [b"1"]

    def test_beyond_16_bits_they_go_in_utf_8_alone(self, session, folder):
        imap, modern = session(), session()
        assert imap.create(f'"{folder}.{mutf7("🐦")}"')[0] == "NO"
        modern.enable("UTF8=ACCEPT")
        assert modern.create(f'"{folder}.🐦"')[0] == "OK"
        assert f"{folder}.🐦" in listed(modern, f'"{folder}.*"')


class Idle:
    """A session that waits to be told."""

    def __init__(self, imap, folder):
        self.imap = imap
        imap.select(folder)
        imap.send(b"idle1 IDLE\r\n")
        assert imap.readline().startswith(b"+")

    def hears(self, pattern):
        """Wait for a line, and say when it came."""
        while not re.match(pattern, line := self.imap.readline()):
            assert line, "the connection was closed"
        return time.time()

    def ends(self):
        self.imap.send(b"DONE\r\n")
        self.hears(rb"idle1 OK")


@pytest.fixture
def soon(site):
    """Seconds in which a session is told. Debian 12's gamin looks once a second."""
    return {"trixie": 1, "bookworm": 2}[site.facts["bed_image"]]


@pytest.mark.parametrize("sort", ["own", "shared"])
def test_others_are_told_at_once(session, folder, soon, sort):
    if sort == "shared":
        folder, reader, writer, seen = "INBOX.Orders", session("carol"), session("alice"), "#shared.carol.Orders"
        reader.select(folder)
        reader.store("1:*", "+FLAGS", r"\Deleted")
        reader.expunge()
    else:
        reader, writer, seen = session(), session(), folder
    reader.sock.settimeout(20)

    def visit():
        """What is told of a message from its coming to its going, and after how many seconds."""
        idle, begins, heard = Idle(reader, folder), [], []

        def tells(pattern, change, *arguments):
            begins.append(time.time())
            change(*arguments)
            heard.append(idle.hears(pattern))

        tells(rb"\* 1 EXISTS", append, writer, seen, "a")
        writer.select(f'"{seen}"')
        tells(rb"\* 1 FETCH \(.*\\Flagged", writer.store, "1", "+FLAGS", r"\Flagged")
        tells(rb"\* 1 FETCH \(.*\\Deleted", writer.store, "1", "+FLAGS", r"\Deleted")
        tells(rb"\* 1 EXPUNGE", writer.expunge)
        idle.ends()
        writer.close()
        return [end - begin for begin, end in zip(begins, heard, strict=True)]

    of_three = zip(*[visit() for _time in range(3)], strict=True)
    assert max(map(statistics.median, of_three)) < soon


def test_new_mail_is_told_at_once(site, session, letter, token, soon):
    reader = session("erin")
    reader.sock.settimeout(60)
    mailbox = f"/srv/vmail/{site.domain}/erin/Maildir"

    def send(number):
        """How long after it was written, which is just before it is moved into the mailbox, a message is told."""
        idle = Idle(reader, "INBOX")
        del letter["Subject"]
        letter["Subject"] = f"{token}-{number}"
        site.sendmail(letter, f"root@{site.name}", f"erin@{site.domain}")
        heard = idle.hears(rb"\* \d+ EXISTS")
        idle.ends()
        path = site.check_output("grep -rl %s %s/new %s/cur", f"{token}-{number}", mailbox, mailbox)
        return heard - float(site.check_output("stat -c %%.Y %s", path))

    # A machine with much to do may take a second for one.
    assert statistics.median(map(send, range(3))) < soon


def test_many_sessions_at_once_lose_nothing(site, stranger, session, folder, token):
    def work(number):
        with site.imap(stranger) as imap:
            imap.login(*site.accounts["bob"])
            imap.select(folder)
            uid = append(imap, folder, f"{token} {number}")
            imap.noop()
            imap.uid("STORE", str(uid), "+FLAGS", rf"(\Seen s{number})")
            return uid

    with ThreadPoolExecutor(SESSIONS) as pool:
        uids = list(pool.map(work, range(SESSIONS)))
    assert len({*uids}) == SESSIONS
    imap = session()
    imap.select(folder)
    assert len(numbers(imap.search(None, "SEEN")[1])) == SESSIONS
    for number, uid in enumerate(uids):
        assert numbers(imap.uid("SEARCH", "KEYWORD", f"s{number}")[1]) == [uid]


def test_two_at_the_same_messages(site, stranger, session, folder, fill):
    fill(folder, 60)
    first, second = session(), session()

    def flag(imap, flag):
        imap.select(folder)
        for number in range(1, 61):
            assert imap.uid("STORE", str(number), "+FLAGS", flag)[0] == "OK"

    first.select(folder)  # gives out the UIDs
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(flag, [first, second], [r"\Flagged", r"\Answered"]))

    def remove_half(imap):
        imap.uid("STORE", ",".join(map(str, range(1, 61, 2))), "+FLAGS", r"\Deleted")
        imap.expunge()

    def mark_all(imap):
        for number in range(1, 61):
            imap.uid("STORE", str(number), "+FLAGS", r"\Seen")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(remove_half, first), pool.submit(mark_all, second)]:
            done.result()
    imap = session()
    imap.select(folder)
    left = numbers(imap.uid("SEARCH", "ALL")[1])
    assert len(left) == len({*left})
    assert {*left} >= {*range(2, 61, 2)}
    # Of two flags that one message is given in the same moment, Courier may lose one. So a mail program does it again.
    remove_half(imap)
    assert numbers(imap.uid("SEARCH", "ALL")[1]) == [*range(2, 61, 2)]


def test_ten_thousand_messages(session, folder, fill, token):
    fill(folder, MANY)
    imap = session()
    assert imap.select(folder)[1] == [str(MANY).encode()]
    assert len(imap.fetch("1:*", "(UID FLAGS)")[1]) == MANY
    assert len(numbers(imap.search(None, "SUBJECT", f'"{token} 42"')[1])) == MANY / 100
    assert sorted(numbers(imap.sort("(SUBJECT REVERSE DATE)", "UTF-8", "ALL")[1])) == [*range(1, MANY + 1)]
    imap.store(f"1:{MANY // 2}", "+FLAGS.SILENT", r"\Deleted")
    assert imap.expunge()[0] == "OK"
    assert imap.select(folder)[1] == [str(MANY // 2).encode()]
    assert len(numbers(imap.uid("SEARCH", "ALL")[1])) == MANY // 2


MBSYNC = """
IMAPAccount site
Host {address}
User {user}
Pass "{password}"
TLSType IMAPS
CertificateFile {directory}/trusted

IMAPStore there
Account site

MaildirStore here
Path {directory}/
SubFolders Verbatim

Channel both
Far :there:{token}
Near :here:box
Create Near
Expunge Both
SyncState *
"""


def test_mbsync_and_the_mailbox_become_the_same(site, stranger, session, folder, fill, token):
    directory = f"/root/{token}"
    bob = site.accounts["bob"]
    told = MBSYNC.format(address=site.name, user=bob.address, password=bob.password, directory=directory, token=token)
    stranger.check_output("mkdir -p %s/box/cur %s/box/new %s/box/tmp", directory, directory, directory)
    stranger.check_output(
        "echo %s | base64 -d > %s/trusted",
        base64.b64encode(site.check_output("cat /etc/ssl/mail/mail.crt").encode()).decode(),
        directory,
    )
    stranger.check_output("printf %%s %s > %s/rc", told, directory)
    try:
        fill(folder, 300, 2000)
        stranger.check_output("python3 -c %s %s/box 200 here 3000 && mbsync -c %s/rc both", FILL, directory, directory)
        imap = session()
        assert imap.select(folder)[1] == [b"500"]
        assert digests_there(imap) == digests_here(stranger, directory)
        # Both sides throw something away.
        imap.store("1:50", "+FLAGS.SILENT", r"\Deleted")
        imap.expunge()
        stranger.check_output("ls %s/box/cur/*here* | head -50 | xargs rm", directory)
        stranger.check_output("mbsync -c %s/rc both", directory)
        assert imap.select(folder)[1] == [b"400"]
        there = digests_there(imap)
        assert len({*there}) == 400
        assert there == digests_here(stranger, directory)
    finally:
        stranger.check_output("rm -r %s", directory)


def digests_there(imap):
    return sorted(digest(part[1]) for part in imap.fetch("1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple))


def digests_here(stranger, directory):
    messages = stranger.run(
        "for one in %s/box/cur/* %s/box/new/*; do cat $one 2>/dev/null; printf '\\0'; done", directory, directory
    )
    return sorted(digest(message) for message in messages.stdout_bytes.split(b"\0") if message)


def digest(message):
    # mbsync marks what it carries.
    return hashlib.sha256(re.sub(rb"(?m)^X-TUID:.*\n", b"", message.replace(b"\r", b""))).hexdigest()


def test_one_address_has_as_many_connections_as_it_may(site, stranger):
    def greeted(family):
        try:
            imap = site.imap(stranger, family)
        except (ssl.SSLError, OSError, imaplib.IMAP4.abort):
            return None
        return imap

    with ThreadPoolExecutor(10) as pool:
        sessions = [imap for imap in pool.map(greeted, ["ipv4"] * 110) if imap]
    other = greeted("ipv6")
    for imap in (*sessions, *filter(None, [other])):
        imap.shutdown()
    # Courier counts the one that asks.
    assert 99 <= len(sessions) <= 100
    assert other


class TestSharedFolders:
    SEEN = "#shared.carol.Orders"

    def test_two_see_what_the_other_puts_there(self, session, token):
        carol, alice, bob = session("carol"), session("alice"), session("bob")
        append(carol, "INBOX.Orders", f"{token} from Carol")
        append(alice, self.SEEN, f"{token} from Alice")
        for imap, name in ((carol, "INBOX.Orders"), (alice, self.SEEN), (bob, self.SEEN)):
            imap.select(f'"{name}"')
            assert len(numbers(imap.search(None, "SUBJECT", token)[1])) == 2

    def test_whoever_writes_may_delete(self, session, token):
        alice = session("alice")
        uid = append(alice, self.SEEN, token)
        alice.select(f'"{self.SEEN}"')
        alice.uid("STORE", str(uid), "+FLAGS", r"\Deleted")
        alice.uid("EXPUNGE", str(uid))
        carol = session("carol")
        carol.select("INBOX.Orders")
        assert numbers(carol.search(None, "SUBJECT", token)[1]) == []

    def test_whoever_reads_only_reads(self, session, token):
        append(session("carol"), "INBOX.Orders", token)
        bob = session("bob")
        assert bob.append(f'"{self.SEEN}"', None, None, b"Subject: x\r\n\r\n")[0] == "NO"
        bob.select(f'"{self.SEEN}"')
        (number,) = numbers(bob.search(None, "SUBJECT", token)[1])
        bob.store(str(number), "+FLAGS", r"(\Deleted \Flagged)")
        bob.expunge()
        assert numbers(bob.search(None, "SUBJECT", token)[1]) == [number]
        assert bob.setacl(f'"{self.SEEN}"', "anyone", "lrswipcda")[0] == "NO"
        assert bob.delete(f'"{self.SEEN}"')[0] == "NO"

    def test_they_find_it_without_looking(self, session):
        for who, expected in (("alice", True), ("bob", True), ("dave", False)):
            imap = session(who)
            names = b" ".join(line for line in imap.lsub('""', '"#shared.*"')[1] if line)
            assert (self.SEEN.encode() in names) is expected
            assert (self.SEEN in listed(imap, "#shared.*")) is expected

    def test_a_third_sees_nothing(self, session):
        dave = session("dave")
        for name in (self.SEEN, "#shared.carol", "#shared.carol.Sent", "#shared.bob"):
            assert dave.select(f'"{name}"')[0] == "NO"
            assert dave.status(f'"{name}"', "(MESSAGES)")[0] == "NO"
            assert dave.append(f'"{name}"', None, None, b"Subject: x\r\n\r\n")[0] == "NO"

    @pytest.mark.parametrize("name", ["#shared.carol", "#shared.carol.Sent", "#shared.carol.Trash"])
    def test_what_is_beside_it_is_not_shared(self, session, name):
        assert session("alice").select(f'"{name}"')[0] == "NO"


class TestTrash:
    def test_goes_after_its_days_where_nobody_logs_in(self, site, session, token):
        imap = session("erin")
        append(imap, "INBOX.Trash", token)
        append(imap, "INBOX.Sent", token)
        imap.logout()
        home = f"/srv/vmail/{site.domain}/erin"
        command = "runuser -u vmail -- /usr/local/lib/courier-mail/expire %s Trash:30 --later=%s"
        left = f"grep -rl {token} {home}/Maildir | sed 's,.*Maildir/,,;s,/.*,,' | sort"
        site.check_output(command, home, "29")
        assert site.check_output(left).split() == [".Sent", ".Trash"]
        site.check_output(command, home, "31")
        assert site.check_output(left).split() == [".Sent"]

    def test_the_service_may_do_it(self, site, eventually):
        assert site.check_output("systemctl is-active courier-mail-expire.timer") == "active"
        site.run_unit("courier-mail-expire.service")
        said = "journalctl --no-pager --output=cat --unit=courier-mail-expire.service | tail -n 5"
        assert eventually(lambda: "messages were old enough to go" in site.check_output(said))


def test_each_session_can_have_an_inotify_instance(site):
    wanted = site.check_output("cat /etc/sysctl.d/10-courier-imap.conf")
    assert wanted == "fs.inotify.max_user_instances = 464"
    assert int(site.check_output("cat /proc/sys/fs/inotify/max_user_instances")) >= 464

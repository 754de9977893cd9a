# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daily work with accounts: Zoe comes, is disabled and enabled again, gets another password, and leaves."""

from __future__ import annotations

import imaplib
import json
import os
import pty
import select
import smtplib
import termios
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from tests.playbook import sources

ROOT = Path(__file__).parents[3]
FIRST, SECOND = "first: 'of two' passwords", 'second "of two" passwords'


class Work:
    """What somebody types who administers one site, whose accounts have a file each."""

    def __init__(self, site, play, directory):
        self.site, self.play, self.directory = site, play, directory
        self.zoe = f"zoe@{site.domain}"
        self.seen: set[str] = set()
        (directory / "vars.json").write_text(
            json.dumps(
                {
                    "mail_accounts_directory": site.account_files(directory / "accounts"),
                    "mail_accounts": "{{ lookup('courier.mail.accounts', mail_accounts_directory) }}",
                    "mail_auth_methods": ["PLAIN", "LOGIN"],
                    "courier_auth_accounts": "{{ mail_accounts }}",
                }
            )
        )

    @property
    def file(self):
        return self.directory / "accounts" / f"{self.zoe}.yml"

    def arguments(self, action, *more):
        said = [f"--extra-vars=@{self.directory}/vars.json", f"--extra-vars=account_action={action}"]
        return [*said, f"--extra-vars=account={self.zoe}", "--tags=courier_auth", f"--limit={self.site.name}", *more]

    def do(self, action, *more):
        """Without anything to type."""
        return self.play("courier.mail.account", *self.arguments(action, *more))

    def type(self, action, *passwords):
        """At a terminal. Returns what it showed, and whether it went well; notes what the list of processes had."""
        process, terminal = pty.fork()
        if process == 0:  # what follows is in a process of its own
            os.chdir(ROOT)
            command = ["ansible-playbook", "-vvv", *sources(), *self.arguments(action), "courier.mail.account"]
            os.execvp(command[0], command)
        done = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(done,))
        watcher.start()
        shown, typed = "", 0
        with suppress(OSError):  # the terminal is gone when the process is
            while True:
                heard = select.select([terminal], [], [], 1)[0]
                if heard:
                    if not (part := os.read(terminal, 1 << 16)):
                        break
                    shown += part.decode(errors="replace")
                prompts = min(len(passwords), shown.count("(output is hidden)"))
                # What is typed before Ansible listens is shown and thrown away. It listens when nothing is shown, but
                # throws away what it has first: then nothing happens, and it is typed again.
                listens = not termios.tcgetattr(terminal)[3] & termios.ECHO
                if listens and (typed < prompts or not heard):
                    typed = prompts
                    os.write(terminal, f"{passwords[typed - 1]}\r".encode())
        done.set()
        watcher.join()
        os.close(terminal)
        return shown, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0

    def _watch(self, done):
        while not done.wait(0.05):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with suppress(OSError):
                    self.seen.add(path.read_text(errors="replace"))


@pytest.fixture(scope="module")
def work(play, sites, tmp_path_factory):
    work = Work(sites[1], play, tmp_path_factory.mktemp("site"))
    yield work
    play("courier.mail.ground", "--tags=courier_auth", f"--limit={work.site.name}")


def logs_in(site, caller, address, password):
    with suppress(imaplib.IMAP4.error, smtplib.SMTPAuthenticationError):
        with site.imap(caller) as imap:
            imap.login(address, password)
        with site.smtp(caller, 587) as smtp:
            return smtp.login(address, password)[0] == 235
    return False


def test_somebody_comes(work, stranger):
    shown, well = work.type("add", FIRST, FIRST)
    assert well, shown
    assert logs_in(work.site, stranger, work.zoe, FIRST)
    assert work.file.stat().st_mode & 0o777 == 0o600
    journal = work.site.check_output("journalctl --no-pager --since=-5min")
    for password in (FIRST, work.file.read_text().split('"')[1]):
        assert password not in shown + "".join(work.seen) + journal


def test_a_password_typed_in_two_ways_is_none(work):
    before = work.file.read_text()
    shown, well = work.type("password", SECOND, FIRST)
    assert not well
    assert "Type the same password twice" in shown
    assert work.file.read_text() == before


def test_a_password_changes(work, stranger):
    work.file.write_text(f"# since May\n{work.file.read_text()}")
    shown, well = work.type("password", SECOND, SECOND)
    assert well, shown
    assert work.file.read_text().startswith("# since May\n")
    assert logs_in(work.site, stranger, work.zoe, SECOND)
    assert not logs_in(work.site, stranger, work.zoe, FIRST)


def test_who_is_disabled_receives_and_nothing_else(work, stranger, letter, token, eventually):
    assert not work.do("disable").failures
    assert not logs_in(work.site, stranger, work.zoe, SECOND)
    with work.site.smtp(stranger, 25) as smtp:
        smtp.send_message(letter, "mailbox@example.net", [work.zoe])
    home = f"/srv/vmail/{work.site.domain}/zoe/Maildir"
    assert eventually(lambda: work.site.run("grep -rl %s %s", token, home).stdout)
    assert not work.do("enable").failures
    assert logs_in(work.site, stranger, work.zoe, SECOND)


def test_the_list_says_who_came(work):
    (said,) = [result.result["table"] for result in work.do("list") if "table" in result.result]
    (zoe,) = [line for line in said if line.startswith(work.zoe)]
    assert "1 messages, last login 20" in zoe
    assert zoe.endswith("by imap")


def test_who_leaves_has_his_mail_put_away(work, stranger):
    results = work.do("remove")
    (path,) = [result.result["path"] for result in results if result.action.endswith("mailbox_archive")]
    assert not work.file.exists()
    assert not logs_in(work.site, stranger, work.zoe, SECOND)
    assert work.site.check_output("stat -c '%%a %%U' %s", path) == "600 root"
    assert "zoe/Maildir/new/" in work.site.check_output("tar -tzf %s", path)
    assert work.site.run("ls /srv/vmail/%s/zoe", work.site.domain).rc != 0
    work.site.check_output("rm %s", path)


def test_a_list_in_a_file_of_variables_stays_as_it_is(play):
    results = play("courier.mail.account", "-e", "account_action=disable", "-e", "account=alice@example.com")
    (failed,) = {result.message for result in results if result.outcome == "failed"}
    assert "mail_accounts_directory is not set, so alice@example.com has no file" in failed

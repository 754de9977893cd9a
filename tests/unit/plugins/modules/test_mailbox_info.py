"""Who came last when, and how big the mailboxes are."""

from __future__ import annotations

import os

from plugins.module_utils._maildir import MailRoot
from plugins.modules.mailbox_info import Login, last_logins, look, table

JOURNAL = """\
1795679937.117940 mx1 imapd-ssl[11808]: LOGIN, user=alice@example.com, ip=[::ffff:192.0.2.11], port=[5], protocol=IMAP
1795679938.117940 mx1 imapd-ssl[11808]: LOGIN FAILED, user=alice@example.com, ip=[::ffff:192.0.2.11], port=[5]
1795679939.000000 mx1 courierd[77]: newmsg,id=0000.1111.2222, auth=bob@example.com: dns; stranger (stranger [192.0.2.1])
1795679940.000000 mx1 pop3d-ssl[11]: LOGIN, user=bob@example.com, ip=[::ffff:192.0.2.11], port=[5], protocol=POP3
1795679941.000000 mx1 courierd[77]: newmsg,id=0000.1111.2223: dns; carol@example.com (stranger [192.0.2.1])
"""


def test_the_last_login_counts():
    assert last_logins(JOURNAL.splitlines()) == {
        "alice@example.com": Login(1795679937, "imap"),
        "bob@example.com": Login(1795679940, "pop3"),
    }


def test_all_folders_count(tmp_path):
    for folder in ("", ".Junk/"):
        for part in ("new", "cur"):
            (tmp_path / f"example.com/alice/Maildir/{folder}{part}").mkdir(parents=True)
            (tmp_path / f"example.com/alice/Maildir/{folder}{part}/1").write_bytes(b"x" * 100)
    root = MailRoot(str(tmp_path), os.getuid(), os.getgid())
    came = {"alice@example.com": Login(1795679937, "imap")}
    found = look({"address": "Alice@Example.com", "password_hash": "$6$"}, root, came)
    assert (found["bytes"], found["messages"], found["disabled"]) == (400, 4, False)
    assert (found["last_login"], found["by"]) == ("2026-11-26T07:58:57Z", "imap")
    nobody = look({"address": "carol@example.com", "password_hash": "$6$", "disabled": True}, root, came)
    assert (nobody["bytes"], nobody["disabled"], nobody["last_login"]) == (0, True, "")
    lines = table([found, nobody], "2026-11-01T00:00:00Z")
    assert "last login 2026-11-26T07:58:57Z by imap" in lines[0]
    assert lines[1].endswith("no login since then, disabled")
    assert lines[2].endswith("the journal, which begins 2026-11-01T00:00:00Z.")

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection brings beside what the host had, whichever host it is."""

from __future__ import annotations

from ._differences import ATTRIBUTES
from ._host import COURIER, Host
from ._plan import Adopted

# By path.
_BROUGHT = (
    ("/etc/systemd/system/*", "rights that daemons do not need are taken from them, and units of the collection"),
    ("/etc/ansible/facts.d*", "where hosts of the inventory are, for runs that leave some out"),
    ("/usr/local/lib/courier*", "programs of the collection"),
    ("/usr/local/sbin/courier-mail*", "programs of the collection"),
    ("/usr/local/share/courier*", "programs of the collection"),
    ("/etc/sysctl.d/*", "sessions hear of new mail at once"),
    ("fs.inotify.*", "sessions hear of new mail at once"),
    ("/etc/ssl/mail*", "the certificate is kept in one place for all daemons"),
    ("/var/lib/courier/sts", "the MTA-STS policies of others are remembered"),
    ("/var/lib/courier-*", "what the programs of the collection remember"),
    ("/var/lib/pythonfilter*", "what the filters remember"),
    ("/etc/courier-*", "what the programs of the collection go by"),
    ("/etc/pythonfilter*", "what the filters go by"),
    ("/etc/tmpfiles.d/courier-*", "directories that daemons have while they run"),
    ("/etc/clamav/*", "the role clamav"),
    ("/etc/spamassassin/*", "the role spamassassin"),
    ("/var/lib/spamassassin/*", "the role spamassassin"),
    ("/etc/fail2ban/*", "the role fail2ban"),
    ("/etc/fetchmail*", "the role fetchmail"),
    ("/var/lib/fetchmail*", "the role fetchmail"),
    ("/var/log/mail.log", "logs with passwords in them are for root"),
    (f"{COURIER}/shared*", "folders that several people read"),
    (f"{COURIER}/forward.json", "how forwarded mail goes on"),
    (f"{COURIER}/srs-secrets", "how forwarded mail goes on"),
    (f"{COURIER}/dkim*", "who signs"),
    (f"{COURIER}/filters/*", "who signs"),
    (f"{COURIER}/esmtpacceptmailfor", "the list is in the directory of that name"),
)
# By role, the tasks that show no file; * is all of a role that does nothing unless it is asked for.
TASKS = {
    "mailhost": (
        "Install what every part needs",
        "Have a group for the mailboxes",
        "Have a user for the mailboxes",
    ),
    "courier_auth": (
        "Install the authentication daemon",
        "Run the authentication daemon, and what knows whether there is room",
        "Leave no login to a database that nobody asks any more",
    ),
    "courier_mta": ("Install Courier", "Open the doors that are wanted, close the others, and knock"),
    "courier_imap": ("Install the mailbox servers", "Open the doors that are wanted, close the others, and knock"),
    "certificates": ("*",),
    "clamav": ("*",),
    "courier_srs": ("*",),
    "dkim": ("*",),
    "fail2ban": ("*",),
    "fetchmail": ("*",),
    "monitoring": ("*",),
    "pythonfilter": ("*",),
    "rbldnsd": ("*",),
    "spamassassin": ("*",),
}
_WHY = {
    "mailhost": "packages, and the user and the group of the mailboxes",
    "courier_auth": "packages, and the daemon that reads its files again",
    "courier_mta": "packages, and daemons that read their files again",
    "courier_imap": "packages, and daemons that read their files again",
}


def explain_the_rest(host: Host, adopted: Adopted) -> None:
    """What is to be expected of any host."""
    for path, why in _BROUGHT:
        adopted.explain_all(path, why)
    adopted.explain(f"{COURIER}/*", "Courier's files are root's, and for the group courier", ATTRIBUTES)
    for role, tasks in TASKS.items():
        for task in tasks:
            adopted.explain_all(f"task {role}: {task}", _WHY.get(role, f"the role {role}"))
    for path in adopted.aside:
        adopted.explain_all(path, "it goes to /var/backups, since another file says the same now")
    if host.text("userdb") is None:
        adopted.explain_all(f"{COURIER}/userdb", "accounts are in userdb")
    for name in ("locals", "esmtpacceptmailfor.dir/site"):
        adopted.explain(f"{COURIER}/{name}", "names of the host itself", "localhost", _hostname(adopted))


def _hostname(adopted: Adopted) -> str:
    """The name of the host."""
    said = adopted.variables["mail_hostname"]
    return str(getattr(said, "value", said))

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection brings beside what the host had, whichever host it is."""

from __future__ import annotations

from ._host import COURIER, Host
from ._plan import Adopted

# By path, or by the role and name of a task that has no path.
_BROUGHT = (
    ("/etc/systemd/system/*", "rights that daemons do not need are taken from them, and units of the collection"),
    ("/usr/local/lib/*", "programs of the collection"),
    ("/usr/local/sbin/*", "programs of the collection"),
    ("/usr/local/bin/*", "programs of the collection"),
    ("/etc/sysctl.d/*", "sessions hear of new mail at once"),
    ("/etc/ssl/mail*", "the certificate is kept in one place for all daemons"),
    ("/var/lib/courier/sts", "the MTA-STS policies of others are remembered"),
    (f"{COURIER}/shared/*", "folders that several people read"),
    (f"{COURIER}/forward.json", "how forwarded mail goes on"),
    (f"{COURIER}/srs-secrets", "how forwarded mail goes on"),
    (f"{COURIER}/esmtpacceptmailfor", "the list is in the directory of that name"),
    (f"{COURIER}/authpgsqlrc", "accounts are in userdb"),
    ("/etc/fail2ban/*", "the jails of the role fail2ban"),
    ("/etc/clamav/*", "the role clamav"),
    ("/etc/spamassassin/*", "the role spamassassin"),
    ("/etc/default/*", "what the daemons of the collection are started with"),
    ("/etc/rsyslog.d/*", "logs with passwords in them are for root"),
    ("/var/log/mail*", "logs with passwords in them are for root"),
    ("/etc/courier-mail*", "what the programs of the collection go by"),
    ("/var/lib/courier-mail*", "what the programs of the collection remember"),
    ("/etc/nginx/*", "the web server of the collection"),
    ("/etc/tmpfiles.d/*", "directories that daemons have while they run"),
    ("/etc/dkim*", "who signs"),
    (f"{COURIER}/dkim*", "who signs"),
    ("/etc/pythonfilter*", "what the filters go by"),
)
_TASKS = (
    ("*: Install *", "packages that the collection needs"),
    ("*: Have a group for the mailboxes", "the group of the mailboxes has the name of their user"),
    ("*: Have a user for the mailboxes", "nobody logs in as the user of the mailboxes, whose home is their root"),
    ("certificates: *", "the certificate is kept in one place for all daemons"),
    ("*: Open the doors *", "daemons read their files again, and what is not wanted is stopped"),
    ("*: Run *", "daemons read their files again"),
    ("courier_srs: *", "forwarded mail goes on by a service"),
    ("fail2ban: *", "the role fail2ban"),
    ("clamav: *", "the role clamav"),
    ("spamassassin: *", "the role spamassassin"),
    ("pythonfilter: *", "the role pythonfilter"),
    ("dkim: *", "the role dkim"),
    ("fetchmail: *", "the role fetchmail"),
    ("*: Set aside what is said elsewhere now", "ours say the same, and both would be read"),
)


def explain_the_rest(host: Host, adopted: Adopted) -> None:
    """What is to be expected of any host."""
    for path, why in _BROUGHT:
        adopted.explain_all(path, why)
    for task, why in _TASKS:
        adopted.explain_all(f"task {task}", why)
    if host.text("userdb") is None:
        adopted.explain_all(f"{COURIER}/userdb", "accounts are in userdb")
    for name in ("locals", "esmtpacceptmailfor.dir/site"):
        adopted.explain(f"{COURIER}/{name}", "names of the host itself", "localhost", _hostname(adopted))


def _hostname(adopted: Adopted) -> str:
    """The name of the host."""
    said = adopted.variables["mail_hostname"]
    return str(getattr(said, "value", said))

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a certificate that certbot got where the mail daemons read it, and tell the postmaster what went wrong.

usage: courier-certificate deploy DIRECTORY GROUP NAME...
       courier-certificate report ADDRESS DIRECTORY

certbot runs the first for each new certificate, with RENEWED_LINEAGE in the environment, and systemd runs the second
when certbot failed, or the first did. Courier reads the certificate anew for each connection: nothing of it is
restarted, and no session ends.
"""

from __future__ import annotations

import contextlib
import email.message
import email.utils
import grp
import os
import re
import socket
import ssl
import subprocess
import sys
import syslog
import tempfile
from pathlib import Path

IDENTIFIER = "courier-certificate"
# Where our web server is. That reads the certificate when it starts.
NGINX = "/etc/nginx/conf.d/courier-mail.conf"
BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----\n.*?-----END \1-----\n", re.DOTALL)


def deploy(directory: str, group: str, *names: str) -> None:
    lineage = Path(os.environ["RENEWED_LINEAGE"])
    key, chain = lineage / "privkey.pem", lineage / "fullchain.pem"
    try:
        for name in names:
            shake_hands(key, chain, name)
        public = pem(chain)
        replace(Path(directory, "mail.pem"), pem(key) + public, group, 0o640)
        replace(Path(directory, "mail.crt"), public, group, 0o644)
        if os.path.exists(NGINX):
            subprocess.run(["systemctl", "try-restart", "nginx.service"], check=False)
    except (OSError, KeyError) as error:  # ssl.SSLError is an OSError
        syslog.openlog(IDENTIFIER, 0, syslog.LOG_MAIL)
        syslog.syslog(syslog.LOG_ERR, f"{lineage} is not served: {error}")
        # certbot ends well if its hook failed.
        subprocess.run(["systemctl", "start", "--no-block", f"{IDENTIFIER}-report.service"], check=False)
        sys.exit(f"{lineage} is not served: {error}")


def shake_hands(key: Path, chain: Path, name: str) -> None:
    """Serve them to a client that wants this name and trusts this chain, both in memory. ssl.SSLError is a refusal."""
    serving, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    serving.load_cert_chain(chain, key)
    trusting.load_verify_locations(chain)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting.wrap_bio(down, up, server_hostname=name)
    server = serving.wrap_bio(up, down, server_side=True)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()


def pem(path: Path) -> str:
    """The keys or certificates in a file, one after the other."""
    return "".join(block[0] for block in BLOCK.finditer(path.read_text(encoding="ascii")))


def replace(path: Path, text: str, group: str, mode: int) -> None:
    """A daemon finds the old file or the new, whole and readable."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix="~", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(text)
            os.fchown(descriptor, os.geteuid(), grp.getgrnam(group).gr_gid)
            os.fchmod(descriptor, mode)
            stream.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def report(address: str, directory: str) -> None:
    name = socket.gethostname()
    served = said("openssl", "x509", "-noout", "-enddate", "-ext", "subjectAltName", "-in", f"{directory}/mail.crt")
    said("journalctl", "--sync")
    which = ("_SYSTEMD_UNIT=certbot.service", "+", f"SYSLOG_IDENTIFIER={IDENTIFIER}")
    journal = said("journalctl", "--no-pager", "--since=-1hour", "--lines=40", *which)
    message = email.message.EmailMessage()
    message["From"] = "certbot <root>"
    message["To"] = address
    message["Date"] = email.utils.localtime()
    message["Subject"] = f"{name}: the certificate of the mail server was not renewed"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(
        f"{name} goes on with the certificate that it has:\n\n{served}\n"
        "certbot tries twice a day, and each time that it fails this is written. In the last hour it said:\n\n"
        f"{journal}\nMore is in /var/log/letsencrypt. A run of the site's playbook puts right what it can; "
        "certbot renew tries at once.\n"
    )
    subprocess.run(["/usr/sbin/sendmail", "-i", address], input=bytes(message), check=True)


def said(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout


if __name__ == "__main__":
    verb, *words = sys.argv[1:]
    if verb == "deploy":
        deploy(*words)
    else:
        report(*words)

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers each message with what was in it, as echo services do. While SILENT is there, messages wait."""

import email
import email.policy
import os
import subprocess
import sys
from email.message import EmailMessage

SILENT = "/run/bed-echo-silent"

if os.path.exists(SILENT):
    sys.exit(os.EX_TEMPFAIL)
received = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default)
answer = EmailMessage()
answer["From"] = "echo@example.net"
answer["To"] = os.environ["SENDER"]
answer["Subject"] = f"Re: {received['Subject']}"
answer["Auto-Submitted"] = "auto-replied"
answer.set_content("".join(f"> {line}\n" for line in received.get_content().splitlines()))
subprocess.run(["/usr/sbin/sendmail", "-f", "", "--", os.environ["SENDER"]], input=bytes(answer), check=True)

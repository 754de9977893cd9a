# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Much mail at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

SESSIONS = 19  # of the 20 that one address may have; the Postfix there may want one
MESSAGES = 200


def test_messages_sent_side_by_side_arrive_once_each(site, foreign, token, eventually):
    sender = f"mailbox+{token}@example.net"

    def send(session):
        with site.smtp(foreign, 25) as smtp:
            for number in range(session, MESSAGES, SESSIONS):
                smtp.sendmail(sender, [f"alice@{site.domain}"], f"Subject: {token} {number}\r\n\r\nHello\r\n")

    def arrived():
        return sorted(int(message["Subject"].split()[1]) for message in site.inbox(site.accounts["alice"], token))

    with ThreadPoolExecutor(SESSIONS) as pool:
        list(pool.map(send, range(SESSIONS)))  # list() raises what a session raised
    assert eventually(lambda: len(arrived()) >= MESSAGES, within=60)
    # A second copy would still be on its way.
    assert eventually(lambda: sender not in site.check_output("mailq"))
    assert arrived() == list(range(MESSAGES))


def test_an_office_behind_one_address_is_served(site, stranger):
    with ExitStack() as open_sessions:
        for _number in range(40):
            open_sessions.enter_context(site.smtp(stranger, 587)).login(*site.accounts["alice"])
            open_sessions.enter_context(site.imap(stranger)).login(*site.accounts["alice"])

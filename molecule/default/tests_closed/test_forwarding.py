# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host without listeners and filters still passes mail on."""

from __future__ import annotations


def test_mail_goes_on_with_a_sender_of_ours(site, foreign, letter, token, eventually):
    site.sendmail(letter, f"root@{site.name}", f"partners@{site.domain}")
    assert eventually(lambda: foreign.received(token))
    assert foreign.received(token)[0]["Return-Path"].startswith("<SRS0-")

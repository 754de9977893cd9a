# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A signature and a rule left the inventory in side_effect.yml, and others stayed."""

from __future__ import annotations

import pytest

from plugins.module_utils import _filter_probe

EICAR = _filter_probe.EICAR.encode()
GONE = b"courier-mail-" + b"signature-that-goes"


@pytest.mark.parametrize(
    ("data", "verdict"),
    [(GONE, b"stream: OK\0"), (EICAR, b"stream: Bed.Eicar.UNOFFICIAL FOUND\0")],
    ids=["gone", "stayed"],
)
def test_clamd_finds_what_the_inventory_has(site, data, verdict):
    said = b"zINSTREAM\0" + len(data).to_bytes(4, "big") + data + bytes(4)
    assert site.ask("/run/clamav/clamd.ctl", said) == verdict


def test_no_file_of_the_signature_is_left(site):
    assert site.check_output("ls /var/lib/clamav").split().count("courier-mail-bed.ndb") == 1
    assert "gone" not in site.check_output("ls /var/lib/clamav")


def test_a_former_rule_counts_nothing(site, letter):
    letter.replace_header("Subject", "The final invoice for your domain")
    message = bytes(letter)
    said = b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\n\r\n" % len(message) + message
    answer = site.ask("/run/spamd/spamd.sock", said)
    assert b" 0 EX_OK\r\n" in answer
    assert b"EXAMPLE_INVOICE" not in answer
    assert not site.run("grep -r EXAMPLE_INVOICE /etc/spamassassin").succeeded

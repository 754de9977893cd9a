# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that go into mailboxes have in common. The argument spec is in _maildir.MAILDIR_SPEC."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  mail_root:
    description: The directory below which all homes are.
    type: path
    required: true
  uid:
    description: Number of the user whom the mailboxes belong to.
    type: int
    required: true
  gid:
    description: Number of the group whom the mailboxes belong to.
    type: int
    required: true
"""

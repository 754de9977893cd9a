# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backup and restore of a mail host; on hosts, the package courier_mail_backup.

It needs the standard library and restic. psycopg2 only where accounts are in PostgreSQL.
"""

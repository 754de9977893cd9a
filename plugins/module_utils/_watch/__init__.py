# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What watches a mail service, on hubs, satellites and hosts that do nothing else: there, courier_mail_watch.

It needs the standard library and packages of Debian, and nothing of the filters.
"""

# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All metrics that there are: what kind, and what they mean."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """A metric: gauge, counter or histogram."""

    kind: str
    means: str


METRICS: dict[str, Metric] = {
    # The watch itself.
    "courier_mail_written_timestamp_seconds": Metric("gauge", "When these metrics were written"),
    "courier_mail_watch_part_up": Metric("gauge", "Whether a part of the watch could say how things stand"),
    "courier_mail_look_timestamp_seconds": Metric("gauge", "When root has looked at the host last"),
    "courier_mail_journal_read_timestamp_seconds": Metric("gauge", "When the journal was read last"),
    "courier_mail_journal_lines_total": Metric("counter", "Lines about mail that were read from the journal"),
    "courier_mail_journal_lost_total": Metric("counter", "How often the journal had lost lines that were not counted"),
    # Alarms.
    "courier_mail_alarms": Metric("gauge", "Alarms that there are now, by state (bad, soon, unknown)"),
    "courier_mail_alarm_way_up": Metric("gauge", "Whether the last alarm on this way could be told"),
    "courier_mail_alarm_messages_total": Metric("counter", "Alarm messages, by way and result (told, failed)"),
    # Mail that flowed.
    "courier_mail_received_total": Metric("counter", "Messages that Courier took, by direction"),
    "courier_mail_deliveries_total": Metric("counter", "Recipients, by direction and result of an attempt"),
    "courier_mail_delivery_seconds": Metric("histogram", "From the moment Courier took a message to its delivery"),
    "courier_mail_forwarded_total": Metric("counter", "Messages handed to the forwarding service, by result"),
    "courier_mail_refused_total": Metric("counter", "Refusals while the client was on the line, by reason"),
    "courier_mail_last_timestamp_seconds": Metric("gauge", "When mail of this kind was seen last"),
    # Filters.
    "courier_mail_filtered_total": Metric("counter", "Messages that the filters saw, by verdict"),
    "courier_mail_filter_verdicts_total": Metric("counter", "What each filter said"),
    "courier_mail_filter_seconds_total": Metric("counter", "Seconds that filters took"),
    "courier_mail_filter_down_timestamp_seconds": Metric("gauge", "When a filter could not look at a message last"),
    "courier_mail_socket_up": Metric("gauge", "Whether who must answers at his socket"),
    "courier_mail_socket_backlog": Metric("gauge", "How many wait at a socket that somebody takes what they have"),
    "courier_mail_held_senders": Metric("gauge", "Senders whose mail waits because there was too much of it"),
    # Proved mail, by site, host and direction.
    "courier_mail_proof_last_timestamp_seconds": Metric("gauge", "When a letter was proved last to have arrived"),
    "courier_mail_proof_latency_seconds": Metric("gauge", "How long it was on its way"),
    "courier_mail_proof_late": Metric("gauge", "Whether a direction is not proved in time"),
    "courier_mail_proof_waiting": Metric("gauge", "Letters that are on their way"),
    "courier_mail_proof_answers_waiting": Metric("gauge", "Letters of others that are to be answered"),
    "courier_mail_proof_sent_total": Metric("counter", "Letters that were sent to prove that mail arrives"),
    "courier_mail_proof_proved_total": Metric("counter", "Those that arrived"),
    "courier_mail_proof_lost_total": Metric("counter", "Those that nobody has seen in time"),
    "courier_mail_proof_back_total": Metric("counter", "Those that came back as undeliverable"),
    "courier_mail_proof_failed_total": Metric("counter", "Those that this host could not even send"),
    "courier_mail_proof_rejected_total": Metric("counter", "Letters that claimed to be proofs and were none"),
    # The queue.
    "courier_mail_queue_messages": Metric("gauge", "Messages in the queue, by state"),
    "courier_mail_queue_age_messages": Metric("gauge", "Messages in the queue, by age: up to so long"),
    "courier_mail_queue_oldest_seconds": Metric("gauge", "How long the oldest message waits"),
    # Who is kept out.
    "courier_mail_bans": Metric("gauge", "Addresses that fail2ban keeps out, by jail"),
    "courier_mail_denied_sources": Metric("gauge", "Sources on the deny list of the filters"),
    "courier_mail_own_list_entries": Metric("gauge", "Entries of our own lists in DNS"),
    "courier_mail_dnsbl_usable": Metric("gauge", "Whether a list of others in DNS passes its test"),
    # The host.
    "courier_mail_unit_up": Metric("gauge", "Whether a unit that starts at boot is active"),
    "courier_mail_unit_restarts": Metric("gauge", "How often systemd has started a unit again by itself"),
    "courier_mail_units_failed": Metric("gauge", "Units of the host that failed, of whatever kind"),
    "courier_mail_certificate_expiry_timestamp_seconds": Metric("gauge", "When a certificate ends"),
    "courier_mail_room_size_bytes": Metric("gauge", "Size of the file system of a directory"),
    "courier_mail_room_free_bytes": Metric("gauge", "What of it is free for others than root"),
    "courier_mail_room_inodes": Metric("gauge", "Inodes of the file system of a directory; 0 where it counts none"),
    "courier_mail_room_free_inodes": Metric("gauge", "Those that are free for others than root"),
    "courier_mail_fetched_timestamp_seconds": Metric("gauge", "When a mailbox elsewhere was reached last"),
    # Backups.
    "courier_mail_backup_finished_timestamp_seconds": Metric("gauge", "When the last backup was finished"),
    "courier_mail_backup_checked_timestamp_seconds": Metric("gauge", "When data of the backups was checked last"),
    "courier_mail_backup_proved_timestamp_seconds": Metric("gauge", "When a backup was last proved by restoring it"),
    "courier_mail_backup_restore_seconds": Metric("gauge", "How long that took"),
    "courier_mail_backup_size_bytes": Metric("gauge", "Size of the last backup"),
    "courier_mail_backup_failed": Metric("gauge", "Whether the last run failed"),
    # What others say.
    "courier_mail_blocklist_up": Metric("gauge", "Whether a list in DNS that we may be on passes its test"),
    "courier_mail_blocklist_asked_timestamp_seconds": Metric("gauge", "When a list was asked last"),
    "courier_mail_blocklist_listed": Metric("gauge", "Whether one of us is on a list; NaN where it is not known"),
    "courier_mail_blocklist_known_timestamp_seconds": Metric("gauge", "When that was known last; 0 for never"),
    "courier_mail_dmarc_messages": Metric("gauge", "Messages of the last 7 days that receivers reported, by result"),
    "courier_mail_tls_report_sessions": Metric("gauge", "Sessions of the last 7 days that senders reported, by result"),
    "courier_mail_tls_report_failures": Metric("gauge", "Those that failed, by exchanger and type"),
    "courier_mail_complaints": Metric("gauge", "Complaints of the last 7 days"),
    "courier_mail_reports_rejected": Metric("gauge", "Reports of the last 7 days that were not taken, by reason"),
    "courier_mail_reports_last_timestamp_seconds": Metric("gauge", "When a report of this kind was taken last"),
    "courier_mail_registration_late": Metric("gauge", "Whether somebody should have looked at a registration by now"),
    "courier_mail_registration_due_timestamp_seconds": Metric("gauge", "When somebody must look at a registration"),
}

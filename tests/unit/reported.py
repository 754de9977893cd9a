"""Messages with reports, as they come in."""

from __future__ import annotations

import datetime
import gzip
import io
import json
import zipfile
from email.message import EmailMessage

from plugins.module_utils._watch._reports_settings import Settings
from plugins.module_utils._watch._reports_store import Limits, Store
from plugins.module_utils._watch._reports_text import REASONS, Refused

NOW = 1_790_000_000.0
BEGIN, END = NOW - 86400, NOW - 3600
RECEIVED = (
    "Received: from mail.example.net (mail.example.net [::ffff:192.0.2.7])\n  (TLS: TLS1.3,128bits,X)\n"
    "  by mx1.example.com with ESMTPS\n  id 0000000000000001.000000006000;\n  Mon, 21 Sep 2026 10:00:00 +0000\n"
)
RESULTS = "Authentication-Results: mx1.example.com; spf=pass smtp.mailfrom={0}; dmarc=pass header.from={0}\n"

RECORD = """<record><row><source_ip>{source}</source_ip><count>{count}</count><policy_evaluated>
<disposition>{disposition}</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
<identifiers><header_from>example.com</header_from></identifiers><auth_results>
<dkim><domain>example.com</domain><selector>a</selector><result>{dkim}</result></dkim>
<spf><domain>bounce.example.com</domain><result>{spf}</result></spf></auth_results></record>"""


def settings(**given):
    return Settings(
        **{"domains": ["example.com"], "hosts": ["mx1.example.com"], "networks": ["198.51.100.0/28"], **given}
    )


def store(path, **given):
    return Store(str(path), Limits(**{"days": 400, "reporter_rows": 1000, "day_rows": 5000, **given}))


def record(source="198.51.100.1", count=1, disposition="none", dkim="pass", spf="pass"):
    return RECORD.format(source=source, count=count, disposition=disposition, dkim=dkim, spf=spf)


def xml(*records, name="1", domain="example.com", org="example.net", email="r@example.net", begin=BEGIN, end=END):
    return (
        f'<?xml version="1.0"?><feedback><report_metadata><org_name>{org}</org_name><email>{email}</email>'
        f"<report_id>{name}</report_id><date_range><begin>{begin:.0f}</begin><end>{end:.0f}</end></date_range>"
        f"</report_metadata><policy_published><domain>{domain}</domain><p>reject</p></policy_published>"
        f"{''.join(records or [record()])}</feedback>"
    ).encode()


def failure(mx="mx1.example.com", kind="certificate-expired", count=2, **more):
    return {
        "result-type": kind,
        "receiving-mx-hostname": mx,
        "sending-mta-ip": "192.0.2.7",
        "failed-session-count": count,
        **more,
    }


def tls(*failures, name="t1", domain="example.com", good=10, bad=2, **more):
    return {
        "organization-name": "Example Net Inc.",
        "contact-info": "tls@example.net",
        "report-id": name,
        "date-range": {"start-datetime": when(BEGIN), "end-datetime": when(END)},
        "policies": [
            {
                "policy": {"policy-type": "sts", "policy-domain": domain, "mx-host": ["*.example.com"]},
                "summary": {"total-successful-session-count": good, "total-failure-session-count": bad},
                "failure-details": list(failures or [failure()]),
            }
        ],
        **more,
    }


def when(at):
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def packed(text, name="report.xml"):
    """A zip file with one file."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return held.getvalue()


def letter(content, kind="application/gzip", author="example.net", top=None):
    """A message with this attached, as it lies in a mailbox."""
    message = EmailMessage()
    message["From"] = f"Reports <noreply@{author}>"
    message["To"] = "dmarc@example.com"
    message["Message-ID"] = "<a@example.net>"
    message.set_content("This is a report.\n")
    maintype, _slash, subtype = kind.partition("/")
    message.add_attachment(content, maintype=maintype, subtype=subtype, filename="report")
    return ((RESULTS.format(author) + RECEIVED) if top is None else top).encode() + bytes(message)


def dmarc_letter(*records, author="example.net", top=None, **given):
    return letter(gzip.compress(xml(*records, **given)), author=author, top=top)


def tls_letter(*failures, author="example.net", top=None, **given):
    return letter(
        gzip.compress(json.dumps(tls(*failures, **given)).encode()), "application/tlsrpt+gzip", author=author, top=top
    )


ORIGINAL = """Return-Path: <bob@example.com>
Received: from pc (pc [::ffff:192.0.2.99])
  (AUTH: PLAIN alice@example.com, TLS: TLS1.3,128bits,X)
  by mx1.example.com with ESMTPSA
DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=a; h=from; bh=x; b=y
From: Carol <carol@example.com>
To: redacted@example.net
Subject: Buy
Message-ID: <original@mx1.example.com>

Buy now.
"""


def complaint(original=ORIGINAL, feedback=None, author="example.net", name="c1", top=None, returned="message/rfc822"):
    """A message of a feedback loop."""
    fields = feedback if feedback is not None else "Feedback-Type: abuse\nUser-Agent: X/1\nVersion: 1\n"
    text = f"""From: <fbl@{author}>
To: fbl@example.com
Subject: complaint
Message-ID: <{name}@{author}>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

Somebody complains.

--b
Content-Type: message/feedback-report

{fields}
--b
Content-Type: {returned}

{original}
--b--
"""
    return ((RESULTS.format(author) + RECEIVED) if top is None else top).encode() + text.encode()


def read_or_refused(read):
    """Whatever comes is one or the other, and for a reason that is known."""
    try:
        read()
    except Refused as refused:
        if refused.reason not in REASONS:
            raise

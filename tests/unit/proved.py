"""Hosts that prove that mail arrives, with letters that the test carries from one to the other."""

from __future__ import annotations

import io
import json
import sys
import time
from typing import NamedTuple

from plugins.module_utils._watch import _places, _proof_send, _proof_stand, proofs
from plugins.module_utils._watch._proof_settings import Settings
from plugins.module_utils._watch._proof_store import Store

KEYS = {"example.com/2026": "a-secret-of-example-com", "example.org/a": "a-secret-of-example-org"}


class Handed(NamedTuple):
    """A letter that sendmail got."""

    letter: bytes
    sender: str
    to: str
    mark: str


class Host:
    """A host with its settings and its state. What it sends is in `sent`, until somebody takes it from there."""

    def __init__(self, place, monkeypatch, host, **given):
        self.place, self.monkeypatch = place, monkeypatch
        self.place.mkdir()
        self.later = 0.0
        self.sent: list[Handed] = []
        self.refusal = ""
        self.said = ""
        site = host.partition(".")[2]
        self.configure(
            site=site,
            host=host,
            address=f"proof@{site}",
            keys={name: key for name, key in KEYS.items() if name.startswith(site)},
            key={"example.com": "2026", "example.org": "a"}.get(site, ""),
            store=str(place / "proofs.sqlite"),
            own_key=str(place / "proofs.key"),
            **given,
        )

    def configure(self, **given):
        path = self.place / "proofs.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | given))

    @property
    def settings(self):
        return _places.settings("proofs", Settings, str(self.place))

    def now(self):
        return time.time_ns() / 1e9 + self.later

    def run(self, *arguments, raw=b"", sender=""):
        """A command on this host, at its time."""

        def sendmail(letter, whose, to, mark=""):
            if self.refusal:
                raise _proof_send.NotSent(self.refusal)
            self.sent.append(Handed(letter, whose, to, mark))

        with self.monkeypatch.context() as patch:
            patch.setattr(proofs.sending, "sendmail", sendmail)
            patch.setattr(proofs.time, "time", self.now)
            patch.setattr(proofs.signal, "signal", lambda *_all: None)
            patch.setattr(proofs.signal, "alarm", lambda _seconds: 0)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
            patch.setenv("SENDER", sender)
            return proofs.main(["--configuration", str(self.place), *arguments])

    def prove(self, *arguments):
        """Send, and return what was handed over."""
        assert self.run("prove", *arguments) == 0
        done, self.sent = self.sent, []
        return done

    def take(self, raw, sender=""):
        """Have a message arrive: what became of it."""
        store = Store(str(self.place / "proofs.sqlite"))
        try:
            return proofs.take(raw, sender, self.settings, store, self.now())
        finally:
            store.close()

    def findings(self, say=lambda *_all: ""):
        """State and sentence, by subject."""
        found = proofs._findings(self.settings, self.now(), say)
        return {one.subject: (str(one.state), one.said) for one in found}

    def samples(self):
        store = Store(str(self.place / "proofs.sqlite"))
        try:
            return {
                (one.name.removeprefix("courier_mail_proof_"), *one.labels.values()): one.value
                for one in _proof_stand.samples(self.settings, store, self.now())
            }
        finally:
            store.close()

    def rejected(self):
        store = Store(str(self.place / "proofs.sqlite"))
        try:
            return {reason: count for reason, count, _last, _said in store.rejected()}
        finally:
            store.close()


def received(letter, *hosts, tls="TLS1.3"):
    """The letter as it is behind hosts, the first first, each of which wrote a line on it."""
    for host in hosts:
        over = f"\n  (TLS: {tls},256bits,TLS_AES_256_GCM_SHA384)" if tls else ""
        letter = (
            f"Received: from somewhere (somewhere [192.0.2.1]){over}\n  by {host} with ESMTPS\n"
            "  id 00000000000A1; Thu, 26 Nov 2026 10:00:00 +0000\n"
        ).encode() + letter
    return letter


def report(letter, action="failed", said="smtp; 550 5.1.1 User unknown", headers=False):
    """What a mail server sends back."""
    returned = letter.partition(b"\n\n")[0] + b"\n\n" if headers else letter
    kind = b"text/rfc822-headers" if headers else b"message/rfc822"
    return (
        b"From: Mail Delivery System <mailer-daemon@mx1.example.com>\nTo: proof@example.com\n"
        b"Subject: Delivery report\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/report; report-type=delivery-status; boundary="=_b"\n\n'
        b"--=_b\nContent-Type: text/plain\n\nIt could NOT BE DELIVERED.\n\n"
        b"--=_b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx1.example.com\n\n"
        + f"Final-Recipient: rfc822; nobody@example.net\nAction: {action}\nStatus: 5.1.1\n".encode()
        + f"Diagnostic-Code: {said}\n\n--=_b\nContent-Type: ".encode()
        + kind
        + b"\n\n"
        + returned
        + b"\n--=_b--\n"
    )

"""Keys, signatures, and a DNS that says what it is told."""

from __future__ import annotations

import base64
import functools
import subprocess

import dkim
import nacl.signing

from plugins.module_utils._filters._resolve import Temporary

DEAD = object()  # what has no answer


class Dns:
    """Records by name and type; DEAD where there is no answer."""

    def __init__(self, **texts):
        self.records, self.asked = {}, []
        for name, text in texts.items():
            self.text(name, text)

    def text(self, name, *texts):
        self.records[name.lower(), "TXT"] = DEAD if texts == (DEAD,) else list(texts)
        return self

    def add(self, name, kind, *data):
        self.records[name.lower(), kind] = DEAD if data == (DEAD,) else list(data)
        return self

    def __call__(self, name, kind):
        self.asked.append((name, kind))
        found = self.records.get((name.lower().rstrip("."), kind), [])
        if found is DEAD:
            raise Temporary(f"DNS has no answer for {kind} of {name}")
        return found


@functools.cache
def rsa(bits=2048, number=0):
    """A private key as PEM, and the data of its record."""
    run = functools.partial(subprocess.run, check=True, capture_output=True)
    private = run(["openssl", "genrsa", "-traditional", str(bits)]).stdout
    public = run(["openssl", "rsa", "-pubout", "-outform", "DER"], input=private).stdout
    return private, f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"


@functools.cache
def ed25519():
    """A private key as dkimpy wants it, and the data of its record."""
    key = nacl.signing.SigningKey.generate()
    public = base64.b64encode(bytes(key.verify_key)).decode()
    return base64.b64encode(bytes(key)), f"v=DKIM1; k=ed25519; p={public}"


def sign(
    text, domain, selector="s", key=None, algorithm="rsa-sha256", how=(b"relaxed", b"relaxed"), fields=None, **other
):
    """The message with a signature on top."""
    private = key or (ed25519() if algorithm.startswith("ed25519") else rsa())[0]
    signer = dkim.DKIM(text, signature_algorithm=algorithm.encode())
    field = signer.sign(
        selector.encode(),
        domain.encode(),
        private,
        canonicalize=how,
        include_headers=fields or [b"from", b"subject"],
        **other,
    )
    return field.replace(b"\r\n", b"\n") + text


def seal(text, domain, found, selector="s", key=None):
    """The message with an ARC set on top, which says what was found. `found` begins with who found it."""
    private = key or rsa()[0]
    marked = b"Authentication-Results: " + found.encode() + b"\n" + text
    who = found.partition(";")[0].encode()
    fields = dkim.arc_sign(marked, selector.encode(), domain.encode(), private, who)
    return b"".join(fields).replace(b"\r\n", b"\n") + text

"""A seal of ours, as others verify it."""

from __future__ import annotations

import json
import subprocess

import pytest

from plugins.module_utils._filters._arc import seal
from plugins.module_utils._filters._dkim import chain
from plugins.module_utils._filters._verdict import Down

HOST = "mx1.example.com"
FOUND = b"Authentication-Results: mx1.example.com;\n spf=pass smtp.mailfrom=bob@example.net\n"
TEXT = FOUND + b"From: Bob <bob@example.net>\nSubject: s\nDate: d\nTo: a@example.com\n\nHello  \n.\n"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    """A key, and what DNS says of it."""
    path = tmp_path_factory.mktemp("keys") / "key"
    subprocess.run(["openssl", "genrsa", "-out", path, "2048"], check=True, capture_output=True)
    public = subprocess.run(
        ["openssl", "rsa", "-in", path, "-pubout"], check=True, capture_output=True, text=True
    ).stdout
    return path, f"v=DKIM1; k=rsa; p={''.join(public.splitlines()[1:-1])}"


@pytest.fixture
def signing(tmp_path, keys):
    one = [
        {"selector": "s-ed25519", "algorithm": "ed25519", "key": "/nothing"},
        {"selector": "s", "algorithm": "rsa", "key": str(keys[0])},
    ]
    path = tmp_path / "signing.json"
    path.write_text(json.dumps({"domains": {"example.com": one, "example.org": one}, "default": "example.com"}))
    return path


@pytest.fixture
def ask(keys):
    return lambda name, _kind: [keys[1]] if name.rstrip(".").startswith("s._domainkey.") else []


@pytest.mark.parametrize(
    ("name", "owner"), [("left@example.org", "example.org"), ("root@mx1.example.com", "example.com")]
)
def test_holds(signing, ask, name, owner):
    found = chain(seal(TEXT, name, HOST, str(signing)), ask)
    assert (found.result, list(found.sealers)) == ("pass", [owner])
    assert "spf=pass" in found.first


def test_the_message_stays_as_it_is(signing):
    assert seal(TEXT, "left@example.com", HOST, str(signing)).endswith(TEXT)


def test_goes_on_with_the_chain_of_others(signing, ask):
    first = seal(TEXT, "left@example.org", HOST, str(signing))
    second = seal(
        b"Authentication-Results: mx2.example.com; arc=pass\n" + first,
        "left@example.com",
        "mx2.example.com",
        str(signing),
    )
    found = chain(second, ask)
    assert (found.result, list(found.sealers)) == ("pass", ["example.org", "example.com"])


def test_a_broken_chain_stays_broken(signing, ask):
    first = seal(TEXT, "left@example.org", HOST, str(signing)).replace(b"Hello", b"Hullo")
    second = seal(
        b"Authentication-Results: mx2.example.com; arc=fail\n" + first,
        "left@example.com",
        "mx2.example.com",
        str(signing),
    )
    assert second != first
    assert chain(second, ask).result == "fail"


@pytest.mark.parametrize(
    "found",
    [
        b"",
        b"Authentication-Results: mx9.example.com; spf=pass\n",
        b"Authentication-Results: mx1.example.com; arc=pass\n",
    ],
)
def test_without_findings_of_ours_there_is_none(signing, found):
    text = TEXT.replace(FOUND, found)
    assert seal(text, "left@example.com", HOST, str(signing)) == text


@pytest.mark.parametrize("said", ["", "{}", '{"domains": {"example.com": []}, "default": "example.com"}'])
def test_waits_where_there_is_no_key(signing, said):
    signing.write_text(said)
    with pytest.raises(Down, match="has no RSA key to seal with"):
        seal(TEXT, "left@example.com", HOST, str(signing))

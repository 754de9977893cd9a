"""Who is signed, with which keys, and that the signature is true of what goes over SMTP."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import pwd
import re
import subprocess
from pathlib import Path

import dkim
import pytest
from dkim.canonicalization import Relaxed
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._filters import _chain, _signing
from plugins.module_utils._filters._message import Message
from plugins.module_utils._filters._settings import SettingsError, build
from plugins.module_utils._filters._signing import Key, Keys, body_hash, secret, signed
from plugins.module_utils._filters._verdict import Down
from plugins.module_utils._filters.dkim_sign import SHIELDED, Filter, Settings
from tests.unit.filtered import message

OWN = "From: Alice <alice@example.com>\nTo: b@example.net\nSubject: s\nDate: d\nMessage-ID: <1@x>\n\nHello\n"
LOCAL = "Received: by mx1 (Courier)\n  (uid 33)\n  id 1\n"


def openssl(*arguments, text=None):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, text=True, input=text).stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Keys on a host: the file that says which sign, and the records of DNS."""
    directory = tmp_path_factory.mktemp("dkim")
    kinds = {"rsa": ("RSA", "-pkeyopt", "rsa_keygen_bits:2048"), "ed25519": ("ED25519",)}
    data: dict = {"domains": {}, "default": "example.com"}
    records = {}
    pairs = {}
    for algorithm, arguments in kinds.items():
        path = directory / algorithm
        path.write_text(openssl("genpkey", "-algorithm", *arguments))
        public = "".join(openssl("pkey", "-pubout", text=path.read_text()).splitlines()[1:-1])
        if algorithm == "ed25519":
            public = base64.b64encode(base64.b64decode(public)[-32:]).decode()
        pairs[algorithm] = (str(path), f"v=DKIM1; k={algorithm}; p={public}".encode())
    for domain in ("example.com", "example.org", "xn--bcher-kva.example"):
        data["domains"][domain] = []
        for algorithm, (path, record) in pairs.items():
            data["domains"][domain].append({"selector": f"s-{algorithm}", "algorithm": algorithm, "key": path})
            records[f"s-{algorithm}._domainkey.{domain}.".encode()] = record
    file = directory / "signing.json"
    file.write_text(json.dumps(data))
    return file, records


@pytest.fixture
def seal(made, tmp_path):
    """Has a message sealed; gives the verdict and the message as it goes on."""

    def ask(*, settings=None, **given):
        found = message(tmp_path, **given)
        one = Filter(build(Settings, {"keys": str(made[0]), **(settings or {})}))
        assert one.check(found).action == "pass"
        verdict = one.seal(found)
        found.commit()
        return verdict, Message(found.text, found.controls)

    return ask


@pytest.fixture
def verify(made):
    """Verifies every signature of a message, as it is after SMTP, and says by whom they are."""

    def ask(found):
        text = Path(found.text).read_bytes()
        sent = re.sub(rb"\r?\n", b"\r\n", text)
        sent += b"" if sent.endswith(b"\r\n") else b"\r\n"
        # The same in relaxed form, which the library cannot read.
        sent = sent.replace(b"\nSubject :", b"\nSubject:")
        signer = dkim.DKIM(sent)
        said = []
        for number in range(len(found.values("dkim-signature"))):
            assert signer.verify(number, dnsfunc=lambda name, **_rest: made[1].get(name))
            said.append((signer.domain.decode(), signer.signature_fields[b"a"].decode()))
        return said

    return ask


def by(domain):
    return [(domain, "rsa-sha256"), (domain, "ed25519-sha256")]


SIGNED = {
    "somebody who logged in": ({"login": "alice@example.com", "text": OWN}, "example.com"),
    "a host that relays": ({"relay": True, "text": OWN}, "example.com"),
    "a program": ({"local": True, "text": LOCAL + OWN}, "example.com"),
    "a program whose uid nobody knows": ({"local": True, "text": OWN}, "example.com"),
    "from another domain": (
        {"login": "alice@example.com", "text": OWN.replace("alice@example.com", "a@example.org")},
        "example.org",
    ),
    "from a host of the domain": (
        {"local": True, "text": LOCAL + OWN.replace("alice@example.com", "root@a.sat1.example.org")},
        "example.org",
    ),
    "from elsewhere, by the login's domain": (
        {"login": "o@example.org", "text": OWN.replace("alice@example.com", "a@example.net")},
        "example.org",
    ),
    "from elsewhere, by the default": (
        {"relay": True, "text": OWN.replace("alice@example.com", "a@example.net")},
        "example.com",
    ),
    "from nobody": ({"login": "alice", "text": "Subject: s\n\nx\n"}, "example.com"),
    "from several, of whom one has a key": (
        {"login": "alice@example.com", "text": OWN.replace("Alice <", "x@example.net, y@example.org, <")},
        "example.org",
    ),
    "a domain in Unicode": (
        {"login": "alice@example.com", "text": OWN.replace("example.com", "bücher.example")},
        "xn--bcher-kva.example",
    ),
    "a domain in A-labels and capitals": (
        {"login": "alice@example.com", "text": OWN.replace("example.com", "XN--BCHER-kva.example")},
        "xn--bcher-kva.example",
    ),
    "a domain that ends like ours": (
        {"relay": True, "text": OWN.replace("alice@example.com", "a@notexample.org")},
        "example.com",
    ),
    "signed by others": ({"login": "alice@example.com", "text": "DKIM-Signature: v=1; d=x.net; s=a\n" + OWN}, None),
}


@pytest.mark.parametrize(("given", "domain"), SIGNED.values(), ids=SIGNED)
def test_signs(seal, verify, given, domain):
    verdict, found = seal(**given)
    if domain:
        assert verify(found) == by(domain)
        assert verdict.note == f"signed by {domain}"
    else:
        assert len(found.values("dkim-signature")) == 3


UNSIGNED = {
    "a stranger": {"text": OWN},
    "what a program passes on": {"local": True, "text": LOCAL + "Received: from x by y\n" + OWN},
    "an origin that is not wanted": {"relay": True, "text": OWN, "settings": {"origins": ["account", "local"]}},
}


@pytest.mark.parametrize("given", UNSIGNED.values(), ids=UNSIGNED)
def test_does_not_sign(seal, given):
    _verdict, found = seal(**given)
    assert found.values("dkim-signature") == []
    assert Path(found.text).read_text() == given["text"]


class TestForwarded:
    """What the forwarder hands over: he is the user of this test, and programs are of uid 33."""

    TEXT = LOCAL.replace("33", "4711") + f"Received: from x by y\n{SHIELDED}: author@example.net\n" + OWN

    @pytest.fixture(autouse=True)
    def forwarder(self, monkeypatch):
        def known(name):
            if name != "courier-srs":
                raise KeyError(name)
            return pwd.struct_passwd((name, "x", 4711, 4711, "", "/", "/"))

        monkeypatch.setattr(pwd, "getpwnam", known)

    def test_what_is_shielded_is_signed_without_saying_so(self, seal, verify):
        _verdict, found = seal(local=True, text=self.TEXT)
        assert verify(found) == by("example.com")
        assert found.values(SHIELDED) == []

    def test_what_is_not_shielded_is_left_alone(self, seal):
        text = self.TEXT.replace(f"{SHIELDED}: author@example.net\n", "").replace("Received: from x by y\n", "")
        _verdict, found = seal(local=True, text=text)
        assert Path(found.text).read_text() == text

    def test_what_is_shielded_and_not_ours_is_left_alone(self, seal, capsys):
        _verdict, found = seal(local=True, text=self.TEXT.replace("alice@example.com", "a@example.net"))
        assert found.values("dkim-signature") == []
        assert capsys.readouterr().err == ""

    @pytest.mark.parametrize("given", [{"local": True}, {}], ids=["another program", "a stranger"])
    def test_others_do_not_say_so(self, seal, given):
        _verdict, found = seal(**given, text=self.TEXT.replace("4711", "33"))
        assert found.values("dkim-signature") == []
        assert found.values(SHIELDED) == []

    def test_another_user_may_forward(self, seal):
        _verdict, found = seal(local=True, text=self.TEXT, settings={"forwarder": "somebody"})
        assert found.values("dkim-signature") == []


ODD = {
    "8-bit": OWN.encode().replace(b"Hello", "Grüße".encode("latin-1")),
    "UTF-8 in the header": OWN.replace("Subject: s", "Subject: Grüße").encode(),
    "a long line": OWN.encode() + b"x" * 100_000 + b"\n",
    "trailing blanks": OWN.encode() + b"a \t \n b\t\n",
    "trailing empty lines": OWN.encode() + b"\n \n\t\n\n",
    "no newline at the end": OWN.encode() + b"the end",
    "no newline and blanks at the end": OWN.encode() + b"the end  ",
    "CRLF": OWN.encode().replace(b"\n", b"\r\n"),
    "both": OWN.encode() + b"a\r\nb\n",
    "no body": OWN.encode().partition(b"\n\n")[0] + b"\n\n",
    "no body and no empty line": OWN.encode().partition(b"\n\n")[0] + b"\n",
    "a folded header": OWN.encode().replace(b"Subject: s", b"Subject:  s\n\t t  \n   u"),
    "a blank before the colon": OWN.encode().replace(b"Subject:", b"Subject :"),
    "dots": OWN.encode() + b".\n..\n.x\n",
    "a field twice": OWN.encode().replace(b"To:", b"To: c@example.net\nTo:"),
    "an empty field": OWN.encode().replace(b"Subject: s", b"Subject:"),
    "a control character": OWN.encode() + b"a\x00b\x0bc\x0c\n",
    "a mailing list's": b"List-Id: <x>\nList-Unsubscribe: <mailto:x@x>\n" + OWN.encode(),
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_the_signature_is_true_of_an_odd_text(seal, verify, text):
    _verdict, found = seal(login="alice@example.com", text=text)
    assert verify(found) == by("example.com")
    assert Path(found.text).read_bytes().endswith(text)


TAMPERED = {
    "a word": lambda text: text.replace("Hello", "Hallo"),
    "a line": lambda text: text + "more\n",
    "the subject": lambda text: text.replace("Subject: s", "Subject: t"),
    "another subject": lambda text: f"Subject: t\n{text}",
    "another author": lambda text: f"From: e@example.net\n{text}",
    "where answers go": lambda text: f"Reply-To: e@example.net\n{text}",
    "a recipient": lambda text: f"Cc: e@example.net\n{text}",
    "another date": lambda text: f"Date: x\n{text}",
}
HARMLESS = {
    "a hop": lambda text: f"Received: from x by y\n{text}",
    "a list": lambda text: f"List-Id: <x>\n{text}",
    "spaces": lambda text: text.replace("Subject: s", "Subject:   s "),
}


@pytest.mark.parametrize(
    ("change", "valid"),
    [*((change, False) for change in TAMPERED.values()), *((change, True) for change in HARMLESS.values())],
    ids=[*TAMPERED, *HARMLESS],
)
def test_what_is_changed_is_noticed(seal, made, change, valid):
    _verdict, found = seal(login="alice@example.com", text=OWN)
    text = change(Path(found.text).read_text()).replace("\n", "\r\n").encode()
    results = []
    for number in range(2):
        try:
            results.append(dkim.DKIM(text).verify(number, dnsfunc=lambda name, **_rest: made[1].get(name)))
        except dkim.ValidationError:
            results.append(False)
    assert results == [valid, valid]


def test_a_signature_has_no_length_and_is_in_relaxed_form(seal):
    _verdict, found = seal(login="alice@example.com", text=OWN)
    for value in found.values("dkim-signature"):
        tags = dict(part.strip().split("=", 1) for part in value.split(";"))
        assert tags["c"] == "relaxed/relaxed"
        assert "l" not in tags
        assert all(len(line) < 80 for line in Path(found.text).read_text().splitlines())


def test_what_has_our_signature_is_not_signed_again(seal):
    _verdict, found = seal(login="alice@example.com", text=OWN)
    text = Path(found.text).read_bytes()
    verdict, again = seal(login="alice@example.com", text=text)
    assert Path(again.text).read_bytes() == text
    assert verdict.note == "signed by example.com before"
    # One of the two alone is no reason to leave out the other.
    _verdict, half = seal(login="alice@example.com", text=text.replace(b"s=s-rsa", b"s=another", 1))
    assert len(half.values("dkim-signature")) == 3


def test_signs_each_field_once_more_that_others_must_not_add(letter):
    fields = letter(b"From: a\nTo: b\nTo: c\nDate: d\nList-Id: l\nX: y\n\n").fields
    names = signed(fields)
    assert {name: names.count(name) for name in names} == {
        "from": 2,
        "to": 3,
        "date": 2,
        "list-id": 1,
        "subject": 1,
        "cc": 1,
        "reply-to": 1,
    }


def test_without_keys_it_passes_and_says_so(seal, tmp_path, capsys):
    verdict, found = seal(login="alice@example.com", text=OWN, settings={"keys": str(tmp_path / "none")})
    assert (verdict.action, verdict.note) == ("pass", "no key")
    assert found.values("dkim-signature") == []
    assert "dkim_sign has no key for 0001.D1, which goes unsigned" in capsys.readouterr().err


BROKEN = {
    "no key": None,
    "a text": "what?",
    "a key of another kind": "rsa",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_key_that_cannot_be_used_is_down(seal, made, tmp_path, text):
    data = json.loads(made[0].read_text())
    path = tmp_path / "broken"
    data["domains"]["example.com"][1]["key"] = str(path)
    if text:
        path.write_text(Path(data["domains"]["example.org"][0]["key"]).read_text() if text == "rsa" else text)
    (tmp_path / "signing.json").write_text(json.dumps(data))
    with pytest.raises(Down, match=f"the ed25519 key {path} cannot be used"):
        seal(login="alice@example.com", text=OWN, settings={"keys": str(tmp_path / "signing.json")})


@pytest.mark.parametrize("text", ["", "[]", '{"domains": {}}', '{"domains": [], "default": ""}'])
def test_a_state_that_cannot_be_read_is_down(seal, tmp_path, text):
    (tmp_path / "signing.json").write_text(text)
    with pytest.raises(Down, match="cannot be read"):
        seal(login="alice@example.com", text=OWN, settings={"keys": str(tmp_path / "signing.json")})


def test_what_signs_is_read_again_when_it_changes(made, tmp_path):
    file = tmp_path / "signing.json"
    read = _signing.Read(str(file))
    assert read() is None
    file.write_text(json.dumps({"domains": {"example.com": []}, "default": "example.com"}))
    assert read().of("example.com") == ("example.com", [])
    other = tmp_path / "other"
    other.write_text(made[0].read_text())
    other.replace(file)
    assert len(read().of("example.com")[1]) == 2
    file.unlink()
    assert read() is None


def test_a_default_without_keys_is_none():
    assert Keys({"domains": {}, "default": "example.com"}).default() is None
    assert Keys({"domains": {"com": []}, "default": ""}).of("") is None


def test_a_key_in_pkcs_1_is_taken(made, tmp_path):
    path = json.loads(made[0].read_text())["domains"]["example.com"][0]["key"]
    (tmp_path / "key").write_text(openssl("pkey", "-traditional", text=Path(path).read_text()))
    assert secret(Key("s", "rsa", str(tmp_path / "key"))) == secret(Key("s", "rsa", path))


@given(st.lists(st.sampled_from([b"a", b" ", b"\t", b"\n", b"\r\n", b"bc"]), max_size=40))
@pytest.mark.parametrize("chunk", [1, 5, 1 << 18])
def test_a_body_is_hashed_as_the_library_does_it(chunk, pieces):
    text = b"\n" + b"".join(pieces)
    _headers, body = dkim.rfc822_parse(b"A: b\n" + text)
    whole = body if not body or body.endswith(b"\r\n") else body + b"\r\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_signing, "_CHUNK", chunk)
        assert body_hash(io.BytesIO(text)) == hashlib.sha256(Relaxed.canonicalize_body(whole)).digest()


def test_a_megabyte_of_blanks_takes_no_time():
    # The library's own pattern would take hours.
    body_hash(io.BytesIO(b"\n" + b" " * (1 << 20) + b"x\n"))


REFUSED = {
    "an origin": ({"origins": ["stranger"]}, "origins is 'stranger'; write some of account, relay, local"),
    "a user": ({"forwarder": "Courier SRS"}, "forwarder is 'Courier SRS'"),
    "a path": ({"keys": "signing.json"}, "keys is 'signing.json'; write an absolute path"),
}


@pytest.mark.parametrize(("settings", "said"), REFUSED.values(), ids=REFUSED)
def test_refuses(settings, said):
    with pytest.raises(SettingsError) as refused:
        build(Settings, settings)
    assert said in str(refused.value)


def test_without_the_libraries_it_cannot_be_made(monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "dkim", None)
    broken = _chain.made("dkim_sign", {})
    assert isinstance(broken, _chain.BrokenSealer)
    assert "Traceback" in capsys.readouterr().err

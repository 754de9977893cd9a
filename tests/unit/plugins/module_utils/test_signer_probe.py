"""The stand-in for zdkimfilter in its moods, asked as submit asks it."""

from __future__ import annotations

import socket
import subprocess
import threading
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import dkim
import pytest

from plugins.module_utils import _dns
from plugins.module_utils._signer_probe import NotSigned, prove_signer

PROGRAM = Path(__file__).parents[4] / "molecule/zdkimfilter/standin/zdkimfilter.py"
SELECTOR = "mx1-20260101-rsa"


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A directory with a key and its record, and the record."""
    directory = tmp_path_factory.mktemp("keys") / "example.com"
    directory.mkdir()
    private = directory / f"{SELECTOR}.private"
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", private, "-pubout"], check=True, capture_output=True, text=True)
    record = f"v=DKIM1; k=rsa; p={''.join(public.stdout.split('-----')[2].split())}"
    (directory / f"{SELECTOR}.txt").write_text(f"{record}\n")
    return directory, record


@pytest.fixture
def standin(pair, tmp_path, monkeypatch):
    """Takes a mood and what DNS says. Gives what is proved."""
    directory, record = pair
    loader = SourceFileLoader("standin", str(PROGRAM))
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    program = module_from_spec(spec_from_loader("standin", loader))
    loader.exec_module(program)
    keys, queue = tmp_path / "filters/keys", tmp_path / "queue"
    keys.mkdir(parents=True)
    queue.mkdir()
    (keys / "example.com").symlink_to(directory / f"{SELECTOR}.private")
    monkeypatch.setattr(program, "FILTERS", tmp_path / "filters")
    monkeypatch.setattr(program, "MOOD", tmp_path / "mood")
    real = dkim.verify
    monkeypatch.setattr(
        dkim, "verify", lambda text, **options: real(text, **{"dnsfunc": lambda *_, **__: record.encode()} | options)
    )
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "socket"))
    server.listen()

    def loop():
        while True:
            try:
                connection, _address = server.accept()
            except OSError:
                return
            program.serve(connection, {"default_domain": "example.com", "tempfail_on_error": "Y"})

    threading.Thread(target=loop, daemon=True).start()

    def prove(mood="", published=None, domain="example.com"):
        def ask(name, kind):
            assert (name, kind) == (f"{SELECTOR}._domainkey.example.com", "TXT")
            if isinstance(published, Exception):
                raise published
            return [record] if published is None else published

        monkeypatch.setattr(_dns, "ask", ask)
        (tmp_path / "mood").write_text(mood)
        return prove_signer(str(tmp_path / "socket"), domain, str(keys), str(queue))

    yield prove
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    assert list(queue.iterdir()) == []


PROVED = {
    "what DNS has": (None, "and verifies"),
    "what DNS has in other words": (["v=DKIM1; p=x", None], "and verifies"),
    "what DNS has not yet": ([], f"which nobody can verify yet: DNS does not have {SELECTOR}._domainkey.example.com"),
    "what DNS does not say": (_dns.NoAnswer("no server"), "and was not asked to verify that: no server"),
}
MOODS = {
    "unsigned": "what somebody of example.com sends leaves unsigned; the answer was '250 not filtered.'",
    "forged": f"its signature for example.com does not verify with the record of {SELECTOR}",
    "other": f"it should sign with {SELECTOR} of example.com, and signs with {SELECTOR} of example.net",
    "length": "it signs the length of the text",
    "credulous": "a broken signature should be dkim=fail, and it is pass",
    "silent": "a good signature should be dkim=pass, and it is not looked at; the answer was '250 not filtered.'",
}


@pytest.mark.parametrize(("published", "proved"), PROVED.values(), ids=PROVED)
def test_proves(standin, pair, published, proved):
    if isinstance(published, list) and None in published:
        published = [published[0], pair[1].replace("; ", ";").replace("p=", "p= ")]
    assert standin(published=published) == f"signs for example.com with {SELECTOR}, {proved}"


@pytest.mark.parametrize(("mood", "said"), MOODS.items(), ids=MOODS)
def test_does_not_prove(standin, mood, said):
    with pytest.raises(NotSigned) as refused:
        standin(mood)
    assert said in str(refused.value)


def test_another_key_in_dns_is_not_proved(standin):
    with pytest.raises(NotSigned, match=f"DNS has another key at {SELECTOR}._domainkey.example.com than the one that"):
        standin(published=["v=DKIM1; p=AAAA"])


def test_a_key_without_a_record_is_not_proved(standin):
    with pytest.raises(
        NotSigned, match=r"the record of the key for example.org cannot be read in .*example.org.txt: No"
    ):
        standin(domain="example.org")


def test_without_a_socket_nothing_is_proved(tmp_path):
    with pytest.raises(NotSigned, match="there is no socket, so that mail would pass it by, unsigned"):
        prove_signer(str(tmp_path / "socket"), "example.com")

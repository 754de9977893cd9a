# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server on the loopback that shows a policy of MTA-STS, and what a sender makes of it."""

from __future__ import annotations

import contextlib
import http.server
import ssl
import subprocess
import threading
import time

import pytest

from plugins.module_utils import _policy
from plugins.module_utils._courier.published import NoAnswer, NoPolicy, compare_policy

NAME = "mta-sts.example.com"
URL = f"https://{NAME}/.well-known/mta-sts.txt"
POLICY = "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmx: mx2.example.com\r\nmax_age: 86400\r\n"
SAME = {
    "the same": POLICY,
    "other line ends": POLICY.replace("\r\n", "\n"),
    "another order": "version: STSv1\nmode: testing\nmax_age: 86400\nmx: MX2.example.com\nmx:mx1.example.com\n",
}
OTHER = {
    "another mode": POLICY.replace("testing", "enforce"),
    "another exchanger": POLICY.replace("mx2", "mx3"),
    "one exchanger less": POLICY.replace("mx: mx2.example.com\r\n", ""),
    "another age": POLICY.replace("86400", "1"),
    "nothing": "",
}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    directory = tmp_path_factory.mktemp("pair")
    key, crt = directory / "key.pem", directory / "crt.pem"
    kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-subj", "/CN=x"]
    names = ["-addext", f"subjectAltName=DNS:{NAME}"]
    command = ["openssl", "req", *kind, *names, "-keyout", key, "-out", crt]
    subprocess.run(command, check=True, capture_output=True)
    return crt, key


@pytest.fixture
def shown(pair):
    """Read what a web server says, with addresses that a name server gave."""
    crt, key = pair

    @contextlib.contextmanager
    def serving(status, kind, text):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append((self.path, self.headers["Host"]))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Location", "https://elsewhere.example.com/")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(crt, key)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_address[1], asked
        server.shutdown()
        server.server_close()

    def shown(
        text=POLICY, *, status=200, kind="text/plain; charset=utf-8", url=URL, addresses=("127.0.0.1",), trust=crt
    ):
        def ask(_name, wanted):
            return list(addresses) if wanted == "A" else []

        with serving(status, kind, text) as (port, asked):
            found = _policy.read(url, ask, 5, port, ssl.create_default_context(cafile=trust))
        assert asked == [("/.well-known/mta-sts.txt", NAME)]
        return found

    return shown


def test_is_read(shown):
    assert shown() == POLICY
    assert shown(addresses=("127.0.0.9", "127.0.0.1")) == POLICY


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"status": 404}, "the web server says 404 Not Found"),
        ({"status": 301}, "the web server says 301 Moved Permanently"),
        ({"kind": "text/html"}, "it is text/html, and must be text/plain"),
        ({"addresses": ()}, "mta-sts.example.com has no address"),
        ({"addresses": ("127.0.0.9",)}, "127.0.0.9: Connection refused"),
        ({"url": URL.replace(NAME, "mta-sts.example.org")}, "Hostname mismatch"),
        ({"trust": None}, "self"),
    ],
    ids=["missing", "elsewhere", "a page", "no address", "nobody", "another name", "another issuer"],
)
def test_is_not_believed(shown, given, said):
    with pytest.raises(NoPolicy, match=said):
        shown(**given)


def test_nobody_waits_for_ever(monkeypatch):
    def wait(_address, timeout):
        raise TimeoutError(f"timed out after {timeout}")

    monkeypatch.setattr(_policy.socket, "create_connection", wait)
    began = time.monotonic()
    with pytest.raises(NoPolicy, match="timed out after 1"):
        _policy.read(URL, lambda _name, kind: ["192.0.2.1"] if kind == "A" else [], 1)
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_is_the_one_that_is_wanted(text):
    found = compare_policy(URL, POLICY, lambda _url: text)
    assert (found.name, found.kind, found.state, found.wanted) == (NAME, "MTA-STS policy", "ok", POLICY.splitlines())


@pytest.mark.parametrize("text", OTHER.values(), ids=OTHER)
def test_is_another(text):
    found = compare_policy(URL, POLICY, lambda _url: text)
    assert found.state == "different"
    assert found.said.startswith(
        "show version: STSv1, mode: testing, mx: mx1.example.com, mx: mx2.example.com, max_age"
    )


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [
        (NoPolicy("the web server says 404 Not Found"), "missing", "as it is, senders know of none"),
        (NoAnswer("DNS has no answer"), "unanswered", "nothing is known of it"),
    ],
)
def test_cannot_be_read(error, state, said):
    def read(_url):
        raise error

    found = compare_policy(URL, POLICY, read)
    assert (found.state, found.published) == (state, [])
    assert str(error) in found.said
    assert said in found.said

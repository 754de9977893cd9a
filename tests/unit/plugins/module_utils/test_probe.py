"""Small daemons on the loopback that answer from a script, and what talking to them proves."""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
import ssl
import subprocess
import threading
import time
from typing import NamedTuple

import pytest

from plugins.module_utils import _probe
from plugins.module_utils._probe import PROTOCOLS, Endpoint, NoAnswer, probe

# What each daemon of Courier says, and to what. It greets with the answer to nothing.
SMTP = {
    "": "220-mx1.example.com\r\n220 ESMTP\r\n",
    "EHLO localhost": "250-mx1.example.com Ok.\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 DSN\r\n",
    "STARTTLS": "220 Ok\r\n",
    "QUIT": "221 Bye.\r\n",
}
IMAP = {
    "": "* OK [CAPABILITY IMAP4rev1 UIDPLUS IDLE] Courier-IMAP ready.\r\n",
    "1 CAPABILITY": "* CAPABILITY IMAP4rev1 IDLE STARTTLS LOGINDISABLED\r\n1 OK CAPABILITY completed\r\n",
    "2 STARTTLS": "2 OK Begin SSL/TLS negotiation now.\r\n",
    "3 LOGOUT": "* BYE Courier-IMAP server shutting down\r\n3 OK LOGOUT completed\r\n",
}
POP3 = {
    "": "+OK Hello there.\r\n",
    "CAPA": "+OK Here's what I can do:\r\nSTLS\r\nTOP\r\nLOGIN-DELAY 10\r\n.\r\n",
    "STLS": "+OK Begin SSL/TLS negotiation now.\r\n",
    "QUIT": "+OK Better luck next time.\r\n",
}
TARBABY = {
    "": "220 tarbaby.example.com ESMTP\r\n",
    "EHLO localhost": "250-tarbaby.example.com\r\n250 HELP\r\n",
    "AUTH PLAIN": "502 5.5.1 Nobody logs in here\r\n",
    "MAIL FROM:<>": "250 2.1.0 Ok\r\n",
    "RCPT TO:<nobody@invalid>": "451 4.7.1 Please try another MX\r\n",
    "DATA": "503 5.5.1 There are no recipients\r\n",
    "QUIT": "221 Bye\r\n",
}
HTTP = {"": "", "HEAD / HTTP/1.0": "HTTP/1.1 404 Not Found\r\n"}
AUTHDAEMON = {"": "", "PRE . login nobody@invalid": "FAIL\n"}
HANDSHAKES = ("STARTTLS", "2 STARTTLS", "STLS")

ANSWERED = {
    "SMTP": ("smtp", "none", SMTP, ["EHLO localhost", "QUIT"]),
    "SMTP STARTTLS": ("smtp", "starttls", SMTP, ["EHLO localhost", "STARTTLS", "EHLO localhost", "QUIT"]),
    "SMTP TLS": ("smtp", "implicit", SMTP, ["EHLO localhost", "QUIT"]),
    "IMAP": ("imap", "none", IMAP, ["1 CAPABILITY", "3 LOGOUT"]),
    "IMAP STARTTLS": ("imap", "starttls", IMAP, ["1 CAPABILITY", "2 STARTTLS", "1 CAPABILITY", "3 LOGOUT"]),
    "IMAP TLS": ("imap", "implicit", IMAP, ["1 CAPABILITY", "3 LOGOUT"]),
    "POP3": ("pop3", "none", POP3, ["CAPA", "QUIT"]),
    "POP3 STLS": ("pop3", "starttls", POP3, ["CAPA", "STLS", "CAPA", "QUIT"]),
    "POP3 TLS": ("pop3", "implicit", POP3, ["CAPA", "QUIT"]),
}

# Tested with what they are asked: test_filter_probe.py, test_signer_probe.py, test_dnsbl_probe.py.
FILTERS = {"courierfilter", "zdkimfilter", "dnsbl"}

# What is said to scanners, what they answer when all is well, and the name of their test pattern.
SCANNERS = {
    "clamd": (b"zPING\0", b"PONG\0", b"zINSTREAM\0", b"stream: Win.Test.EICAR_HDB-1 FOUND\0", "EICAR"),
    "spamd": (
        b"PING SPAMC/1.5\r\n\r\n",
        b"SPAMD/1.5 0 PONG\r\n",
        b"CHECK SPAMC/1.5\r\nContent-length: ",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1000.0 / 5.0\r\n\r\n",
        "GTUBE",
    ),
}
PATTERNS = {"EICAR": b"P^)7CC)7}$EICAR" + b"-STANDARD", "GTUBE": b"2IDNEN*GTUBE" + b"-STANDARD"}
UNRECOGNISED = {
    "a clamd that hangs up": ("clamd", [b""], "zPING should be answered with PONG, and there came nothing"),
    "a clamd that is another": (
        "clamd",
        [b"220 mx1.example.com\r\n"],
        "zPING should be answered with PONG, and there came '220 mx1.example.com'",
    ),
    "a clamd without signatures": (
        "clamd",
        [b"PONG\0", b"stream: OK\0"],
        "it should recognise EICAR, and there came 'stream: OK'",
    ),
    "a clamd that dies of it": ("clamd", [b"PONG\0", b""], "it should recognise EICAR, and there came nothing"),
    "a spamd that is busy": (
        "spamd",
        [b"SPAMD/1.5 75 EX_TEMPFAIL\r\n"],
        "PING SPAMC/1.5 should be answered with PONG, and there came 'SPAMD/1.5 75 EX_TEMPFAIL'",
    ),
    "a spamd without rules": (
        "spamd",
        [b"SPAMD/1.5 0 PONG\r\n", b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0.0 / 5.0\r\n\r\n"],
        "it should recognise GTUBE, and there came 'SPAMD/1.1 0 EX_OK\\r\\nSpam: False ; 0.0 / 5.0'",
    ),
}

REFUSED = {
    "SMTP that is not ready": (
        "smtp",
        "none",
        {"": "421 Service not available\r\n"},
        "the connection should be answered with 220, and there came '421 Service not available'",
    ),
    "SMTP that does not serve us": (
        "smtp",
        "none",
        {"": "554-No.\r\n554 Go away.\r\n"},
        "the connection should be answered with 220, and there came '554 Go away.'",
    ),
    "SMTP that greets and hangs up": (
        "smtp",
        "none",
        {"": "220-mx1.example.com\r\n"},
        "the connection should be answered with 220, and there came '220-mx1.example.com'",
    ),
    "SMTP without EHLO": (
        "smtp",
        "none",
        SMTP | {"EHLO localhost": "502 ESMTP command error\r\n"},
        "EHLO localhost should be answered with 250, and there came '502 ESMTP command error'",
    ),
    "IMAP that takes leave at once": (
        "imap",
        "none",
        {"": "* BYE Too many connections\r\n"},
        "the connection should be answered with * OK, and there came '* BYE Too many connections'",
    ),
    "IMAP that answers NO": (
        "imap",
        "none",
        IMAP | {"1 CAPABILITY": "1 NO Error in IMAP command\r\n"},
        "1 CAPABILITY should be answered with 1 OK, and there came '1 NO Error in IMAP command'",
    ),
    "POP3 that answers -ERR": (
        "pop3",
        "none",
        {"": "-ERR Try again later\r\n"},
        "the connection should be answered with +OK, and there came '-ERR Try again later'",
    ),
    "another protocol": (
        "imap",
        "none",
        {"": "220 mx1.example.com ESMTP\r\n"},
        "the connection should be answered with * OK, and there came '220 mx1.example.com ESMTP'",
    ),
    "bytes that are no text": (
        "smtp",
        "none",
        {"": "5\udcff0\r\n"},
        "the connection should be answered with 220, and there came '5\N{REPLACEMENT CHARACTER}0'",
    ),
    "a daemon that hangs up": (
        "smtp",
        "none",
        {"": None},
        "the connection should be answered with 220, and there came nothing",
    ),
    "SMTP that does not offer STARTTLS": (
        "smtp",
        "starttls",
        SMTP | {"EHLO localhost": "250-mx1.example.com Ok.\r\n250 XSTARTTLS\r\n"},
        "it should offer STARTTLS, and does not",
    ),
    "IMAP that does not offer STARTTLS": (
        "imap",
        "starttls",
        IMAP | {"1 CAPABILITY": "* CAPABILITY IMAP4rev1\r\n1 OK CAPABILITY completed\r\n"},
        "it should offer STARTTLS, and does not",
    ),
    "POP3 that does not offer STLS": (
        "pop3",
        "starttls",
        POP3 | {"CAPA": "+OK\r\nTOP\r\n.\r\n"},
        "it should offer STLS, and does not",
    ),
    "STARTTLS that is offered and refused": (
        "smtp",
        "starttls",
        SMTP | {"STARTTLS": "454 TLS not available\r\n"},
        "STARTTLS should be answered with 220, and there came '454 TLS not available'",
    ),
    "a farewell that fails": (
        "pop3",
        "none",
        POP3 | {"QUIT": "-ERR No.\r\n"},
        "QUIT should be answered with +OK, and there came '-ERR No.'",
    ),
    "a greeting that fails behind the handshake": (
        "imap",
        "implicit",
        {"": "* BYE Too many connections\r\n"},
        "the connection should be answered with * OK, and there came '* BYE Too many connections'",
    ),
    "an authdaemon that knows everybody": (
        "authdaemon",
        "none",
        AUTHDAEMON | {"PRE . login nobody@invalid": "USERNAME=nobody\n.\n"},
        "PRE . login nobody@invalid should be answered with FAIL, and there came '.'",
    ),
    "an authdaemon that hangs up": (
        "authdaemon",
        "none",
        AUTHDAEMON | {"PRE . login nobody@invalid": None},
        "PRE . login nobody@invalid should be answered with FAIL, and there came nothing",
    ),
}

SHOWN = {
    "smtp 127.0.0.1:25": Endpoint("smtp", port=25),
    "smtp [::1]:587 STARTTLS": Endpoint("smtp", "::1", 587, "starttls"),
    "pop3 192.0.2.1:995": Endpoint("pop3", "192.0.2.1", 995, "implicit"),
    "clamd /run/clamav/clamd.ctl": Endpoint("clamd"),
    "spamd /run/spamd/spamd.sock GTUBE": Endpoint("spamd", recognises=True),
    "authdaemon /run/courier/authdaemon/socket": Endpoint("authdaemon"),
    "authdaemon /run/other/socket": Endpoint("authdaemon", socket="/run/other/socket"),
}


class Served(NamedTuple):
    context: ssl.SSLContext
    certificate: bytes  # DER

    @property
    def fingerprint(self):
        return ":".join(f"{byte:02X}" for byte in hashlib.sha256(self.certificate).digest())


def serving(directory):
    """A certificate that openssl signed with its own key, and a context that serves it."""
    key, crt = directory / "key.pem", directory / "crt.pem"
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mx1.example.com")
    subprocess.run(["openssl", "req", *kind, "-keyout", key, "-out", crt], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return Served(context, ssl.PEM_cert_to_DER_cert(crt.read_text()))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    return serving(tmp_path_factory.mktemp("served"))


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where an authdaemon listens; a short name, as the kernel has room for 108 bytes."""
    monkeypatch.chdir(tmp_path)
    return "socket"


def listen(endpoint):
    if endpoint.protocol not in _probe.SOCKETS:
        listener = socket.create_server((endpoint.address, 0))
        return listener, endpoint._replace(port=listener.getsockname()[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(endpoint.socket)
    listener.listen()
    return listener, endpoint


def read_line(connection, end):
    line = b""
    while not line.endswith(b"\n") and (byte := connection.recv(1)):
        line += byte
    return line.decode(errors="replace").removesuffix(end)


def converse(connection, endpoint, script, context, heard):
    """Answer from the script, and hang up where it ends."""
    with contextlib.ExitStack() as stack:

        def shake_hands(connection):
            return stack.enter_context(context.wrap_socket(connection, server_side=True))

        stack.enter_context(connection).settimeout(10)
        if endpoint.tls == "implicit":
            connection = shake_hands(connection)
        line, end = "", "\n" if endpoint.protocol == "authdaemon" else "\r\n"
        while script.get(line) is not None:
            connection.sendall(script[line].encode(errors="surrogateescape"))
            if line in HANDSHAKES:
                if context is None:
                    break
                connection = shake_hands(connection)
            if set(script) == {""}:
                break
            line = read_line(connection, end)
            if not line:
                break
            heard.append(line)
        # A close with something unread would be a reset, and might take along what was said last.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


@contextlib.contextmanager
def daemon(endpoint, script, context=None):
    """Serve one connection: where, and the list of what will have been heard."""
    listener, endpoint = listen(endpoint)
    heard = []

    def serve():
        with contextlib.suppress(OSError):  # a handshake that fails, or nobody came
            converse(listener.accept()[0], endpoint, script, context, heard)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield endpoint, heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def refusal(endpoint):
    with pytest.raises(NoAnswer) as refused:
        probe(endpoint)
    return str(refused.value)


@pytest.mark.parametrize(("protocol", "tls", "script", "said"), ANSWERED.values(), ids=ANSWERED)
def test_a_daemon_that_answers_is_proved(served, protocol, tls, script, said):
    context = None if tls == "none" else served.context
    with daemon(Endpoint(protocol, tls=tls), script, context) as (endpoint, heard):
        proved = probe(endpoint)
    version = {"none": "", "starttls": " STARTTLS TLSv1.3", "implicit": " TLSv1.3"}[tls]
    assert proved == f"{protocol} 127.0.0.1:{endpoint.port}{version}"
    assert heard == said


def test_an_authdaemon_that_knows_nobody_is_proved(path):
    with daemon(Endpoint("authdaemon", socket=path), AUTHDAEMON) as (endpoint, heard):
        assert probe(endpoint) == "authdaemon socket"
    assert heard == ["PRE . login nobody@invalid"]


def test_an_exchanger_that_takes_nothing_is_proved():
    with daemon(Endpoint("tarbaby"), TARBABY) as (endpoint, heard):
        assert probe(endpoint) == f"tarbaby 127.0.0.1:{endpoint.port}"
    assert heard == [line for line in TARBABY if line]


def test_an_exchanger_that_takes_something_is_none_that_takes_nothing():
    script = TARBABY | {"RCPT TO:<nobody@invalid>": "250 Ok\r\n"}
    with daemon(Endpoint("tarbaby"), script) as (endpoint, _heard):
        assert refusal(endpoint) == "RCPT TO:<nobody@invalid> should be answered with 451, and there came '250 Ok'"


@contextlib.contextmanager
def scanner(path, answers):
    """Serve as many connections as there are answers, one after the other, and hang up after each."""
    heard = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve():
            with contextlib.suppress(OSError):  # nobody came any more
                for answer in answers:
                    connection, _address = listener.accept()
                    with connection:
                        heard.append(connection.recv(65536))
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield heard
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("protocol", SCANNERS)
def test_a_scanner_that_is_there_is_proved(path, protocol):
    ping, pong, _request, _positive, _shown = SCANNERS[protocol]
    with scanner(path, [pong]) as heard:
        assert probe(Endpoint(protocol, socket=path)) == f"{protocol} socket"
    assert heard == [ping]


@pytest.mark.parametrize("protocol", SCANNERS)
def test_a_scanner_that_recognises_its_test_pattern_is_proved(path, protocol):
    ping, pong, request, positive, shown = SCANNERS[protocol]
    with scanner(path, [pong, positive]) as heard:
        assert probe(Endpoint(protocol, socket=path, recognises=True)) == f"{protocol} socket {shown}"
    assert heard[0] == ping
    assert heard[1].startswith(request)
    assert PATTERNS[shown] in heard[1]


@pytest.mark.parametrize(("protocol", "answers", "sentence"), UNRECOGNISED.values(), ids=UNRECOGNISED)
def test_a_scanner_that_recognises_nothing_is_none(path, protocol, answers, sentence):
    with scanner(path, answers):
        assert refusal(Endpoint(protocol, socket=path, recognises=True)) == sentence


def test_a_scan_says_how_long_it_is(path):
    with scanner(path, [b"PONG\0", b"stream: X FOUND\0"]) as heard:
        probe(Endpoint("clamd", socket=path, recognises=True))
    length = int.from_bytes(heard[1][10:14], "big")
    assert heard[1][14 + length :] == bytes(4)


def test_every_protocol_is_tested():
    assert {row[0] for row in ANSWERED.values()} | {
        "authdaemon",
        *SCANNERS,
        *FILTERS,
        "srs",
        "fail2ban",
        "tarbaby",
        "http",
    } == set(PROTOCOLS)
    assert {row[:2] for row in ANSWERED.values()} == {(name, tls) for name in _probe._TALKS for tls in _probe.TLS}


@pytest.mark.parametrize(("protocol", "tls", "script", "sentence"), REFUSED.values(), ids=REFUSED)
def test_another_answer_is_none(served, path, protocol, tls, script, sentence):
    context = None if tls == "none" else served.context
    with daemon(Endpoint(protocol, tls=tls, socket=path), script, context) as (endpoint, _heard):
        assert refusal(endpoint) == sentence


@pytest.mark.parametrize("plain", ["SMTP", "IMAP", "POP3"])
def test_takes_leave_where_starttls_is_not_offered(plain):
    protocol, _tls, script, said = ANSWERED[plain]
    without = {line: text.replace("STARTTLS", "X").replace("STLS", "X") for line, text in script.items()}
    with daemon(Endpoint(protocol, tls="starttls"), without) as (endpoint, heard):
        refusal(endpoint)
    assert heard == said


def test_a_web_server_answers():
    with daemon(Endpoint("http"), HTTP) as (endpoint, heard):
        assert probe(endpoint) == f"http 127.0.0.1:{endpoint.port}"
    assert heard == ["HEAD / HTTP/1.0"]


@pytest.mark.parametrize("name", ["autoconfig.example.com", "mx1.example.com"])
def test_a_web_server_is_called_by_its_name(tmp_path, name):
    asked = []
    context = serving(tmp_path).context
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    with daemon(Endpoint("http", tls="implicit", domain=name), HTTP, context) as (endpoint, _heard):
        assert probe(endpoint) == f"http 127.0.0.1:{endpoint.port} {name} TLSv1.3"
    assert asked == [name]


def test_a_web_server_with_another_certificate_is_none(served, tmp_path):
    other = serving(tmp_path)
    wanted = Endpoint("http", tls="implicit", domain="mx1.example.com", certificate=other.certificate)
    with daemon(wanted, HTTP, served.context) as (endpoint, _heard):
        assert "and serves" in refusal(endpoint)


@pytest.mark.parametrize("tls", ["none", "implicit"])
def test_a_web_server_with_nothing_behind_it_is_none(served, tls):
    broken = HTTP | {"HEAD / HTTP/1.0": "HTTP/1.1 502 Bad Gateway\r\n"}
    context = None if tls == "none" else served.context
    with daemon(Endpoint("http", tls=tls, domain="mx1.example.com"), broken, context) as (endpoint, _heard):
        assert refusal(endpoint) == "it should show something, and there came 'HTTP/1.1 502 Bad Gateway'"


def test_what_is_no_web_server_is_none():
    with daemon(Endpoint("http"), HTTP | {"HEAD / HTTP/1.0": "220 mx1.example.com\r\n"}) as (endpoint, _heard):
        assert refusal(endpoint) == (
            "HEAD / HTTP/1.0 should be answered with HTTP/1., and there came '220 mx1.example.com'"
        )


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_serves_the_certificate_of_the_file(served, tls):
    with daemon(Endpoint("smtp", tls=tls, certificate=served.certificate), SMTP, served.context) as (endpoint, _heard):
        assert probe(endpoint).endswith("TLSv1.3")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_another_certificate_is_no_answer(served, tmp_path, tls):
    other = serving(tmp_path)
    with daemon(Endpoint("smtp", tls=tls, certificate=other.certificate), SMTP, served.context) as (endpoint, _heard):
        assert refusal(endpoint) == (
            f"it should serve the certificate with the SHA-256 {other.fingerprint}, and serves {served.fingerprint}"
        )


def test_a_handshake_that_no_client_can_meet_is_no_answer():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("PSK")
    with daemon(Endpoint("smtp", tls="starttls"), SMTP, context) as (endpoint, heard):
        assert refusal(endpoint).startswith("it should shake hands for TLS, and there came: [SSL: ")
    assert heard == ["EHLO localhost", "STARTTLS"]


def test_a_daemon_that_speaks_in_clear_is_no_answer():
    with daemon(Endpoint("imap"), {"": IMAP[""]}) as (endpoint, _heard):
        said = refusal(endpoint._replace(tls="implicit"))
    assert said.startswith("it should shake hands for TLS, and there came: [SSL: ")


def test_a_daemon_that_hangs_up_in_the_handshake_is_no_answer():
    with daemon(Endpoint("smtp", tls="starttls"), SMTP) as (endpoint, _heard):
        said = refusal(endpoint)
    assert said.startswith("it should shake hands for TLS, and there came: ")
    # Releases of Python have other words for it.
    assert re.search(r"EOF occurred in violation of protocol|connection has been closed \(EOF\)", said)


def test_a_closed_port_is_no_answer(path):
    listener, endpoint = listen(Endpoint("smtp"))
    listener.close()
    assert refusal(endpoint) == "Connection refused"
    assert refusal(Endpoint("authdaemon", socket=path)) == "No such file or directory"


@pytest.mark.parametrize("protocol", [protocol for protocol in PROTOCOLS if protocol not in {*FILTERS, "fail2ban"}])
def test_silence_is_no_answer(monkeypatch, path, protocol):
    monkeypatch.setattr(_probe, "PATIENCE", 0.05)
    listener, endpoint = listen(Endpoint(protocol, socket=path))
    began = time.monotonic()
    with listener:
        assert refusal(endpoint) == "timed out"
    assert time.monotonic() - began < 5


def test_asks_zdkimfilter_for_a_signature(monkeypatch):
    monkeypatch.setattr(_probe, "prove_signer", lambda path, domain: f"{path} signs for {domain}")
    endpoint = Endpoint("zdkimfilter", socket="/run/filter", domain="example.com")
    assert probe(endpoint) == "zdkimfilter /run/filter: /run/filter signs for example.com"


def test_asks_fail2ban_for_bans(monkeypatch):
    monkeypatch.setattr(_probe, "prove_bans", lambda jails, path: f"{path} bans in {', '.join(jails)}")
    endpoint = Endpoint("fail2ban", socket="/run/bans", jails=["a", "b"])
    assert probe(endpoint) == "fail2ban /run/bans: /run/bans bans in a, b"


def test_fail2ban_without_its_programs_is_no_answer(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    assert refusal(Endpoint("fail2ban")).startswith("fail2ban-client cannot be asked: ")


def test_zdkimfilter_that_does_not_sign_is_no_answer(tmp_path):
    endpoint = Endpoint("zdkimfilter", socket=str(tmp_path / "filter"), domain="example.com")
    assert refusal(endpoint).startswith("there is no socket, so that mail would pass it by, unsigned")


def test_silence_in_the_handshake_is_no_answer(monkeypatch):
    monkeypatch.setattr(_probe, "PATIENCE", 0.05)
    listener, endpoint = listen(Endpoint("smtp", tls="implicit"))
    with listener:
        said = refusal(endpoint)
    assert said.startswith("it should shake hands for TLS, and there came: ")
    assert said.endswith("timed out")


@pytest.mark.parametrize(("shown", "endpoint"), SHOWN.items(), ids=SHOWN)
def test_an_endpoint_as_text(shown, endpoint):
    assert str(endpoint) == shown

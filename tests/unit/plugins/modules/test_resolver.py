"""Small name servers on the loopback, and what the module makes of their answers."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from ansible.module_utils.basic import AnsibleModule

from plugins.modules import resolver
from tests.unit.run_module import run_module

NAME = "mx1.example.com"
RECORDS = {
    "MX": [(NAME, "MX", "10 mx9.example.com.")],
    "A": [(NAME, "A", "192.0.2.25")],
    "AAAA": [(NAME, "AAAA", "2001:db8::25")],
}
ALIAS = {
    "A": [(NAME, "CNAME", "host.example.com."), ("host.example.com", "A", "192.0.2.26")],
    "AAAA": [(NAME, "CNAME", "host.example.com.")],
}


class Server(socketserver.ThreadingUDPServer):
    """Knows records by their types, or gives nothing but a code, or what else it was told to."""

    def __init__(self, address, records=None, *, rcode="NOERROR", only_for=None, raw=None, truncated=False):
        super().__init__(address, Question)
        self.records, self.rcode, self.raw, self.truncated = records or {}, rcode, raw, truncated
        self.only_for = only_for  # the type that gets the code
        self.asked = []

    def answer(self, wire, *, truncated=False):
        query = dns.message.from_wire(wire)
        kind = dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((query.question[0].name.to_text(omit_final_dot=True), kind))
        answer = dns.message.make_response(query)
        if self.only_for in (None, kind):
            answer.set_rcode(dns.rcode.from_text(self.rcode))
        if truncated:
            answer.flags |= dns.flags.TC
        else:
            answer.answer = [
                dns.rrset.from_text(f"{name}.", 60, "IN", *record) for name, *record in self.records.get(kind, [])
            ]
        return answer.to_wire()


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        wire, connection = self.request
        answer = self.server.raw or self.server.answer(wire, truncated=self.server.truncated)
        connection.sendto(answer, self.client_address)


class QuestionOverTCP(socketserver.StreamRequestHandler):
    def handle(self):
        wire = self.rfile.read(int.from_bytes(self.rfile.read(2)))
        answer = self.server.over_udp.answer(wire)
        self.wfile.write(len(answer).to_bytes(2) + answer)


@contextlib.contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def port():
    """One that is free on every address of the loopback, to which Linux gives all of 127/8."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_address:
        any_address.bind(("0.0.0.0", 0))
        return any_address.getsockname()[1]


@pytest.fixture
def start(port):
    """Start a server on an address."""
    with contextlib.ExitStack() as stack:
        yield lambda address, *records, **how: stack.enter_context(serving(Server((address, port), *records, **how)))


@pytest.fixture(autouse=True)
def warnings(monkeypatch):
    warnings = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda _, warning: warnings.append(warning))
    return warnings


@pytest.fixture
def run(tmp_path, port):
    """Run the module with a resolv.conf that names these servers."""

    def run(*addresses, name=NAME, check=False):
        path = tmp_path / "resolv.conf"
        path.write_text("# by hand\nsearch example.net\n" + "".join(f"nameserver {one}\n" for one in addresses))
        return run_module(resolver, check=check, name=name, path=str(path), port=port, timeout=1)

    return run


ANSWERS = {
    "all records": ({"records": RECORDS}, ["192.0.2.25", "2001:db8::25"]),
    "an address that a CNAME leads to": ({"records": ALIAS}, ["192.0.2.26"]),
    "a mail exchanger alone, whose address is another name's": ({"records": {"MX": RECORDS["MX"]}}, []),
    "no such record": ({}, []),
    "no such name": ({"rcode": "NXDOMAIN"}, []),
}

NONE = {
    "REFUSED": ({"rcode": "REFUSED"}, "says REFUSED to MX"),
    "SERVFAIL": ({"rcode": "SERVFAIL"}, "says SERVFAIL to MX"),
    "SERVFAIL to one type": (
        {"records": RECORDS, "rcode": "SERVFAIL", "only_for": "AAAA"},
        "says SERVFAIL to AAAA",
    ),
    "NOTIMP to one type": ({"records": RECORDS, "rcode": "NOTIMP", "only_for": "A"}, "says NOTIMP to A"),
    "no DNS": (
        {"raw": b"HTTP"},
        "cannot be asked: The DNS packet passed to from_wire() is too short.",
    ),
}


@pytest.mark.parametrize(("how", "addresses"), ANSWERS.values(), ids=ANSWERS)
def test_it_is_an_answer(start, run, warnings, how, addresses):
    server = start("127.0.0.1", **how)
    answer = run("127.0.0.1")
    milliseconds = answer["servers"][0].pop("milliseconds")
    assert answer == {
        "changed": False,
        "servers": [{"address": "127.0.0.1", "answered": True}],
        "silent": [],
        "addresses": addresses,
    }
    assert 0 <= milliseconds < 1000
    assert server.asked == [(NAME, "MX"), (NAME, "A"), (NAME, "AAAA")]
    assert warnings == []


@pytest.mark.parametrize(("how", "reason"), NONE.values(), ids=NONE)
def test_it_is_no_answer(start, run, tmp_path, warnings, how, reason):
    start("127.0.0.1", **how)
    answer = run("127.0.0.1")
    assert answer == {
        "failed": True,
        "msg": f"no server of {tmp_path}/resolv.conf answers for {NAME}, and Courier would put off all mail: "
        f"127.0.0.1 {reason}",
    }
    assert warnings == [f"name server 127.0.0.1 of {tmp_path}/resolv.conf {reason}"]


def test_silence_is_no_answer(run, tmp_path):
    assert run("127.0.0.1")["msg"] == (
        f"no server of {tmp_path}/resolv.conf answers for {NAME}, and Courier would put off all mail: "
        "127.0.0.1 is silent for 1 seconds"
    )


def test_a_silent_server_named_twice_is_still_no_answer(run):
    assert run("127.0.0.1", "127.0.0.1")["failed"]


def test_a_line_that_is_no_address_is_told(run, tmp_path):
    assert run("192.0.2")["msg"].startswith(
        f"{tmp_path}/resolv.conf has a line that cannot be read; write 'nameserver' and an address: "
    )


def test_every_server_is_asked_and_one_is_enough(start, run, tmp_path, warnings):
    start("127.0.0.2", rcode="REFUSED")
    start("127.0.0.3", RECORDS)
    start("127.0.0.4", {"A": [(NAME, "A", "192.0.2.24")]})
    answer = run("127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4")
    assert [(server["address"], server["answered"]) for server in answer["servers"]] == [
        ("127.0.0.1", False),
        ("127.0.0.2", False),
        ("127.0.0.3", True),
        ("127.0.0.4", True),
    ]
    assert answer["servers"][0]["milliseconds"] >= 1000
    assert answer["silent"] == ["127.0.0.1", "127.0.0.2"]
    assert answer["addresses"] == ["192.0.2.24", "192.0.2.25", "2001:db8::25"]
    assert warnings == [
        f"name server 127.0.0.1 of {tmp_path}/resolv.conf is silent for 1 seconds",
        f"name server 127.0.0.2 of {tmp_path}/resolv.conf says REFUSED to MX",
    ]


def test_the_reason_of_every_server_is_told(start, run, tmp_path):
    start("127.0.0.1", rcode="REFUSED")
    start("127.0.0.2", rcode="SERVFAIL")
    assert run("127.0.0.1", "127.0.0.2")["msg"] == (
        f"no server of {tmp_path}/resolv.conf answers for {NAME}, and Courier would put off all mail: "
        "127.0.0.1 says REFUSED to MX, 127.0.0.2 says SERVFAIL to MX"
    )


def test_an_answer_too_long_for_udp_comes_over_tcp(start, run, port):
    server = start("127.0.0.1", RECORDS, truncated=True)
    with socketserver.TCPServer(("127.0.0.1", port), QuestionOverTCP) as over_tcp:
        over_tcp.over_udp = server
        with serving(over_tcp):
            assert run("127.0.0.1")["addresses"] == ["192.0.2.25", "2001:db8::25"]
    assert server.asked.count((NAME, "A")) == 2


def test_a_name_that_dns_cannot_have_is_told(start, run):
    start("127.0.0.1", RECORDS)
    assert run("127.0.0.1", name="mx1..example.com")["msg"].endswith(
        ": 127.0.0.1 cannot be asked: A DNS label is empty."
    )


def test_check_mode_asks_all_the_same(start, run):
    server = start("127.0.0.1", RECORDS)
    assert run("127.0.0.1", check=True)["addresses"] == ["192.0.2.25", "2001:db8::25"]
    assert len(server.asked) == 3


def test_a_resolv_conf_without_servers_is_refused(run, tmp_path):
    assert run() == {
        "failed": True,
        "msg": f"{tmp_path}/resolv.conf names no name server, and Courier asks no other: no nameservers",
    }


def test_a_missing_resolv_conf_is_refused(tmp_path):
    assert run_module(resolver, name=NAME, path=f"{tmp_path}/resolv.conf") == {
        "failed": True,
        "msg": f"{tmp_path}/resolv.conf names no name server, and Courier asks no other: "
        f"cannot open {tmp_path}/resolv.conf",
    }


def test_says_what_to_install(run, monkeypatch):
    monkeypatch.setattr(resolver, "MISSING", "Traceback")
    assert run("127.0.0.1")["msg"].startswith("Failed to import the required Python library (dnspython) on ")

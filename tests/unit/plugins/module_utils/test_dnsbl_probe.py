"""A name server on the loopback that serves a list, well or not."""

from __future__ import annotations

import socket
import threading

import dns.message
import dns.rcode
import dns.rrset
import pytest

from plugins.module_utils._probe import Endpoint, NoAnswer, probe

ZONE = "bl.example.com"


@pytest.fixture
def served():
    """Answers with the addresses of each name, or a code, and returns its endpoint."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.bind(("127.0.0.1", 0))
    answers = {}

    def serve():
        while True:
            wire, client = listener.recvfrom(512)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            name = query.question[0].name
            found = answers.get(name.to_text().removesuffix(f".{ZONE}."), [])
            answer = dns.message.make_response(query)
            if isinstance(found, str):
                answer.set_rcode(dns.rcode.from_text(found))
            elif found:
                answer.answer = [dns.rrset.from_text(name, 60, "IN", "A", *found)]
            listener.sendto(answer.to_wire(), client)

    thread = threading.Thread(target=serve)
    thread.start()
    yield answers, Endpoint("dnsbl", port=listener.getsockname()[1], domain=ZONE)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.sendto(b"", listener.getsockname())
    thread.join()
    listener.close()


@pytest.mark.parametrize("other", [[], "NXDOMAIN"])
def test_a_list_with_its_test_points_is_well(served, other):
    answers, endpoint = served
    answers |= {"2.0.0.127": ["127.0.0.2"], "1.0.0.127": other}
    assert probe(endpoint) == f"dnsbl 127.0.0.1:{endpoint.port}: bl.example.com with its test points"


REFUSED = {
    "no list": ([], [], "127.0.0.2 should be listed in bl.example.com, and there came 0 answers"),
    "another zone": ("REFUSED", [], "127.0.0.2 should be listed in bl.example.com, and there came the code 5"),
    "everybody": (
        ["127.0.0.2"],
        ["127.0.0.2"],
        "127.0.0.1 should not be listed in bl.example.com, and there came 1 answers",
    ),
    "half": (["127.0.0.2"], "SERVFAIL", "127.0.0.1 should not be listed in bl.example.com, and there came the code 2"),
}


@pytest.mark.parametrize(("listed", "other", "sentence"), REFUSED.values(), ids=REFUSED)
def test_another_is_not(served, listed, other, sentence):
    answers, endpoint = served
    answers |= {"2.0.0.127": listed, "1.0.0.127": other}
    with pytest.raises(NoAnswer) as refusal:
        probe(endpoint)
    assert str(refusal.value) == sentence

"""The modules that compute records and look them up, with a name server on the loopback that has a zone text."""

from __future__ import annotations

import socketserver
import threading

import dns.message
import dns.rcode
import dns.rdatatype
import dns.zone
import pytest

from plugins.module_utils import _dns
from plugins.modules import dns_info, dns_records
from tests.unit.run_module import run_module

HOST = {
    "name": "mx1.example.com",
    "addresses": ["192.0.2.25"],
    "domains": ["example.com"],
    "listeners": ["smtp", "submission", "smtps", "imaps"],
    "contact": "alice@example.com",
    "acme_server": "https://acme-v02.api.letsencrypt.org/directory",
    "dkim": [
        {"name": "a._domainkey.example.com", "text": f"v=DKIM1; k=rsa; p={'A' * 392}"},
        {"name": "b._domainkey.example.com", "state": "removed"},
    ],
}
ZONES = ["example.com", "2.0.192.in-addr.arpa"]


class Server(socketserver.ThreadingUDPServer):
    """Has zones, and is silent or fails for some names."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Question)
        self.zones, self.failing, self.asked = [], set(), []

    def load(self, text):
        self.zones = [dns.zone.from_text(text, origin, relativize=False, check_origin=False) for origin in ZONES]

    def answer(self, wire):
        query = dns.message.from_wire(wire)
        question = query.question[0]
        self.asked.append((question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)))
        answer = dns.message.make_response(query)
        if question.name.to_text(omit_final_dot=True) in self.failing:
            answer.set_rcode(dns.rcode.SERVFAIL)
            return answer.to_wire()
        for zone in self.zones:
            if question.name.is_subdomain(zone.origin):
                found = zone.get_rrset(question.name, question.rdtype)
                answer.answer += [found] if found else []
        if not answer.answer:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


class Question(socketserver.BaseRequestHandler):
    def handle(self):
        wire, connection = self.request
        connection.sendto(self.server.answer(wire), self.client_address)


@pytest.fixture
def server(monkeypatch):
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        port = server.server_address[1]
        original = _dns.Resolver.__init__
        monkeypatch.setattr(
            _dns.Resolver, "__init__", lambda self, given="", **rest: original(self, given, port=port, **rest)
        )
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def wanted():
    return run_module(dns_records, hosts=[HOST], zones=ZONES)


@pytest.fixture
def look(wanted):
    def look(**more):
        given = {key: wanted[key] for key in ("records", "absent", "zones", "senders")}
        return run_module(dns_info, **given, resolver="127.0.0.1", timeout=1, **more)

    return look


def test_computes(wanted):
    assert not wanted["changed"]
    found = {(one["name"], one["type"]): one["value"] for one in wanted["records"]}
    assert found["mx1.example.com", "CAA"] == '0 issue "letsencrypt.org"'
    assert found["a._domainkey.example.com", "TXT"] == HOST["dkim"][0]["text"]
    assert ("b._domainkey.example.com", "TXT") not in found
    assert wanted["absent"] == ["b._domainkey.example.com"]
    assert wanted["senders"] == [
        {
            "host": "mx1.example.com",
            "addresses": ["192.0.2.25"],
            "domains": ["example.com"],
            "keys": ["a._domainkey.example.com"],
        }
    ]


def test_an_unknown_authority_has_no_caa():
    hosts = [HOST | {"acme_server": "https://acme.example.net/dir"}]
    assert "CAA" not in {one["type"] for one in run_module(dns_records, hosts=hosts)["records"]}


def test_a_refusal_is_a_sentence():
    answer = run_module(dns_records, hosts=[HOST | {"addresses": []}])
    assert answer["msg"] == "mx1.example.com has no address that is known; write mail_addresses of this host"


def test_the_plan_asks_nobody():
    assert "wrong" in run_module(dns_records, hosts=[HOST | {"spf_default": "wrong"}])["msg"]
    params = {"hosts": [HOST | {key: spec["default"] for key, spec in dns_records.HOST.items() if key not in HOST}]}
    params["hosts"][0] |= {"dkim": [], "addresses": [], "spf_includes": ["spf.example.net"]}
    assert dns_records.plan(params | {"zones": []}).records


def test_a_zone_that_was_loaded_is_as_it_should_be(server, wanted, look):
    server.load(wanted["zone"])
    answer = look()
    assert [finding for finding in answer["findings"] if finding["state"] != "ok"] == []
    assert [rule for rule in answer["rules"] if not rule["ok"]] == []
    assert answer["nsupdate"] == ""
    assert not answer["changed"]


def test_an_empty_zone_lacks_all(server, wanted, look):
    answer = look(update_server="192.0.2.53")
    assert {finding["state"] for finding in answer["findings"]} == {"missing"}
    assert answer["nsupdate"].startswith("server 192.0.2.53\nzone example.com.\nupdate add example.com. 3600 MX 10 mx1")
    assert answer["nsupdate"].count("update add") == len(wanted["records"])
    assert sorted(set(server.asked)) != []


def test_each_question_is_asked_once(server, wanted, look):
    server.load(wanted["zone"])
    look()
    assert len(server.asked) == len(set(server.asked))


def test_no_answer_is_not_missing(server, wanted, look):
    server.load(wanted["zone"])
    server.failing.add("_dmarc.example.com")
    (finding,) = [one for one in look()["findings"] if one["state"] != "ok"]
    assert (finding["name"], finding["state"]) == ("_dmarc.example.com", "unanswered")
    assert finding["said"].startswith("DNS has no answer for TXT of _dmarc.example.com: ")
    assert finding["said"].endswith("; nothing is known of it")


def test_an_old_key_is_found(server, wanted, look):
    server.load(wanted["zone"] + '$ORIGIN example.com.\nb._domainkey 60 IN TXT "v=DKIM1; p=B"\n')
    (finding,) = [one for one in look()["findings"] if one["state"] != "ok"]
    assert (finding["name"], finding["state"]) == ("b._domainkey.example.com", "extra")


def test_spf_records_of_others_are_counted(server):
    server.load('spf.example.com. 60 IN TXT "v=spf1 include:gone.example.com -all"\n')
    hosts = [HOST | {"spf_includes": ["spf.example.com"]}]
    answer = run_module(dns_records, hosts=hosts, resolver="127.0.0.1", timeout=1)
    assert answer["msg"] == (
        "the SPF record of spf.example.com names that of gone.example.com, which has none; leave gone.example.com out"
    )
    server.failing.add("spf.example.com")
    answer = run_module(dns_records, hosts=hosts, resolver="127.0.0.1", timeout=1)
    assert answer["msg"].startswith("DNS has no answer for TXT of spf.example.com")


def test_a_resolver_is_an_address():
    answer = run_module(dns_info, records=[], resolver="dns.example.net")
    assert answer["msg"] == "resolver is 'dns.example.net', which is no address; write 192.0.2.53 or 2001:db8::53"

"""What domains are told of mail in their name, and who is told."""

from __future__ import annotations

import gzip
import subprocess
import xml.etree.ElementTree as ET

import pytest

from plugins.module_utils._filters import __main__ as command
from plugins.module_utils._filters import _dmarc_report
from plugins.module_utils._filters._configuration import render as configuration
from plugins.module_utils._filters._dmarc_report import Reporter, run
from plugins.module_utils._filters._store import Store
from tests.unit.signed import DEAD, Dns

WHO = Reporter("mx1.example.com", "postmaster@example.com", ["example.com"])
POLICY = {"v": "DMARC1", "p": "reject", "adkim": "s", "rua": "mailto:dmarc@example.net"}
DATA = {
    "policy": POLICY,
    "disposition": "reject",
    "dkim": "fail",
    "spf": "fail",
    "reason": [],
    "author": "shop.example.net",
    "sender": "example.org",
    "signatures": [["example.org", "s", "pass"]],
    "sent": ["example.org", "mailfrom", "softfail"],
}


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store.sqlite"))


@pytest.fixture
def told():
    return []


@pytest.fixture
def report(store, told):
    """Send the reports. Returns what became of each."""

    def reported(dns=None, **other):
        return list(run(store, WHO, dns or Dns(), lambda letter, to: told.append((letter, to)), **other))

    return reported


def keep(store, domain="example.net", source="192.0.2.7", rua=None, **other):
    policy = POLICY | ({"rua": rua} if rua is not None else {})
    store.keep_result(domain, source, DATA | {"policy": policy} | other)


def opened(letter):
    (part,) = letter.iter_attachments()
    return part.get_filename(), ET.fromstring(gzip.decompress(part.get_content()))


def texts(element, path):
    return [found.text for found in element.findall(path)]


def test_a_report(store, report, told):
    keep(store)
    keep(store)
    keep(store, source="2001:db8::7", disposition="none", reason=["local_policy", "arc=pass"], spf="pass")
    assert report() == [("example.net", ["dmarc@example.net"], "")]
    ((letter, to),) = told
    name, root = opened(letter)
    assert to == ["dmarc@example.net"]
    assert name.startswith("mx1.example.com!example.net!")
    assert name.endswith(".xml.gz")
    assert letter["Subject"].startswith("Report Domain: example.net Submitter: mx1.example.com Report-ID: <")
    assert [child.tag for child in root] == ["version", "report_metadata", "policy_published", "record", "record"]
    meta = root.find("report_metadata")
    assert [child.tag for child in meta] == ["org_name", "email", "report_id", "date_range"]
    assert f"<{meta.findtext('report_id')}>" in letter["Subject"]
    begin, end = (int(meta.findtext(f"date_range/{name}")) for name in ("begin", "end"))
    assert begin <= end
    policy = [(child.tag, child.text) for child in root.find("policy_published")]
    assert policy == [
        ("domain", "example.net"), ("adkim", "s"), ("aspf", "r"), ("p", "reject"), ("sp", "reject"), ("pct", "100"),
    ]  # fmt: skip
    assert texts(root, "record/row/source_ip") == ["192.0.2.7", "2001:db8::7"]
    assert texts(root, "record/row/count") == ["2", "1"]
    assert texts(root, "record/row/policy_evaluated/disposition") == ["reject", "none"]
    assert texts(root, "record/row/policy_evaluated/spf") == ["fail", "pass"]
    assert texts(root, "record/row/policy_evaluated/reason/type") == ["local_policy"]
    assert texts(root, "record/identifiers/header_from") == ["shop.example.net"] * 2
    assert texts(root, "record/auth_results/dkim/selector") == ["s", "s"]
    assert texts(root, "record/auth_results/spf/scope") == ["mfrom", "mfrom"]
    assert texts(root, "record/auth_results/spf/result") == ["softfail", "softfail"]


def test_nothing_is_said_twice(store, report, told):
    keep(store)
    report()
    assert report() == []
    assert len(told) == 1


def test_a_dry_run_says_who_would_hear(store, report, told):
    keep(store)
    assert report(dry=True) == [("example.net", ["dmarc@example.net"], "")]
    assert told == []
    assert len(report()) == 1


AGREED = "example.net._report._dmarc.collector.example.org"
ADDRESSES = {
    "two": ("mailto:a@example.net,mailto:b@sub.example.net", {}, ["a@example.net", "b@sub.example.net"]),
    "elsewhere, and agreed": ("mailto:a@collector.example.org", {AGREED: "v=DMARC1;"}, ["a@collector.example.org"]),
    "elsewhere": ("mailto:a@collector.example.org", {}, []),
    "elsewhere, with another record": ("mailto:a@collector.example.org", {AGREED: "v=spf1 -all"}, []),
    "one of both": ("mailto:a@collector.example.org, mailto:b@example.net", {}, ["b@example.net"]),
    "large enough": ("mailto:a@example.net!1k", {}, ["a@example.net"]),
    "too small": ("mailto:a@example.net!10", {}, []),
    "not by mail": ("https://example.net/dmarc", {}, []),
    "no address": ("mailto:nobody", {}, []),
    "an option": ("mailto:-oQ/tmp@example.net;x", {}, []),
    "two in one": ("mailto:a@example.net%0aTo:b@example.org", {}, []),
    "a comma": ("mailto:a%2Cb@example.net", {}, []),
    "very many": (",".join(f"mailto:a{n}@example.net" for n in range(9)), {}, [f"a{n}@example.net" for n in range(5)]),
}


@pytest.mark.parametrize(("rua", "records", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_addresses(store, report, told, rua, records, expected):
    keep(store, rua=rua)
    dns = Dns()
    for name, record in records.items():
        dns.text(name, record)
    ((_domain, addresses, said),) = report(dns)
    assert addresses == expected
    assert said == ("" if expected else "nobody there takes it")
    assert report() == []


def test_we_do_not_report_to_ourselves(store, report, told):
    keep(store, "shop.example.com", rua="mailto:a@example.com")
    assert report() == [("shop.example.com", [], "it is ours")]
    assert told == []


def test_what_cannot_be_sent_now_is_sent_later(store, report, told):
    keep(store, rua="mailto:a@collector.example.org")
    ((_domain, addresses, said),) = report(Dns().text(AGREED, DEAD))
    assert (addresses, said.startswith("later: ")) == ([], True)

    def fails(_letter, _to):
        raise subprocess.CalledProcessError(75, "sendmail")

    dns = Dns().text(AGREED, "v=DMARC1")
    (done,) = run(store, WHO, dns, fails)
    assert done.said.startswith("later: ")
    assert report(dns)[0].addresses == ["a@collector.example.org"]


def test_odd_names_do_not_break_the_report(store, report, told):
    keep(store, sender="\x01\udcff<&>", signatures=[["<d>", "\x00", "pass"]])
    report()
    _name, root = opened(told[0][0])
    assert texts(root, "record/identifiers/envelope_from") == ["??<&>"]


def test_the_command(tmp_path, store, monkeypatch, capsys):
    path = tmp_path / "modules.conf"

    def says(reports, *arguments):
        settings = {"authenticate": {"host": "mx1.example.com", "domains": ["example.com"], "reports": reports}}
        settings["authenticate"]["store"] = str(tmp_path / "store.sqlite")
        path.write_text(configuration(["authenticate"], {}, settings)[1])
        code = command.main(["--configuration", str(path), "dmarc-report", *arguments])
        return code, capsys.readouterr()

    sent = []
    monkeypatch.setattr(_dmarc_report, "sendmail", lambda letter, to: sent.append((letter["From"], to)))
    code, said = says(False)
    assert (code, "mail_dmarc_reports" in said.err) == (1, True)
    keep(store)
    keep(store, "example.org", rua="")
    assert says(True, "--dry-run")[1].out.startswith("example.net: would be reported to dmarc@example.net\n")
    assert sent == []
    code, said = says(True)
    assert code == 0
    assert said.out == "example.net: reported to dmarc@example.net\nexample.org: not reported, nobody there takes it\n"
    assert sent == [("postmaster@example.com", ["dmarc@example.net"])]

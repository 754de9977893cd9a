from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._watch import _reports_dmarc as dmarc
from plugins.module_utils._watch._reports_text import Refused
from tests.unit.reported import BEGIN, END, read_or_refused, record, xml

LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><feedback>&c;</feedback>"""
OUTSIDE = b'<!DOCTYPE feedback SYSTEM "file:///etc/passwd"><feedback/>'


def parse(text, most_bytes=1 << 22, most_rows=1000, depth=16):
    pieces = (text[start : start + 1000] for start in range(0, len(text), 1000))
    return dmarc.parse(pieces, most_bytes, most_rows, depth)


def test_reads_what_it_says():
    found = parse(xml(record(), record(), record("2001:db8::1", 7, "reject", "fail", "fail")))
    assert (found.org, found.email, found.id, found.domain) == ("example.net", "r@example.net", "1", "example.com")
    assert (found.begin, found.end, found.policy, found.skipped) == (int(BEGIN), int(END), {"p": "reject"}, 0)
    good, bad = found.rows
    assert good == dmarc.Row(
        "198.51.100.1", "example.com", "none", "pass", "pass", "", "example.com=pass", "bounce.example.com=pass"
    )
    assert bad[:5] == ("2001:db8::1", "example.com", "reject", "fail", "fail")
    assert list(found.rows.values()) == [2, 7]


def test_reads_the_newer_form():
    text = xml().replace(b"<feedback>", b'<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0"><version>2.0</version>')
    assert parse(text).rows


def test_reads_names_with_a_prefix():
    text = xml().decode()
    for name in ("feedback", "record", "row"):
        text = text.replace(f"<{name}>", f"<d:{name}>").replace(f"</{name}>", f"</d:{name}>")
    assert parse(text.encode()).rows


@pytest.mark.parametrize("encoding", ["utf-16", "iso-8859-1"])
def test_reads_other_encodings(encoding):
    text = xml(org="Käse").decode().replace('"1.0"?', f'"1.0" encoding="{encoding}"?')
    assert parse(text.encode(encoding)).org == "Käse"


def test_the_signature_that_is_valid_is_named():
    several = "<dkim><domain>a.example</domain><result>fail</result></dkim><dkim><domain>b.example</domain>"
    text = xml(record().replace("<auth_results>", f"<auth_results>{several}<result>pass</result></dkim>"))
    assert [row.signed for row in parse(text).rows] == ["b.example=pass"]


def test_why_the_policy_was_not_followed():
    reason = "<reason><type>Forwarded</type><comment>x</comment></reason></policy_evaluated>"
    assert [row.override for row in parse(xml(record().replace("</policy_evaluated>", reason))).rows] == ["forwarded"]


ROWS = {
    "no address": record("x"),
    "a name": record("mail.example.com"),
    "no count": record(count=""),
    "none": record(count=0),
    "less than none": record(count=-1),
    "too many": record(count=10**30),
    "no number": record(count="٣"),
    "nothing": "<record/>",
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_leaves_out_rows_without_sense(row):
    found = parse(xml(row, record()))
    assert (found.skipped, len(found.rows)) == (1, 1)


def test_words_that_are_unknown_are_not_kept():
    (row,) = parse(xml(record(disposition="<b>", dkim="maybe").replace("<b>", "&lt;b&gt;"))).rows
    assert (row.disposition, row.dkim, row.signed) == ("unknown", "unknown", "example.com=unknown")


BAD = {
    "the billion laughs": (LAUGHS, "entities"),
    "an entity from outside": (OUTSIDE, "entities"),
    "no XML": (b"<feedback", "broken"),
    "no end": (xml()[:-20], "broken"),
    "an entity that nobody declared": (xml(org="&x;"), "broken"),
    "another encoding than it says": (xml(org="Käse").decode().encode("latin-1"), "broken"),
    "an encoding that nobody knows": (b'<?xml version="1.0" encoding="x-klingon"?><feedback/>', "broken"),
    "an encoding of several bytes": (b'<?xml version="1.0" encoding="gb18030"?><feedback/>', "broken"),
    "a NUL": (xml(org="\0"), "broken"),
    "another document": (b"<html/>", "not a report"),
    "deep": (b"<feedback>" + b"<a>" * 100, "too deep"),
    "a domain that is none": (xml(domain="a b"), "broken"),
    "no domain": (xml(domain=""), "broken"),
    "no id": (xml(name=""), "broken"),
    "a time that is none": (xml().replace(b"<begin>1", b"<begin>x"), "dates"),
    "no row with sense": (xml(record("x")), "broken"),
    "many rows": (xml(record() * 1001), "too many rows"),
    "many bytes": (xml(org="x" * (1 << 22)), "too large"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_refuses(text, reason):
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.reason == reason


def test_a_value_without_end_is_cut():
    assert len(parse(xml(org="x" * 100_000)).org) == 200


def test_no_word_of_a_stranger_breaks_a_line():
    assert parse(xml(org="a&#10;b&#x202e;c")).org == "a b c"


@given(st.data())
def test_a_damaged_report_is_read_or_refused(data):
    held = bytearray(xml(record(), record("2001:db8::1", 7, "reject", "fail", "fail")))
    for _time in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(held) - 1))
        held[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=5))
    read_or_refused(lambda: parse(bytes(held)))


@given(st.recursive(st.text("ab<>&;/", max_size=8), lambda below: st.lists(below, max_size=4), max_leaves=20))
def test_any_tree_is_read_or_refused(tree):
    def written(node):
        return node if isinstance(node, str) else f"<record>{''.join(map(written, node))}</record>"

    read_or_refused(lambda: parse(f"<feedback>{written(tree)}</feedback>".encode()))

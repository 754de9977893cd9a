from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._watch import _reports_tls as tls
from plugins.module_utils._watch._reports_text import Refused
from tests.unit.reported import BEGIN, END, failure, read_or_refused
from tests.unit.reported import tls as report


def parse(said, most_rows=100, depth=16):
    return tls.parse(said if isinstance(said, bytes) else json.dumps(said).encode(), most_rows, depth)


def test_reads_what_it_says():
    found = parse(report(failure(), failure(), failure("mx2.example.com", "sts-policy-fetch-error", 3)))
    assert (found.org, found.contact, found.id) == ("Example Net Inc.", "tls@example.net", "t1")
    assert (found.begin, found.end, found.skipped) == (BEGIN, END, 0)
    assert found.policies == [
        tls.Policy(
            "example.com",
            "sts",
            10,
            2,
            {
                tls.Failure("mx1.example.com", "certificate-expired", "192.0.2.7", ""): 4,
                tls.Failure("mx2.example.com", "sts-policy-fetch-error", "192.0.2.7", ""): 3,
            },
        )
    ]


@pytest.mark.parametrize("said", [["*.example.com"], "example.com"], ids=["a list", "a text"])
def test_a_failure_without_host_is_that_of_the_policy(said):
    given_ = report(failure(mx=""))
    given_["policies"][0]["policy"]["mx-host"] = said
    assert [one.mx for one in parse(given_).policies[0].failures] == ["example.com"]


def test_counts_may_be_texts_and_marks_may_stand_before():
    assert parse(b"\xef\xbb\xbf" + json.dumps(report(good="12")).encode()).policies[0].good == 12


BAD = {
    "no JSON": (b"{", "broken"),
    "not UTF-8": (b'{"a": "\xff"}', "broken"),
    "no object": (b"[]", "not a report"),
    "no policies": (b"{}", "not a report"),
    "policies that are none": (report(policies=[1, None, {"policy": []}]), "broken"),
    "no id": (report(name=""), "broken"),
    "no dates": (report(**{"date-range": 1}), "dates"),
    "dates that are none": (report(**{"date-range": {"start-datetime": "x"}}), "dates"),
    "a year that is none": (report(**{"date-range": {"start-datetime": "99999-01-01T00:00:00Z"}}), "dates"),
    "deep": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too deep"),
    "deep lists": (b'{"policies":' + b"[" * 1_000_000, "too deep"),
    "many failures": (report(*[failure()] * 200), "too many rows"),
    "a number of a million digits": (b'{"policies": ' + b"9" * 1_000_000 + b"}", "broken"),
    "no number": (b'{"policies": [NaN]}', "broken"),
    "a text without end": (b'{"' + b'\\"' * 1_000_000, "broken"),
}


@pytest.mark.parametrize(("said", "reason"), BAD.values(), ids=BAD)
def test_refuses(said, reason):
    with pytest.raises(Refused) as refused:
        parse(said)
    assert refused.value.reason == reason


ENTRIES = {
    "no count": failure(count=None),
    "none": failure(count=0),
    "a fraction": failure(count=1.5),
    "less than none": failure(count=-1),
    "too many": failure(count=10**18),
    "true": failure(count=True),
    "no object": 1,
}


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_leaves_out_failures_without_sense(entry):
    found = parse(report(entry, failure()))
    assert (found.skipped, sum(found.policies[0].failures.values())) == (1, 2)


def test_a_type_is_a_word():
    (one,) = parse(report(failure(kind="<script>", **{"failure-reason-code": "a\ud800\nb"}))).policies[0].failures
    assert (one.type, one.reason) == ("unknown", "a b")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: (
        st.lists(below, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "policies",
                    "policy",
                    "summary",
                    "failure-details",
                    "date-range",
                    "start-datetime",
                    "policy-domain",
                    "mx-host",
                    "report-id",
                    "failed-session-count",
                    "total-failure-session-count",
                ]
            ),
            below,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(JSON, st.sampled_from(["policies", "date-range", "report-id", "contact-info"]))
def test_any_json_is_read_or_refused(said, place):
    for one in (said, report(**{place: said})):
        read_or_refused(lambda one=one: parse(json.dumps(one).encode()))

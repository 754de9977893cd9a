"""What is made of DNS's answers."""

import dns.exception
import dns.message
import dns.resolver
import pytest

from plugins.module_utils._filters._resolve import Resolver, Temporary


class Text:
    strings = (b"v=DMARC1; ", b"p=none \xff")


@pytest.fixture
def asked(monkeypatch):
    """What was asked, and for how long; the answers are put into `says`."""
    calls, says = [], {}

    def resolve(_self, name, kind, lifetime, search):
        calls.append((name.to_text(), kind, lifetime))
        answer = says.get((name.to_text(), kind), dns.resolver.NXDOMAIN())
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(dns.resolver.Resolver, "resolve", resolve)
    monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", lambda *_arguments: None)
    return calls, says


def test_strings_are_put_together_and_asked_for_once(asked):
    calls, says = asked
    says["example.net.", "TXT"] = [Text()]
    ask = Resolver()
    assert ask("example.net", "TXT") == ask("Example.NET.", "TXT") == ["v=DMARC1; p=none \udcff"]
    assert len(calls) == 1


NO_DATA = dns.resolver.NoAnswer(response=dns.message.make_query("example.net", "A"))


@pytest.mark.parametrize("answer", [dns.resolver.NXDOMAIN(), NO_DATA, dns.resolver.YXDOMAIN()])
def test_nothing_is_there(asked, answer):
    asked[1]["example.net.", "A"] = answer
    assert Resolver()("example.net", "A") == []


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example.net", "a." * 200, "\ud800.example.net"])
def test_what_is_no_name_has_nothing(asked, name):
    assert Resolver()(name, "TXT") == []


@pytest.mark.parametrize("answer", [dns.resolver.NoNameservers(), dns.exception.Timeout(), OSError("no network")])
def test_no_answer_is_remembered_too(asked, answer):
    calls, says = asked
    says["example.net.", "MX"] = answer
    ask = Resolver()
    for _time in range(2):
        with pytest.raises(Temporary, match="DNS has no answer for MX"):
            ask("example.net", "MX")
    assert len(calls) == 1


def test_all_questions_together_have_an_end(asked):
    ask = Resolver(seconds=5, all_seconds=0)
    with pytest.raises(Temporary, match="no time left"):
        ask("example.net", "A")
    assert asked[0] == []

"""Settings of filters: one clear sentence for each mistake."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from plugins.module_utils._filters._settings import SettingsError, build, pattern, refuse, written


@dataclass(frozen=True)
class Settings:
    socket: str = "/run/x"
    timeout: float = 10
    size: int = 5
    on: bool = True
    score: float | None = 5.0
    names: list[str] = field(default_factory=list)
    people: dict[str, dict[str, bool | float | None]] = field(default_factory=dict)

    def __post_init__(self):
        if self.size < 1:
            refuse("size", self.size, "a number of at least 1")


GIVEN = [
    {},
    {"socket": "/run/y", "timeout": 1, "size": 2, "on": False, "score": None, "names": ["a"]},
    {"timeout": 1.5, "score": 3},
    {"people": {"a@example.com": {"off": True, "score": 1, "other": None}}},
]

REFUSED = {
    "an unknown name": ({"sockte": "x"}, "there is no setting sockte; did you mean socket?"),
    "a name unlike any": (
        {"zzz": 1},
        "there is no setting zzz; it has socket, timeout, size, on, score, names, people",
    ),
    "a number for a text": ({"socket": 1}, "socket is 1; write a text"),
    "a text for a number": ({"size": "5"}, "size is '5'; write a whole number"),
    "a fraction for a whole number": ({"size": 1.5}, "size is 1.5; write a whole number"),
    "a truth for a number": ({"timeout": True}, "timeout is True; write a number"),
    "a number for a truth": ({"on": 1}, "on is 1; write true or false"),
    "a text for a list": ({"names": "a"}, "names is 'a'; write a list, each entry a text"),
    "an entry of another type": ({"names": [1]}, "names is [1]; write a list, each entry a text"),
    "null where there is a value": ({"size": None}, "size is None; write a whole number"),
    "a text for a number or null": ({"score": "5"}, "score is '5'; write a number or null"),
    "a text in a dictionary": (
        {"people": {"a": {"b": "c"}}},
        "people is {'a': {'b': 'c'}}; write a dictionary, each value a dictionary, each value true or false or a "
        "number or null",
    ),
    "what makes no sense": ({"size": 0}, "size is 0; write a number of at least 1"),
}


@pytest.mark.parametrize("given", GIVEN, ids=str)
def test_takes_what_fits(given):
    settings = build(Settings, given)
    for name, value in given.items():
        assert getattr(settings, name) == value
    assert written(settings) == given


@pytest.mark.parametrize(("given", "message"), REFUSED.values(), ids=REFUSED)
def test_refuses(given, message):
    with pytest.raises(SettingsError) as error:
        build(Settings, given)
    assert str(error.value) == message


def test_a_filter_without_settings_says_so():
    @dataclass(frozen=True)
    class Nothing:
        pass

    with pytest.raises(SettingsError, match="there is no setting x; it has no settings"):
        build(Nothing, {"x": 1})


def test_regular_expressions():
    assert pattern("patterns", "INVOICE.*x").search("an invoice.x")
    with pytest.raises(SettingsError, match=r"patterns: the regular expression '\(' does not compile: .*unterminated"):
        pattern("patterns", "(")

"""pythonfilter.conf and pythonfilter-modules.conf, there and back."""

from __future__ import annotations

import ast
import configparser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._filters._configuration import parse, read, render

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAMES = st.from_regex(r"[a-z][a-z_]{0,10}", fullmatch=True)


@given(order=st.lists(NAMES, unique=True), values=st.dictionaries(NAMES, VALUES))
def test_what_is_written_is_read(order, values):
    order = [name for name in order if name not in ("ttldb", "quarantine", "courier_mail")]
    settings = dict.fromkeys(order, values)
    when_down = dict.fromkeys(order, "tag")
    _first, second = render(order, when_down, settings)
    names, down, sections = parse(second)
    assert (names, down) == (order, when_down)
    assert {name: sections.get(name, {}) for name in order} == settings


def test_pythonfilter_knows_one_module():
    first, _second = render(["clamd"], {"clamd": "defer"}, {})
    assert [line for line in first.splitlines() if not line.startswith("#")] == ["courier_mail"]


def test_packaged_modules_find_what_they_read():
    _first, second = render(["noduplicates"], {}, {"noduplicates": {"x": "it's"}})
    # As pythonfilter's courier.config does it.
    parser = configparser.RawConfigParser()
    parser.read_string(second)
    assert {name: ast.literal_eval(value) for name, value in parser.items("noduplicates.py")} == {"x": "it's"}
    assert ast.literal_eval(parser.get("ttldb", "dir")) == "/var/lib/pythonfilter"
    assert ast.literal_eval(parser.get("quarantine", "days")) == 14


def test_what_is_not_in_the_order_has_no_outcome_and_comes_last():
    _first, second = render(["a"], {"a": "tag", "b": "defer"}, {"a": {}, "b": {"c": 1}})
    _order, when_down, settings = parse(second)
    assert when_down == {"a": "tag"}
    assert next(iter(settings.items())) == ("b", {"c": 1})


def test_reads_the_file(tmp_path):
    path = tmp_path / "modules.conf"
    path.write_text(render(["a"], {}, {"a": {"Mixed": "é\n[b]"}})[1], encoding="utf-8")
    assert read(str(path))[2]["a"] == {"Mixed": "é\n[b]"}


@pytest.mark.parametrize("text", ["", "[courier_mail.py]\n", "[courier_mail.py]\nmodules = [\nwhen_down = {}\n"])
def test_a_file_that_is_not_ours_is_an_error(text):
    with pytest.raises((KeyError, SyntaxError)):
        parse(text)

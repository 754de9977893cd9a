"""An inventory says what was put into it, whatever characters that has."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._adopt._inventory import render, render_secrets
from plugins.module_utils._adopt._plan import Adopted, Said, plain


class Loader(yaml.SafeLoader):
    """YAML as Ansible reads it."""


Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))

TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30),
    st.text("ab :#-{}[]%|>&*!@,'\"\\\n\t ", max_size=30),
    st.sampled_from(
        ["yes", "no", "~", "null", "1", "1.5", "0x10", "1:30", "2026-01-01", "=", "<<", "- a", "a: b", "{{ a }}"]
    ),
)
KEYS = st.text("abc.@,:'\" -", min_size=1, max_size=12)
VALUES = st.recursive(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
        st.builds(Said, inner, st.just("/etc/courier/x:1")),
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["mail_aliases", "mail_policy", "courier_mta_files", "other"]), VALUES))
def test_what_is_written_is_what_is_read(variables):
    adopted = Adopted()
    adopted.variables = variables
    found = {}
    for text in render(adopted, "mx1.example.com").values():
        found |= yaml.load(text, Loader)
    assert found == plain(variables)


@given(st.dictionaries(st.sampled_from(["passwords", "keys"]), st.dictionaries(KEYS, TEXTS, min_size=1), min_size=1))
def test_secrets_are_read_as_they_were(secrets):
    adopted = Adopted()
    adopted.secrets = secrets
    assert yaml.load(render_secrets(adopted, "mx1.example.com"), Loader) == {"adopted_secrets": secrets}


@pytest.mark.parametrize("name", ["alice@example.com", "a b at c.example.net", "it's", 'a"b', "back\\slash"])
def test_a_secret_is_found_by_its_name(name):
    from jinja2 import Environment  # noqa: PLC0415 -- Ansible brings it

    adopted = Adopted()
    adopted.variables["mail_accounts"] = [{"password_hash": adopted.keep_secret("password_hashes", name, "$6$x")}]
    (text,) = render(adopted, "mx1.example.com").values()
    expression = yaml.load(text, Loader)["mail_accounts"][0]["password_hash"]
    assert Environment().from_string(expression).render(adopted_secrets=adopted.secrets) == "$6$x"

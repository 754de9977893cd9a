from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from plugins.module_utils._watch import _proof_token as tokens
from plugins.module_utils._watch._proof_token import MARK, NoToken, Token, genuine, mark, nonce, read, sign

SECRET = "a-secret-of-the-site"
TOKEN = Token("letter", "2026", "example.com", "mx1.example.com", "outside", "answer", 1790000000, "a" * 26)

names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)
numbers = st.integers(min_value=0, max_value=10**12 - 1)
tokens_made = st.builds(
    Token,
    st.sampled_from(["letter", "answer"]),
    names,
    names,
    names,
    names,
    st.sampled_from(tokens.WAYS),
    numbers,
    st.from_regex(r"[a-z2-7]{26}", fullmatch=True),
    st.one_of(st.just(""), st.from_regex(r"[a-z][a-z0-9.+_-]{0,30}@[a-z0-9]{1,20}\.test", fullmatch=True)),
    numbers,
    st.one_of(st.just(""), st.just("TLSv1.3")),
)


@given(tokens_made)
def test_what_is_signed_is_read_again_and_genuine(token):
    found, mac = read(sign(token, SECRET))
    assert found == token
    assert genuine(found, mac, SECRET)
    assert not genuine(found, mac, SECRET + "x")


@given(tokens_made)
def test_mail_servers_may_fold_the_field(token):
    folded = sign(token, SECRET).replace("; ", ";\r\n\t ").replace("b=", "b=\r\n ")
    assert read(folded)[0] == token


@given(tokens_made, tokens_made)
def test_a_signature_is_of_one_token_only(one, other):
    assume(one != other)
    assert not genuine(other, read(sign(one, SECRET))[1], SECRET)


@given(tokens_made, st.data())
def test_a_forged_character_is_seen(token, data):
    text = sign(token, SECRET)
    place = data.draw(st.integers(min_value=0, max_value=len(text) - 1))
    forged = text[:place] + data.draw(st.characters(min_codepoint=32, max_codepoint=126)) + text[place + 1 :]
    try:
        found, mac = read(forged)
    except NoToken:
        return
    # Blanks and the case of the signature say nothing.
    assert genuine(found, mac, SECRET) == ((found, mac) == read(text))


@given(st.text(max_size=300))
def test_whatever_is_written_is_read_or_refused(text):
    with contextlib.suppress(NoToken):
        read(text)


FIELDS = sign(TOKEN, SECRET)
REFUSED = {
    "nothing": "",
    "a field twice": FIELDS + "; d=other",
    "no signature": FIELDS.rpartition("; b=")[0],
    "half a signature": FIELDS[:-10],
    "another version": FIELDS.replace("v=1", "v=2"),
    "another field": FIELDS + "; x=1",
    "a kind that is none": FIELDS.replace("c=letter", "c=lettre"),
    "a way that is none": FIELDS.replace("p=answer", "p=answers"),
    "a name with quotes": FIELDS.replace("h=mx1.example.com", "h=mx1'; DROP TABLE sent"),
    "a time that is none": FIELDS.replace("t=1790000000", "t=-1"),
    "digits of another script": FIELDS.replace("t=1790000000", "t=\uff11"),
    "an address that is an option": FIELDS.replace("; b=", "; r=-f@example.com; b="),
    "two addresses": FIELDS.replace("; b=", "; r=a@example.com,b@example.com; b="),
    "far too much": FIELDS + " " * 5000,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_refuses(text):
    with pytest.raises(NoToken):
        read(text)


def test_a_mark_is_no_address_of_bitcoin():
    """As SpamAssassin knows them: its rule __BITCOIN_ID."""
    assert not re.search(r"\b[13][a-km-zA-HJ-NP-Z1-9]{29,34}\b", mark("3" * 26, "3" * 52))


def test_a_mark_is_found_in_any_case_and_among_words():
    number, mac = nonce(), read(sign(TOKEN, SECRET))[1]
    shown = mark(number, mac)
    assert MARK.findall(f"Re: [x] {shown.upper()}.") == [(number.upper(), mac[:32].upper())]
    assert not MARK.search(f"x{shown}")
    assert not MARK.search(f"{shown}a")
    assert len({nonce() for _each in range(100)}) == 100

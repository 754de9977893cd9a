from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.domains import (
    DomainError,
    Lists,
    normalise,
    parse_makedat,
    parse_plain,
    render,
    to_ascii,
    wildcards,
)

# Every spelling of a domain, its one Unicode form and its A-labels.
SPELLINGS = {
    "lower case stays": ("mail.example.com", "mail.example.com", "mail.example.com"),
    "case does not matter": ("Mail.EXAMPLE.com", "mail.example.com", "mail.example.com"),
    "a wildcard keeps its dot": (".Example.com", ".example.com", ".example.com"),
    "a single label": ("localhost", "localhost", "localhost"),
    "an underscore": ("_lan.example", "_lan.example", "_lan.example"),
    "Unicode": ("BÜCHER.example", "bücher.example", "xn--bcher-kva.example"),
    "Unicode composed of two characters": ("bu\u0308cher.example", "bücher.example", "xn--bcher-kva.example"),
    "an A-label": ("XN--BCHER-KVA.example", "bücher.example", "xn--bcher-kva.example"),
    "a wildcard in A-labels": (".xn--bcher-kva.example", ".bücher.example", ".xn--bcher-kva.example"),
    "a label that IDNA 2003 would change": ("straße.example", "straße.example", "xn--strae-oqa.example"),
    "its A-label": ("xn--strae-oqa.example", "straße.example", "xn--strae-oqa.example"),
    "marks are part of a script": ("हिन्दी.example", "हिन्दी.example", "xn--j2bd4cyah0f.example"),
    "a full-width letter and a full-width dot": ("\uff45xample\uff0ecom", "example.com", "example.com"),
    "a label of 63": ("a" * 63 + ".example", "a" * 63 + ".example", "a" * 63 + ".example"),
}

NO_DOMAIN = "is not a domain; write labels of letters, digits and hyphens, 63 long at most, with dots between them"
BLANK = "is empty or holds a blank, and Courier does not trim names"
ADDRESS = "is an address; only a name can be a domain here"

REFUSED_NAMES = {
    "nothing": ("", f"'' {BLANK}"),
    "a blank behind it": ("example.com ", f"'example.com ' {BLANK}"),
    "a line end": ("example.com\n", f"'example.com\\n' {BLANK}"),
    "a comment": ("example.com#main", "'example.com#main' holds a #, which starts a comment"),
    "a mail address": ("bob@example.com", "'bob@example.com' holds an @; write what follows it"),
    "a wildcard of others": (
        "*.example.com",
        "'*.example.com' is no wildcard of Courier's; write '.example.com' for every subdomain",
    ),
    "an IPv4 address": ("192.0.2.1", f"'192.0.2.1' {ADDRESS}"),
    "an IPv4 literal": ("[192.0.2.1]", f"'[192.0.2.1]' {ADDRESS}"),
    "an IPv6 address": ("2001:db8::1", f"'2001:db8::1' {ADDRESS}"),
    "a part of an address": ("192.0.2", f"'192.0.2' {NO_DOMAIN}"),
    "an exclusion": ("!example.com", f"'!example.com' {NO_DOMAIN}"),
    "a dot at the end": ("example.com.", f"'example.com.' {NO_DOMAIN}"),
    "two dots": ("example..com", f"'example..com' {NO_DOMAIN}"),
    "nothing but a dot": (".", f"'.' {NO_DOMAIN}"),
    "a hyphen in front": ("-a.example", f"'-a.example' {NO_DOMAIN}"),
    "a slash": ("a/b.example", f"'a/b.example' {NO_DOMAIN}"),
    "a character that becomes a slash": ("℀.example", f"'℀.example' {NO_DOMAIN}"),
    "an emoji": ("☕.example", f"'☕.example' {NO_DOMAIN}"),
    "an A-label of nothing foreign": ("xn--abc-.example", f"'xn--abc-.example' {NO_DOMAIN}"),
    "an A-label of a capital": ("xn--bcher-2pa.example", f"'xn--bcher-2pa.example' {NO_DOMAIN}"),
    "a broken A-label": ("xn--99999999.example", f"'xn--99999999.example' {NO_DOMAIN}"),
    "a label of 64": ("a" * 64, f"'{'a' * 64}' {NO_DOMAIN}"),
    "a name of 254": ("a." * 126 + "aa", f"'{'a.' * 126}aa' {NO_DOMAIN}"),
}

LISTS = {
    "nothing at all is three empty files": ({}, Lists("", "", "")),
    "a hosted domain is accepted": ({"hosted": ["example.com"]}, Lists("", "example.com\n", "example.com\n")),
    "a local name is accepted": (
        {"local": ["mail.example.com"]},
        Lists("mail.example.com\n", "", "mail.example.com\n"),
    ),
    "an alias is hosted with its target": (
        {"hosted": ["example.com"], "aliases": {"Example.org": "EXAMPLE.com"}},
        Lists("", "example.com\nexample.org\texample.com\n", "example.com\nexample.org\n"),
    ),
    "a backup MX only accepts": ({"accepted": ["partner.example"]}, Lists("", "", "partner.example\n")),
    "lists are sorted": (
        {"hosted": ["b.example", "a.example"]},
        Lists("", "a.example\nb.example\n", "a.example\nb.example\n"),
    ),
    "an exception stands above its wildcard and is no domain to accept": (
        {"local": [".lan.example", "a.lan.example.org", "!news.lan.example"]},
        Lists(
            "!news.lan.example\n.lan.example\na.lan.example.org\n",
            "",
            ".lan.example\na.lan.example.org\n",
        ),
    ),
    "an excepted name can be hosted": (
        {"local": [".lan.example", "!news.lan.example"], "hosted": ["news.lan.example"]},
        Lists("!news.lan.example\n.lan.example\n", "news.lan.example\n", ".lan.example\nnews.lan.example\n"),
    ),
    "a tree can be excepted": (
        {"local": [".lan.example", "!.shop.lan.example"], "hosted": ["www.shop.lan.example"]},
        Lists("!.shop.lan.example\n.lan.example\n", "www.shop.lan.example\n", ".lan.example\nwww.shop.lan.example\n"),
    ),
    "a hosted name may stand beside its hosted wildcard": (
        {"hosted": ["example.com", ".example.com", "www.example.com"]},
        Lists("", ".example.com\nexample.com\nwww.example.com\n", ".example.com\nexample.com\nwww.example.com\n"),
    ),
    "databases hold Unicode, plain files A-labels": (
        {
            "local": ["mail.bücher.example", "!.büro.example"],
            "hosted": ["xn--bcher-kva.example"],
            "aliases": {"MÜNCHEN.example": "bücher.example"},
        },
        Lists(
            "!.xn--bro-hoa.example\nmail.xn--bcher-kva.example\n",
            "bücher.example\nmünchen.example\tbücher.example\n",
            "bücher.example\nmail.bücher.example\nmünchen.example\n",
        ),
    ),
}

REFUSED_LISTS = {
    "local and hosted": (
        {"local": ["example.com"], "hosted": ["Example.com"]},
        "example.com is in both local (accounts named user) and hosted (accounts named user@domain); "
        "keep it in one of them",
    ),
    "hosted and accepted": (
        {"hosted": ["example.com"], "accepted": ["example.com"]},
        "example.com is in both hosted (accounts named user@domain) and accepted (mail passed on to another server); "
        "keep it in one of them",
    ),
    "hosted and an alias": (
        {"hosted": ["example.com"], "aliases": {"example.com": "example.com"}},
        "example.com is in both hosted (accounts named user@domain) and aliases (another name for a hosted domain); "
        "keep it in one of them",
    ),
    "twice, in two spellings": (
        {"hosted": ["bücher.example", "xn--bcher-kva.example"]},
        "bücher.example is in hosted twice; keep one",
    ),
    "an exception twice": ({"local": ["!a.example", "!A.example"]}, "!a.example is in local twice; keep one"),
    "an exception of itself": (
        {"local": ["!a.example", "a.example"]},
        "a.example is in local both with and without !; keep one of them",
    ),
    "an alias of nothing hosted": (
        {"hosted": ["example.com"], "aliases": {"example.org": "exmaple.com"}},
        "example.org is an alias of exmaple.com, which is not in hosted; add exmaple.com there",
    ),
    "an alias of an alias": (
        {"hosted": ["c.example"], "aliases": {"b.example": "c.example", "a.example": "b.example"}},
        "a.example is an alias of b.example, which is not in hosted; add b.example there",
    ),
    "hosted under a local wildcard": (
        {"local": [".example.com"], "hosted": ["a.b.example.com"]},
        "a.b.example.com is in hosted, but .example.com in local matches it first; add !a.b.example.com to local",
    ),
    "accepted under a local wildcard": (
        {"local": [".example.com"], "accepted": [".b.example.com"]},
        ".b.example.com is in accepted, but .example.com in local matches it first; add !.b.example.com to local",
    ),
    "an exception outside of local": ({"hosted": ["!a.example"]}, f"'!a.example' {NO_DOMAIN}"),
    "a blank behind the exclamation mark": ({"local": ["! a.example"]}, f"' a.example' {BLANK}"),
}

PLAIN = {
    "a name a line": ("a.example\nb.example\n", ["a.example", "b.example"]),
    "no LF at the end": ("a.example", ["a.example"]),
    "CR ends a line too": ("a.example\r\nb.example\rc.example", ["a.example", "b.example", "c.example"]),
    "a comment starts anywhere and leaves the blank": ("# all\na.example # ours\n", ["a.example "]),
    "CR does not end a comment": ("a.example#x\rb.example\nc.example\n", ["a.example", "c.example"]),
    "nothing is trimmed": (" a.example \n", [" a.example "]),
    "marks are kept": ("!a.example\n.example\n", ["!a.example", ".example"]),
}

MAKEDAT = {
    "a key alone": ("a.example\n", {"a.example": ""}),
    "a TAB before the value": ("a.example\tb.example\n", {"a.example": "b.example"}),
    "a blank is part of the key": ("a.example b\n", {"a.example b": ""}),
    "a comment in the first column only": ("# all\na.example#\n", {"a.example#": ""}),
    "no key, no entry": ("\n\tb.example\n", {}),
    "CR is part of the line": ("a.example\r\n", {"a.example\r": ""}),
    "a dot is the end": ("a.example\n.\nb.example\n", {"a.example": ""}),
}


@pytest.mark.parametrize(("spelling", "unicode", "ascii_name"), SPELLINGS.values(), ids=SPELLINGS)
def test_a_domain_has_one_spelling(spelling: str, unicode: str, ascii_name: str) -> None:
    assert normalise(spelling) == unicode
    assert to_ascii(spelling) == ascii_name


@pytest.mark.parametrize(("name", "sentence"), REFUSED_NAMES.values(), ids=REFUSED_NAMES)
def test_refuses_what_is_no_domain(name: str, sentence: str) -> None:
    with pytest.raises(DomainError) as refusal:
        normalise(name)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("domains", "lists"), LISTS.values(), ids=LISTS)
def test_lists_agree(domains: dict, lists: Lists) -> None:
    assert render(**domains) == lists


@pytest.mark.parametrize(("domains", "sentence"), REFUSED_LISTS.values(), ids=REFUSED_LISTS)
def test_refuses_lists_that_contradict(domains: dict, sentence: str) -> None:
    with pytest.raises(DomainError) as refusal:
        render(**domains)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("text", "lines"), PLAIN.values(), ids=PLAIN)
def test_reads_plain_files_as_courier_does(text: str, lines: list[str]) -> None:
    assert parse_plain(text) == lines


@pytest.mark.parametrize(("text", "entries"), MAKEDAT.values(), ids=MAKEDAT)
def test_reads_lists_as_makedat_does(text: str, entries: dict[str, str]) -> None:
    assert parse_makedat(text) == entries


def test_makedat_takes_no_key_twice() -> None:
    with pytest.raises(DomainError) as refusal:
        parse_makedat("a.example\na.example\tb.example\n")
    assert str(refusal.value) == "'a.example' is there twice, and makedat refuses the whole list; keep one"


@pytest.mark.parametrize(
    ("domain", "covering"),
    [
        ("mail.example.com", [".example.com", ".com"]),
        (".example.com", [".com"]),
        ("localhost", []),
    ],
)
def test_wildcards_stand_for_what_is_below_them(domain: str, covering: list[str]) -> None:
    assert list(wildcards(domain)) == covering


@given(st.text())
def test_the_one_spelling_is_stable(text: str) -> None:
    try:
        name = normalise(text)
    except DomainError:
        return
    assert normalise(name) == normalise(to_ascii(text)) == name


NAMES = st.from_regex(r"[a-zü]([a-zü0-9-]{0,4}[a-zü0-9])?(\.[a-zü]{2,4}){1,2}", fullmatch=True)


@given(st.lists(NAMES, unique=True), st.data())
def test_what_is_written_is_what_is_read(names: list[str], data: st.DataObject) -> None:
    homes = {name: data.draw(st.sampled_from(["hosted", "aliases", "local", "accepted"])) for name in names}
    by_home = {home: [name for name in names if homes[name] == home] for home in homes.values()}
    hosted = by_home.get("hosted", [])
    aliases = {name: data.draw(st.sampled_from(hosted)) for name in by_home.get("aliases", []) if hosted}
    local, accepted = by_home.get("local", []), by_home.get("accepted", [])

    lists = render(hosted, aliases, local, accepted)

    assert {normalise(line) for line in parse_plain(lists.locals)} == set(local)
    assert parse_makedat(lists.hosteddomains) == dict.fromkeys(hosted, "") | aliases
    assert parse_makedat(lists.esmtpacceptmailfor).keys() == {*hosted, *aliases, *local, *accepted}

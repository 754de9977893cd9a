"""userdb, rule by rule: makeuserdb(8), maildirquota(7), crypt(5), dot-courier(5)."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.userdb import (
    METHODS,
    Account,
    UserdbError,
    canonical,
    changes,
    holds_secret,
    parse,
    refuse_extensions,
    render,
)

SHA512 = f"$6$saltsalt${'h' * 86}"
YESCRYPT = f"$y$j9T$saltsalt${'h' * 43}"
ALICE = Account("alice@example.com", SHA512, "/srv/vmail/example.com/alice", 5000, 5000)
HMACS = {"hmac_md5": "0a" * 32, "hmac_sha1": "0b" * 40, "hmac_sha256": "0c" * 64}
BOB = Account("bob@example.com", None, "/srv/vmail/example.com/bob", 5000, 5000)

ACCOUNTS = {
    "a password": (ALICE, f"uid=5000|gid=5000|home=/srv/vmail/example.com/alice|systempw={SHA512}"),
    "no password, no login": (BOB, "uid=5000|gid=5000|home=/srv/vmail/example.com/bob"),
    "yescrypt": (
        ALICE._replace(password_hash=YESCRYPT),
        f"uid=5000|gid=5000|home=/srv/vmail/example.com/alice|systempw={YESCRYPT}",
    ),
    "every field, in one order": (
        ALICE._replace(quota="1073741824S,10000C", name="Alice Ärcher = A."),
        "uid=5000|gid=5000|home=/srv/vmail/example.com/alice|quota=1073741824S,10000C|gecos=Alice Ärcher = A."
        f"|systempw={SHA512}",
    ),
    "a quota of messages": (
        BOB._replace(quota="10000C"),
        "uid=5000|gid=5000|home=/srv/vmail/example.com/bob|quota=10000C",
    ),
    "blanks in a home": (BOB._replace(home="/srv/v mail/bob"), "uid=5000|gid=5000|home=/srv/v mail/bob"),
}

ADDRESSES = {
    "upper case": ("Alice.Archer@Example.COM", "alice.archer@example.com"),
    "an extension is part of the name": ("alice+lists-x@example.com", "alice+lists-x@example.com"),
    "a domain in A-labels": ("alice@xn--bcher-kva.example", "alice@bücher.example"),
    "letters of any alphabet": ("ÄNNE@example.com", "änne@example.com"),
    "the account for all subdomains": ("alice@.example.com", "alice@.example.com"),
    "64 octets": (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
}

QUOTAS = {
    "1K": "1024S",
    "500M": "524288000S",
    "1G": "1073741824S",
    "2T": "2199023255552S",
    "1G,10000C": "1073741824S,10000C",
    "5000S": "5000S",
}

HASH_OF = "`openssl passwd -6` ($6$) or `mkpasswd -m yescrypt` ($y$)"
LOCAL_PART = "before the @ go 1 to 64 letters, digits and !$%&'*+=?^_`{}~-, with single dots between them"

REFUSED = {
    "no @": (ALICE._replace(address="alice"), "'alice' is not an address: write it in full, as in alice@example.com"),
    "a domain of somebody else": (
        ALICE._replace(address="alice@example.net"),
        "alice@example.net: example.net is not a hosted domain; hosted domains are: .example.org, example.com",
    ),
    "a wildcard is not its own domain": (
        ALICE._replace(address="alice@example.org"),
        "alice@example.org: example.org is not a hosted domain; hosted domains are: .example.org, example.com",
    ),
    "a comment": (
        ALICE._replace(address="#alice@example.com"),
        f"'#alice@example.com' cannot have a mailbox: {LOCAL_PART}",
    ),
    "a slash": (ALICE._replace(address="a/b@example.com"), f"'a/b@example.com' cannot have a mailbox: {LOCAL_PART}"),
    "two dots": (ALICE._replace(address="a..b@example.com"), f"'a..b@example.com' cannot have a mailbox: {LOCAL_PART}"),
    "a dot in front": (
        ALICE._replace(address=".a@example.com"),
        f"'.a@example.com' cannot have a mailbox: {LOCAL_PART}",
    ),
    "nothing before the @": (
        ALICE._replace(address="@example.com"),
        f"'@example.com' cannot have a mailbox: {LOCAL_PART}",
    ),
    "a bar": (ALICE._replace(address="a|b@example.com"), f"'a|b@example.com' cannot have a mailbox: {LOCAL_PART}"),
    "a tab": (ALICE._replace(address="a\tb@example.com"), f"'a\\tb@example.com' cannot have a mailbox: {LOCAL_PART}"),
    "65 octets": (
        ALICE._replace(address=f"{'ä' * 33}@example.com"),
        f"'{'ä' * 33}@example.com' cannot have a mailbox: {LOCAL_PART}",
    ),
    "a password in the clear": (
        ALICE._replace(password_hash="hunter2"),
        f"alice@example.com: password_hash is not a hash; make one with {HASH_OF}",
    ),
    "an empty password": (
        ALICE._replace(password_hash=""),
        f"alice@example.com: password_hash is not a hash; make one with {HASH_OF}",
    ),
    "MD5": (
        ALICE._replace(password_hash="$1$saltsalt$hhhhhhhhhhhhhhhhhhhhhh"),
        f"alice@example.com: password_hash is of the kind $1$; make one with {HASH_OF}",
    ),
    "bcrypt": (
        ALICE._replace(password_hash="$2y$10$hhhhhhhhhhhhhhhh"),
        f"alice@example.com: password_hash is of the kind $2y$; make one with {HASH_OF}",
    ),
    "SHA without salt": (
        ALICE._replace(password_hash="{SHA}aGVsbG8="),
        f"alice@example.com: password_hash is of the kind {{SHA}}; make one with {HASH_OF}",
    ),
    "a password that looks like a hash": (
        ALICE._replace(password_hash="$hunter2$"),
        f"alice@example.com: password_hash is of an unknown kind; make one with {HASH_OF}",
    ),
    "half a hash": (
        ALICE._replace(password_hash=SHA512[:-1]),
        "alice@example.com: password_hash begins as $6$ but is cut off or has something added",
    ),
    "a hash and a line break": (
        ALICE._replace(password_hash=f"{YESCRYPT}\n"),
        "alice@example.com: password_hash begins as $y$ but is cut off or has something added",
    ),
    "a password for CRAM in the clear": (
        ALICE._replace(hmac_md5="hunter2"),
        "alice@example.com: hmac_md5 is not 64 digits from 0 to f; make it with `userdbpw -hmac-md5`",
    ),
    "the secret of another kind of CRAM": (
        ALICE._replace(hmac_sha256=HMACS["hmac_md5"]),
        "alice@example.com: hmac_sha256 is not 128 digits from 0 to f; make it with `userdbpw -hmac-sha256`",
    ),
    "a bar in the home": (
        ALICE._replace(home="/srv/a|b"),
        "alice@example.com: the home holds a '|', a tab, a line break or another control character",
    ),
    "a line break in the name": (
        ALICE._replace(name="Alice\nmallory@example.com"),
        "alice@example.com: the name holds a '|', a tab, a line break or another control character",
    ),
    "a home somewhere": (
        ALICE._replace(home="alice"),
        "alice@example.com: home 'alice' is not a full path such as /srv/vmail/example.com/alice",
    ),
    "a home that climbs": (
        ALICE._replace(home="/srv/vmail/../alice"),
        "alice@example.com: home '/srv/vmail/../alice' is not a full path such as /srv/vmail/example.com/alice",
    ),
    "mail of root": (ALICE._replace(uid=0), "alice@example.com: a mailbox cannot belong to uid 0 and gid 5000"),
    "a quota of nothing": (
        ALICE._replace(quota="0S"),
        "alice@example.com: quota '0S' is not a size such as 500M or 1G, or 1073741824S,10000C",
    ),
    "a quota in other words": (
        ALICE._replace(quota="1 GB"),
        "alice@example.com: quota '1 GB' is not a size such as 500M or 1G, or 1073741824S,10000C",
    ),
    "an empty line for .courier": (
        ALICE._replace(courier=("./Maildir", " ")),
        "alice@example.com: an entry for .courier is empty or holds a line break; write one per line",
    ),
    "two lines for .courier in one": (
        ALICE._replace(courier=("./Maildir\n|evil",)),
        "alice@example.com: an entry for .courier is empty or holds a line break; write one per line",
    ),
    "a comment for .courier": (
        ALICE._replace(courier=("# later",)),
        "alice@example.com: the entry '# later' for .courier is a comment, not an instruction",
    ),
}

REFUSED_TOGETHER = {
    "the same address": ((ALICE, ALICE._replace(address="ALICE@example.com")), "alice@example.com is listed twice"),
    "the same home": (
        (ALICE, BOB._replace(home=ALICE.home)),
        "alice@example.com and bob@example.com have the same home /srv/vmail/example.com/alice",
    ),
    "a home in a home": (
        (
            ALICE._replace(home="/srv/a/b"),
            BOB._replace(home="/srv/a"),
            BOB._replace(address="c@example.com", home="/srv/a-"),
        ),
        "alice@example.com: home /srv/a/b is inside the home of bob@example.com, /srv/a",
    ),
}

FIELDS = "uid=5000|gid=5000|home=/srv/vmail/example.com/alice|"
# What SMTP asks for, and what is written: Courier takes whatever it has a secret for.
BY_METHOD = {
    "a password for everything": (["PLAIN", "LOGIN"], f"systempw={SHA512}"),
    "CRAM beside it": (["CRAM-MD5", "PLAIN"], f"systempw={SHA512}|hmac-md5pw={HMACS['hmac_md5']}"),
    "CRAM alone: the password is for the others": (
        ["CRAM-SHA1", "CRAM-SHA256"],
        f"imappw={SHA512}|pop3pw={SHA512}|hmac-sha1pw={HMACS['hmac_sha1']}|hmac-sha256pw={HMACS['hmac_sha256']}",
    ),
    "nobody logs in to SMTP": ([], f"imappw={SHA512}|pop3pw={SHA512}"),
}
LACKING = {
    "CRAM, and nobody has the secret": (
        [ALICE, BOB],
        ["PLAIN", "CRAM-SHA256"],
        "auth_methods has CRAM-SHA256, by which these accounts cannot log in: alice@example.com; "
        "give each its hmac_sha256, made with `userdbpw -hmac-sha256`, or take CRAM-SHA256 out",
    ),
    "CRAM, and one has the secret": (
        [ALICE, BOB._replace(**HMACS)],
        ["CRAM-MD5", "PLAIN"],
        "auth_methods has CRAM-MD5, by which these accounts cannot log in: alice@example.com; "
        "give each its hmac_md5, made with `userdbpw -hmac-md5`, or take CRAM-MD5 out",
    ),
    "a password is a secret like others": (
        [BOB._replace(**HMACS)],
        ["CRAM-MD5", "LOGIN"],
        "auth_methods has LOGIN, by which these accounts cannot log in: bob@example.com; "
        f"give each its password_hash, made with {HASH_OF}, or take LOGIN out",
    ),
    "many": (
        [ALICE._replace(address=f"a{n}@example.com", home=f"/srv/{n}") for n in range(12)],
        ["CRAM-MD5"],
        f"auth_methods has CRAM-MD5, by which these accounts cannot log in: "
        f"{', '.join(f'a{n}@example.com' for n in range(10))} and 2 more; "
        "give each its hmac_md5, made with `userdbpw -hmac-md5`, or take CRAM-MD5 out",
    ),
}

# What makeuserdb and makedatprog of courier-authlib 0.71.4 make of a text.
TEXTS = {
    "comments and empty lines": ("# c@example.com\tuid=1|gid=1|home=/c\n\n", []),
    "fields in any order, unknown ones passed over": (
        "bob@example.com\tmail=/m|home=/srv/vmail/example.com/bob|gid=5000|imappw=x|uid=5000|shell=\n",
        [BOB],
    ),
    "the first field of a name counts": (
        "bob@example.com\tuid=5000|gid=5000|home=/srv/vmail/example.com/bob|uid=1\n",
        [BOB],
    ),
    "any hash": ("a@b\tuid=1|gid=1|home=/a|systempw=$1$x$y\n", [Account("a@b", "$1$x$y", "/a", 1, 1)]),
    "names without a domain": ("root\tuid=0|gid=0|home=/root\n", [Account("root", None, "/root", 0, 0)]),
    "no tab, no account": ("bob@example.com uid=5000|gid=5000|home=/b\n", []),
    "no home, no account": ("bob@example.com\tuid=5000|gid=5000\n", []),
    "no uid, no account": ("bob@example.com\tgid=5000|home=/b\n", []),
    "a lone dot ends the text": (".\nbob@example.com\tuid=5000|gid=5000|home=/b\n", []),
    "no line break at the end": ("bob@example.com\tuid=5000|gid=5000|home=/srv/vmail/example.com/bob", [BOB]),
}

CHANGES = {
    "only what differs": ("a\tuid=1\nb\tuid=1\n", "a\tuid=1\nb\tuid=2\n", ("b\tuid=1\n", "b\tuid=2\n")),
    "a new password": (
        "a\tuid=1|systempw=$6$old\n",
        "a\tuid=1|systempw=$6$new\n",
        ("a\tuid=1|systempw=(hidden, old)\n", "a\tuid=1|systempw=(hidden, new)\n"),
    ),
    "the same password": (
        "a\tuid=1|systempw=$6$old|quota=1S\n",
        "a\tuid=2|systempw=$6$old\n",
        ("a\tuid=1|systempw=(hidden)|quota=1S\n", "a\tuid=2|systempw=(hidden)\n"),
    ),
    "passwords of services": (
        "a\tesmtppw=secret|hmac-md5pw=secret\n",
        "",
        ("a\tesmtppw=(hidden, old)|hmac-md5pw=(hidden, old)\n", ""),
    ),
    "passwords in lines that Courier cannot read": ("a systempw=secret\n", "", ("a systempw=(hidden, old)\n", "")),
}


@pytest.mark.parametrize(("account", "fields"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_account_and_line_say_the_same(account, fields):
    text = f"{account.address}\t{fields}\n"
    assert render([account], ["example.com"]) == text
    assert parse(text) == [account]


@pytest.mark.parametrize(("address", "key"), ADDRESSES.values(), ids=ADDRESSES)
def test_address_becomes_the_key_that_courier_looks_up(address, key):
    assert canonical(address) == key
    text = render([ALICE._replace(address=address)], ["Example.com", ".example.com", "bücher.example"])
    assert text.startswith(f"{key}\t")


@pytest.mark.parametrize(("quota", "courier"), QUOTAS.items(), ids=QUOTAS)
def test_quota_is_written_as_courier_reads_it(quota, courier):
    assert f"|quota={courier}\n" in render([BOB._replace(quota=quota)], ["example.com"])


@pytest.mark.parametrize(("methods", "secrets"), BY_METHOD.values(), ids=BY_METHOD)
def test_smtp_finds_the_secrets_of_its_methods_only(methods, secrets):
    assert render([ALICE._replace(**HMACS)], ["example.com"], methods) == f"alice@example.com\t{FIELDS}{secrets}\n"


@pytest.mark.parametrize(("accounts", "methods", "sentence"), LACKING.values(), ids=LACKING)
def test_refuses_a_method_that_is_not_for_everybody(accounts, methods, sentence):
    with pytest.raises(UserdbError) as refusal:
        render(accounts, ["example.com"], methods)
    assert str(refusal.value) == sentence


def test_an_account_that_only_gets_mail_needs_no_secret():
    assert parse(render([BOB], ["example.com"], METHODS)) == [BOB]


def test_reads_the_secrets_that_it_wrote():
    account = ALICE._replace(**HMACS)
    assert parse(render([account], ["example.com"], METHODS)) == [account]


@pytest.mark.parametrize(("text", "held"), [(SHA512, True), (YESCRYPT, True), ("0a" * 32, True), ("0a" * 20, False)])
def test_knows_what_may_be_a_secret(text, held):
    assert holds_secret(f"{{'msg': '{text}'}}") is held


def test_lines_are_sorted():
    assert render([BOB, ALICE], ["example.com"]) == render([ALICE, BOB], ["example.com"])


def test_a_wildcard_hosts_what_is_below_it():
    account = ALICE._replace(address="alice@mail.example.org")
    assert parse(render([account], [".example.org"])) == [account]


@pytest.mark.parametrize(("account", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_courier_would_misread(account, sentence):
    with pytest.raises(UserdbError) as refusal:
        render([account], ["example.com", ".example.org"])
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(("accounts", "sentence"), REFUSED_TOGETHER.values(), ids=REFUSED_TOGETHER)
def test_refuses_accounts_that_get_in_each_others_way(accounts, sentence):
    with pytest.raises(UserdbError) as refusal:
        render(accounts, ["example.com"])
    assert str(refusal.value) == sentence


def test_a_refusal_names_five_domains_at_most():
    with pytest.raises(UserdbError) as refusal:
        render([ALICE], [f"{letter}.example" for letter in "gfedcba"])
    assert str(refusal.value).endswith(
        "hosted domains are: a.example, b.example, c.example, d.example, e.example and 2 more"
    )
    with pytest.raises(UserdbError) as refusal:
        render([ALICE], [])
    assert str(refusal.value).endswith("not a hosted domain; no domain is hosted")


def test_refuses_a_domain_that_is_none():
    with pytest.raises(UserdbError, match=r"^alice@exa mple\.com: "):
        render([ALICE._replace(address="alice@exa mple.com")], ["example.com"])
    with pytest.raises(UserdbError, match="exa mple"):
        render([], ["exa mple.com"])


@pytest.mark.parametrize(("text", "accounts"), TEXTS.values(), ids=TEXTS)
def test_reads_what_makeuserdb_reads(text, accounts):
    assert parse(text) == accounts


def test_refuses_the_duplicates_that_makeuserdb_refuses():
    with pytest.raises(UserdbError, match=r"^a@b is listed twice$"):
        parse("a@b\tuid=1\na@b\tuid=2\n")


@pytest.mark.parametrize(("before", "after", "shown"), CHANGES.values(), ids=CHANGES)
def test_shows_changes_without_secrets(before, after, shown):
    assert changes(before, after) == shown


words = st.text(string.ascii_lowercase + string.digits + "_+=-", min_size=1, max_size=12)
values = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="|"))
sizes = st.integers(1, 1 << 62).map("{}S".format)
counts = st.integers(1, 1 << 31).map("{}C".format)
hashes = st.text(string.ascii_letters + string.digits + "./", min_size=86, max_size=86).map("$6$saltsalt${}".format)
accounts = st.builds(
    Account,
    address=st.builds("{}@{}".format, words, st.sampled_from(["example.com", "bücher.example"])),
    password_hash=st.none() | hashes,
    home=st.builds("/srv/{}".format, words),
    uid=st.integers(1, 1 << 31),
    gid=st.integers(1, 1 << 31),
    quota=st.none() | sizes | counts | st.builds("{},{}".format, sizes, counts),
    name=st.none() | values,
    courier=st.just(()),
    rules=st.just(()),
    **dict.fromkeys(HMACS, st.none()),
)


@given(st.lists(accounts, unique_by=(lambda account: account.address, lambda account: account.home)))
def test_reads_what_it_wrote(accounts):
    text = render(accounts, ["example.com", "bücher.example"])
    assert parse(text) == sorted(accounts)


EXTENSIONS_REFUSED = {
    "an account with the name of another and an extension": (
        {"junk": ["./Maildir"]},
        ["alice@example.com", "Alice-Junk@example.com"],
        "alice-junk@example.com would get the mail for the extension junk of alice@example.com, so both cannot be "
        "accounts; give one of them another address, or take junk out of extensions",
    ),
    "two parts": (
        {"a-b": ["./Maildir"]},
        [],
        "extensions: 'a-b' is not an extension; write lower case letters and digits, such as junk",
    ),
    "upper case": (
        {"Junk": ["./Maildir"]},
        [],
        "extensions: 'Junk' is not an extension; write lower case letters and digits, such as junk",
    ),
    "a text for a list": (
        {"junk": "./Maildir"},
        [],
        "extensions: junk is './Maildir'; write a list of delivery instructions, see dot-courier(5)",
    ),
    "no lines": ({"junk": []}, [], "extensions: junk is []; write a list of delivery instructions, see dot-courier(5)"),
    "a comment": (
        {"junk": ["# x"]},
        [],
        "extensions: junk: the entry '# x' for .courier-junk is a comment, not an instruction",
    ),
    "a line break": (
        {"junk": ["a\nb"]},
        [],
        "extensions: junk: an entry for .courier-junk is empty or holds a line break; write one per line",
    ),
}


@pytest.mark.parametrize(("extensions", "addresses", "sentence"), EXTENSIONS_REFUSED.values(), ids=EXTENSIONS_REFUSED)
def test_refuses_extensions_that_go_astray(extensions, addresses, sentence):
    with pytest.raises(UserdbError) as refusal:
        refuse_extensions(extensions, [ALICE._replace(address=address) for address in addresses])
    assert str(refusal.value) == sentence


def test_an_account_may_end_like_an_extension_of_nobody():
    names = [
        "spam-junk@example.com",
        "alice@example.com",
        "alice-junk@example.org",
        "-junk@example.com",
        "junk@example.com",
    ]
    refuse_extensions({"junk": ["./Maildir"]}, [ALICE._replace(address=address) for address in names])

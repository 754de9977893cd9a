from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.module_utils._courier.values import FILES, Number, Size, Time, ValuesError, parse, render

ESMTP = "NAME=esmtp\nPRIORITY=50\nPROG=./courieresmtp\nMAXDELS={}\nMAXHOST={}\nMAXRCPT={}\n"
HEADER = 'Content-Type: text/plain; charset="utf-8"\n\nFrom [#ME#]:\n'

WRITTEN = {
    "a host name": ("me", "mx1.example.com", "mx1.example.com\n"),
    "a host name below the system's": ("me", "*.example.com", "*.example.com\n"),
    "a host name in UTF-8": ("defaultdomain", "straße.example", "straße.example\n"),
    "a host name in A-labels": ("msgidhost", "xn--strae-oqa.example", "xn--strae-oqa.example\n"),
    "a name from DNS": ("esmtphelo", "*", "*\n"),
    "a line as it is": ("dsnfrom", '"Mail" <mailer-daemon@example.com>', '"Mail" <mailer-daemon@example.com>\n'),
    "a sender in Greek": (
        "dsnfrom",
        '"Ταχυδρομείο" <mailer-daemon@example.com>',
        "=?utf-8?b?zqTOsc+Hz4XOtM+Bzr/OvM61zq/Ovw==?= <mailer-daemon@example.com>\n",
    ),
    "a path": ("maildropfilter", "/usr/bin/maildrop", "/usr/bin/maildrop\n"),
    "separators": ("defaultsep", "+=", "+=\n"),
    "a time with units": ("queuetime", "1w2d", "1w2d\n"),
    "a time in capitals, with blanks": ("warntime", "4H 30 M", "4H 30 M\n"),
    "a time in seconds": ("esmtptimeoutquit", 10, "10\n"),
    "a time of nothing, where that is a choice": ("queuefill", 0, "0\n"),
    "a size": ("sizelimit", 26214400, "26214400\n"),
    "no size limit": ("sizelimit", "0", "0\n"),
    "a number": ("batchsize", 100, "100\n"),
    "a flag": ("locallowercase", True, ""),
    "no flag": ("locallowercase", False, None),
    "words": ("enablefiltering", ["esmtp", "local"], "esmtp local\n"),
    "no words": ("enablefiltering", [], "\n"),
    "one limit of a module": ("module.esmtp", {"MAXDELS": 80}, ESMTP.format(80, 4, 100)),
    "limits in the order of the package": ("module.esmtp", {"MAXRCPT": "50", "MAXHOST": 8}, ESMTP.format(40, 8, 50)),
    "rules": ("bofh", ["maxrcpts 20 hard"], "maxrcpts 20 hard\n"),
    "a text": ("dsnfailed.txt", "Sorry.\n", "Sorry.\n"),
    "a text without newline": ("dsnfooter.txt", "100% lost", "100% lost\n"),
    "a text with its MIME header": ("dsnheader.txt", HEADER, HEADER),
    "a text that gets one": ("dsnheader.txt", "From [#ME#]:", HEADER),
    "a text in two languages": ("dsnfailed.txt", ["Sajnáljuk.", "Sorry.\n"], "Sajnáljuk.\n\nSorry.\n"),
    "a text for printf": ("dsndelayed.txt", "50%% at %s\n", "50%% at %s\n"),
    "a subject": ("dsnsubjectwarn.txt", "WARNING: delayed mail.", "WARNING: delayed mail.\n"),
    "a subject in two languages": (
        "dsnsubjectnotice.txt",
        ["Kézbesítés", "Delivery"],
        "=?utf-8?b?S8OpemJlc8OtdMOpcyAvIERlbGl2ZXJ5?=\n",
    ),
    "Courier's default": ("sizelimit", None, None),
}

READ = {
    "the first line only": ("me", "mx1.example.com \r\nmx2\n", "mx1.example.com \r"),
    "255 bytes of it": ("dsnfrom", "é" * 200, "é" * 127 + "\udcc3"),
    "units add up": ("queuetime", "1w2d\n", 777600),
    "a number alone is seconds": ("queuetime", "1h 30", 3630),
    "a word drops its number": ("queuetime", "1h 2 fortnights 3d\n", 3600),
    "months are minutes": ("queuetime", "2 months\n", 120),
    "no time at all": ("queuetime", "abc\n", 0),
    "an empty time": ("queuetime", "", 0),
    "leading digits of a size": ("sizelimit", "25M\n", 25),
    "an empty size": ("sizelimit", "\n", 0),
    "a negative number": ("batchsize", " -3\n", -3),
    "any flag": ("locallowercase", "no\n", True),
    "words apart by blanks": ("enablefiltering", "esmtp\tlocal \n", ["esmtp", "local"]),
    "limits not given are 1": (
        "module.esmtp",
        "MAXDELS = 40 # more\nPROG=./courieresmtp\n",
        {"MAXDELS": 40, "MAXHOST": 1, "MAXRCPT": 1},
    ),
    "rules": ("bofh", "MAXRCPTS 20\n", ["maxrcpts 20"]),
}

REFUSED = {
    "a misspelt file": (
        "queutime",
        "2d",
        "queutime is not a file that this module writes; did you mean queuetime?",
    ),
    "a file of another module": ("esmtproutes", "", "esmtproutes is not a file that this module writes"),
    "an empty name": (
        "defaultdomain",
        "",
        "defaultdomain: an empty file is not Courier's default (me); write null for that",
    ),
    "an empty size": (
        "sizelimit",
        "",
        "sizelimit: an empty file is not Courier's default (10485760); write null for that",
    ),
    "a host in capitals": (
        "me",
        "MX1.example.com",
        "me: 'MX1.example.com' is not how Courier spells the host; write 'mx1.example.com'",
    ),
    "every host of a domain": (
        "backuprelay",
        ".example.com",
        "backuprelay: '.example.com' is not how Courier spells the host; write 'example.com'",
    ),
    "an address for a host": ("me", "192.0.2.1", "me: '192.0.2.1' is an address; only a name can be a domain here"),
    "a blank at the end": ("dsnfrom", "Mail ", "dsnfrom: 'Mail ' is not one line without blanks at its ends"),
    "a second line": (
        "dsnsubjectwarn.txt",
        "a\nb",
        "dsnsubjectwarn.txt: 'a\\nb' is not one line without blanks at its ends",
    ),
    "a number for a line": ("dsnfrom", 5, "dsnfrom: 5 is not one line without blanks at its ends"),
    "a line that Courier cuts": ("dsnfrom", "é" * 128, "dsnfrom: the line has 256 bytes; write at most 255"),
    "a sender without address": (
        "dsnfrom",
        "Ταχυδρομείο",
        "dsnfrom: 'Ταχυδρομείο' is not a name and an address; write Name <address>, the address in ASCII",
    ),
    "a sender in a domain beyond ASCII": (
        "dsnfrom",
        "Post <post@bücher.example>",
        "dsnfrom: 'Post <post@bücher.example>' is not a name and an address; "
        "write Name <address>, the address in ASCII",
    ),
    "a subject that is too long when encoded": (
        "dsnsubjectwarn.txt",
        "é" * 100,
        "dsnsubjectwarn.txt: the line has 336 bytes; write at most 255",
    ),
    "a path from nowhere": ("maildropfilter", "maildrop", "maildropfilter: 'maildrop' is not an absolute path"),
    "letters that separate": ("defaultsep", "x", "defaultsep: 'x' is not a row of punctuation marks, such as +"),
    "a word for a time": (
        "queuetime",
        "abc",
        "queuetime: 'abc' is not a time; write numbers with w, d, h, m or s, such as 2d12h",
    ),
    "months": (
        "queuetime",
        "2 months",
        "queuetime: '2 months' is not a time; write numbers with w, d, h, m or s, such as 2d12h",
    ),
    "seconds before units": (
        "queuetime",
        "5 2h",
        "queuetime: '5 2h' is not a time; write numbers with w, d, h, m or s, such as 2d12h",
    ),
    "a truth for a time": ("queuetime", True, "queuetime: True is neither a number nor text"),
    "no time to deliver": ("queuetime", "0m", "queuetime: '0m' leaves Courier no time; write at least 1s"),
    "a size in mebibytes": ("sizelimit", "25M", "sizelimit: Courier would read '25M' as 25 bytes; write 26214400"),
    "a size in kilobytes": ("dsnlimit", "64 kB", "dsnlimit: Courier would read '64 kB' as 64 bytes; write 65536"),
    "a word for a size": (
        "sizelimit",
        "big",
        "sizelimit: Courier would read 'big' as 0 bytes; write a number, such as 26214400",
    ),
    "a negative size": (
        "sizelimit",
        -1,
        "sizelimit: Courier would read '-1' as -1 bytes; write a number, such as 26214400",
    ),
    "a number that Courier raises": ("queuelo", 10, "queuelo: '10' is not a whole number of at least 20"),
    "a word for a flag": ("locallowercase", "yes", "locallowercase: 'yes' is neither true nor false"),
    "an unknown source of mail": (
        "enablefiltering",
        ["smtp"],
        "enablefiltering: ['smtp'] is not a list out of esmtp, local, uucp",
    ),
    "a word for a list": (
        "enablefiltering",
        "esmtp",
        "enablefiltering: 'esmtp' is not a list out of esmtp, local, uucp",
    ),
    "a limit that ends courierlocal": (
        "module.local",
        {"MAXRCPT": 2},
        "module.local: {'MAXRCPT': 2} is not a dictionary of MAXDELS, MAXHOST",
    ),
    "no deliveries": ("module.esmtp", {"MAXDELS": 0}, "module.esmtp: MAXDELS is 0; write a whole number of at least 1"),
    "no module": ("module.esmtp", None, "module.esmtp: Courier does not run without this file; write its value"),
    "a bofh of one line": ("bofh", "maxrcpts 20", "bofh: write a list of lines, such as [maxrcpts 20 hard]"),
    "a rule that Courier passes over": (
        "bofh",
        ["maxrcpt 20"],
        "bofh: 'maxrcpt 20' is no rule of Courier's; write maxrcpts",
    ),
    "no text": ("dsnfailed.txt", None, "dsnfailed.txt: Courier does not run without this file; write its value"),
    "no language of a text": (
        "dsnfailed.txt",
        [],
        "dsnfailed.txt: Courier does not run without this file; write its value",
    ),
    "a number for a text": ("dsnfailed.txt", ["Sorry.", 5], "dsnfailed.txt: 5 is not a text"),
    "a line of a text that mail cannot have": (
        "dsnfooter.txt",
        "x" * 999,
        "dsnfooter.txt: a line has 999 bytes; a line of mail has 998 at most",
    ),
    "a text with half a MIME header": (
        "dsnheader.txt",
        "Content-Type: text/plain\nHello,\n",
        'dsnheader.txt: the MIME header that the text begins with is not Content-Type: text/plain; charset="utf-8" '
        "and an empty line; leave it out",
    ),
    "a percent sign for printf": (
        "dsndelayed.txt",
        "%s is at 50% of its load",
        "dsndelayed.txt: '% of its l' is a printf directive to Courier; write %% for a percent sign",
    ),
    "two names for printf": (
        "dsndelayed.txt",
        "%s and %s",
        "dsndelayed.txt: %s stands for the name of the server and can be used once; write the name elsewhere",
    ),
}

ASCII = st.text(st.characters(codec="ascii", exclude_categories=["C", "Z"]), min_size=1, max_size=60)
LINES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=60)
VALUES = {
    "me": st.just("mx1.example.com"),
    "dsnfrom": ASCII,
    "batchsize": st.integers(1, 10**8),
    "enablefiltering": st.lists(st.sampled_from(["esmtp", "local", "uucp"])),
    "locallowercase": st.just(True),
    "queuetime": st.integers(1, 10**8),
    "sizelimit": st.integers(0, 10**12),
    "module.esmtp": st.fixed_dictionaries({key: st.integers(1, 10**6) for key in ("MAXDELS", "MAXHOST", "MAXRCPT")}),
    "dsnfailed.txt": st.lists(LINES, min_size=1).map(lambda lines: "\n".join(lines) + "\n"),
    "bofh": st.lists(st.integers(0, 255).map("badmx 192.0.2.{}".format)),
}


@pytest.mark.parametrize(("name", "value", "text"), WRITTEN.values(), ids=WRITTEN)
def test_writes_what_courier_reads_so(name, value, text):
    assert render(name, value) == text


@pytest.mark.parametrize(("name", "text", "value"), READ.values(), ids=READ)
def test_reads_what_courier_makes_of_it(name, text, value):
    assert parse(name, text) == value


@pytest.mark.parametrize(("name", "value", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses_what_courier_would_misread(name, value, sentence):
    with pytest.raises(ValuesError) as refusal:
        render(name, value)
    assert str(refusal.value) == sentence


@pytest.mark.parametrize("name", [name for name, file in FILES.items() if isinstance(file.kind, Time | Size | Number)])
def test_courier_s_own_defaults_are_accepted(name):
    default = FILES[name].default.split(",")[0]
    if default[0].isdigit():
        assert parse(name, render(name, default)) >= 0


@given(st.sampled_from([*VALUES]).flatmap(lambda name: st.tuples(st.just(name), VALUES[name])))
def test_parse_returns_what_render_wrote(case):
    name, value = case
    assert parse(name, render(name, value)) == value


@given(st.dictionaries(st.sampled_from("wdhms"), st.integers(0, 999), min_size=1))
def test_units_add_up(parts):
    text = "".join(f"{number}{unit}" for unit, number in parts.items())
    seconds = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
    assert parse("queuefill", render("queuefill", text)) == sum(seconds[u] * n for u, n in parts.items())

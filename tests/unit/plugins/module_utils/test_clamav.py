from __future__ import annotations

import pytest

from plugins.module_utils._clamav import EXCEPTING, FINDING, ClamavError, finds, render, signatures

LARGEST = 26214400
HEAD = [
    "# Managed by courier.mail",
    "LocalSocket /run/clamav/clamd.ctl",
    "DatabaseDirectory /var/lib/clamav",
    "User clamav",
]

WRITTEN = {
    "nothing": ({}, []),
    "a number": ({"MaxThreads": 12}, ["MaxThreads 12"]),
    "a switch": ({"LogTime": True, "Debug": False}, ["LogTime yes", "Debug no"]),
    "a list": ({"ExcludePUA": ["NetTool", "PWTool"]}, ["ExcludePUA NetTool", "ExcludePUA PWTool"]),
    "a limit that is long enough": ({"StreamMaxLength": "26M"}, ["StreamMaxLength 26M"]),
    "a limit in bytes": ({"MaxFileSize": LARGEST}, [f"MaxFileSize {LARGEST}"]),
    "a limit in small letters": ({"MaxScanSize": "1g"}, ["MaxScanSize 1g"]),
    "no limit": ({"MaxFileSize": 0}, ["MaxFileSize 0"]),
}
REFUSED = {
    "where others find it": ({"LocalSocket": "/tmp/x"}, "LocalSocket is not a setting of yours"),
    "no name of a setting": ({"max threads": 1}, "'max threads' is not a setting of clamd"),
    "a limit below a message": ({"StreamMaxLength": "10M"}, "a message may have 26214400 bytes"),
    "a limit that says what to write": ({"MaxFileSize": "25000000"}, "write at least 25M"),
    "a limit that says where": (
        {"MaxFileSize": "25000000"},
        "in clamav_clamd, or a lower sizelimit in courier_mta_files",
    ),
    "a limit of another kind": ({"MaxScanSize": "lots"}, "MaxScanSize: 'lots' is not a size"),
    "two lines": ({"VirusEvent": "a\nUser root"}, "is not a value in one line"),
    "nothing at all": ({"MaxThreads": ""}, "MaxThreads: '' is not a value in one line"),
    "a dictionary": ({"MaxThreads": {}}, "MaxThreads: {} is not a value in one line"),
}

NDB = "Example.Test:0:*:6578616d706c65"
TAKEN = {
    "a body": ("local.ndb", NDB),
    "a body with wildcards": ("local.ndb", "Example.Test:4:EOF-20:6578??61{-10}6d(70|71)6c*65:73"),
    "a file by its MD5": ("local.hdb", f"{'0' * 32}:68:Example.Test"),
    "a file by its SHA-256": ("local.hsb", f"{'a' * 64}:*:Example.Test:73"),
    "a comment": ("local.ndb", f"# ours\n\n{NDB}"),
    "a format that clamscan looks at": ("local.ldb", "Example;Target:0;0;6578616d"),
}
NOT_TAKEN = {
    "a path": ("../local.ndb", NDB, "is not a name of a file of signatures"),
    "a kind that there is not": ("local.txt", NDB, "ClamAV has no signatures of the kind txt; it has cdb, fp, "),
    "a database of ClamAV": ("main.cvd", NDB, "ClamAV has no signatures of the kind cvd"),
    "nothing": ("local.ndb", " \n", "local.ndb has no signature"),
    "no text": ("local.ndb", None, "local.ndb has no signature"),
    "a body that is no hex": ("local.ndb", f"{NDB}\nExample:0:*:xyz", "local.ndb, line 2: 'Example:0:*:xyz'"),
    "a body without its name": ("local.ndb", "0:*:6578", "write NAME:TARGET:OFFSET:HEX"),
    "an MD5 that is none": ("local.hdb", "00:68:Example", "write MD5:SIZE:NAME"),
    "an MD5 among longer ones": ("local.hsb", f"{'0' * 32}:68:Example", "write SHA:SIZE:NAME"),
}


@pytest.mark.parametrize(("settings", "lines"), WRITTEN.values(), ids=WRITTEN)
def test_writes(settings, lines):
    assert render(settings, LARGEST).splitlines() == HEAD + lines


@pytest.mark.parametrize(("settings", "sentence"), REFUSED.values(), ids=REFUSED)
def test_refuses(settings, sentence):
    with pytest.raises(ClamavError) as refused:
        render(settings, LARGEST)
    assert sentence in str(refused.value)


def test_refuses_messages_above_what_clamd_has_by_itself():
    with pytest.raises(ClamavError, match="StreamMaxLength is 100M, and a message may have 104857601 bytes"):
        render({}, (100 << 20) + 1)
    with pytest.raises(ClamavError, match="MaxFileSize is 100M, and a message may have 104857601 bytes"):
        render({"StreamMaxLength": "101M"}, (100 << 20) + 1)
    assert "StreamMaxLength 101M" in render({"StreamMaxLength": "101M", "MaxFileSize": 0}, (100 << 20) + 1)


def test_messages_of_any_size_need_no_limit():
    none = {"StreamMaxLength": 0, "MaxScanSize": 0, "MaxFileSize": 0}
    with pytest.raises(ClamavError, match=r"MaxScanSize is 400M, and a message may have any number of bytes.* write 0"):
        render(none | {"MaxScanSize": "400M"}, 0)
    assert "MaxScanSize 0" in render(none, 0)


@pytest.mark.parametrize(("name", "text"), TAKEN.values(), ids=TAKEN)
def test_takes_signatures(name, text):
    assert signatures({name: text}) == {f"courier-mail-{name}": f"{text}\n"}


def test_a_text_that_ends_is_kept():
    assert signatures({"local.ndb": f"{NDB}\n"}) == {"courier-mail-local.ndb": f"{NDB}\n"}


@pytest.mark.parametrize(("name", "text", "sentence"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_refuses_signatures(name, text, sentence):
    with pytest.raises(ClamavError) as refused:
        signatures({name: text})
    assert sentence in str(refused.value)


def test_exceptions_find_nothing():
    assert all(finds({f"local.{kind}": None}) for kind in FINDING)
    assert not finds({f"local.{kind}": None for kind in EXCEPTING})
    assert finds({"a.fp": None, "b.ndb": None})

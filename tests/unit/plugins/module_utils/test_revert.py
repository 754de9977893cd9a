"""The configuration of before: kept, compared, and brought back as it was."""

from __future__ import annotations

import os
import stat

import pytest

from plugins.module_utils._revert import Keep, RevertError, directions, scan

MOST = 1 << 20
UNITS = {"ran": ["courier.service"], "watched": ["courier*"]}


@pytest.fixture
def host(tmp_path):
    """A host of its own, whose root is a directory."""
    root = tmp_path / "root"
    courier = root / "etc" / "courier"
    (courier / "aliases").mkdir(parents=True)
    (courier / "me").write_text("mx1.example.com\n")
    (courier / "aliases" / "system").write_text("root: alice\n")
    (courier / "aliases.dat").write_bytes(b"\0compiled\xff")
    (courier / "userdb").write_text("secret\n")
    (courier / "userdb").chmod(0o600)
    (courier / "link").symlink_to("me")
    return root


@pytest.fixture
def keep(tmp_path, host):
    return Keep(str(tmp_path / "kept"), str(host))


def kept(keep, patterns=("/etc/courier",), **rest):
    return keep.keep(list(patterns), UNITS, rest.pop("most", MOST), **rest)


def everything(root):
    """All that is below, as a person would compare it."""
    return {
        str(path.relative_to(root)): (
            stat.S_IMODE(path.lstat().st_mode),
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None,
        )
        for path in root.rglob("*")
    }


def change(host):
    """All that a run may do to files."""
    courier = host / "etc" / "courier"
    (courier / "me").write_text("elsewhere\n")
    (courier / "userdb").chmod(0o644)
    (courier / "aliases" / "system").unlink()
    (courier / "aliases").rmdir()
    (courier / "aliases").write_text("a file now\n")
    (courier / "aliases.dat").unlink()
    (courier / "link").unlink()
    (courier / "link").symlink_to("userdb")
    (courier / "new" / "below").mkdir(parents=True)
    (courier / "new" / "below" / "file").write_text("x")


def test_all_comes_back(host, keep):
    before = everything(host)
    name, new = kept(keep)
    assert new
    change(host)
    changes = keep.restore(name)
    assert everything(host) == before
    assert changes.paths == [
        "/etc/courier/aliases",
        "/etc/courier/aliases.dat",
        "/etc/courier/aliases/system",
        "/etc/courier/link",
        "/etc/courier/me",
        "/etc/courier/new",
        "/etc/courier/new/below",
        "/etc/courier/new/below/file",
        "/etc/courier/userdb",
    ]
    assert not keep.changes(name)


def test_a_directory_may_have_become_a_link(host, keep, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    before = everything(host)
    name, _new = kept(keep)
    (host / "etc/courier/aliases/system").unlink()
    (host / "etc/courier/aliases").rmdir()
    (host / "etc/courier/aliases").symlink_to(tmp_path / "elsewhere")
    keep.restore(name)
    assert everything(host) == before
    assert (tmp_path / "elsewhere" / "precious").exists()
    assert not (tmp_path / "elsewhere" / "system").exists()


def test_what_is_compiled_is_younger_than_its_text(host, keep):
    name, _new = kept(keep)
    (host / "etc/courier/me").write_text("x")
    (host / "etc/courier/aliases.dat").write_text("x")
    (host / "etc/courier/aliases/system").write_text("x")
    keep.restore(name)
    times = [(host / "etc/courier" / one).stat().st_mtime_ns for one in ("aliases/system", "me", "aliases.dat")]
    assert times == sorted(times)


def test_what_did_not_change_is_not_touched(host, keep):
    name, _new = kept(keep)
    (host / "etc/courier/me").write_text("x")
    before = (host / "etc/courier/userdb").stat()
    keep.restore(name)
    assert (host / "etc/courier/userdb").stat() == before


def test_only_root_reads_it(keep, tmp_path):
    name, _new = kept(keep)
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "kept" / f"{name}.tar.gz").stat().st_mode) == 0o600


def test_what_is_the_same_is_kept_once(keep):
    name, new = kept(keep)
    keep.proved(3)
    assert new
    assert kept(keep) == (name, False)
    assert keep.names == [name]


def test_other_units_are_another_configuration(keep):
    kept(keep)
    keep.proved(3)
    assert keep.keep(["/etc/courier"], {"ran": [], "watched": ["courier*"]}, MOST)[1]


def test_a_run_that_did_not_prove_itself_is_nothing_to_go_back_to(host, keep):
    name, _new = kept(keep)
    (host / "etc/courier/me").write_text("half changed\n")
    assert kept(keep) == (name, False)
    assert keep.pending == name
    keep.restore(keep.pending)
    assert (host / "etc/courier/me").read_text() == "mx1.example.com\n"


def test_the_oldest_go(host, keep):
    names = []
    for number in range(5):
        (host / "etc/courier/me").write_text(f"{number}\n")
        names.append(kept(keep)[0])
        keep.proved(3)
    assert names == sorted(set(names))
    assert keep.names == names[-3:]
    assert keep.pending == ""


def test_a_dry_run_keeps_nothing(keep, tmp_path):
    assert kept(keep, dry=True)[1]
    assert not (tmp_path / "kept").exists()


def test_too_much_is_refused(keep, tmp_path):
    with pytest.raises(RevertError, match=r"0 MiB are kept at most; the largest file is /etc/courier/me"):
        kept(keep, most=10)
    assert not (tmp_path / "kept").exists()


def test_what_python_compiled_says_nothing(host, keep):
    name, _new = kept(keep)
    (host / "etc/courier/__pycache__").mkdir()
    (host / "etc/courier/__pycache__/x.pyc").touch()
    assert not keep.changes(name)


def test_a_socket_is_no_configuration(host):
    os.mkfifo(host / "etc/courier/pipe")
    assert "/etc/courier/pipe" not in scan(["/etc/courier"], str(host))


def test_paths_may_be_patterns(host):
    (host / "etc/courier-tarbaby.json").touch()
    assert "/etc/courier-tarbaby.json" in scan(["/etc/courier-*", "/etc/none"], str(host))


def test_nothing_is_followed(host, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "x").touch()
    (host / "etc/courier/out").symlink_to(tmp_path / "elsewhere")
    assert [path for path in scan(["/etc/courier"], str(host)) if "/out" in path] == ["/etc/courier/out"]


def test_a_name_that_is_none_says_what_there_is(keep, tmp_path):
    name, _new = kept(keep)
    (tmp_path / "x.tar.gz").write_bytes((tmp_path / "kept" / f"{name}.tar.gz").read_bytes())
    for wrong in ("../x", "20260101T000000Z", ""):
        with pytest.raises(RevertError, match=f"there is {name}"):
            keep.changes(wrong)


def test_what_is_damaged_changes_nothing(host, keep, tmp_path):
    name, _new = kept(keep)
    path = tmp_path / "kept" / f"{name}.tar.gz"
    path.write_bytes(path.read_bytes()[:50])
    (host / "etc/courier/me").write_text("x\n")
    with pytest.raises(RevertError, match="is damaged"):
        keep.restore(name)
    assert (host / "etc/courier/me").read_text() == "x\n"


DIRECTIONS = {
    "a route": (["/etc/courier/esmtproutes"], ["in: satellite", "out: "]),
    "a listener for people": (["/etc/courier/esmtpd-msa"], ["in: authenticated"]),
    "accounts": (["/etc/courier/userdb", "/etc/courier/userdb.dat"], ["in: ", "read: "]),
    "the web server": (["/etc/nginx", "/etc/nginx/conf.d/x.conf"], []),
    "a listener": (["/etc/courier/esmtpd", "/etc/nginx/nginx.conf"], [""]),
    "filters": (["/etc/pythonfilter-modules.conf", "/etc/courier/esmtproutes"], [""]),
    "what nobody knows": (["/etc/systemd/system/courier.service.d/x.conf"], [""]),
    "nothing": ([], []),
}


@pytest.mark.parametrize(("paths", "expected"), DIRECTIONS.values(), ids=DIRECTIONS)
def test_letters_go_where_something_changed(paths, expected):
    assert directions(paths) == expected

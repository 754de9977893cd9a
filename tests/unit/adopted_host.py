"""The hand-made host of molecule/adopt, as it lies on a disk."""

from __future__ import annotations

import shutil
from pathlib import Path

from plugins.module_utils._adopt import _host
from plugins.module_utils._adopt._packaged import BASELINE, PACKAGED

_SCENARIO = Path(__file__).parents[2] / "molecule/adopt"
_PASSWD = """\
root:x:0:0:root:/root:/bin/sh
virtual:x:1999:1999::/var/mail:/usr/sbin/nologin
dave:x:1000:1000:Dave Example,,:/home/dave:/bin/bash
"""
_STATUS = """\
Package: courier-mta
Status: install ok installed
Version: 1.4.1-3

Package: spamd
Status: install ok installed
Version: 4.0.1-1
"""
UNITS = ("courier-mta", "courier-msa", "courier-mta-ssl", "courier-imap", "courier-imap-ssl")


def lay(root: Path) -> Path:
    """The host below a directory: what was made by hand, on what the packages bring."""
    shutil.copytree(_SCENARIO / "host", root, dirs_exist_ok=True)
    courier = root / "etc/courier"
    for name, settings in PACKAGED.items():
        if not name.startswith("pop3d"):
            lines = "".join(f'##NAME: {key}:0\n\n{key}="{values[0]}"\n' for key, values in settings.items())
            # What the package names, and leaves to Courier.
            lines += "".join(f"##NAME: {key}:0\n\n#{key}=\n" for key in BASELINE[name] if key not in settings)
            added = _SCENARIO / "append/etc/courier" / name
            (courier / name).write_text(lines + (added.read_text() if added.exists() else ""))
    for name, text in (
        ("etc/passwd", _PASSWD),
        ("etc/group", "root:x:0:\nvirtual:x:1999:\ndave:x:1000:\n"),
        ("etc/shadow", "root:*:1::::::\n"),
        ("var/lib/dpkg/status", _STATUS),
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for home in ("var/mail/example.com/alice", "var/mail/example.com/bob", "home/dave"):
        for part in ("cur", "new", "tmp"):
            (root / home / "Maildir" / part).mkdir(parents=True)
    wants = root / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for unit in UNITS:
        (wants / f"{unit}.service").touch()
    return root


def read(root: Path, name: str = "mx1.example.com") -> _host.Host:
    """The same, read, as if the mailboxes below /var/mail belonged to whom they do."""
    host = _host.read(name, str(root))
    owned = {path: _host.Mailbox(1999, 1999) for path in host.mailboxes if path.startswith("/var/mail/")}
    return host._replace(mailboxes={**host.mailboxes, **owned})

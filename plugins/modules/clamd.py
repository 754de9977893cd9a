# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: clamd
short_description: Write what clamd reads, its settings and signatures of one's own
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes C(clamd.conf) as a whole, and files of signatures beside those of C(freshclam). Their names begin with
    C(courier-mail-) on the host, and those that are not wanted any more are removed.
  - clamd does not start with a setting that it does not know, nor with a broken signature, and passes over a broken
    YARA rule. So both are shown to ClamAV's own programs first, where they are installed, and what they refuse is not
    written.
  - clamd says C(OK) to a message of which it did not look at the end. Limits below O(largest) are refused.
  - Refuses to leave clamd without anything to find.
notes:
  - The debconf question C(clamav-daemon/debconf) must be answered with no before the package is installed. Otherwise
    the package writes C(clamd.conf) as well.
  - C(.removed) in O(directory) has the time at which the last file was removed, for the unit that has to start again.
options:
  settings:
    description:
      - Settings by their names in clamd.conf(5). A list is written as a line for each value.
      - C(LocalSocket), C(DatabaseDirectory), C(User) and C(Foreground) are those of Debian's package.
    type: dict
    default: {}
  signatures:
    description:
      - Files of signatures, by their names such as V(local.ndb). The extension says what they are. V(cdb), V(hdb),
        V(hsb), V(idb), V(ldb), V(mdb), V(msb), V(ndb), V(pdb), V(yar) and V(yara) find, V(fp), V(ign2), V(sfp) and
        V(wdb) make exceptions.
    type: dict
    default: {}
  largest:
    description:
      - Bytes of the largest message, which C(StreamMaxLength), C(MaxScanSize) and C(MaxFileSize) must allow. V(0) is
        any number.
    type: int
    default: 26214400
  official:
    description: Whether C(freshclam) brings the official signatures.
    type: bool
    default: true
  directory:
    description: Where ClamAV has its configuration.
    type: path
    default: /etc/clamav
  database:
    description: Where it has its signatures.
    type: path
    default: /var/lib/clamav
attributes:
  check_mode:
    description: Reports what would change, and asks ClamAV's programs.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Set clamd up
  courier.mail.clamd:
    settings: {MaxThreads: 4, ConcurrentDatabaseReload: "no"}
    signatures:
      local.ndb: "Example.Invoice:0:*:6578616d706c652d696e766f696365"
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/clamav/clamd.conf, /var/lib/clamav/courier-mail-local.ndb]
"""

import os
import re
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._clamav import PREFIX, ClamavError, finds, render, signatures
from ..module_utils._managed_file import File, Files, read, run

SPEC = {
    "settings": {"type": "dict", "default": {}},
    "signatures": {"type": "dict", "default": {}},
    "largest": {"type": "int", "default": 26214400},
    "official": {"type": "bool", "default": True},
    "directory": {"type": "path", "default": "/etc/clamav"},
    "database": {"type": "path", "default": "/var/lib/clamav"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan, check)


def plan(params: dict[str, Any]) -> Files:
    directory, database = params["directory"], params["database"]
    settings = render(params["settings"], params["largest"])
    texts = dict.fromkeys(_names(database, ours=True)) | signatures(params["signatures"])
    mark = os.path.join(directory, ".removed")
    return Files(
        [
            File(os.path.join(directory, "clamd.conf"), settings, "root", "root", 0o644),
            *(
                File(os.path.join(database, name), texts[name], "clamav", "clamav", 0o644, mark=mark)
                for name in sorted(texts)
            ),
        ]
    )


def check(module: AnsibleModule, files: Files) -> None:
    """Ask the host, which may have signatures of others and ClamAV's programs, or nothing yet."""
    params = module.params
    others = dict.fromkeys(_names(params["database"], ours=False))
    if not params["official"] and not finds(params["signatures"]) and not others:
        raise ClamavError(
            "without freshclam, clamd has no signature at all and would find nothing; write clamav_signatures, or "
            "clamav_freshclam: true, or clamav_running: false"
        )
    conf, *texts = files.files
    # Below /tmp, where Debian's AppArmor profile lets clamd read.
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        settings, scanned = f"{directory}/clamd.conf", f"{directory}/scanned"
        for path, text in ((settings, conf.text or ""), (scanned, "nothing\n")):
            _put(path, text)
        if (clamd := module.get_bin_path("clamd")) and read(conf.path) != conf.text:
            code, _out, said = module.run_command([clamd, f"--config-file={settings}", "--version"])
            if code != 0:
                raise ClamavError(f"clamd refuses its settings: {_first(said, settings)}")
        if clamscan := module.get_bin_path("clamscan"):
            for file in texts:
                if file.text is not None and read(file.path) != file.text:
                    name = os.path.basename(file.path)
                    _put(path := f"{directory}/{name}", file.text)
                    code, out, said = module.run_command([clamscan, f"--database={path}", "--no-summary", scanned])
                    if code not in (0, 1) or "LibClamAV Error" in said:
                        raise ClamavError(f"ClamAV refuses {name.removeprefix(PREFIX)}: {_first(said or out, path)}")


def _names(directory: str, *, ours: bool) -> list[str]:
    """Files of signatures in the database directory."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return (
        [name for name in names if name.startswith(PREFIX)]
        if ours
        else [
            name
            for name in names
            if not name.startswith(PREFIX) and (finds({name: None}) or name.endswith((".cvd", ".cld")))
        ]
    )


def _put(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


def _first(said: str, path: str) -> str:
    """What a program of ClamAV says first, without where we had the text."""
    line = said.strip().partition("\n")[0]
    line = re.sub(r"^(ERROR|LibClamAV Error): (Parse error at \S+: )?(yyerror\(\): )?", "", line)
    return line.replace(f"{path} ", "").replace(path, "the file")


if __name__ == "__main__":
    main()

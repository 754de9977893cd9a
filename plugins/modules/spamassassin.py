# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: spamassassin
short_description: Write settings, rules and scores for SpamAssassin
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Owns C(zz_courier_mail.cf) and, as far as they are given, the plugins C(courier_mail_clamd.pm) and
    C(courier_mail_re2.pm). SpamAssassin reads its files in the order of their names, so what is written here wins over
    C(local.cf), which is left alone.
  - SpamAssassin passes over a line that it does not understand, over a rule that Perl does not understand, and over the
    score of a rule that it does not have. All of these are refused.
  - Perl is asked about each regular expression. Where SpamAssassin is installed, C(spamassassin --lint) looks at a copy
    of its files with ours among them, as the user who runs it. What it warns of without ours is not held against them.
options:
  settings:
    description: Settings by their names in Mail::SpamAssassin::Conf(3). A list is written as a line for each value.
    type: dict
    default: {}
  rules:
    description: Rules of one's own.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The name, in capitals. One that begins with V(__) counts in V(meta) rules only.
        type: str
        required: true
      kind:
        description: What it looks at.
        type: str
        choices: [header, body, rawbody, uri, full, meta]
        required: true
      definition:
        description: What it looks for, such as V(/cheap watches/i), or V(Subject =~ /watches/i) for V(header).
        type: str
        required: true
      score:
        description: What it counts; without one, SpamAssassin says 1.
        type: float
      describe:
        description: What it is called in reports.
        type: str
  scores:
    description: Scores of rules that SpamAssassin has, by their names.
    type: dict
    default: {}
  plugin:
    description: Text of the plugin that asks clamd. Empty for none.
    type: str
    default: ""
  clamd_socket:
    description: Where clamd listens, for the plugin.
    type: path
    default: /run/clamav/clamd.ctl
  re2:
    description:
      - Text of the plugin that asks RE2 first about rules of bodies. It needs C(libre-engine-re2-perl). Empty for none.
    type: str
    default: ""
  directory:
    description: Where SpamAssassin has its configuration.
    type: path
    default: /etc/spamassassin
  user:
    description: Who runs SpamAssassin.
    type: str
    default: debian-spamd
attributes:
  check_mode:
    description: Reports what would change, and asks Perl and SpamAssassin.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Know our own spam
  courier.mail.spamassassin:
    settings:
      required_score: 5.5
      trusted_networks: [192.0.2.0/24, "2001:db8::/32"]
    rules:
      - {name: OUR_WATCHES, kind: body, definition: "/cheap watches/i", score: 2.5}
    scores:
      HTML_IMAGE_ONLY_08: 0
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/spamassassin/zz_courier_mail.cf]
"""

import os
import shutil
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._managed_file import File, Files, read, run
from ..module_utils._spamassassin import KINDS, Rule, SpamassassinError, objections, patterns, render

NAME = "zz_courier_mail.cf"
CLAMD = "courier_mail_clamd.pm"
RE2 = "courier_mail_re2.pm"

# Compiles what is given at run time, where Perl runs no code that a pattern may hold. Its warnings count, as they do
# for SpamAssassin.
LOOK = r"""
use warnings FATAL => qw(regexp);
$/ = "\0";
while (defined(my $name = <STDIN>)) {
    my ($text, $flags) = (scalar <STDIN>, scalar <STDIN>);
    chomp($name, $text, $flags);
    if ($flags =~ /([^acdgimoslunpx])/) { print "$name: there is no flag $1\n"; next }
    $flags =~ tr/imsxaldun//cd;
    eval { qr/(?$flags:$text)/; 1 } and next;
    my $why = $@ =~ s/ at -e line.*//sr;
    print "$name: $why\n";
}
"""

RULE = {
    "name": {"type": "str", "required": True},
    "kind": {"type": "str", "choices": list(KINDS), "required": True},
    "definition": {"type": "str", "required": True},
    "score": {"type": "float"},
    "describe": {"type": "str"},
}

SPEC = {
    "settings": {"type": "dict", "default": {}},
    "rules": {"type": "list", "elements": "dict", "options": RULE, "default": []},
    "scores": {"type": "dict", "default": {}},
    "plugin": {"type": "str", "default": ""},
    "clamd_socket": {"type": "path", "default": "/run/clamav/clamd.ctl"},
    "re2": {"type": "str", "default": ""},
    "directory": {"type": "path", "default": "/etc/spamassassin"},
    "user": {"type": "str", "default": "debian-spamd"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan, check)


def plan(params: dict[str, Any]) -> Files:
    directory = params["directory"]
    texts = {CLAMD: params["plugin"], RE2: params["re2"]}
    plugins = [*(_clamd(params) if texts[CLAMD] else ()), *(_RE2 if texts[RE2] else ())]
    text = render(params["settings"], _rules(params), params["scores"], plugins)
    mark = os.path.join(directory, ".removed")
    return Files(
        [
            *(
                File(os.path.join(directory, name), plugin or None, "root", "root", 0o644, mark=mark)
                for name, plugin in texts.items()
            ),
            File(os.path.join(directory, NAME), text, "root", "root", 0o644),
        ]
    )


def check(module: AnsibleModule, files: Files) -> None:
    params = module.params
    rules = _rules(params)
    asked = "".join(f"{part}\0" for pattern in patterns(rules) for part in pattern)
    _code, said, trouble = module.run_command(["perl", "-e", LOOK], data=asked, binary_data=True)
    if trouble:
        raise SpamassassinError(f"perl cannot look at the regular expressions: {trouble.strip()}")
    if said:
        raise SpamassassinError(f"rule {said.strip().splitlines()[0]}")
    program = module.get_bin_path("spamassassin")
    if not program or all(read(file.path) == file.text for file in files.files):
        return
    names = {*params["scores"], *(rule.name for rule in rules)}
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        shutil.chown(directory, group=params["user"])
        os.chmod(directory, 0o750)  # noqa: S103 - the user reads it and cannot write there
        site = os.path.join(directory, "site")
        shutil.copytree(params["directory"], site)
        for file in files.files:
            _put(os.path.join(site, os.path.basename(file.path)), file.text)
        found = _lint(module, program, site, names)
        if not found:
            return
        for name in (NAME, CLAMD, RE2):
            _put(os.path.join(site, name), None)
        before = _lint(module, program, site, names)
        if added := [objection for objection in found if objection not in before]:
            raise SpamassassinError(f"SpamAssassin refuses: {'; '.join(added)}")


def _rules(params: dict[str, Any]) -> list[Rule]:
    return [Rule(**rule) for rule in params["rules"]]


_RE2 = [f"loadplugin Mail::SpamAssassin::Plugin::CourierMailRE2 {RE2}"]


def _clamd(params: dict[str, Any]) -> list[str]:
    return [
        f"loadplugin Mail::SpamAssassin::Plugin::CourierMailClamd {CLAMD}",
        f"clamd_socket {params['clamd_socket']}",
        "full CLAMD_VIRUS eval:check_clamd()",
        "describe CLAMD_VIRUS ClamAV found something",
        "score CLAMD_VIRUS 100",
        "priority CLAMD_VIRUS -10",
        "tflags CLAMD_VIRUS noautolearn",
        "add_header all Virus _CLAMDSTATUS_",
    ]


def _lint(module: AnsibleModule, program: str, site: str, names: set[str]) -> list[str]:
    as_user = ["runuser", "-u", module.params["user"], "--"]
    lint = [program, "--lint", "-D", "config,rules", "--prefspath=/dev/null", f"--siteconfigpath={site}"]
    code, _out, said = module.run_command([*as_user, *lint], cwd="/")
    found = objections(said, names)
    if code != 0 and not found:
        found = [said.strip().splitlines()[-1] if said.strip() else f"spamassassin --lint ended with {code}"]
    return found


def _put(path: str, text: str | None) -> None:
    if text is None:
        if os.path.exists(path):
            os.unlink(path)
        return
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(path, 0o644)


if __name__ == "__main__":
    main()

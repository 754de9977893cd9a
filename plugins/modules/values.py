# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: values
short_description: Write Courier's files of one value each
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes the files in which Courier's MTA keeps one value each, such as V(me), V(queuetime), V(sizelimit),
    V(module.esmtp), V(enablefiltering), V(bofh) and the texts of its delivery status notifications.
  - Courier takes what it can make of these files and never complains. It reads V(25M) as 25 bytes, V(2 months) as two
    minutes, and a V(queuetime) of V(abc) as no time, which bounces every message at its first delay. Such values are
    refused, and all of them are checked before the first file is written.
notes:
  - C(makealiases) must run again after a change of V(me) or V(defaultdomain).
  - V(bofh), V(batchsize), V(enablefiltering), V(esmtpgreeting), V(msgidhost) and V(sizelimit) are read for each
    session, V(queuetime) and V(warntime) for each message that comes in, and V(esmtphelo) and the other files that
    begin with V(esmtp) by the next outbound client. The unit C(courier) must be restarted for the rest.
  - C(.removed) in O(directory) has the time at which the last file was removed, for the unit that has to start again.
  - Debian's package writes V(defaultdomain) and V(dsnfrom) again at its next upgrade where they are missing.
options:
  values:
    description:
      - The values, by the name of the file. V(null) removes the file, and Courier uses the default given below.
      - I(Host names) are V(me) (the name of the system; V(*.) in front stands for that name), V(defaultdomain)
        (V(me)), V(msgidhost) (V(me)), V(esmtphelo) (V(me); V(*) takes the name from DNS) and V(backuprelay) (none).
      - I(Lines of text) are V(esmtpgreeting) (V(me) and C(ESMTP)), V(dsnfrom), which is the whole content of the header
        From (Courier mail server at V(me)), V(maildropfilter), which is a path (none), and V(defaultsep), which is read
        from Debian 13 on (V(+)).
      - I(Times) are numbers with C(w), C(d), C(h), C(m) or C(s), as in V(2d12h); a number alone counts seconds. They
        are V(queuetime) (1w), V(warntime) (4h; V(0) for no warning), V(queuefill) (5m; V(0) for never), V(submitdelay)
        (0), V(respawnlo) (1h), V(respawnhi) (1w), V(retryalpha) (5m), V(retrygamma) (15m), V(localtimeout) (15m),
        V(esmtpdelay) (5m), V(esmtptimeout) (10m), V(esmtptimeoutconnect) (1m), V(esmtptimeoutdata) (5m),
        V(esmtptimeouthelo) (5m), V(esmtptimeoutkeepalive) (1m), V(esmtptimeoutkeepaliveping) (0) and
        V(esmtptimeoutquit) (10s).
      - I(Sizes) in bytes are V(sizelimit) (10485760; V(0) for no limit) and V(dsnlimit) (32768), the largest message
        that comes back whole in a bounce.
      - I(Whole numbers) are V(batchsize) (100), V(queuelo) (200, or more when the modules run more deliveries),
        V(queuehi) (twice V(queuelo), or 1000 more from 500 on), V(retrybeta) (3) and V(retrymaxdelta) (3).
      - V(locallowercase) is V(true) or V(false) (V(false)).
      - V(enablefiltering) is a list out of V(esmtp), V(local) and V(uucp) (nothing is filtered).
      - V(bofh) is a list of lines (no rules). V(maxrcpts) can stand there once, and so can each option.
      - V(module.esmtp) is a dictionary of V(MAXDELS) (40), V(MAXHOST) (4) and V(MAXRCPT) (100); V(module.local) of
        V(MAXDELS) (10) and V(MAXHOST) (4), V(module.dsn) of V(MAXDELS) (4) and V(MAXHOST) (1). Courier does not start
        without these files, so they cannot be V(null).
      - V(dsnheader.txt), V(dsnfooter.txt), V(dsndelayed.txt), V(dsndelivered.txt), V(dsnfailed.txt) and
        V(dsnrelayed.txt) are texts, V(dsnsubjectnotice.txt) and V(dsnsubjectwarn.txt) lines. Each can be a list as
        well, the same in several languages, which become one text or subject. They cannot be V(null). In
        V(dsnheader.txt), V([#ME#]) stands for the name of the server, V([#FROMTIME#]) and V([#FROMMTA#]) for when and
        from where it had the message; a header V(Content-Type) is put before it. In V(dsndelayed.txt) a percent sign
        is written V(%%), and V(%s) stands for the name of the server.
      - What is not ASCII is encoded in V(dsnfrom) and in the subjects. In the texts it stays UTF-8. Courier calls their
        part of the message 7bit nevertheless, which programs for mail overlook.
    type: dict
    required: true
  group:
    description: The group of the files, which everybody can read (mode V(0644)).
    type: str
    default: root
extends_documentation_fragment: [courier.mail.files]
attributes:
  check_mode:
    description: Reports what would change.
    support: full
  diff_mode:
    description: Shows the files before and after.
    support: full
"""

EXAMPLES = r"""
- name: Tell Courier who it is and how long to try
  courier.mail.values:
    values:
      me: mx1.example.com
      defaultdomain: example.com
      dsnfrom: '"Mail delivery" <mailer-daemon@example.com>'
      queuetime: 2d
      sizelimit: 26214400
      enablefiltering: [esmtp, local]
      locallowercase: true
      module.esmtp: {MAXDELS: 80, MAXHOST: 8}
      esmtphelo: null

- name: Be strict with strangers
  courier.mail.values:
    values:
      bofh:
        - badfrom @spam.example.net
        - maxrcpts 20 hard
        - opt BOFHSPFMAILFROM=pass,none,neutral,softfail,unknown
        - opt BOFHSPFTRUSTME=1
"""

RETURN = r"""
files:
  description: The files that changed, or would change.
  type: list
  elements: str
  returned: success
  sample: [/etc/courier/queuetime]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._courier.values import render
from ..module_utils._managed_file import FILES_SPEC, File, Files, run

SPEC = FILES_SPEC | {
    "values": {"type": "dict", "required": True},
    "group": {"type": "str", "default": "root"},
}


def main() -> None:
    run(AnsibleModule(argument_spec=SPEC, supports_check_mode=True), plan)


def plan(params: dict[str, Any]) -> Files:
    directory, owner, group = (params[option] for option in ("directory", "owner", "group"))
    mark = os.path.join(directory, ".removed")
    return Files(
        [
            File(os.path.join(directory, name), render(name, value), owner, group, 0o644, mark=mark)
            for name, value in params["values"].items()
        ]
    )


if __name__ == "__main__":
    main()

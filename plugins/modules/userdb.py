# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: userdb
short_description: Mail accounts in Courier's userdb, and their mailboxes
version_added: 0.1.0
author: The courier.mail contributors (@courier-mail)
description:
  - Writes all mail accounts into C(userdb) and compiles C(userdb.dat) and C(userdbshadow.dat) with C(makeuserdb). An
    account that leaves O(accounts) can neither log in nor receive mail from then on. Courier sees the change at once.
  - Gives each account a mailbox, which is a home with a Maildir, IMAP folders, and C(~/.courier) where the account has
    delivery instructions. What is there already is kept. An owner that differs from O(uid) and O(gid) is set right for
    the directories, since IMAP refuses the mailbox otherwise, but not for the messages in them.
  - Mail is never removed. Mailboxes that belong to no account any more are named in RV(left_behind).
  - Everything is validated before anything is written. Refused are what Courier would misread, accounts of domains that
    are not hosted, homes within homes, and passwords in the clear or in a hash that is easily broken.
  - The accounts have no C(mail) field, so Courier delivers to V(DEFAULTDELIVERY) of C(courierd), which should be
    C(./Maildir).
requirements:
  - psycopg2 (package python3-psycopg2) and courier-authlib-postgresql for O(database)
notes:
  - C(userdb) becomes one file. A directory of that name, which Courier would accept as well, is refused.
  - One call takes all accounts. Ten thousand of them take seconds. The first run waits for the disk as well, since a
    mailbox with four folders is more than twenty directories.
options:
  accounts:
    description: All mail accounts of the host.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description: The address in full, which is also the name to log in with. Kept in lower case.
        type: str
        required: true
      password_hash:
        description:
          - The hash of the password as C(openssl passwd -6) or C(mkpasswd -m yescrypt) print it. It begins with V($6$)
            or V($y$).
          - Without one, and without the secrets below, the account receives mail and nobody can log in.
        type: str
      hmac_md5:
        description:
          - The secret for CRAM-MD5, made of the password on a host with Courier by C(userdbpw -hmac-md5). It is as good
            as the password to whoever finds it, so it belongs into a vault.
          - Needed where O(auth_methods) has CRAM-MD5, and written only there.
        type: str
      hmac_sha1:
        description: The secret for CRAM-SHA1, made by C(userdbpw -hmac-sha1).
        type: str
      hmac_sha256:
        description: The secret for CRAM-SHA256, made by C(userdbpw -hmac-sha256).
        type: str
      disabled:
        description: Whether nobody can log in, whatever secrets the account has. It receives mail.
        type: bool
        default: false
      home:
        description:
          - The home of the account, below O(mail_root).
          - By default C(<mail_root>/<domain>/<part before the @>).
        type: path
      quota:
        description:
          - How much the mailbox may hold, as V(500M) or V(1G), in which a kilobyte is 1024 bytes, or in the form of
            maildirquota(7), V(1073741824S,10000C) for bytes and messages. Mail beyond it is not delivered.
          - V(none) for no limit where O(quota) would set one.
        type: str
      name:
        description: The name of the person.
        type: str
      courier:
        description:
          - The lines of C(~/.courier), one delivery instruction each, see dot-courier(5). Courier obeys them instead of
            V(DEFAULTDELIVERY), so a copy to keep is a line of its own, C(./Maildir).
          - They replace a C(~/.courier) that somebody else wrote. Without lines, such a file is left alone and only one
            that this module wrote is removed.
        type: list
        elements: str
        default: []
      send_as:
        description:
          - Addresses beside its own that the account may send as, C(@example.com) for all of a domain, for the filter
            C(sender_login) (see the role courier.mail.pythonfilter). Nothing here depends on it.
        type: list
        elements: str
        default: []
      forward:
        description:
          - Where the mail of the account goes on to. Not together with O(accounts[].courier).
          - What is spam, by an extension, stays in the mailbox.
        type: dict
        suboptions:
          to:
            description: Addresses, here or elsewhere. Its own is refused.
            type: list
            elements: str
            required: true
          keep:
            description: Whether the mail stays in the mailbox, too.
            type: bool
            default: false
      vacation:
        description:
          - A reply to whoever writes while somebody is away, once in a while, with no sender, so that nobody answers.
          - There is none to lists, reports, programs, spam, senders such as C(noreply), the account itself, and mail
            that has neither its address nor one of O(accounts[].send_as) in C(To) or C(Cc).
        type: dict
        suboptions:
          text:
            description: What others shall read.
            type: str
            required: true
          subject:
            description: The subject. By default it is that of the mail behind C(Auto:).
            type: str
          every:
            description: Days until the same sender hears it again, V(1) to V(365).
            type: int
            default: 7
          since:
            description: The first day, as V(2026-08-01). By default at once.
            type: str
          until:
            description: The last day. By default there is none.
            type: str
      rules:
        description:
          - What happens to mail that is as a rule says. The first rule that matches decides, and O(accounts[].forward)
            or O(accounts[].courier) is not asked any more.
          - Spam that filters give to the extension C(junk) is in its folder before any rule is asked.
        type: list
        elements: dict
        suboptions:
          name:
            description: What a refusal calls the rule.
            type: str
          match:
            description:
              - Conditions that must all hold. Each has one of C(contains), C(matches), C(larger_than) and C(spam).
            type: list
            elements: dict
            required: true
            suboptions:
              field:
                description:
                  - A field of the header, such as V(from), V(subject), V(list-id), V(X-Mailer). V(to) is C(Cc), too.
                  - Encoded words are read first.
                type: str
              contains:
                description: A text in the field, in capitals or not.
                type: str
              matches:
                description: A regular expression of Python somewhere in the field, in capitals or not.
                type: str
              larger_than:
                description: A size of the message, in bytes or as V(500K) or V(5M); a kilobyte is 1024 bytes.
                type: str
              spam:
                description: Whether a filter says that it is spam, by C(X-Spam-Flag).
                type: bool
          file:
            description:
              - The folder to put it into, such as V(Shop), or V(Shop.2026) for one in another. It is made if it is not
                there.
            type: str
          mark:
            description: How the message is marked.
            type: list
            elements: str
            choices: [seen, flagged]
          forward:
            description:
              - Addresses to pass it on to. It is not kept then, without O(accounts[].rules[].keep), C(file) or C(mark).
            type: list
            elements: str
          keep:
            description: Whether it is kept, too, when it goes on.
            type: bool
            default: false
          reply:
            description: A reply as for O(accounts[].vacation), which is not sent then.
            type: dict
            suboptions:
              text:
                description: What others shall read.
                type: str
                required: true
              subject:
                description: The subject. By default it is that of the mail behind C(Auto:).
                type: str
              every:
                description: Days until the same sender hears it again, V(1) to V(365).
                type: int
                default: 7
          discard:
            description: Throw it away. With nothing else.
            type: bool
            default: false
  auth_methods:
    description:
      - How people log in to SMTP. Every account that can log in must be able to by each of these methods.
      - What a listener offers is set in its file. But Courier takes a login by any method that it has a secret for,
        offered or not. So secrets of other methods are not written, and without V(PLAIN) and V(LOGIN) the password
        counts for IMAP and POP3 only. V(PLAIN) and V(LOGIN) ask for the same password, so Courier takes both or none.
    type: list
    elements: str
    choices: [PLAIN, LOGIN, CRAM-MD5, CRAM-SHA1, CRAM-SHA256]
    default: [PLAIN, LOGIN]
  domains:
    description: The hosted domains. V(.example.com) is every domain below C(example.com).
    type: list
    elements: str
    required: true
  mail_root:
    description: The directory below which all homes are. It must exist.
    type: path
    required: true
  uid:
    description: Number of the user whom the mailboxes belong to. Delivery and IMAP run under it.
    type: int
    required: true
  gid:
    description: Number of the group whom the mailboxes belong to.
    type: int
    required: true
  quota:
    description:
      - The quota of accounts that have none of their own. By default there is no limit.
      - Without a quota, the C(maildirsize) of a mailbox is removed, in which Courier would remember the last one.
    type: str
  folders:
    description: IMAP folders that every mailbox has. A new mailbox is subscribed to them.
    type: list
    elements: str
    default: [Drafts, Sent, Junk, Trash]
  extensions:
    description:
      - Delivery instructions of extensions that every account has. The lines of C(junk) go into C(~/.courier-junk) of
        each home, by which Courier delivers what is for C(alice-junk@example.com) with the rights of
        C(alice@example.com).
      - A file of this module is removed when its extension leaves. What somebody else wrote stays, unless an extension
        of that name is here.
      - Refused is an account that has the name of another one with an extension, because Courier would deliver to it.
    type: dict
    default: {}
  forwarder:
    description:
      - The program that gives mail for addresses elsewhere to the forwarding service (role
        P(courier.mail.courier_srs#role)). It takes the place of such addresses in C(courier) of O(accounts). Without
        one, Courier passes mail on with the sender that it came with.
    type: path
  inside:
    description: Domains that are ours beside O(domains); mail goes on there with its own sender.
    type: list
    elements: str
    default: []
  deliverer:
    description: The program that decides by C(~/.mailrules) where accounts have C(forward), C(vacation) or C(rules).
    type: path
    default: /usr/local/lib/courier-mail/deliver
  vacation_needs_end:
    description: Whether a C(vacation) without C(until) is refused.
    type: bool
    default: false
  database:
    description:
      - The PostgreSQL server that keeps the accounts in the place of C(userdb), for hosts that share them. Written are
        the table C(courier_mail.accounts), in one transaction and for rows of O(domains) only, and C(authpgsqlrc).
      - An account that leaves O(accounts) leaves the table. Rows of other domains are neither seen nor changed.
      - C(userdb) is left as it is, so that Courier finds everybody until it asks the database; remove it afterwards.
      - Courier could take CRAM with passwords in clear only, so O(auth_methods) must be V(PLAIN) and V(LOGIN).
    type: dict
    suboptions:
      host:
        description: Name or address of the server, or the directory of its socket. Needed.
        type: str
      port:
        description: Its port.
        type: int
        default: 5432
      name:
        description: Name of the database. Needed.
        type: str
      user:
        description: Who asks for accounts, as Courier does. May only read, which is proved. Needed.
        type: str
      password:
        description: The password of O(database.user). Needed.
        type: str
      writer:
        description: Who writes, which only a run does. May create a schema in the database. Needed.
        type: str
      writer_password:
        description: The password of O(database.writer). It is not kept on the host. Needed.
        type: str
      tls:
        description:
          - How the server proves who it is. V(verify-ca) does not look at its name. V(require) takes any certificate
            and V(disable) goes in clear; both need O(database.reason), unless O(database.host) is this host.
        type: str
        choices: [verify-full, verify-ca, require, disable]
        default: verify-full
      ca:
        description: The certificates that are trusted, in a file of the host.
        type: path
        default: /etc/ssl/certs/ca-certificates.crt
      reason:
        description: Why the server need not prove who it is.
        type: str
  directory:
    description: Where C(userdb) is.
    type: path
    default: /etc/courier
  owner:
    description: User, by name or number, that owns C(userdb). Nobody else can read it, as C(makeuserdb) demands.
    type: str
    default: root
  group:
    description: Group, by name or number, of C(userdb).
    type: str
    default: root
seealso:
  - module: courier.mail.acceptmailfor
attributes:
  check_mode:
    description: Says what would be written, compiled and made.
    support: full
  diff_mode:
    description: Shows the accounts and mailboxes that change, without passwords.
    support: full
"""

EXAMPLES = r"""
- name: Keep the mail accounts
  courier.mail.userdb:
    domains: [example.com]
    mail_root: /srv/vmail
    uid: 5000
    gid: 5000
    quota: 1G
    accounts:
      - address: alice@example.com
        name: Alice Archer
        password_hash: "{{ vault_alice_password_hash }}"
      - address: archive@example.com
        quota: none
      - address: bob@example.com
        password_hash: "{{ vault_bob_password_hash }}"
        courier:
          - ./Maildir
          - "&bob@example.net"
  register: mail_accounts

- name: Keep them in a database that two hosts share
  courier.mail.userdb:
    domains: [example.com]
    mail_root: /srv/vmail
    uid: 5000
    gid: 5000
    accounts:
      - address: alice@example.com
        password_hash: "{{ vault_alice_password_hash }}"
    database:
      host: db.example.com
      name: mail
      user: courier
      password: "{{ vault_database_password }}"
      writer: courier_writer
      writer_password: "{{ vault_database_writer_password }}"

- name: Name the mailboxes that nobody reads any more
  ansible.builtin.debug:
    var: mail_accounts.left_behind
"""

RETURN = r"""
files:
  description: The files that were written, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/userdb]
compiled:
  description: The databases that were compiled, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/courier/userdb.dat, /etc/courier/userdbshadow.dat]
mailboxes:
  description: The homes whose mailbox was made, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [/srv/vmail/example.com/alice]
known:
  description: One of the accounts, to ask Courier for. Empty where there are none.
  returned: success
  type: str
  sample: alice@example.com
left_behind:
  description: The homes C(<mail_root>/<domain>/<name>) that hold a mailbox of no account.
  returned: success
  type: list
  elements: str
  sample: [/srv/vmail/example.com/carol]
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._accounts_database import bring, prove_reader, reach
from ..module_utils._courier import authpgsql
from ..module_utils._courier.features import DAYS, FeatureError, Site, lines_and_rules, passed_on
from ..module_utils._courier.forwards import Forward, ForwardError, Inside, refuse_loops
from ..module_utils._courier.userdb import (
    METHODS,
    PASSWORD_METHODS,
    Account,
    UserdbError,
    canonical,
    changes,
    holds_secret,
    refuse_extensions,
    render,
)
from ..module_utils._maildir import Mailbox, MailboxError, MailRoot, carry_out, diff, left_behind, survey
from ..module_utils._managed_file import Database, File, ensure, read
from ..module_utils._postgresql import OPTIONS, DatabaseError

REPLY = {
    "text": {"type": "str", "required": True},
    "subject": {"type": "str"},
    "every": {"type": "int", "default": DAYS},
}
CONDITION = {
    "field": {"type": "str"},
    "contains": {"type": "str"},
    "matches": {"type": "str"},
    "larger_than": {"type": "str"},
    "spam": {"type": "bool"},
}
RULE = {
    "name": {"type": "str"},
    "match": {"type": "list", "elements": "dict", "options": CONDITION, "required": True},
    "file": {"type": "str"},
    "mark": {"type": "list", "elements": "str", "choices": ["seen", "flagged"]},
    "forward": {"type": "list", "elements": "str"},
    "keep": {"type": "bool", "default": False},
    "reply": {"type": "dict", "options": REPLY},
    "discard": {"type": "bool", "default": False},
}
ACCOUNT = {
    "address": {"type": "str", "required": True},
    **{secret: {"type": "str", "no_log": True} for secret in METHODS.values()},
    "disabled": {"type": "bool", "default": False},
    "home": {"type": "path"},
    "quota": {"type": "str"},
    "name": {"type": "str"},
    "courier": {"type": "list", "elements": "str", "default": []},
    "send_as": {"type": "list", "elements": "str", "default": []},
    "forward": {
        "type": "dict",
        "options": {
            "to": {"type": "list", "elements": "str", "required": True},
            "keep": {"type": "bool", "default": False},
        },
    },
    "vacation": {"type": "dict", "options": {**REPLY, "since": {"type": "str"}, "until": {"type": "str"}}},
    "rules": {"type": "list", "elements": "dict", "options": RULE},
}
DATABASE = {**OPTIONS, "writer": {"type": "str"}, "writer_password": {"type": "str", "no_log": True}}
SPEC = {
    "accounts": {"type": "list", "elements": "dict", "options": ACCOUNT, "required": True},
    "auth_methods": {"type": "list", "elements": "str", "choices": list(METHODS), "default": list(PASSWORD_METHODS)},
    "domains": {"type": "list", "elements": "str", "required": True},
    "mail_root": {"type": "path", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
    "quota": {"type": "str"},
    "folders": {"type": "list", "elements": "str", "default": ["Drafts", "Sent", "Junk", "Trash"]},
    "extensions": {"type": "dict", "default": {}},
    "forwarder": {"type": "path"},
    "inside": {"type": "list", "elements": "str", "default": []},
    "deliverer": {"type": "path", "default": "/usr/local/lib/courier-mail/deliver"},
    "vacation_needs_end": {"type": "bool", "default": False},
    "database": {"type": "dict", "options": DATABASE},
    "directory": {"type": "path", "default": "/etc/courier"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    params = dict(module.params)
    # Ansible returns its arguments, and searches each string in them for each password. With ten thousand of both that
    # takes longer than all the rest.
    module.params["accounts"] = f"{len(params['accounts'])} accounts"
    database = params["database"]
    if database:
        module.params["database"] = f"{database['name']} at {database['host']}"
    path = os.path.join(params["directory"], "userdb")
    root = mail_root(params)
    try:
        accounts, text = plan(params)
        extensions = params["extensions"]
        mailboxes = [Mailbox(one.home, one.courier, one.quota is not None, extensions, one.rules) for one in accounts]
        work = survey(root, mailboxes)
        if os.path.isdir(path):
            raise UserdbError(f"{path} is a directory; move it away, all accounts go into one file of this name")
        if database:
            reach(database)
        if not module.check_mode:
            carry_out(root, work)
        table = keep_in_database(params, text, check=module.check_mode) if database else None
    except (UserdbError, FeatureError, ForwardError, MailboxError, DatabaseError, OSError) as error:
        # None of these sentences holds a password, and if a password is just "a", masking would spoil them.
        module.no_log_values.clear()
        module.fail_json(msg=str(error))
    if table:
        result = ensure(module, [authpgsqlrc(params)])
        result["changed"] |= table["changed"]
        result["diff"] += table["diff"]
    else:
        result = ensure(module, [file(module, path, text)], databases(path))
    result["changed"] |= bool(work)
    result["diff"] += [diff(root, work)] if work else []
    result["mailboxes"] = [f"{root.path}/{item.home}" for item in work if item.is_new]
    result["known"] = min((one.address for one in accounts), default="")
    result["left_behind"] = left_behind(root, {one.home for one in accounts})
    if not holds_secret(str(result)):
        # Ansible would search for each of them.
        module.no_log_values.clear()
    module.exit_json(**result)


def plan(params: dict[str, Any]) -> tuple[list[Account], str]:
    """The accounts, and the text of userdb. Touches nothing; raises UserdbError."""
    root = mail_root(params)
    accounts = [account(entry, root, params["quota"]) for entry in params["accounts"]]
    if params["database"]:
        authpgsql.refuse(params["database"], params["auth_methods"])
    text = render(accounts, params["domains"], params["auth_methods"])
    accounts = [featured(entry, one, params) for entry, one in zip(params["accounts"], accounts, strict=True)]
    if not params["forwarder"]:  # which looks at the other hosts, too
        refuse_loops(Forward(entry["address"], passed_on(entry), account=True) for entry in params["accounts"])
    refuse_extensions(params["extensions"], accounts)
    return accounts, text


def featured(entry: dict[str, Any], one: Account, params: dict[str, Any]) -> Account:
    """The account with what it does with its mail. Raises FeatureError and ForwardError."""
    ours = Inside([*params["domains"], *params["inside"]])
    site = Site(
        program=params["deliverer"],
        extensions="default" in params["extensions"],
        needs_end=params["vacation_needs_end"],
        forward=(params["forwarder"], ours) if params["forwarder"] else None,
    )
    lines, rules = lines_and_rules(entry, one.address, site)
    return one._replace(courier=lines, rules=rules)


def mail_root(params: dict[str, Any]) -> MailRoot:
    return MailRoot(os.path.normpath(params["mail_root"]), params["uid"], params["gid"], params["folders"])


def account(entry: dict[str, Any], root: MailRoot, quota: str | None) -> Account:
    address = canonical(entry["address"])
    local, _separator, domain = address.rpartition("@")
    quota = entry["quota"] or quota or None
    if entry["disabled"]:
        entry = entry | dict.fromkeys(METHODS.values())
    return Account(
        address,
        entry["password_hash"],
        entry["home"] or f"{root.path}/{domain}/{local}",
        root.uid,
        root.gid,
        None if quota == "none" else quota,
        entry["name"],
        tuple(entry["courier"]),
        entry["hmac_md5"],
        entry["hmac_sha1"],
        entry["hmac_sha256"],
    )


def file(module: AnsibleModule, path: str, text: str) -> File:
    before = read(path) or ""
    gone, added = changes(before, text)
    shown = {before: gone, text: added}
    return File(path, text, module.params["owner"], module.params["group"], 0o600, shown.__getitem__)


def keep_in_database(params: dict[str, Any], text: str, *, check: bool) -> dict[str, Any]:
    """Have the rows, and say what changed of them. Raises DatabaseError."""
    database = params["database"]
    found = bring(database, authpgsql.rows(text), authpgsql.where(params["domains"]), check=check)
    if not check:
        prove_reader(database)
    header = f"{authpgsql.TABLE} in {database['name']} at {database['host']}"
    before, after = changes(found.before, found.after)
    shown = {"before_header": header, "after_header": header, "before": before, "after": after}
    return {"changed": bool(found), "diff": [shown] if found else []}


def authpgsqlrc(params: dict[str, Any]) -> File:
    """Owner and mode are those that the package insists on when it is upgraded."""
    text = authpgsql.render(params["database"], params["domains"])
    path = os.path.join(params["directory"], "authpgsqlrc")
    return File(path, text, params["owner"], "courier", 0o640, authpgsql.without_password)


def databases(path: str) -> list[Database]:
    """makeuserdb makes both, one after the other. A run that dies between them leaves old passwords."""
    return [Database(f"{path}{end}", [path], ["makeuserdb", "-f", path]) for end in (".dat", "shadow.dat")]


if __name__ == "__main__":
    main()

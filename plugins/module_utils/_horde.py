# Copyright (c) 2026, the courier.mail contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Horde reads: PHP that sets variables, and classes of Debian's packages that PHP 8 or we want otherwise.

Debian's php-horde-* of release 12 were written for PHP 7. Nothing packaged is edited: a class that must be different is
copied, with each place changed that is named here, and a file that PHP reads before any other loads the copy instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from . import _postgresql

VARIABLE = "mail_webmail: database"
STATE = "/var/lib/courier-horde"
OVERLAY = "/usr/local/share/courier-horde"
NARROW = f"{OVERLAY}/narrow.css"
SECRET = "/etc/courier-horde/secret"  # noqa: S105  its path
# The files that are made of arguments: Horde's conf.php, its registry, and of IMP conf.php, mail servers,
# what is shown within a letter, preferences.
CONFIGURATION = (
    "/etc/horde/horde/conf.php",
    "/etc/horde/horde/registry.d/50-courier-mail.php",
    "/etc/horde/imp/conf.php",
    "/etc/horde/imp/backends.local.php",
    "/etc/horde/imp/mime_drivers.local.php",
    "/etc/horde/imp/prefs.local.php",
)

_HOST = re.compile(r"(?=.{4,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}")
_KEY = re.compile(r"[a-z][a-z0-9-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:-]+")
_PASSWORD = re.compile(r"(?<='password' => )'(?:[^'\\]|\\.)*'")
_ADDRESS = re.compile(r"[^\s@']+@[^\s@']+")


class HordeError(ValueError):
    """What Horde could not serve, or would serve wrongly."""


class Php(str):
    """An expression, and no text."""


class Change(NamedTuple):
    """A place in a class, which must be there exactly so often."""

    before: str
    after: str
    times: int = 1


class Copy(NamedTuple):
    """A class of which there is a copy."""

    name: str
    source: str
    changes: Sequence[Change]

    @property
    def path(self) -> str:
        """The copy's name in the overlay."""
        return self.name.replace("\\", "_") + ".php"


# What PHP 8 took away. Horde asks each() in the list of messages, among others.
_EACH = """if (!function_exists('each')) {
    function each(&$array)
    {
        $key = key($array);
        if ($key === null) {
            return false;
        }
        $value = current($array);
        next($array);
        return [1 => $value, 'value' => $value, 0 => $key, 'key' => $key];
    }
}
"""

_COOKIE = """            0,
            $this->_params['cookie_path'],
            $this->_params['cookie_domain'],
            $this->_params['cookie_ssl'],
            true
        );"""
_STRICT_COOKIE = """            [
                'expires' => 0,
                'path' => $this->_params['cookie_path'],
                'domain' => $this->_params['cookie_domain'],
                'secure' => true,
                'httponly' => true,
                'samesite' => 'Strict',
            ]
        );"""

_REFUSED = """if ($e->authError() === Horde_Auth::REASON_BADLOGIN) {
                Horde::log(
                    sprintf('REFUSED LOGIN for %s (%s)', $imp_imap->getParam('username'), $_SERVER['REMOTE_ADDR']),
                    'ERR'
                );
            }"""

# Ways to log in are tried one after the other.
_IMAP_WAY = """            } catch (Horde_Imap_Client_Exception $e) {
                $resp = false;
"""
_IMAP_LAST_WAY = """\
                if (in_array($e->getCode(), [$e::DISCONNECT, $e::SERVER_READERROR, $e::SERVER_WRITEERROR])) {
                    if (!isset($data)) {
                        $login_err = $e;
                    }
                    $this->logout();
                    break;
                }
"""
_SMTP_WAY = """                $this->_auth($method);
                return;
            } catch (Horde_Smtp_Exception $e) {"""
_SMTP_LAST_WAY = """
                if (in_array($e->getCode(), [$e::DISCONNECT, $e::SERVER_READERROR, $e::SERVER_WRITEERROR])) {
                    if (empty($refused)) {
                        $this->logout();
                        throw $e;
                    }
                    break;
                }
                $refused = !empty($refused) || $e->getSmtpCode();
            """

_NARROW_VIEW = f"""            $this->addMetaTag('viewport', 'width=device-width, initial-scale=1', false);
            $this->addStylesheet('{NARROW}', '/horde/narrow.css');
"""

# Of a style, only what Horde blocks by itself may fetch; of other elements than those that it looks at, nothing.
_FETCHING = r"""        if (!in_array($tag, ['a', 'area', 'img', 'input', 'link'])) {
            foreach (iterator_to_array($node->attributes) as $val) {
                if ($val->name != 'style' && preg_match('~//|url\s*\(|\x5c~i', $val->value)) {
                    $node->removeAttributeNode($val);
                }
            }
        }
        if ($node->hasAttribute('style')) {
            $style = $node->getAttribute('style');
            if (preg_match('/content:|(src|image|image-set)\s*\(|\x5c/i', $style)
                || preg_match_all('/url\s*\(/i', $style) > preg_match_all(self::CSS_BG_PREG, $style)) {
"""

COPIES: Sequence[Copy] = (
    # ReflectionMethod takes no null since PHP 8; the window to compose in asks for one.
    Copy(
        "Horde_Core_Ajax_Application_Handler",
        "/usr/share/php/Horde/Core/Ajax/Application/Handler.php",
        [
            Change(
                "        try {\n            $method = new ReflectionMethod($this, $action);",
                "        if (!is_string($action) || $action === '') {\n            return false;\n        }\n"
                "        try {\n            $method = new ReflectionMethod($this, $action);",
            )
        ],
    ),
    # fread() of nothing is an error since PHP 8.
    Copy(
        "Net_DNS2_Cache_File",
        "/usr/share/php/Net/DNS2/Cache/File.php",
        [
            Change(
                "@fread($fp, filesize($this->cache_file))",
                "(filesize($this->cache_file) > 0 ? fread($fp, filesize($this->cache_file)) : '')",
            )
        ],
    ),
    # Of a picture that its theme does not have, there is nothing to know. PHP 8 calls that an error.
    Copy(
        "Horde_Themes_Element",
        "/usr/share/php/Horde/Themes/Element.php",
        [Change("            return $this->_data[$name];", "            return $this->_data[$name] ?? null;")],
    ),
    # textdomain() takes no empty text since PHP 8.4.
    Copy(
        "Horde_Registry_Registryconfig",
        "/usr/share/php/Horde/Registry/Registryconfig.php",
        [Change("            textdomain($app);", "            textdomain($app ?: null);")],
    ),
    # Horde takes any certificate of an IMAP or SMTP server.
    Copy(
        "Horde\\Socket\\Client",
        "/usr/share/php/Horde/Socket/Client.php",
        [
            Change("'verify_peer' => false", "'verify_peer' => true"),
            Change("'verify_peer_name' => false", "'verify_peer_name' => true"),
            Change(
                "                $mode = STREAM_CRYPTO_METHOD_TLS_CLIENT\n"
                "                    | STREAM_CRYPTO_METHOD_TLSv1_0_CLIENT\n"
                "                    | STREAM_CRYPTO_METHOD_TLSv1_1_CLIENT\n"
                "                    | STREAM_CRYPTO_METHOD_TLSv1_2_CLIENT;",
                "                $mode = STREAM_CRYPTO_METHOD_TLSv1_2_CLIENT | STREAM_CRYPTO_METHOD_TLSv1_3_CLIENT;",
            ),
        ],
    ),
    # PHP makes a line of the log of each line of a message, and a login name may have several.
    Copy(
        "Horde_Log_Handler_Syslog",
        "/usr/share/php/Horde/Log/Handler/Syslog.php",
        [
            Change(
                "syslog($priority, $event['message'])",
                "syslog($priority, preg_replace('/[\\x00-\\x1f\\x7f]+/', ' ', $event['message']))",
            )
        ],
    ),
    # Horde logs a login that the mail server could not look at as it logs a wrong password, and the jail that counts
    # would ban people while the mail server is away. This line is for the jail: nothing but a refusal of the server.
    Copy(
        "IMP_Auth",
        "/usr/share/horde/imp/lib/Auth.php",
        [Change("self::_log(false, $imp_imap);", _REFUSED, 2)],
    ),
    # A mail server that hangs up, or says nothing, has refused nobody, unless it did so before. Courier hangs up while
    # it cannot look up accounts. Horde would go on to the next way to log in, where nobody listens any more.
    Copy(
        "Horde_Imap_Client_Socket",
        "/usr/share/php/Horde/Imap/Client/Socket.php",
        [Change(_IMAP_WAY, _IMAP_WAY + _IMAP_LAST_WAY)],
    ),
    Copy("Horde_Smtp", "/usr/share/php/Horde/Smtp.php", [Change(f"{_SMTP_WAY}}}", f"{_SMTP_WAY}{_SMTP_LAST_WAY}}}")]),
    # What is asked of a connection that is gone is a fatal error since PHP 8, and Horde goes on asking.
    Copy(
        "Horde_Imap_Client_Socket_Connection_Socket",
        "/usr/share/php/Horde/Imap/Client/Socket/Connection/Socket.php",
        [
            Change("if (fwrite($this->_stream, $buffer", "if (!$this->connected || @fwrite($this->_stream, $buffer"),
            Change("(rewind($data))", "($this->connected && rewind($data))"),
            Change("if (feof($this->_stream))", "if (!$this->connected || feof($this->_stream))"),
        ],
    ),
    Copy(
        "Horde_Smtp_Connection",
        "/usr/share/php/Horde/Smtp/Connection.php",
        [
            Change("if (fwrite($this->_stream, $data)", "if (!$this->connected || @fwrite($this->_stream, $data)"),
            Change("if (feof($this->_stream))", "if (!$this->connected || feof($this->_stream))"),
        ],
    ),
    # The key to the password in the session.
    Copy("Horde_Secret", "/usr/share/php/Horde/Secret.php", [Change(_COOKIE, _STRICT_COOKIE)]),
    # Horde's view for desks says nothing to phones, which then show it as small as a desk's. What is different in a
    # narrow window, a style sheet of ours says.
    Copy(
        "Horde_PageOutput",
        "/usr/share/php/Horde/PageOutput.php",
        [
            Change(
                "        case $registry::VIEW_BASIC:\n            $this->_addBasicScripts();",
                f"        case $registry::VIEW_BASIC:\n{_NARROW_VIEW}            $this->_addBasicScripts();",
            ),
            Change(
                "        case $registry::VIEW_DYNAMIC:\n            $this->ajax = true;",
                f"        case $registry::VIEW_DYNAMIC:\n{_NARROW_VIEW}            $this->ajax = true;",
            ),
        ],
    ),
    # What a letter brings must run no script, whatever the filter missed. And before somebody asks for images it must
    # call nobody: Horde blocks images, backgrounds, and sheets that say their type, but much else can fetch.
    Copy(
        "IMP_Mime_Viewer_Html",
        "/usr/share/horde/imp/lib/Mime/Viewer/Html.php",
        [
            Change(
                'src="javascript:false" frameborder="0"',
                'sandbox="allow-same-origin allow-popups allow-popups-to-escape-sandbox" '
                'src="about:blank" frameborder="0"',
            ),
            Change(
                "            switch (Horde_String::lower($node->getAttribute('type'))) {\n"
                "            case 'text/css':\n"
                "                $this->_imptmp['style'][] = str_replace(",
                "            switch ('text/css') {\n"
                "            case 'text/css':\n"
                "                $this->_imptmp['style'][] = str_replace(",
            ),
            Change(
                "        $css_text = $this->_parseCss($css, false);\n",
                "        $css_text = $this->_parseCss($css, false);\n"
                "        if (preg_match('/(url|src|image|image-set)\\s*\\(|@import|\\x5c/i', $css_text)) {\n"
                "            $css_text = '';\n"
                "        }\n",
            ),
            Change(
                "        if ($node->hasAttribute('style')) {\n"
                "            if (strpos($node->getAttribute('style'), 'content:') !== false) {\n",
                _FETCHING,
            ),
        ],
    ),
)


def changed(copy: Copy, text: str) -> str:
    """The text of a copy, of the text that the package has."""
    for change in copy.changes:
        if (found := text.count(change.before)) != change.times:
            raise HordeError(
                f"{copy.source} is not as it was: {' '.join(change.before.split())!r} is there {found} times, "
                f"and not {change.times}; the package has changed, and this collection does not know it"
            )
        text = text.replace(change.before, change.after)
    return text


def prepended(copies: Sequence[Copy] = COPIES, overlay: str = OVERLAY) -> str:
    """What PHP reads before anything of Horde."""
    # Horde does not always write a class in the same way: it is imp_Mime_Viewer_html, too.
    places = {copy.name.lower(): f"{overlay}/{copy.path}" for copy in copies}
    return (
        f"<?php\n// Written by Ansible (courier.mail.horde).\n{_EACH}"
        "spl_autoload_register(static function ($class) {\n"
        f"    static $copies = {php(places, 1)};\n"
        "    $class = strtolower($class);\n"
        "    if (isset($copies[$class])) {\n        require $copies[$class];\n    }\n});\n"
    )


def php(value: object, depth: int = 0) -> str:
    """A value as PHP writes it."""
    if isinstance(value, Php):
        return str(value)
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        if "\0" in value:
            raise HordeError(f"{value!r} has a character that cannot be written")
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    pad, end = "    " * (depth + 1), "    " * depth
    if isinstance(value, Mapping):
        lines = [f"{pad}{php(key)} => {php(one, depth + 1)},\n" for key, one in value.items()]
    elif isinstance(value, Sequence):
        lines = [f"{pad}{php(one, depth + 1)},\n" for one in value]
    else:
        raise HordeError(f"{value!r} is nothing that Horde knows")
    return f"[\n{''.join(lines)}{end}]" if lines else "[]"


def _assigned(variable: str, values: Mapping[str, object]) -> str:
    lines = [f"${variable}[{php(name)}] = {php(value)};\n" for name, value in values.items()]
    return "<?php\n// Written by Ansible (courier.mail.horde).\n" + "".join(lines)


def merged(values: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, with those of somebody else in them. A list is replaced as a whole."""
    result = dict(values)
    for name, value in other.items():
        mine = result.get(name)
        result[name] = merged(mine, value) if isinstance(mine, Mapping) and isinstance(value, Mapping) else value
    return result


def conf(params: Mapping[str, Any]) -> str:
    """Horde's conf.php."""
    host, contact, backend, settings = params["host"], params["contact"], params["backends"][0], params["settings"]
    for name in ("auth", "cookie", "secret_key", "server", "sql", "use_ssl"):
        if name in settings:
            raise HordeError(f"horde_settings has {name}, on which the safety of logins rests; leave it out")
    table = {"driver": "Sql", "params": {"driverconfig": "horde"}}
    values: dict[str, Any] = {
        "vhosts": False,
        "debug_level": 22519,  # all but what is deprecated, strict, or a notice
        "max_exec_time": 0,
        "compress_pages": False,  # nginx decides
        "secret_key": Php(f"trim(file_get_contents({php(SECRET)}))"),
        "umask": 0o77,
        "testdisable": True,
        "tmpdir": f"{STATE}/tmp",  # noqa: S108  its own
        "use_ssl": 1,
        "server": {"name": host, "port": 443},
        "urls": {"token_lifetime": 30, "hmac_lifetime": 30, "pretty": False},
        "safe_ips": [],
        "session": {
            "name": "Horde",
            "use_only_cookies": True,
            "timeout": 0,
            "cache_limiter": "nocache",
            "max_time": 43200,
        },
        "cookie": {"domain": "", "path": "/horde"},
        "sql": _sql(params["database"]) | {"charset": "utf-8", "splitread": False, "logqueries": False},
        "nosql": {"phptype": False},
        "ldap": {"useldap": False},
        "auth": {
            "admins": [],
            # A phone changes its address all the time, and with IPv6 so does everybody.
            "checkip": False,
            "checkbrowser": True,
            "resetpassword": False,
            "alternate_login": False,
            "redirect_on_logout": False,
            "list_users": "none",
            "driver": "application",
            # Whoever guesses is banned by his address. Blocking the name would let him lock others out.
            "params": {"app": "imp", "count_bad_logins": False, "login_block": False},
        },
        "signup": {"allow": False},
        "log": {"priority": "NOTICE", "ident": "HORDE", "name": Php("LOG_USER"), "type": "syslog", "enabled": True},
        "log_accesskeys": False,
        "prefs": table | {"maxsize": 65535},
        "alarms": {"driver": False},
        "group": {"driver": "Sql", "driverconfig": "horde", "cache": False},
        "perms": {"driver": "Sql", "driverconfig": "horde"},
        "share": {
            "no_sharing": True,
            "auto_create": True,
            "world": False,
            "any_group": False,
            "hidden": False,
            "cache": False,
            "driver": "Sqlng",
        },
        "cache": {
            "default_lifetime": 86400,
            "params": {"dir": f"{STATE}/cache", "sub": 0},
            "use_memorycache": "",
            "driver": "File",
            "compress": True,
        },
        "cachecssparams": {"url_version_param": True},
        "cachejsparams": {"url_version_param": True},
        "cachecss": False,
        "cachejs": False,
        "cachethemes": False,
        "lock": table,
        "token": table,
        "history": table,
        "davstorage": table,
        "mailer": {"type": "smtp", "params": _smtp(backend) | {"username_auth": True, "password_auth": True}},
        "vfs": {"type": "Sql", "params": {"driverconfig": "horde"}},
        "sessionhandler": {"type": "Builtin", "hashtable": False},
        "spell": {"driver": ""},
        "gnupg": {"keyserver": []},
        "nobase64_img": False,
        "image": {"driver": False},
        "exif": {"driver": "Bundled"},
        "timezone": {"location": ""},
        "problems": {
            "email": contact,
            "maildomain": contact.rpartition("@")[2],
            "tickets": False,
            "attachments": False,
        },
        "menu": {
            "links": {
                "help": "never",
                "prefs": "authenticated",
                "problem": "never",
                "login": "all",
                "logout": "authenticated",
            }
        },
        "portal": {"fixed_blocks": []},
        "accounts": {"driver": "null"},
        # What people see on a phone is the same, in a smaller window: the two views for phones were never tried.
        "user": {"verify_from_addr": False, "select_view": False, "force_view": "dynamic"},
        "urlshortener": False,
        "weather": {"provider": False},
        "hashtable": {"driver": "none"},
    }
    values |= {name: {"enabled": False} for name in ("facebook", "twitter", "imap", "imsp", "kolab", "activesync")}
    return _assigned("conf", merged(values, settings))


def _sql(database: Mapping[str, Any] | None) -> dict[str, Any]:
    """Where Horde keeps what people set. What it does not know, it gives to the driver."""
    if not database:
        return {"phptype": "sqlite", "database": f"{STATE}/horde.sqlite3", "mode": "0600"}
    said = _postgresql.parameters(database, database["user"], database["password"])
    names = {"dbname": "database", "user": "username"}
    return {"phptype": "pgsql"} | {names.get(name, name): value for name, value in said.items()}


def without_password(text: str) -> str:
    """What a diff may show of conf.php."""
    return _PASSWORD.sub("(hidden)", text)


def imp_conf(attachment_limit: int, several: bool, settings: Mapping[str, Any]) -> str:
    """IMP's conf.php."""
    values: dict[str, Any] = {
        "user": {"allow_view_source": True},
        "server": {"server_list": "shown" if several else "none"},
        "compose": {
            "use_vfs": False,
            "link_attachments": False,
            "attach_size_limit": attachment_limit,
            "attach_count_limit": 0,
            "reply_limit": 200000,
            "ac_threshold": 3,
            "htmlsig_img_size": 0,
        },
        "pgp": {"keylength": 0},
        "maillog": {"driver": "history"},
        "sentmail": {"driver": "Null"},
        "contactsimage": {"backends": []},
        "tasklist": {"use_tasklist": False},
        "notepad": {"use_notepad": False},
    }
    return _assigned("conf", merged(values, settings))


def _smtp(backend: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "host": backend["smtp_host"] or backend["host"],
        "port": backend["smtp_port"],
        "secure": "tls",
        "auth": True,
        "lmtp": False,
    }


def backends(given: Sequence[Mapping[str, Any]]) -> str:
    """IMP's mail servers, of which Debian's own is none."""
    learned = {"null": True}
    servers = {
        one["name"]: {
            "disabled": False,
            "name": one["title"] or one["name"],
            "hostspec": one["host"],
            "hordeauth": "full",
            "protocol": "imap",
            "port": one["port"],
            "secure": "ssl",
            "maildomain": one["domain"],
            "smtp": _smtp(one),
            "acl": True,
            "cache": False,
            "quota": {"driver": "imap", "params": {"hide_when_unlimited": True, "unit": "MB"}},
            "spam": {"innocent": learned, "spam": learned},
        }
        for one in given
    }
    return f"<?php\n// Written by Ansible (courier.mail.horde).\n$servers = {php(servers)};\n"


# What people find, and what of it they cannot change: where learning looks, and what would be a way in.
_PREFS: Mapping[str, tuple[object, bool]] = {
    "drafts_folder": ("Drafts", False),
    "sent_mail_folder": ("Sent", False),
    "spam_folder": ("Junk", True),
    "trash_folder": ("Trash", False),
    "use_trash": (1, False),
    # The newest first, and the list begins with them.
    "sortdir": (1, False),
    "mailbox_start": (3, False),
    "delete_spam_after_report": (2, True),
    "move_innocent_after_report": (1, True),
    "compose_html": (0, True),
    "image_replacement": (1, True),
    "remote": ("", True),
    "use_pgp": (0, True),
    "use_smime": (0, True),
}


def prefs(horde: Mapping[str, object]) -> str:
    """IMP's preferences, as people find them."""
    values: dict[str, tuple[object, bool]] = dict(_PREFS)
    for name, value in horde.items():
        if name in _PREFS and _PREFS[name][1]:
            raise HordeError(f"horde_preferences has {name}, which the role decides; leave it out")
        values[name] = (value, False)
    lines = []
    for name, (value, locked) in values.items():
        lines.append(f"$_prefs[{php(name)}]['value'] = {php(value)};\n")
        if locked:
            lines.append(f"$_prefs[{php(name)}]['locked'] = true;\n")
    return "<?php\n// Written by Ansible (courier.mail.horde).\n" + "".join(lines)


REGISTRY = """<?php
// Written by Ansible (courier.mail.horde). Mail only: the other applications do not run on PHP 8.
foreach (array_keys($this->applications) as $name) {
    if (!in_array($name, ['horde', 'imp', 'imp-menu'])) {
        $this->applications[$name]['status'] = 'inactive';
    }
}
$this->applications['horde']['initial_page'] = 'imp/';
"""

# Letters of HTML alone would be shown in another window only.
SHOWN = """<?php
// Written by Ansible (courier.mail.horde).
$mime_drivers['html']['inline'] = true;
"""


def check(params: Mapping[str, Any]) -> None:
    """Refuse what could not be served."""
    host = params["host"] or ""
    if not _HOST.fullmatch(host):
        raise HordeError(
            f"mail_webmail: host is {host!r}, which is no name that a browser could call; write one such as "
            "webmail.example.com"
        )
    if not _ADDRESS.fullmatch(params["contact"] or ""):
        raise HordeError(
            f"horde_contact is {params['contact']!r}, which is no address; write mail_contact, such as "
            "postmaster@example.com"
        )
    if not params["backends"]:
        raise HordeError(
            "horde_backends is empty, and nobody could log in; write mail servers, each with name, host and domain"
        )
    for one in params["backends"]:
        _check_backend(one)
    names = [one["name"] for one in params["backends"]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise HordeError(f"horde_backends has {twice[0]} twice; give each mail server a name of its own")
    if params["database"]:
        _check_database(params["database"])
    if params["attachment_limit"] < 1 << 16:
        raise HordeError(
            f"horde_attachment_limit is {params['attachment_limit']}, with which nothing could be attached; "
            "write bytes, 65536 or more"
        )


def _check_database(database: Mapping[str, Any]) -> None:
    _postgresql.refuse(VARIABLE, database, "read and change what people set")
    for key in ("host", "name", "ca"):
        if not _PLAIN.fullmatch(database[key]):
            raise HordeError(
                f"{VARIABLE}: {key} is {database[key]!r}, of which Horde would take a part for something else; "
                "write letters, digits, _, -, . and / only"
            )


def _check_backend(one: Mapping[str, Any]) -> None:
    if not _KEY.fullmatch(one["name"]):
        raise HordeError(
            f"horde_backends: name {one['name']!r} is not in small letters and digits; write one such as mail"
        )
    for key in ("host", "smtp_host", "domain"):
        if not _HOST.fullmatch(one[key]) and (one[key] or key != "smtp_host"):
            raise HordeError(
                f"horde_backends: {key} of {one['name']} is {one[key]!r}, which is no full name, and certificates are "
                "for names; write one such as mx1.example.com"
            )
    for key in ("port", "smtp_port"):
        if not 0 < one[key] < 1 << 16:
            raise HordeError(f"horde_backends: {key} of {one['name']} is {one[key]}; write 1 to 65535")
    if one["port"] == 143:
        raise HordeError(
            f"horde_backends: port of {one['name']} is 143, where passwords would go before TLS is sure; write 993"
        )

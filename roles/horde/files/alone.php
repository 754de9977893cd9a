<?php
// Written by Ansible (courier.mail.horde). Hosts that share a database bring it up to date one after the other: its server
// keeps the lock until this program ends.
require '/usr/local/share/courier-horde/prepend.php';
require_once 'Horde/Autoloader/Default.php';
$alone = (static function () {
    require '/etc/horde/horde/conf.php';
    if ($conf['sql']['phptype'] !== 'pgsql') {
        return null;
    }
    $database = new Horde_Db_Adapter_Pdo_Pgsql($conf['sql']);
    $database->execute("SET lock_timeout = '60s'");
    $database->execute("SELECT pg_advisory_lock(hashtext('courier.mail.horde'))");
    return $database;
})();

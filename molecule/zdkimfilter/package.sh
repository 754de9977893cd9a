#!/usr/bin/env bash
# Make a package of the stand-in for zdkimfilter, under the name and with the programs of zdkimfilter 2.
set -euo pipefail
target=${1:?usage: package.sh FILE.deb}
here=$(dirname "${BASH_SOURCE[0]}")
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

mkdir -p "$tree/usr/lib/courier/filters" "$tree/usr/bin" "$tree/DEBIAN"
(echo '#!/usr/bin/python3' && cat "$here/standin/zdkimfilter.py") >"$tree/usr/lib/courier/filters/zdkimfilter"
# python3-dkim has a program of this name as well.
printf '#!/bin/sh\necho the one of zdkimfilter\n' >"$tree/usr/bin/dkimsign"
chmod 0755 "$tree/usr/lib/courier/filters/zdkimfilter" "$tree/usr/bin/dkimsign"
cat >"$tree/DEBIAN/control" <<'END'
Package: zdkimfilter
Version: 2.0-0standin
Architecture: all
Maintainer: The courier.mail contributors <nobody@example.com>
Depends: courier-mta, python3-dkim, python3-dnspython
Description: Stand-in for zdkimfilter, for tests
END
mkdir -p "$(dirname "$target")"
dpkg-deb --root-owner-group --build "$tree" "$target" >/dev/null

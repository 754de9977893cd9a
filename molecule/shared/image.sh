#!/usr/bin/env bash
# Build the image of a Debian release (bookworm, trixie, forky, ...) for the bed from Debian packages, unless it is there.
# "world" is trixie with the servers that play the rest of the Internet.
# apt and mmdebstrap expand what stands in single quotes here.
# shellcheck disable=SC2016
set -euo pipefail

name=${1:?usage: image.sh bookworm|trixie|forky|world}
image=courier-mail-bed:$name
# One at a time: scenarios that begin together want the same images.
exec 9>"${TMPDIR:-/tmp}/courier-mail-bed.lock"
flock 9
recipe=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-16)
[[ $(docker image inspect -f '{{index .Config.Labels "recipe"}}' "$image" 2>/dev/null) == "$recipe" ]] && exit 0

if ! command -v mmdebstrap >/dev/null || [[ ! -e /usr/share/keyrings/debian-archive-keyring.gpg ]]; then
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends mmdebstrap debian-archive-keyring >/dev/null
fi

# Where this machine gets Debian from; elsewhere (Ubuntu) Debian's own address.
mirror() { # LABEL DEFAULT
  apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' "Label: $1" 2>/dev/null | sed -n '1s,/$,,p' | grep . || echo "$2"
}
debian=$(mirror Debian http://deb.debian.org/debian)
security=$(mirror Debian-Security http://deb.debian.org/debian-security)

release=$name
packages=systemd,systemd-sysv,dbus,python3,python3-apt,iproute2,ca-certificates,procps
hooks=()
if [[ $name == world ]]; then
  release=trixie
  packages+=,bind9,bind9-dnsutils,isync,postfix,postfix-lmdb,dovecot-imapd,dovecot-pop3d,postgresql,openssl,pebble
  packages+=,opendkim,opendkim-tools,opendmarc,postfix-policyd-spf-python,python3-dkim,python3-authheaders,python3-nacl,python3-spf
  packages+=,gpg,gpg-agent
  hooks+=(--customize-hook='systemctl --quiet --root="$1" disable named postfix dovecot opendkim opendmarc postgresql')
fi
# Lists of testing are good for a week, and a mirror may have older ones. Their signatures are looked at all the same.
[[ $name != forky ]] || hooks+=(--aptopt='Acquire::Check-Valid-Until "false"')
signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"

echo "Building the image $image from $debian"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mmdebstrap --quiet --variant=minbase --include="$packages" "${hooks[@]}" \
  --customize-hook='rm -f "$1/etc/hostname" "$1/etc/resolv.conf"' \
  --skip=cleanup/apt/lists \
  "$release" "$work/root.tar" \
  "deb $signed $debian $release main" \
  "deb $signed $debian $release-updates main" \
  "deb $signed $security $release-security main" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
docker import --change "LABEL recipe=$recipe" --change 'CMD ["/lib/systemd/systemd"]' "$work/root.tar" "$image" >/dev/null

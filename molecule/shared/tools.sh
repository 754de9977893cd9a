#!/usr/bin/env bash
# Programs that the checks use and PyPI does not have: without them the checks would be left out.
set -euo pipefail

declare -A packages=([shellcheck]=shellcheck [certtool]=gnutls-bin [sslscan]=sslscan [chromium]=chromium [certutil]=libnss3-tools [restic]=restic)
missing=()
for program in "${!packages[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
# Without a font, pictures of pages have no letters.
[[ -d /usr/share/fonts/truetype/dejavu ]] || missing+=(fonts-dejavu-core)
# The package of Prometheus would start a daemon. It is one program without others, and so is promtool.
prometheus=()
for program in prometheus promtool; do
  command -v "$program" >/dev/null || prometheus+=("usr/bin/$program")
done
((${#missing[@]} + ${#prometheus[@]})) || exit 0
if [[ $EUID -ne 0 ]]; then
  echo "Missing: ${missing[*]} ${prometheus[*]+prometheus}. Install these packages, or run this as root." >&2
  exit 1
fi
echo "Installing ${missing[*]} ${prometheus[*]}" >&2
apt-get -qq update
if ((${#prometheus[@]})); then
  (
    directory=$(mktemp -d)
    trap 'rm -rf "$directory"' EXIT
    chmod 755 "$directory"
    cd "$directory"
    apt-get -qq -o APT::Sandbox::User=root download prometheus
    dpkg-deb --extract prometheus_*.deb .
    install -m 755 "${prometheus[@]}" /usr/local/bin/
  )
fi
((${#missing[@]})) || exit 0
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null

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
((${#missing[@]})) || exit 0
if [[ $EUID -ne 0 ]]; then
  echo "Missing: ${missing[*]}. Install these packages, or run this as root." >&2
  exit 1
fi
echo "Installing ${missing[*]}" >&2
apt-get -qq update
DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends "${missing[@]}" >/dev/null

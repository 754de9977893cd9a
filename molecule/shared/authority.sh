#!/usr/bin/env bash
# Make NAME.key and NAME.pem for a host name and its other names, signed by the authority of the bed, which is made on
# the way. BED_DAYS=-1 makes one that has ended, BED_ISSUER=other one by an authority that nobody trusts.
set -euo pipefail
directory=${1:?usage: authority.sh DIRECTORY NAME [OTHER-NAME...]}
name=${2:?usage: authority.sh DIRECTORY NAME [OTHER-NAME...]}
issuer=${BED_ISSUER:-authority}
mkdir -p "$directory" && cd "$directory"
exec 9>lock && flock 9

new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc "$@" 2>/dev/null; }
[[ -e $issuer.pem ]] || new -x509 -days 30 -subj "/CN=${issuer^} of the bed" \
  -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$issuer.key" -out "$issuer.pem"
new -subj "/CN=$name" -addext "subjectAltName=$(printf ',DNS:%s' "${@:2}" | cut -c2-)" -keyout "$name.key" -out "$name.csr"
openssl x509 -req -days "${BED_DAYS:-30}" -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -copy_extensions copy \
  -out "$name.leaf" 2>/dev/null
cat "$name.leaf" "$issuer.pem" >"$name.pem"

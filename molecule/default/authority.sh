#!/usr/bin/env bash
# Make a key and a certificate for a host name, signed by an authority that is made on the way, once.
set -euo pipefail
cd "$1"
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc "$@" 2>/dev/null; }
[[ -e authority.pem ]] || new -x509 -days 30 -subj "/CN=Authority of the bed" -keyout authority.key -out authority.pem
new -subj "/CN=$2" -addext "subjectAltName=DNS:$2" -keyout "$2.key" -out "$2.csr"
openssl x509 -req -days 30 -in "$2.csr" -CA authority.pem -CAkey authority.key -copy_extensions copy -out "$2.leaf" 2>/dev/null
cat "$2.leaf" authority.pem >"$2.pem"

#!/bin/sh
# Installs what the benchmark runs besides Elbow: wrk, HAProxy and nginx, from
# Debian's packages, without starting their services. Needs root.
set -eu

missing=
command -v wrk >/dev/null || missing="$missing wrk"
[ -x /usr/sbin/haproxy ] || command -v haproxy >/dev/null || missing="$missing haproxy"
[ -x /usr/sbin/nginx ] || command -v nginx >/dev/null || missing="$missing nginx-light"
if [ -z "$missing" ]; then
	exit 0
fi

# A package's post-install script starts its service unless policy-rc.d forbids
# it. The benchmark runs its own processes on its own ports.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod +x "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086 # a list of words
apt-get install -q -y --no-install-recommends $missing

#!/bin/sh
# kube-proxy's rules must go to the iptables back end that Docker and the node use: the other sees none of their traffic.
set -eu
legacy=$(iptables-legacy-save 2>/dev/null | grep -c '^-' || true)
nft=$(timeout 5 iptables-nft-save 2>/dev/null | grep -c '^-' || true)
mode=legacy
[ "$nft" -gt "$legacy" ] && mode=nft
for name in iptables ip6tables; do update-alternatives --set $name /usr/sbin/$name-$mode >/dev/null; done
exec /usr/local/libexec/kube-proxy "$@"

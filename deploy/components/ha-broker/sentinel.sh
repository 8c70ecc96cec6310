# Starts a Sentinel. It writes what it learns into its own configuration, which is on its volume and comes first.
set -eu
learnt=/data/sentinel.conf
[ -s $learnt ] || sed "s/SELF/$HOSTNAME.sentinel/" /etc/sentinel/sentinel.conf >$learnt
# It would exit over a name that does not resolve yet.
until getent hosts broker-0.broker >/dev/null; do sleep 1; done
exec redis-server $learnt --sentinel

# Starts a Redis server in the role that the Sentinels give it, and waits until one of them answers: a primary that comes
# back to find another in its place must not be primary for even a moment, and take messages that are then thrown away.
set -eu

primary() {
    for number in 0 1 2; do
        said=$(timeout 2 redis-cli --raw -h "sentinel-$number.sentinel" -p 26379 sentinel get-master-addr-by-name broker |
            head -n 1) 2>/dev/null
        case $said in broker-*) echo "$said" && return ;; esac
    done
    return 1
}

me=$HOSTNAME.broker
until found=$(primary); do sleep 1; done
# min-replicas: a primary that is cut off from both others soon takes no more messages, since nobody would ever see them.
set -- --protected-mode no --dir /data --save '' --appendonly yes --replica-announce-ip "$me" \
    --min-replicas-to-write 1 --min-replicas-max-lag 10
[ "$found" = "$me" ] || set -- "$@" --replicaof "$found" 6379
exec redis-server "$@"

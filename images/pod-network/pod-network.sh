#!/bin/sh
# The pod network of one node: a CNI configuration from the node's own pod range, a route to every other node's range,
# and address translation for traffic that leaves the cluster. NODE_NAME, POD_SUBNET and CONTROL_PLANE_ENDPOINT
# come from the DaemonSet.
set -eu

# Docker wrote its rules through one of the two iptables back ends, and so must we.
legacy=$(iptables-legacy-save 2>/dev/null | grep -c '^-' || true)
nft=$(timeout 5 iptables-nft-save 2>/dev/null | grep -c '^-' || true)
iptables=iptables-legacy
[ "$nft" -gt "$legacy" ] && iptables=iptables-nft

# kube-proxy may not be up yet, so not by the Service's address; kind says where the API server is.
export KUBERNETES_SERVICE_HOST="${CONTROL_PLANE_ENDPOINT%:*}" KUBERNETES_SERVICE_PORT="${CONTROL_PLANE_ENDPOINT##*:}"

configure() { # the pod range of this node
    cat >/etc/cni/net.d/.10-pod-network.new <<CNI
{"cniVersion": "0.4.0", "name": "pod-network", "plugins": [
  {"type": "ptp", "mtu": 1500, "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
   "ranges": [[{"subnet": "$1"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
CNI
    mv /etc/cni/net.d/.10-pod-network.new /etc/cni/net.d/10-pod-network.conflist
}

masquerade() {
    rule="POSTROUTING -s $POD_SUBNET ! -d $POD_SUBNET -m addrtype ! --dst-type LOCAL -j MASQUERADE"
    # shellcheck disable=SC2086
    $iptables -w -t nat -C $rule 2>/dev/null || $iptables -w -t nat -A $rule
}

masquerade
nodes='{.metadata.name} {.spec.podCIDR} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}'
# The watch ends when the API server closes it; the kubelet then starts this again.
kubectl get nodes --watch --output="jsonpath=$nodes" | while read -r name range address; do
    [ -n "${address:-}" ] || continue
    if [ "$name" = "$NODE_NAME" ]; then
        # Pods have routes of their own. Without this one, what is sent to a pod that is gone would leave by the default
        # route and vanish, and whoever connects to it would wait for its time limit instead of being refused at once.
        ip route replace unreachable "$range"
        configure "$range"
    else
        ip route replace "$range" via "$address"
    fi
done

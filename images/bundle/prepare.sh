# Runs in a container of the node image, before images are imported.
#
# kind puts /var on a volume, into which Docker would copy all images anew for every node. So what is packed stays outside
# of it, shared by all nodes as a layer of the node image. What is unpacked is on a volume of its own meanwhile, for
# overlayfs does not write onto itself.
set -eu
mkdir -p /kind/containerd
packed=/var/lib/containerd/io.containerd.content.v1.content
[ ! -d $packed ] || mv /var/lib/containerd/io.* /kind/containerd/
sed -i '/^version/a root = "/kind/containerd"' /etc/containerd/config.toml
cat >>/etc/containerd/config.toml <<END

[plugins."io.containerd.snapshotter.v1.overlayfs"]
  root_path = "/mnt"
END

# Sourced by process 1 of a small world with its own mount namespace; $home is its folder.
# A /dev of our own: /dev/kvm may open although no guest runs on it, and libvirt then asks QEMU anew at every call.
dev=$home/dev
mount -t tmpfs -o mode=755 tmpfs "$dev"
mkdir -p "$dev"/{net,pts,shm}
for node in null zero full random urandom tty net/tun; do
  [ -e "/dev/$node" ] || continue
  touch "$dev/$node" && mount --bind "/dev/$node" "$dev/$node"
done
ln -s pts/ptmx "$dev/ptmx" && ln -s /proc/self/fd "$dev/fd"
while umount -l -R /dev 2>/dev/null; do :; done
mount --move "$dev" /dev
mount -t devpts -o newinstance,mode=620,ptmxmode=666,gid=5 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm

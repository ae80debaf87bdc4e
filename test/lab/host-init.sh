#!/bin/bash
# One host of the lab (test/lab/lab.ts), in two steps:
#   host-init.sh launch HOME CGROUP CONTROLLERS…   joins its cgroups, then becomes `unshare`
#   host-init.sh boot HOME                         process 1 of the host: mounts, daemons, its unit; killing it is a power cut
# HOME holds run/ etc/ lib/ cache/ log/ pki/ dev/ (the host's own, seen from outside as they are), `hosts`, `address`,
# `storage` (where its cluster's storage lies outside), `storage.img` (instead: a file system that is its storage) and
# `unit` (a program kept running, as an init would).
set -eu
step=$1
home=$2

if [ "$step" = launch ]; then
  group=$3
  shift 3
  for controller; do
    # Rooted in a group of its own: else two hosts use one group for a guest that moves between them.
    mkdir -p "/sys/fs/cgroup/$controller/$group"
    if [ "$controller" = cpuset ]; then
      # A new cpuset holds no CPU, and no process then either.
      for folder in "/sys/fs/cgroup/cpuset/${group%/*}" "/sys/fs/cgroup/cpuset/$group"; do
        for file in cpuset.cpus cpuset.mems; do cat "/sys/fs/cgroup/cpuset/$file" >"$folder/$file"; done
      done
    fi
    echo $$ >"/sys/fs/cgroup/$controller/$group/cgroup.procs"
  done
  export CONTROLLERS="$*"
  exec unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child=SIGKILL bash "$0" boot "$home"
fi

read -r outside _ </proc/self/stat # /proc is still the outer one: our number as others see it
exec >>"$home/init.log" 2>&1
name=${home##*/}
hostname "$name"
mount --make-rprivate /
umount -l -R /run/netns 2>/dev/null || true
umount -l -R /sys # libvirt reads /proc/mounts and stumbles over stacked ones
mount -t proc proc /proc
mount -t sysfs sysfs /sys
if [ -n "$CONTROLLERS" ]; then
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  for controller in $CONTROLLERS; do
    mkdir -p "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
  done
fi

# In this world only, and by this machine's loop devices, which a host's own /dev does not have: it goes with the host.
if [ -e "$home/storage.img" ]; then
  mount -o loop "$home/storage.img" "$(readlink "$home/storage")"
  mkdir -p "$(readlink "$home/storage")/lockspace"
fi

. "$(dirname "$0")/../support/private-dev.sh"

# A resolver on this machine's loopback is out of a host's reach: the servers behind it are not. /run will be another one.
names=/run/systemd/resolve/resolv.conf
[ -e "$names" ] || names=/etc/resolv.conf
cat "$names" >"$home/resolv.conf" || true
names=$(readlink -m /etc/resolv.conf)
for place in etc:/etc/libvirt pki:/etc/pki lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt run:/run; do
  mkdir -p "${place#*:}" && mount --bind "$home/${place%%:*}" "${place#*:}"
done
mount --bind "$home/hosts" /etc/hosts
mkdir -p "${names%/*}" && touch "$names" && mount --bind "$home/resolv.conf" "$names"
# The same path on every host, whatever its cluster: as a mounted NFS share would be.
mount --bind "$(readlink "$home/storage")" "${home%/*}/storage"
mkdir -p /run/lock /run/libvirt

echo "$outside" >"$home/init.pid.part" && mv "$home/init.pid.part" "$home/init.pid"
ip link set lo up
# Its network card is plugged in from outside, which takes some milliseconds.
exec {never}<> <(:) # nobody writes to it: reading from it with a time limit is a sleep without a process
until [ -e /sys/class/net/eth0 ]; do read -r -t 0.02 -u "$never" || true; done
read -r address gateway <"$home/address"
ip address add "$address" dev eth0
ip link set eth0 up
ip route add default via "$gateway"
ulimit -n 20000

set +e
virtlogd -d
virtlockd -d
libvirtd -d --listen
# The unit: started when there is one, and again whenever it ends, unless it has nothing more to do.
while :; do
  [ -x "$home/unit" ] && "$home/unit" >>"$home/unit.log" 2>&1 </dev/null && rm -f "$home/unit"
  read -r -t 0.2 -u "$never"
done &
# Reaps what loses its parent (QEMU does) for as long as the host lives.
while :; do wait; done

#!/bin/bash
# Process 1 of a small world of its own with a libvirtd in it: started by test/support/libvirtd.ts through unshare with
# mount, net, ipc, uts and pid namespaces. Everything in it ends with it. Argument: its folder.
# Commands on stdin: `kill` ends libvirtd without a goodbye (it is started again), `start` lets it come back after `hold`.
set -eu
home=$1

mount -t proc proc /proc
umount -l -R /sys && mount -t sysfs sysfs /sys # libvirt looks for network cards here: those of this world
. "$(dirname "$0")/private-dev.sh"

for place in run:/run lib:/var/lib/libvirt cache:/var/cache/libvirt log:/var/log/libvirt etc:/etc/libvirt; do
  mkdir -p "${place#*:}" && mount --bind "$home/${place%%:*}" "${place#*:}"
done
mkdir -p /run/lock /run/libvirt
# No private /dev of QEMU and no virtlogd: fewer processes; what is tested here is the talk with libvirtd.
cat > /etc/libvirt/qemu.conf <<'CONF'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
CONF
ip link set lo up

set +e
serve() {
  while [ ! -e /run/hold ]; do
    libvirtd >> /var/log/libvirt/libvirtd.log 2>&1
  done
}
serve &
while read -r command; do
  case $command in
    kill) kill -9 "$(cat /run/libvirtd.pid)" ;;
    hold) touch /run/hold && kill -9 "$(cat /run/libvirtd.pid)" ;;
    start) rm -f /run/hold && serve & ;;
    stop) kill -STOP "$(cat /run/libvirtd.pid)" ;;
    continue) kill -CONT "$(cat /run/libvirtd.pid)" ;;
  esac
done

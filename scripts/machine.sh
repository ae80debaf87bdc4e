#!/usr/bin/env bash
# machine.sh run|host|test|lab : the part of the preparation that needs root: Debian packages, the user QEMU runs as, a running libvirtd.
# Looks first, as whoever calls it; only when something is missing it becomes root (sudo).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-run}
export HDCS_BOOTSTRAP_LOG=${HDCS_BOOTSTRAP_LOG:-$PWD/bootstrap.log}
. scripts/say.sh

packages=(
  libvirt-daemon libvirt-daemon-driver-qemu # the daemon and its QEMU driver; its units only where there is a systemd
  libvirt-clients                           # virt-admin: libvirtd is told of new certificates
  qemu-system-x86 qemu-utils                # machines and their disks
  ovmf                                      # UEFI for those that start by it
  dnsmasq-base iptables nftables iproute2   # the desktops' network
  procps util-linux openssl ca-certificates
)
testPackages=(
  chromium fonts-dejavu-core fonts-wqy-zenhei # the pages as people see them, in both languages
  virt-viewer xvfb imagemagick                # a native viewer on a screen of its own, and what it shows
  curl                                        # pastes the line of a new host
  binutils                                    # the images' boot code is what its source says
  xfsprogs btrfs-progs lvm2                   # disks as other systems lay them out, file systems that share blocks
)

systemd() { [ -d /run/systemd/system ]; }

packages_wanted() {
  printf '%s\n' "${packages[@]}"
  ! systemd || printf '%s\n' libvirt-daemon-system
  [ "$mode" != test ] || printf '%s\n' "${testPackages[@]}"
  # What the recipes of the guest images need, one name a line.
  sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' images/packages.txt
}

packages_missing() {
  comm -23 <(packages_wanted | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' 2>/dev/null | sed -n 's/^installed //p' | sort -u)
}

# A socket file proves nothing (a killed daemon leaves it): somebody must accept. Without the right to connect, it lives.
answers() {
  perl -MSocket -MErrno=EACCES -e '
    for (@ARGV) {
      socket(my $s, PF_UNIX, SOCK_STREAM, 0) or next;
      exit 0 if connect($s, pack_sockaddr_un($_)) || $! == EACCES;
    }
    exit 1' "$@"
}
libvirt_answers() { answers /run/libvirt/libvirt-sock /run/libvirt/virtqemud-sock; }
# The hosts of a lab have daemons of their own.
libvirt_ready() { [ "$mode" = lab ] || libvirt_answers; }

packages_install() {
  local missing=$1 policy=/usr/sbin/policy-rc.d made=
  export DEBIAN_FRONTEND=noninteractive
  # Maintainer scripts start daemons; where nothing supervises them that fails or leaves strays. A policy that is there
  # already belongs to somebody else and stays; one of ours that a killed run left behind goes too.
  if ! systemd && { [ ! -e "$policy" ] || grep -q 'made by hdcs' "$policy"; }; then
    made=$policy
    printf '#!/bin/sh\n# made by hdcs scripts/machine.sh while it installs packages\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  ADVICE='The Debian mirror did not answer: check the network (and /etc/apt/sources.list), then say it again.'
  step 'asking the Debian mirror what it has' \
    apt-get -q -o APT::Update::Error-Mode=any -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 update
  ADVICE="Try it by hand: apt-get install --no-install-recommends $(echo $missing)"
  step "installing $(wc -w <<<"$missing") Debian packages with what they need: $(echo $missing | cut -c -70)…" \
    apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2 \
    -o DPkg::Options::=--force-confold install $missing
  [ -z "$made" ] || { rm -f "$made" && trap - EXIT; }
}

# Debian's libvirt will not load its QEMU driver without this user; the package that makes it (libvirt-daemon-system) wants an init.
qemu_user_make() {
  { getent group libvirt-qemu >/dev/null || groupadd --system libvirt-qemu; } &&
    useradd --system --gid libvirt-qemu --no-create-home --home-dir /var/lib/libvirt --shell /usr/sbin/nologin libvirt-qemu
}

# Whether that user may open /dev/kvm, where there is one. Where it may not, machines run without KVM, and libvirt starts a
# QEMU to look for KVM again at nearly every call: 0.6 s of a processor each.
kvm_open() {
  local gid mode
  [ -c /dev/kvm ] || return 0
  read -r gid mode < <(stat -c '%g %a' /dev/kvm)
  (((8#$mode & 6) == 6)) && return 0
  (((8#$mode >> 3 & 6) == 6)) && [[ " $(id -G libvirt-qemu) " == *" $gid "* ]]
}

# As Debian's udev rules have it: a group of its own. Where no udev runs (containers), the group may be root's or have no name.
kvm_grant() {
  local gid
  gid=$(stat -c %g /dev/kvm)
  if [ "$gid" = 0 ]; then
    { getent group kvm >/dev/null || groupadd --system kvm; } && chgrp kvm /dev/kvm && gid=$(stat -c %g /dev/kvm) || return
  elif ! getent group "$gid" >/dev/null; then
    groupadd --gid "$gid" "$(getent group kvm >/dev/null && echo kvm-device || echo kvm)" || return
  fi
  # A new change time makes a libvirtd that runs look again.
  usermod --append --groups "$(getent group "$gid" | cut -d: -f1)" libvirt-qemu && chmod g+rw /dev/kvm
}

libvirt_start_by_systemd() {
  systemctl enable --now libvirtd.service || systemctl enable --now virtqemud.socket virtnetworkd.socket virtstoraged.socket virtlogd.socket
}

# Without an init: two daemons that outlive us, each under a small process that reaps what it leaves.
libvirt_start_by_hand() {
  local daemon
  mkdir -p /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt/qemu || return
  # No udev gave the device away: libvirt, which may open it, then asks QEMU, which may not, anew at every call, for seconds.
  [ ! -c /dev/kvm ] || { chgrp libvirt-qemu /dev/kvm && chmod 660 /dev/kvm; } || true
  for daemon in virtlogd libvirtd; do
    answers "/run/libvirt/${daemon/libvirtd/libvirt}-sock" || setsid -f perl scripts/reaper.pl "$daemon" </dev/null >>"/var/log/libvirt/$daemon.out" 2>&1
  done
}

# The first start probes QEMU's abilities: seconds; a machine that needs a minute has another trouble.
libvirt_wait() {
  local tenths
  for ((tenths = 0; tenths < 600; tenths++)); do
    ! libvirt_answers || return 0
    sleep 0.1
  done
  echo 'no answer on /run/libvirt/libvirt-sock within 60 s; the daemon says:'
  if systemd; then journalctl -n 20 --no-pager -u libvirtd; else tail -n 20 /var/log/libvirt/*.out; fi
  return 1
}

libvirt_start() {
  if systemd; then libvirt_start_by_systemd; else libvirt_start_by_hand; fi && libvirt_wait
}

missing=$(packages_missing)
[ -n "$missing" ] || ! getent passwd libvirt-qemu >/dev/null || ! kvm_open || ! libvirt_ready || exit 0

if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null || refuse 'this machine lacks packages or a running libvirtd: run this once as root, or install sudo.'
  printf 'hdcs: preparing the machine needs root (sudo)\n'
  exec sudo --preserve-env=HDCS_BOOTSTRAP_LOG,http_proxy,https_proxy,no_proxy bash scripts/machine.sh "$mode"
fi
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || refuse "this is no Debian (no apt-get); install what these are called here: $(echo $missing)"
  packages_install "$missing"
fi
getent passwd libvirt-qemu >/dev/null || step 'making the user libvirt-qemu that machines run as' qemu_user_make
# Not worth failing for: without it machines run emulated, and the host's page says why.
kvm_open || { kvm_grant >>"$HDCS_BOOTSTRAP_LOG" 2>&1 && kvm_open && printf 'hdcs: libvirt-qemu may use /dev/kvm now\n'; } ||
  printf 'hdcs: libvirt-qemu cannot be given /dev/kvm; machines will run emulated\n'
libvirt_ready || ADVICE='libvirtd did not start: the lines above say why.' step 'starting libvirt' libvirt_start

#!/bin/bash
# customize.sh ROOT : our part of the desktop's system; mmdebstrap calls it with the unpacked packages.
set -euo pipefail
root=$1
here=$(cd "$(dirname "$0")" && pwd)
inside() { chroot "$root" "$@"; }
tool() { "$HDCS_NODE" "$here/../run.ts" "$@"; }

# files_install : our files with fixed owners and modes, whatever the checkout's are
files_install() {
  local file mode
  while read -r -d '' file; do
    case $file in usr/local/*) mode=755 ;; *) mode=644 ;; esac
    install -D -o 0 -g 0 -m "$mode" "$here/files/$file" "$root/$file"
  done < <(cd "$here/files" && find . -type f -printf '%P\0')
  mkdir -p "$root/usr/local/share/hdcs" "$root/var/lib/hdcs"
  tool theme "$root/usr/share/icewm/themes/hdcs"
  tool wallpaper "$root/usr/local/share/hdcs/wallpaper.png" 1920 1200
}

# services_choose : what a template needs, and nothing that costs boot time for nobody
services_choose() {
  local unit masked=(
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer
    systemd-tmpfiles-clean.timer systemd-networkd-wait-online.service systemd-pstore.service systemd-random-seed.service
    systemd-firstboot.service systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-sysusers.service
    ldconfig.service systemd-update-done.service systemd-remount-fs.service dev-hugepages.mount sys-kernel-debug.mount
    sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount
    modprobe@.service kmod-static-nodes.service systemd-modules-load.service systemd-update-utmp-runlevel.service
    systemd-journal-flush.service getty@tty1.service systemd-ask-password-console.path systemd-ask-password-wall.path
    systemd-initctl.socket systemd-update-utmp.service systemd-network-generator.service systemd-sysctl.service
    systemd-boot-system-token.service systemd-pcrphase.service systemd-pcrphase-sysinit.service systemd-pcrmachine.service
    systemd-repart.service systemd-growfs-root.service systemd-tpm2-setup.service systemd-machine-id-commit.service
    rc-local.service
  )
  for unit in "${masked[@]}"; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
  inside systemctl -q disable ssh.service || true
  inside systemctl -q enable systemd-networkd.service hdcs-identity.service hdcs-session.service hdcs-dns.path ssh.socket
  inside systemctl -q set-default multi-user.target
  # Unit generators cost a second under TCG, and fstab holds only the root file system.
  mkdir -p "$root/etc/systemd/system-generators"
  for unit in "$root"/usr/lib/systemd/system-generators/*; do
    ln -sf /dev/null "$root/etc/systemd/system-generators/${unit##*/}"
  done
  ln -sf /usr/lib/systemd/system/serial-getty@.service \
    "$root/etc/systemd/system/multi-user.target.wants/serial-getty@ttyS0.service"
}

# language_make : English and Chinese
language_make() {
  printf 'en_US.UTF-8 UTF-8\nzh_CN.UTF-8 UTF-8\n' >"$root/etc/locale.gen"
  inside locale-gen >/dev/null
  echo 'LANG=C.UTF-8' >"$root/etc/default/locale"
}

# identity_clear : nothing that two machines may share. The machine-id is an empty file: systemd then takes the domain's UUID.
identity_clear() {
  : >"$root/etc/machine-id"
  ln -sf /etc/machine-id "$root/var/lib/dbus/machine-id"
  rm -f "$root/etc/hostname" "$root/var/lib/systemd/random-seed" "$root/etc/resolv.conf" "$root"/etc/ssh/ssh_host_*
  ln -s /run/hdcs-resolv.conf "$root/etc/resolv.conf"
  printf '127.0.0.1 localhost\n::1 localhost ip6-localhost\n' >"$root/etc/hosts"
  printf '/dev/vda2 / ext4 noatime,errors=remount-ro 0 0\n' >"$root/etc/fstab"
}

# traces_remove : logs, caches, backups, dates of this build
traces_remove() {
  rm -rf "$root"/var/cache/{apt,debconf,fontconfig,ldconfig}/* "$root"/var/lib/apt/lists/* "$root"/var/log/* \
    "$root"/var/lib/dpkg/*-old "$root"/usr/share/icons/*/icon-theme.cache "$root"/usr/share/i18n/charmaps \
    "$root"/etc/{passwd,group,shadow,gshadow,subuid,subgid}- "$root"/etc/.pwd.lock
  mkdir -p "$root"/var/cache/apt/archives/partial "$root"/var/lib/apt/lists/partial
  sed -i -E 's/^([^:]+:[^:]*):[0-9]+:/\1:20000:/' "$root/etc/shadow"
}

files_install
inside useradd -m -u 1000 -s /bin/bash -G dialout,audio,video,input,cdrom,plugdev user
services_choose
language_make
identity_clear
traces_remove

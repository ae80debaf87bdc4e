#!/bin/bash
# build-tiny.sh OUT.qcow2 : the tiny template (see README.md). Contract, environment and exit codes: recipe.sh
. "$(dirname "$0")/recipe.sh"
. "$IMAGES/debian.sh"
. "$IMAGES/disk.sh"

SIZE_MIB=256
BOOT_MIB=48
PACKAGES=(busybox-static qemu-guest-agent libglib2.0-0 libpcre2-8-0 libudev1 libnuma1 liburing2 libc6)
LIBRARIES=(libc.so.6 libm.so.6 libglib-2.0.so.0 libgmodule-2.0.so.0 libpcre2-8.so.0 libudev.so.1 libnuma.so.1 liburing.so.2)

# In the initramfs, in this order: what has to be there before the agent can answer.
MODULES_EARLY=(virtio_pci virtio_console virtio_blk crc32c_generic ext4)
# Loaded by plain insmod right after the agent was started: the hardware HDCS gives every desktop.
MODULES_LATE=(virtio_net button evdev xhci_pci usbhid hid_generic virtio_rng)
# Found by alias when the hardware is there: sticks, discs, other cards, display drivers (only with hdcs.drm=1).
MODULES_OTHER=(virtio_balloon virtio_scsi sd_mod sr_mod isofs usb_storage uas ehci_pci uhci_hcd
  vfat nls_ascii nls_cp437 nls_utf8 e1000 e1000e bochs virtio_gpu virtio_input)
# No AHCI: every q35 has the controller, none of our desktops has a disk on it, and its driver costs half a second.

# Arguments that save boot time under TCG. What each switches off: waits for calibration (no_timer_check, tsc, lpj,
# nolapic_timer), patching of kernel code (mitigations, noreplace-smp), write protection of kernel memory and the check of
# it (rodata), self tests, audit, security modules, IPv6. A desktop for work has them; this one shows that desktops work.
ARGUMENTS="console=ttyS0 quiet panic=5 reboot=t net.ifnames=0 no_timer_check tsc=reliable lpj=1000000 nolapic_timer \
mitigations=off noreplace-smp rodata=off cryptomgr.notests random.trust_cpu=on audit=0 lsm= ipv6.disable=1"
# Initialisers left out: tracers, keys, and those that make the kernel parse its own type information.
ARGUMENTS+=" initcall_blacklist=init_kprobe_trace,init_blk_tracer,load_system_certificate_list,crypto_kdf108_init,\
init_encrypted,cubictcp_register,bpf_rstat_kfunc_init,bpf_key_sig_kfuncs_init,kfunc_init,bpf_prog_test_run_init,\
bpf_tcp_ca_kfunc_init"

# programs_install ROOT DEBIAN : busybox under all its names, the guest agent and its libraries
programs_install() {
  local root=$1 debian=$2 name
  install -m755 "$debian/bin/busybox" "$root/bin/busybox"
  for name in $("$debian/bin/busybox" --list); do [ "$name" = busybox ] || ln -sf busybox "$root/bin/$name"; done
  ln -s ../bin/busybox "$root/sbin/modprobe" # the path the kernel calls
  install -m755 "$debian/usr/sbin/qemu-ga" "$root/usr/sbin/qemu-ga"
  install -m755 "$debian/lib64/ld-linux-x86-64.so.2" "$root/lib64/ld-linux-x86-64.so.2"
  for name in "${LIBRARIES[@]}"; do
    install -m644 "$(find "$debian/lib" "$debian/usr/lib" -name "$name" | sort | head -n1)" "$root/lib/x86_64-linux-gnu/$name"
  done
}

# scripts_install ROOT : our own programs and the few files of /etc
scripts_install() {
  local root=$1 name
  for name in start identity agent drivers coldplug hotplug network dhcp screen screen.awk; do
    install -m755 "$IMAGES/tiny/$name" "$root/lib/tiny/$name"
  done
  for name in poweroff reboot halt shutdown; do
    rm -f "$root/bin/$name"
    install -m755 "$IMAGES/tiny/shutdown" "$root/sbin/$name"
  done
  printf '#!/bin/sh\necho TINY-POWERBUTTON >/dev/console\nexec /sbin/shutdown -h\n' >"$root/etc/acpi/PWRF/00000080"
  chmod 755 "$root/etc/acpi/PWRF/00000080"
  printf 'root::0:0:root:/data/home:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\n' >"$root/etc/group"
  printf 'root::19000:0:99999:7:::\n' >"$root/etc/shadow"
  printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
  printf 'NAME="HDCS tiny"\nID=hdcs-tiny\nPRETTY_NAME="HDCS tiny desktop (%s)"\n' "$VERSION" >"$root/etc/os-release"
  printf '. /run/env\nPS1="\\h \\w # "\nalias ll="ls -l"\n' >"$root/etc/profile"
  ln -s /proc/self/mounts "$root/etc/mtab"
}

# kernel_modules ROOT KERNEL : the modules of the three lists and what finds them
kernel_modules() {
  local root=$1 kernel=$2 target=$1/lib/modules/$VERSION
  mkdir -p "$target"
  depmod -b "$kernel" "$VERSION"
  modules_needed "$kernel" "$VERSION" "${MODULES_EARLY[@]}" "${MODULES_LATE[@]}" "${MODULES_OTHER[@]}" |
    modules_install "$kernel" "$VERSION" "$target"
  cp "$kernel/lib/modules/$VERSION"/modules.{order,builtin,builtin.modinfo} "$target/"
  depmod -b "$root" "$VERSION"
  # busybox reads the two text tables; the rest would only be read past.
  find "$target" -maxdepth 1 -name 'modules.*' ! -name modules.dep ! -name modules.alias -delete
  modules_needed "$kernel" "$VERSION" "${MODULES_EARLY[@]}" >"$WORK/early"
  modules_needed "$kernel" "$VERSION" "${MODULES_LATE[@]}" | grep -vxFf "$WORK/early" >"$target/late"
}

# initramfs_tree FOLDER ROOT : busybox and the early modules
initramfs_tree() {
  local folder=$1 root=$2 name
  mkdir -p "$folder"/{bin,dev,proc,sys,mnt,modules}
  cp "$root/bin/busybox" "$folder/bin/"
  for name in sh mount insmod switch_root; do ln -s busybox "$folder/bin/$name"; done
  install -m755 "$IMAGES/tiny/init" "$folder/init"
  while read -r name; do
    install -m644 "$root/lib/modules/$VERSION/$name" "$folder/modules/${name##*/}"
    echo "${name##*/}" >>"$folder/modules/early"
  done <"$WORK/early"
}

recipe_build() {
  local debs root=$WORK/root kernel=$WORK/kernel
  progress 1 "looking up Debian packages"
  VERSION=$(debian_kernel_version)
  KEY=$(recipe_key tiny "$(debian_files "${PACKAGES[@]}" "linux-image-$VERSION")")
  recipe_cached && return
  progress 5 "downloading Debian packages"
  debs=$(debian_fetch "${PACKAGES[@]}")
  # shellcheck disable=SC2086 # file names in the cache hold no spaces of their own
  debian_unpack "$WORK/debian" $debs
  debs=$(debian_fetch "linux-image-$VERSION")
  progress 35 "unpacking the kernel"
  debian_unpack "$kernel" "$debs"

  progress 50 "putting the system together"
  mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,tmp,mnt,media,root,lib64,data/home,var/log} \
    "$root"/{etc/acpi/PWRF,lib/tiny,lib/x86_64-linux-gnu,usr/sbin}
  ln -s ../run "$root/var/run"
  programs_install "$root" "$WORK/debian"
  scripts_install "$root"
  kernel_modules "$root" "$kernel"
  initramfs_tree "$WORK/initramfs" "$root"
  initramfs_make "$WORK/initramfs" "$WORK/initrd"

  progress 75 "making the disk"
  disk_make "$root" 74696e79 tiny "$SIZE_MIB" "$BOOT_MIB" "$kernel/boot/vmlinuz-$VERSION" "$WORK/initrd" "$ARGUMENTS" \
    -J size=4 -m 0 -O '^metadata_csum,^64bit,^orphan_file,^resize_inode'
  recipe_finish
}

recipe_main tiny "$@"

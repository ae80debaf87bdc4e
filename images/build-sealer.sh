#!/bin/bash
# build-sealer.sh OUT.qcow2 : the guest that seals disks no program of the host reads (vmm/seal-guest.ts): Debian's kernel with
# XFS, btrfs, ext4 and LVM, in a disk that only boots. Contract, environment and exit codes: recipe.sh
. "$(dirname "$0")/recipe.sh"
. "$IMAGES/debian.sh"
. "$IMAGES/disk.sh"

SIZE_MIB=160
BOOT_MIB=48
PACKAGES=(busybox-static xfsprogs btrfs-progs lvm2 e2fsprogs)
# What their programs are linked with.
PACKAGES+=(libc6 libuuid1 libblkid1 liburcu8 libudev1 zlib1g liblzo2-2 libzstd1 libext2fs2 libcom-err2 libdevmapper1.02.1
  libdevmapper-event1.02.1 libedit2 libsystemd0 libaio1 libselinux1 libtinfo6 libbsd0 libcap2 libgcrypt20 liblzma5 liblz4-1
  libpcre2-8-0 libmd0 libgpg-error0)
PROGRAMS=(sbin/xfs_repair bin/btrfs sbin/lvm sbin/e2fsck)

MODULES_EARLY=(virtio_pci virtio_blk crc32c_generic ext4)
# Loaded when a disk has one: btrfs measures its checksums for a second.
MODULES_OTHER=(xfs btrfs dm_mod dm_snapshot dm_thin_pool)
ARGUMENTS="console=ttyS0 quiet loglevel=3 panic=-1 no_timer_check tsc=reliable lpj=1000000 nolapic_timer cryptomgr.notests \
random.trust_cpu=on audit=0 ipv6.disable=1"

# libraries_install ROOT DEBIAN : those of $PROGRAMS, found by Debian's own loader in what was unpacked
libraries_install() {
  local root=$1 debian=$2 loader=$2/lib64/ld-linux-x86-64.so.2 lib=lib/x86_64-linux-gnu program file
  install -Dm755 "$loader" "$root/lib64/ld-linux-x86-64.so.2"
  for program in "${PROGRAMS[@]}"; do
    "$loader" --library-path "$debian/$lib:$debian/usr/$lib" --list "$debian/$program" >"$WORK/libraries"
    ! grep -q 'not found' "$WORK/libraries" || fail "a library of $program is in none of the packages: $(grep -m1 'not found' "$WORK/libraries")"
    while read -r file; do
      install -Dm644 "$file" "$root/$lib/${file##*/}"
    done < <(awk -v from="$debian/" '$2=="=>" && index($3, from)==1 {print $3}' "$WORK/libraries")
  done
}

# initramfs_tree FOLDER ROOT KERNEL : busybox and the modules of the disk it boots from
initramfs_tree() {
  local folder=$1 root=$2 kernel=$3 name
  mkdir -p "$folder"/{bin,dev,mnt,modules}
  cp "$root/bin/busybox" "$folder/bin/"
  for name in sh mount insmod switch_root; do ln -s busybox "$folder/bin/$name"; done
  install -m755 "$IMAGES/sealer/start" "$folder/init"
  modules_needed "$kernel" "$VERSION" "${MODULES_EARLY[@]}" | while read -r name; do
    install -m644 "$root/lib/modules/$VERSION/$name" "$folder/modules/${name##*/}"
    echo "${name##*/}" >>"$folder/modules/early"
  done
}

recipe_build() {
  local debs root=$WORK/root kernel=$WORK/kernel name modules
  progress 1 "looking up Debian packages of the sealing guest"
  VERSION=$(debian_kernel_version)
  KEY=$(recipe_key sealer "$(debian_files "${PACKAGES[@]}" "linux-image-$VERSION")")
  recipe_cached && return
  progress 5 "downloading Debian packages of the sealing guest"
  debs=$(debian_fetch "${PACKAGES[@]}")
  # shellcheck disable=SC2086 # file names in the cache hold no spaces of their own
  debian_unpack "$WORK/debian" $debs
  debs=$(debian_fetch "linux-image-$VERSION")
  debian_unpack "$kernel" "$debs"

  progress 50 "putting the sealing guest together"
  modules=$root/lib/modules/$VERSION
  mkdir -p "$root"/{bin,sbin,dev,proc,sys,run,mnt,etc/lvm} "$modules"
  install -m755 "$WORK/debian/bin/busybox" "$root/bin/busybox"
  for name in $("$root/bin/busybox" --list); do [ "$name" = busybox ] || ln -sf busybox "$root/bin/$name"; done
  ln -s ../bin/busybox "$root/sbin/modprobe" # the path the kernel calls
  for name in "${PROGRAMS[@]}"; do install -m755 "$WORK/debian/$name" "$root/sbin/${name##*/}"; done
  libraries_install "$root" "$WORK/debian"
  depmod -b "$kernel" "$VERSION"
  modules_needed "$kernel" "$VERSION" "${MODULES_EARLY[@]}" "${MODULES_OTHER[@]}" | modules_install "$kernel" "$VERSION" "$modules"
  cp "$kernel/lib/modules/$VERSION"/modules.{order,builtin,builtin.modinfo} "$modules/"
  depmod -b "$root" "$VERSION"
  # busybox reads the two text tables.
  find "$modules" -maxdepth 1 -name 'modules.*' ! -name modules.dep ! -name modules.alias -delete
  install -m755 "$IMAGES/sealer/init" "$root/sbin/init"
  install -m644 "$IMAGES/sealer/lvm.conf" "$root/etc/lvm/lvm.conf"
  initramfs_tree "$WORK/initramfs" "$root" "$kernel"
  initramfs_make "$WORK/initramfs" "$WORK/initrd"

  progress 75 "making its disk"
  disk_make "$root" 7365616c sealer "$SIZE_MIB" "$BOOT_MIB" "$kernel/boot/vmlinuz-$VERSION" "$WORK/initrd" "$ARGUMENTS" \
    -m 0 -O '^has_journal,^metadata_csum,^64bit,^resize_inode'
  recipe_finish
}

recipe_main sealer "$@"

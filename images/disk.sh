# Disks made of files (sourced): nothing is mounted, no loop device, no chroot.
# Layout: MBR, a boot partition from 1 MiB on, then an ext4 root.

# modules_needed KERNEL_ROOT VERSION MODULE... : the files of modules and of what they depend on, in loading order.
# The accelerated checksum modules are left out: TCG has no fast path for them, the generic one is smaller.
modules_needed() {
  local root=$1 version=$2 module
  shift 2
  for module in "$@"; do
    modprobe -d "$root" -S "$version" --show-depends "$module" 2>/dev/null | awk '$1=="insmod"{print $2}'
  done | grep -vE 'pclmul|crc32c-intel' | awk '!seen[$0]++' | sed "s|.*/$version/||"
}

# modules_install KERNEL_ROOT VERSION TARGET : copies the modules listed on stdin to TARGET, without what only costs
# boot time (module-trim.ts)
modules_install() {
  local root=$1 version=$2 target=$3 file
  while read -r file; do install -Dm644 "$root/lib/modules/$version/$file" "$target/$file"; done
  find "$target" -name '*.ko' -print0 | sort -z | xargs -0 "$NODE" "$IMAGES/run.ts" modules-trim
}

# initramfs_make FOLDER OUT : uncompressed (unpacking costs guest time), sorted, without host's times, owners, inodes
initramfs_make() {
  stamp "$1"
  (cd "$1" && find . -print0 | sort -z | cpio -0 -o -H newc --quiet --reproducible -R 0:0) >"$2"
}

# disk_make ROOT ID LABEL SIZE_MIB BOOT_MIB KERNEL INITRD ARGUMENTS MKE2FS_OPTION... : makes $DISK.
# ID is 8 hexadecimal digits: disk signature and the end of the root's UUID.
disk_make() {
  local root=$1 id=$2 label=$3 sizeMib=$4 bootMib=$5 kernel=$6 initrd=$7 arguments=$8
  shift 8
  local uuid=7d1f0c52-0000-4000-8000-0000$id rootMib=$((1 + bootMib))
  truncate -s "${sizeMib}M" "$DISK"
  stamp "$root"
  E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -t ext4 -b 4096 -I 256 "$@" \
    -E "offset=$((rootMib * 1048576)),hash_seed=$uuid,lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0" \
    -U "$uuid" -L "$label" -d "$root" "$DISK" $(((sizeMib - rootMib) * 256))
  # mke2fs copies the change times of the build folder, which nobody can set.
  tool ext-times "$DISK" $((rootMib * 1048576)) "$SOURCE_DATE_EPOCH"
  # 218 is "data without a file system": our own loader reads it.
  tool mbr "$DISK" "$id" "218:2048:$((bootMib * 2048))" "131:$((rootMib * 2048)):$(((sizeMib - rootMib) * 2048))"
  tool boot "$DISK" 2048 $((bootMib * 2048)) "$kernel" "$initrd" "$arguments"
}

#!/bin/bash
# build-desktop.sh OUT.qcow2 : the desktop template (see README.md). Contract, environment and exit codes: recipe.sh
#   HDCS_DESKTOP_PACKAGES="firefox-esr fcitx5 fcitx5-chinese-addons" adds Debian packages to it
. "$(dirname "$0")/recipe.sh"
. "$IMAGES/debian.sh"
. "$IMAGES/disk.sh"

SIZE_MIB=4096
BOOT_MIB=48
PACKAGES=(
  systemd-sysv udev dbus libpam-systemd iproute2 fdisk e2fsprogs kmod procps less nano ca-certificates iputils-ping
  openssh-server locales tzdata
  xserver-xorg-core xserver-xorg-input-libinput xinit xauth x11-xserver-utils xprintidle
  icewm tint2 pcmanfm l3afpad sakura netsurf-gtk shared-mime-info
  arc-theme dmz-cursor-theme elementary-xfce-icon-theme librsvg2-common fonts-inter fonts-dejavu-core fonts-wqy-microhei
  spice-vdagent qemu-guest-agent
)
# Left out of every package: what nobody reads in a desktop, and the 3D libraries (there is no card for them).
EXCLUDED=(
  '/usr/share/man/*' '/usr/share/info/*' '/usr/share/doc/*' '/usr/share/bug/*' '/usr/share/lintian/*' '/usr/share/locale/*'
  '/usr/lib/x86_64-linux-gnu/libLLVM*' '/usr/lib/x86_64-linux-gnu/dri/*' '/usr/lib/x86_64-linux-gnu/libz3*' '/usr/lib/gcc/*'
  '/usr/lib/x86_64-linux-gnu/libgs.so*' '/usr/share/ghostscript/*' '/usr/share/poppler/*'
  '/usr/share/fonts/opentype/urw-base35/*' '/usr/share/fonts/type1/urw-base35/*'
  '/usr/lib/x86_64-linux-gnu/libx265*' '/usr/lib/x86_64-linux-gnu/libaom*' '/usr/lib/x86_64-linux-gnu/libdav1d*'
  '/usr/share/icons/Adwaita/cursors/*' '/usr/share/icons/Adwaita/512x512/*' '/usr/share/icons/Adwaita/256x256/*'
  '/usr/share/icons/elementary-xfce-dark/*' '/usr/share/icons/elementary-xfce-darker/*' '/usr/share/icons/elementary-xfce-darkest/*'
  '/usr/share/icons/elementary-xfce-hidpi/*' '/usr/share/themes/Arc-Lighter*' '/usr/share/themes/Arc-Darker*'
  '/usr/share/themes/*/gnome-shell/*' '/usr/share/themes/*/cinnamon/*' '/usr/share/themes/*/metacity-1/*'
)
INCLUDED=('/usr/share/doc/*/copyright' '/usr/share/locale/zh_CN/*' '/usr/share/locale/locale.alias')

MODULES_EARLY=(virtio_pci virtio_blk crc32c_generic ext4)
MODULES=(virtio_net virtio_console virtio_rng virtio_balloon virtio_scsi virtio_input sd_mod sr_mod isofs udf ahci button evdev
  usb_storage uas xhci_pci ehci_pci uhci_hcd usbhid hid_generic vfat exfat nls_ascii nls_cp437 nls_utf8 e1000 e1000e
  bochs qxl virtio_gpu qemu_fw_cfg snd_hda_intel snd_hda_codec_generic snd_pcm fuse autofs4 overlay virtiofs psmouse uinput
  cdc_acm usbserial ftdi_sio loop dm_mod configfs efivarfs)

# Only what saves waiting; a desktop for work keeps the kernel's protections.
ARGUMENTS="root=/dev/vda2 rw rootfstype=ext4 console=ttyS0 quiet no_timer_check tsc=reliable lpj=1000000 audit=0 \
random.trust_cpu=on cryptomgr.notests net.ifnames=0 systemd.show_status=0 fsck.mode=skip"

# mirror SUITE : the Debian mirror this machine's apt is configured with
mirror() {
  apt-get indextargets --format '$(CODENAME) $(ORIGIN) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v suite="$1" '$1 == suite && $2 == "Debian" && $3 == "main" { print $4; exit }'
}

# system_make SUITE TAR : the installed system as a tar; packages are kept in the cache
system_make() {
  local suite=$1 tar=$2 base security options=() pattern debs=$CACHE/debs-desktop
  base=$(mirror "$suite") security=$(mirror "$suite-security")
  [ -n "$base" ] || fail "apt on this machine knows no Debian mirror for $suite: see /etc/apt/sources.list.d"
  for pattern in "${EXCLUDED[@]}"; do options+=(--dpkgopt="path-exclude=$pattern"); done
  for pattern in "${INCLUDED[@]}"; do options+=(--dpkgopt="path-include=$pattern"); done
  mkdir -p "$debs" "$WORK/tmp"
  TMPDIR=$WORK/tmp mmdebstrap --mode=root --variant=minbase --format=tar --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --include="$(IFS=,; echo "${PACKAGES[*]}")" "${options[@]}" \
    --aptopt='APT::Install-Recommends "false"' --aptopt='APT::Keep-Downloaded-Packages "true"' \
    --aptopt='Acquire::Languages "none"' --aptopt='Acquire::Retries "3"' \
    --setup-hook="mkdir -p \"\$1\"/var/cache/apt/archives && cp -al '$debs'/*.deb \"\$1\"/var/cache/apt/archives/ 2>/dev/null || true" \
    --customize-hook="cp -alu \"\$1\"/var/cache/apt/archives/*.deb '$debs'/ 2>/dev/null || true" \
    --customize-hook="HDCS_NODE='$NODE' bash '$IMAGES/desktop/customize.sh' \"\$1\"" \
    "$suite" "$tar" "deb $base $suite main" "deb $base $suite-updates main" "${security:+deb $security $suite-security main}"
}

# system_steps : mmdebstrap's own words on stdin, told to the caller as steps
system_steps() {
  local line
  while read -r line; do
    printf '%s\n' "$line" >&2
    case $line in
      *'running apt-get update'*) progress 5 "reading the package lists" ;;
      *'downloading packages'*) progress 8 "downloading packages" ;;
      *'extracting archives'*) progress 25 "unpacking the base system" ;;
      *'installing essential'*) progress 30 "installing the base system" ;;
      *'installing remaining'*) progress 35 "installing the desktop" ;;
      *customize.sh*) progress 55 "setting the desktop up" ;;
      *'creating tarball'*) progress 60 "packing the system" ;;
    esac
  done
}

# initramfs_tree FOLDER KERNEL : busybox, the drivers of the root disk, one script
initramfs_tree() {
  local folder=$1 kernel=$2 file name number=10
  mkdir -p "$folder"/{bin,dev,proc,mnt,modules}
  debian_unpack "$WORK/busybox" "$(debian_fetch busybox-static)"
  install -m755 "$WORK/busybox/bin/busybox" "$folder/bin/busybox"
  for name in sh mount insmod switch_root; do ln -s busybox "$folder/bin/$name"; done
  while read -r file; do
    cp "$WORK/root/usr/lib/modules/$VERSION/$file" "$folder/modules/$number-${file##*/}"
    number=$((number + 1))
  done < <(modules_needed "$kernel" "$VERSION" "${MODULES_EARLY[@]}")
  install -m755 "$IMAGES/desktop/init" "$folder/init"
}

recipe_build() {
  local root=$WORK/root kernel=$WORK/kernel suite=bookworm
  read -ra extra <<<"${HDCS_DESKTOP_PACKAGES:-}"
  PACKAGES+=("${extra[@]}")
  progress 1 "looking up Debian packages"
  VERSION=$(debian_kernel_version)
  # Which versions of 400 packages it will be only apt knows, and asking takes as long as half a build: the versions of the
  # ones named here stand for all. HDCS_FRESH=1 takes the newest of everything.
  KEY=$(recipe_key desktop "$suite" "$(debian_files "${PACKAGES[@]}" "linux-image-$VERSION" busybox-static)")
  recipe_cached && return

  progress 3 "installing the system"
  system_make "$suite" "$WORK/system.tar" 2> >(system_steps)
  progress 65 "unpacking the system"
  mkdir "$root"
  tar -C "$root" --numeric-owner --xattrs -xf "$WORK/system.tar"
  rm "$WORK/system.tar"

  progress 72 "unpacking the kernel"
  debian_unpack "$kernel" "$(debian_fetch "linux-image-$VERSION")"
  depmod -b "$kernel" "$VERSION"
  mkdir -p "$root/usr/lib/modules/$VERSION"
  modules_needed "$kernel" "$VERSION" "${MODULES_EARLY[@]}" "${MODULES[@]}" |
    modules_install "$kernel" "$VERSION" "$root/usr/lib/modules/$VERSION"
  cp "$kernel/lib/modules/$VERSION"/modules.{order,builtin,builtin.modinfo} "$root/usr/lib/modules/$VERSION/"
  depmod -b "$root" "$VERSION"
  initramfs_tree "$WORK/initramfs" "$kernel"
  initramfs_make "$WORK/initramfs" "$WORK/initrd"

  progress 80 "making the disk"
  rm -rf "$root"/{dev,proc,sys,run,tmp}/*
  disk_make "$root" 6465736b desktop "$SIZE_MIB" "$BOOT_MIB" "$kernel/boot/vmlinuz-$VERSION" "$WORK/initrd" "$ARGUMENTS" \
    -i 32768 -J size=16 -m 1 -O '^metadata_csum,^orphan_file'
  rm -rf "$root"
  recipe_finish
}

recipe_main desktop "$@"

# Debian packages as material (sourced): found and downloaded by the machine's own apt, from the mirrors it is configured
# with, and unpacked without being installed.

# Set by debian_refresh; empty means apt's own package lists.
APT_OPTIONS=()

# debian_refresh : package lists of our own, newer than the machine's; called when those lead nowhere (never updated,
# or naming a version the mirror has replaced)
debian_refresh() {
  [ "${#APT_OPTIONS[@]}" = 0 ] || fail "the Debian mirror does not have the packages its own lists name; try again later"
  local lists=$CACHE/apt-lists
  mkdir -p "$lists/partial"
  APT_OPTIONS=(-o "Dir::State::Lists=$lists" -o APT::Sandbox::User=root)
  echo "refreshing the package lists" >&2
  apt-get -qq "${APT_OPTIONS[@]}" update
}

# debian_uris PACKAGE... : one line `'URI' FILE SIZE HASH` for each
debian_uris() { (cd / && apt-get -qq "${APT_OPTIONS[@]}" download --print-uris "$@"); }

# debian_files PACKAGE... : the file names (with versions) apt would download, sorted: part of a recipe's key
debian_files() {
  local uris
  uris=$(debian_uris "$@" 2>/dev/null) && [ -n "$uris" ] || { debian_refresh && uris=$(debian_uris "$@"); }
  awk '{print $2}' <<<"$uris" | sort
}

# debian_fetch PACKAGE... : downloads what the cache lacks; prints the paths of the .deb files
debian_fetch() {
  local uri file rest folder=$CACHE/debs missing=()
  mkdir -p "$folder"
  while read -r uri file rest; do
    [ -f "$folder/$file" ] || missing+=("$(debian_exact "$file")")
  done < <(debian_uris "$@")
  if [ "${#missing[@]}" -gt 0 ]; then
    rm -rf "$WORK/download" && mkdir "$WORK/download"
    (cd "$WORK/download" && apt-get -qq -o APT::Sandbox::User=root "${APT_OPTIONS[@]}" download "${missing[@]}") >&2 || {
      debian_refresh
      debian_fetch "$@"
      return
    }
    # apt checks the hash of what it downloads; a file in the cache is therefore whole.
    mv "$WORK"/download/*.deb "$folder/"
  fi
  debian_uris "$@" | while read -r uri file rest; do printf '%s\n' "$folder/$file"; done
}

# debian_exact FILE : `name=version` from a .deb's file name (`%3a` is the colon of an epoch)
debian_exact() {
  local name=${1%%_*} version=${1#*_}
  version=${version%_*}
  printf '%s=%s' "$name" "${version//%3a/:}"
}

# debian_unpack FOLDER DEB... : the files of packages, without their scripts
debian_unpack() {
  local folder=$1 deb
  shift
  mkdir -p "$folder"
  for deb in "$@"; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$folder"; done
}

# debian_kernel_version : e.g. 6.1.0-49-amd64, what the package linux-image-amd64 stands for now
debian_kernel_version() {
  local version
  version=$(apt-cache "${APT_OPTIONS[@]}" depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/{sub("linux-image-","",$2); print $2; exit}')
  [ -n "$version" ] || {
    debian_refresh
    version=$(apt-cache "${APT_OPTIONS[@]}" depends linux-image-amd64 | awk '/Depends: linux-image-/{sub("linux-image-","",$2); print $2; exit}')
  }
  printf '%s' "${version:?the package lists know no linux-image-amd64}"
}

# The frame every recipe runs in (sourced). A recipe is `build-NAME.sh OUT.qcow2`; it defines recipe_build and calls
# `recipe_main NAME "$@"`.
#
# Contract with the caller (the host agent):
#   argument   the output file; appears only when complete (written beside it, synced, renamed) and is sealed (0444)
#   HDCS_CACHE folder for downloaded packages and finished builds (default: `cache` beside the output)
#   HDCS_NODE  the Node (24 or newer) that runs images/run.ts (default: the one of this checkout)
#   HDCS_FRESH=1 builds even when the cache holds the result of the same inputs
#   stdout     only lines `PROGRESS <0-100> <text>`; everything else goes to stderr
#   SIGTERM    ends the build and removes what it had begun; exit code 143
#
# Inside recipe_build: $WORK is an empty folder, $DISK the raw disk to be made, $KEY names the inputs.

set -euo pipefail
umask 022
# One time stamp on everything a recipe makes: two builds of the same inputs are then equal byte for byte.
export SOURCE_DATE_EPOCH=1767225600 TZ=UTC LC_ALL=C.UTF-8 PATH="$PATH:/usr/sbin:/sbin"
IMAGES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

# progress PERCENT TEXT : tells the caller how far the build is
progress() { printf 'PROGRESS %d %s\n' "$1" "$2" >&3; }

# fail TEXT : ends the build with a reason on stderr (the agent shows the last line of it)
fail() {
  printf '%s\n' "$1" >&2
  exit 1
}

# tool NAME ARGUMENT... : the binary work (partition table, kernel, pictures), see run.ts
tool() { "$NODE" "$IMAGES/run.ts" "$@"; }

# stamp FOLDER : one fixed time on everything in it
stamp() { find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +; }

# recipe_key TEXT... : what decides the result: our own sources, the time stamp and what the recipe names (package versions)
recipe_key() {
  {
    printf '%s\n' "$SOURCE_DATE_EPOCH" "$@"
    cd "$IMAGES" && find . -type f ! -name '*.md' -print0 | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c1-24
}

# recipe_publish FILE : the finished file takes its place in one step, so that no reader ever meets half of it
recipe_publish() {
  local part=$OUT.part
  rm -f "$part"
  # A hard link costs nothing and is safe because both names are sealed; over a file system's border it is copied.
  ln "$1" "$part" 2>/dev/null || cp --sparse=always "$1" "$part"
  chmod 0444 "$part"
  sync "$part"
  mv -f "$part" "$OUT"
  sync "$(dirname "$OUT")"
}

# recipe_cached : publishes the result of the same inputs if an earlier build left it in the cache
recipe_cached() {
  local cached=$CACHE/$NAME-$KEY.qcow2
  [ -z "${HDCS_FRESH:-}" ] && [ -f "$cached" ] || return 1
  progress 95 "taking the finished image from the cache"
  recipe_publish "$cached"
}

# recipe_finish : raw disk -> qcow2, kept in the cache (the only one of this recipe), published
recipe_finish() {
  local built=$WORK/$NAME.qcow2 old
  progress 90 "writing the image"
  # One coroutine: clusters are then allocated in reading order, which makes equal disks equal files.
  qemu-img convert -m 1 -f raw -O qcow2 "$DISK" "$built"
  chmod 0444 "$built"
  sync "$built"
  for old in "$CACHE/$NAME"-*.qcow2; do rm -f "$old"; done
  mv -f "$built" "$CACHE/$NAME-$KEY.qcow2"
  recipe_publish "$CACHE/$NAME-$KEY.qcow2"
}

# recipe_tools : what packages.txt names is there, or the reason says what to install
recipe_tools() {
  local need missing=()
  for need in cpio:cpio mke2fs:e2fsprogs depmod:kmod qemu-img:qemu-utils xz:xz-utils; do
    command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
  done
  [ "${#missing[@]}" = 0 ] || fail "This host lacks packages: apt-get install ${missing[*]}."
}

# recipe_inner : the build itself, in a process group of its own
recipe_inner() {
  exec 9>"$CACHE/$NAME.lock"
  if ! flock -n 9; then
    progress 0 "waiting for another build of the same image"
    flock 9
  fi
  # The lock is ours, so whatever lies here was left by a build that was killed.
  rm -rf "$WORK"
  mkdir "$WORK"
  recipe_tools
  recipe_build
  progress 100 "done"
}

# recipe_main NAME OUT : runs recipe_build so that a signal ends it at once. bash handles a signal only between two
# commands; so the build runs in the background in its own process group, and this shell waits and can end the group.
recipe_main() {
  NAME=$1 OUT=${2:-}
  [ -n "$OUT" ] || fail "usage: build-$NAME.sh OUT.qcow2"
  [ "$(id -u)" = 0 ] || fail "build-$NAME.sh has to run as root: the files of the image belong to root"
  mkdir -p "$(dirname "$OUT")"
  OUT=$(cd "$(dirname "$OUT")" && pwd)/$(basename "$OUT")
  CACHE=${HDCS_CACHE:-$(dirname "$OUT")/cache}
  mkdir -p "$CACHE"
  CACHE=$(cd "$CACHE" && pwd)
  WORK=$CACHE/work-$NAME
  DISK=$WORK/disk.raw
  NODE=${HDCS_NODE:-$IMAGES/../node_modules/.bin/node}
  exec 3>&1 1>&2 </dev/null

  local pid code=0
  set -m
  recipe_inner &
  pid=$!
  set +m
  trap 'kill -TERM -- "-$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; recipe_clean "$pid"; exit 143' TERM INT HUP
  wait "$pid" || code=$?
  recipe_clean "$pid"
  exit "$code"
}

# recipe_clean PID : ends what is left of the build's process group and removes what it had begun
recipe_clean() {
  # A build that still waited for its turn must not touch the folder of the one that runs.
  kill -KILL -- "-$1" 2>/dev/null || true
  (
    exec 9>"$CACHE/$NAME.lock"
    flock -w 5 9 && rm -rf "$WORK" "$OUT.part"
  ) || true
}

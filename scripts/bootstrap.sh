#!/usr/bin/env bash
# bootstrap.sh [run|host|test|lab] : brings what this machine lacks, and says what it does. `npm start` and `npm test` call it first.
# A host that only runs an agent (scripts/join.sh) needs neither the pages nor what builds them.
#   1. Debian packages and, but for a lab, a running libvirtd (scripts/machine.sh; not for simulated hosts, HDCS_SIM_HOSTS)
#   2. the npm packages of package-lock.json, Node 24 among them
#   3. the web pages (web/dist)
# Everything is checked before it is done: when nothing is missing, it takes well under half a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mode=${1:-run}
export HDCS_BOOTSTRAP_LOG=${HDCS_BOOTSTRAP_LOG:-$PWD/bootstrap.log}
. scripts/say.sh
case $mode in run | host | test | lab) ;; *) refuse "usage: bash scripts/bootstrap.sh [run|host|test|lab]" 2 ;; esac

# Two starts at once must not run two installations into one folder; the second one waits.
exec 9<scripts
flock -n 9 || { printf 'hdcs: another preparation is under way, waiting for it …\n' && flock 9; }

if [ "$mode" = test ] || [ "${HDCS_SIM_HOSTS:-0}" = 0 ]; then bash scripts/machine.sh "$mode"; fi

# The npm packages: anew when package-lock.json is not the one they were installed from. npm ci empties node_modules first,
# so a stamp in there means a complete installation. One made by hand (npm install) counts when it is newer than the lock file.
node=node_modules/.bin/node
stamp=node_modules/.hdcs-lock
lock=$(sha256sum <package-lock.json)
installed=$(cat "$stamp" 2>/dev/null || true)
with=--include=dev
if [ "$mode" = host ] && [ "$installed" != "$lock" ]; then with=--omit=dev lock="$lock host"; fi
if [ ! -x "$node" ] || [ "$installed" != "$lock" ]; then
  if [ ! -x "$node" ] || [[ $installed == *host ]] || [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
    ADVICE='The npm registry must be reachable (npm ping), and about 700 MB of disk be free; then say it again.'
    step 'installing the npm packages (Node 24, PostgreSQL and the libraries; about a minute)' \
      env -u NODE_ENV npm ci $with --include=optional --no-audit --no-fund --no-progress
  fi
  [ -x "$node" ] || refuse "there is no Node 24 for this processor ($(uname -m)) among the npm packages: HDCS runs on x86-64 Linux."
  printf '%s\n' "$lock" >"$stamp"
fi

[ "$mode" != host ] || exit 0

# The web pages: anew when a file they are made of changed.
sources=$(find web spice lib api package-lock.json \( -name node_modules -o -name dist \) -prune -o -type f -print0 |
  sort -z | xargs -0 sha256sum | sha256sum)
if [ ! -s web/dist/index.html ] || [ "$(cat web/dist/.hdcs-sources 2>/dev/null)" != "$sources" ]; then
  ADVICE='A source of the pages does not compile; see the lines above.'
  LOG_LINES=40 step 'building the web pages' "$node" node_modules/vite/bin/vite.js build web
  printf '%s\n' "$sources" >web/dist/.hdcs-sources
fi

#!/usr/bin/env bash
# run.sh FILE ARGUMENTS… : runs a program of ours on the Node 24 that came with npm ci, in place of this shell.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
node=$root/node_modules/.bin/node
[ $# -gt 0 ] || { echo 'usage: bash scripts/run.sh FILE ARGUMENTS…' >&2 && exit 2; }
version=$("$node" --version 2>/dev/null) || { echo 'hdcs: node_modules is missing or incomplete: bash scripts/bootstrap.sh' >&2 && exit 1; }
# An older Node does not run TypeScript, and says so in a way nobody understands.
[ "$(cut -d. -f1 <<<"${version#v}")" -ge 24 ] || { echo "hdcs: node_modules/.bin/node is $version, 24 is needed: npm ci" >&2 && exit 1; }
file=$1
[ -e "$file" ] || file=$root/$1
shift

# Machines, their networks and disks are root's. Simulated hosts need no rights.
if [ "$(id -u)" != 0 ] && [ "${HDCS_SIM_HOSTS:-0}" = 0 ] && command -v sudo >/dev/null; then
  case $file in
    *bin/all-in-one.ts | *bin/agent.ts | *bin/leave.ts | *scripts/check.ts | *scripts/lab.ts | *scripts/demo-cluster.ts)
      keep=$(compgen -e | grep -E '^(HDCS_|CI$|npm_lifecycle_event$|NODE_EXTRA_CA_CERTS$)' | paste -sd, || true)
      exec sudo ${keep:+--preserve-env="$keep"} "$node" "$file" "$@"
      ;;
  esac
fi

# Ctrl-C reaches every process of the terminal, and npm passes it on once more: a second one would cut the clean end short.
# In a session of its own only npm's arrives; when npm dies without a word, so does this.
if [ -t 0 ] && [[ ${npm_lifecycle_event:-} =~ ^(start|demo:cluster)$ ]]; then exec setpriv --pdeathsig TERM setsid "$node" "$file" "$@"; fi
exec "$node" "$file" "$@"

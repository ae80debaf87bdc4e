#!/usr/bin/env bash
# What the line of a join token runs on a new host, as the control plane serves it (/join, api/join.ts puts its address in):
#   (echo HDCS_JOIN_TOKEN=…; curl -fsSL 'https://control.example/join') | bash
# The token comes on the same pipe: no process list and no log of sudo's ever holds it. Without one, a host that joined is
# upgraded. Options, behind `bash -s --`:
#   --storage DIR   images and desktops, the same path on all hosts that share them    --address A   where others reach this host
#   --folder DIR    where HDCS goes; /opt/hdcs
# Settings of the agent (README) are taken from the environment and kept. Running it again is harmless.
set -euo pipefail

refuse() {
  printf 'hdcs: %s\n' "$1" >&2
  exit 1
}

plain() { [[ $2 =~ ^/[A-Za-z0-9._/-]+$ ]] || refuse "$1 takes an absolute path of letters, digits, dots and dashes, not “$2”."; }

options_read() {
  while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || refuse "$1 needs a value: --storage DIR, --address A, --folder DIR"
    case $1 in
      --storage) plain "$1" "$2" && export HDCS_STORAGE_DIR=$2 ;;
      --address) export HDCS_HOST_ADDRESS=$2 ;;
      --folder) plain "$1" "$2" && folder=$2 ;;
      *) refuse "$1 is unknown; there are --storage DIR, --address A, --folder DIR" ;;
    esac
    shift 2
  done
}

# All that is missing at once: who mends one thing should not hear of the next one.
lacking() {
  local program
  if [ "${HDCS_SIM_HOSTS:-0}" = 0 ] && ! command -v apt-get >/dev/null; then echo 'Debian 12: this system has no apt-get'; fi
  [ "$(uname -sm)" = 'Linux x86_64' ] || echo "x86-64 Linux: this is $(uname -sm)"
  if ! command -v node >/dev/null; then
    echo 'Node.js 20 or newer (see https://nodejs.org/en/download, or https://github.com/nodesource/distributions)'
  elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    echo "Node.js 20 or newer: this is $(node --version)"
  fi
  command -v npm >/dev/null || echo 'npm (it comes with Node.js; on Debian: apt-get install npm)'
  for program in curl tar gzip flock setsid; do command -v "$program" >/dev/null || echo "the program $program"; done
}

# The program beside the one that may be there, whole, with its packages; only then it takes its place.
program_install() {
  [ ! -e "$folder" ] || [ -e "$folder/.joined" ] || [ -z "$(ls -A "$folder")" ] ||
    refuse "$folder holds something else: move it away, or name another folder: --folder DIR"
  curl -fsSL "$control/join/hdcs.tar.gz" -o "$next/hdcs.tar.gz" || refuse "the program could not be fetched from $control."
  sum=$(sha256sum <"$next/hdcs.tar.gz")
  if [ "$(cat "$folder/.joined" 2>/dev/null)" = "$sum" ]; then
    printf 'hdcs: %s holds what the control plane runs\n' "$folder"
    bash "$folder/scripts/bootstrap.sh" host 8<&-
    return
  fi
  mkdir "$next/hdcs"
  tar -xzf "$next/hdcs.tar.gz" --no-same-owner -C "$next/hdcs" || refuse 'the program came broken: say it again.'
  # The same packages need not be fetched again: links to their files, which npm replaces and never rewrites.
  if cmp -s "$folder/package-lock.json" "$next/hdcs/package-lock.json" && [ -e "$folder/node_modules" ]; then
    cp -al "$folder/node_modules" "$next/hdcs/"
  fi
  bash "$next/hdcs/scripts/bootstrap.sh" host 8<&-
  printf '%s\n' "$sum" >"$next/hdcs/.joined"
  if [ -e "$folder" ]; then mv -T "$folder" "$next/before"; fi
  mv -T "$next/hdcs" "$folder" || { mv -T "$next/before" "$folder" && refuse "$folder could not be replaced; what was there runs on."; }
  printf 'hdcs: %s holds what the control plane runs\n' "$folder"
}

main() {
  local token=${HDCS_JOIN_TOKEN:-} missing
  control='CONTROL_URL'
  folder=/opt/hdcs
  umask 022
  export -n HDCS_JOIN_TOKEN
  options_read "$@"
  if [ "$(id -u)" != 0 ] && [ "${HDCS_SIM_HOSTS:-0}" = 0 ]; then
    command -v sudo >/dev/null || refuse 'a host is prepared by root: paste the line into a shell of root, or install sudo.'
    printf 'hdcs: preparing this host needs root (sudo)\n'
    keep=$(compgen -e | grep -E '^(HDCS_|https?_proxy$|no_proxy$|NODE_EXTRA_CA_CERTS$|CURL_CA_BUNDLE$)' | paste -sd, || true)
    { printf 'HDCS_JOIN_TOKEN=%q\n' "$token" && curl -fsSL "$control/join"; } | sudo ${keep:+--preserve-env="$keep"} bash -s -- "$@"
    return
  fi
  missing=$(lacking)
  [ -z "$missing" ] || refuse "this host lacks what HDCS needs. Install it, then paste the line again:
$(sed 's/^/        /' <<<"$missing")"
  data=${HDCS_DATA_DIR:-$([ "$(id -u)" = 0 ] && echo /var/lib/hdcs || echo "$HOME/.local/share/hdcs")}
  plain HDCS_DATA_DIR "$data"
  [ -n "$token" ] || [ -e "$data/agent.json" ] ||
    refuse 'this host has not joined yet, and the line has no token: make one in the console under Hosts, or by hdcs hosts join.'
  [ -d "$data" ] || mkdir -p -m 711 "$data"
  mkdir -p "$(dirname "$folder")"
  # Two at once must not install into one folder; the second one waits. Daemons that are started here must not hold the lock.
  exec 8<"$(dirname "$folder")"
  flock -n 8 || { printf 'hdcs: this host is being prepared already, waiting for that …\n' && flock 8; }
  # One name: what a killed run left there goes. Only its owner may look in until it is whole.
  next=$folder.joining
  rm -rf "$next"
  mkdir -m 700 "$next"
  trap 'rm -rf "$next"' EXIT
  HDCS_BOOTSTRAP_LOG=$data/bootstrap.log program_install
  printf '%s' "$token" | HDCS_DATA_DIR=$data HDCS_CONTROL_URL=$control bash "$folder/scripts/agent.sh" join 8<&-
}

# Last: a script that was cut on its way does nothing.
main "$@"

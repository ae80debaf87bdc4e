#!/usr/bin/env bash
# agent.sh join|start|leave : this host's agent, kept running: by systemd where there is one, else as a process of its own.
#   join    with the join token on standard input (empty: the host joined before); settings from the environment are kept in
#           agent.env of the data folder. Called by the line that a control plane gives for a new host (scripts/join.sh).
#   start   with the settings of then; HDCS_DATA_DIR says where they are
#   leave   once the host was removed in the console: ends the agent, desktops that still run here and their network; no disk
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/say.sh
mode=${1:-}
[[ $mode =~ ^(join|start|leave)$ ]] || refuse 'usage: bash scripts/agent.sh join|start|leave' 2

usual=$([ "$(id -u)" = 0 ] && echo /var/lib/hdcs || echo "$HOME/.local/share/hdcs")
data=${HDCS_DATA_DIR:-$usual}
settings=$data/agent.env
log=$data/agent.log
unit=/etc/systemd/system/hdcs-agent.service
known='HDCS_(CONTROL_URL|DATA_DIR|STORAGE_DIR|HOST_ADDRESS|SIM_HOSTS|PKI_DIR|MIGRATION_URI|POST_COPY|FIREWALL|LOG_LEVEL)|NODE_EXTRA_CA_CERTS'

systemd() { [ -d /run/systemd/system ]; }
again() { systemd && echo 'systemctl restart hdcs-agent' || echo "${HDCS_DATA_DIR:+HDCS_DATA_DIR=$data }bash $PWD/scripts/agent.sh start"; }
last_words() { if systemd; then journalctl -n 12 --no-pager -o cat -u hdcs-agent; else tail -n 12 "$log"; fi 2>/dev/null | sed 's/^/  | /' >&2; }

# What was set before stays, unless it is set anew.
settings_load() {
  local name value
  while IFS='=' read -r name value; do
    if [[ $name =~ ^($known)$ ]] && [ -z "${!name+x}" ]; then export "$name=$value"; fi
  done < <(cat "$settings" 2>/dev/null)
}

settings_keep() {
  # What curl trusted, the agent shall: Node has a list of its own.
  local debian=/etc/ssl/certs/ca-certificates.crt
  if [[ $HDCS_CONTROL_URL == https:* ]] && [ -z "${NODE_EXTRA_CA_CERTS:-}" ] && [ -e $debian ]; then export NODE_EXTRA_CA_CERTS=$debian; fi
  (umask 077 && env | grep -E "^($known)=" | sort >"$settings.part" && mv "$settings.part" "$settings")
}

# The agent of this data folder, if one runs. Anything else that has the folder carries desktops here already.
agent_pid() {
  local pid
  [ -e "$data/host/lock" ] && ! flock -n "$data/host/lock" true || return 0
  pid=$(cat "$data/host/lock")
  grep -qz 'bin/agent\.ts$' "/proc/$pid/cmdline" 2>/dev/null ||
    refuse "this machine carries desktops already: process $pid (npm start?) has $data/host. End it first, or set HDCS_DATA_DIR."
  echo "$pid"
}

systemd_start() {
  cat >"$unit" <<UNIT
[Unit]
Description=HDCS agent: this host's desktops
Wants=network-online.target
After=network-online.target libvirtd.service

[Service]
EnvironmentFile=$settings
ExecStart=/bin/bash $PWD/scripts/run.sh bin/agent.ts
# It ends well when its host was removed.
Restart=on-failure
RestartSec=5
TimeoutStopSec=20

[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload && systemctl enable --quiet hdcs-agent && systemctl restart hdcs-agent
}

agent_end() {
  local old
  old=$(agent_pid)
  if [ -n "$old" ]; then
    # One that still waits for its storage or libvirt ends when it is asked twice.
    kill "$old"
    flock -w 16 "$data/host/lock" true || kill "$old"
    flock -w 5 "$data/host/lock" true || refuse "the agent that runs (process $old) does not end: kill -9 $old, then: $(again)"
  fi
}

plain_start() {
  agent_end
  setsid bash scripts/run.sh bin/agent.ts </dev/null >>"$log" 2>&1 &
  pid=$!
}

[ "$mode" = join ] || [ -e "$settings" ] || refuse "there are no settings of an agent in $data: paste the line of a join token first."
agent_pid >/dev/null
settings_load
export HDCS_DATA_DIR=$data
if [ "$mode" = join ]; then
  settings_keep
  bash scripts/run.sh bin/join.ts || refuse "this host has not joined, and nothing was started. Mend that, then paste the line again, with a new token if this one was used."
fi
if [ "$mode" = leave ]; then
  if systemd; then systemctl stop hdcs-agent 2>/dev/null || true; fi
  agent_end
  bash scripts/run.sh bin/leave.ts || refuse "the agent was ended, and nothing else. If this machine shall stay a host: $(again)"
  if systemd; then systemctl disable --quiet hdcs-agent; fi
  exit
fi
pid=
if systemd; then systemd_start; else plain_start; fi
printf 'hdcs: the agent is started; waiting until the control plane sees this host …\n'
if ! bash scripts/run.sh bin/join.ts wait $pid; then
  last_words
  refuse "the agent does not serve yet; above are its last words. Mend what they say, then: $(again)"
fi
if ! systemd; then printf 'hdcs: no systemd runs here: after a restart of this machine start the agent again: %s\n' "$(again)"; fi

# How the scripts of this folder talk (sourced): plain lines for people, the noise in $HDCS_BOOTSTRAP_LOG.

# step TEXT COMMAND... : says TEXT, runs COMMAND into the log, says the time it took. When it fails: the log's last lines,
# then $ADVICE (what the person can do), and the script ends with COMMAND's status. A function as COMMAND must chain by &&.
step() {
  local text=$1 status=0 startedAt=$SECONDS ticker from
  shift
  : >>"$HDCS_BOOTSTRAP_LOG"
  from=$(($(wc -l <"$HDCS_BOOTSTRAP_LOG") + 1))
  printf 'hdcs: %s …\n' "$text"
  printf '\n=== %s: %s\n' "$(date -u +%FT%TZ)" "$*" >>"$HDCS_BOOTSTRAP_LOG"
  # Long steps stay visible: who sees nothing for a minute presses Ctrl-C in the middle of an installation.
  # (read on a pipe nobody writes to is a sleep without a process that would be left over)
  (while ! read -r -t 15 <> <(:); do printf 'hdcs: … still at it (%d s): %s\n' $((SECONDS - startedAt)) "$text"; done) 9>&- &
  ticker=$!
  # The commands must not hold the lock (fd 9) or the terminal: daemons they start live longer than we do.
  NO_COLOR=1 "$@" >>"$HDCS_BOOTSTRAP_LOG" 2>&1 </dev/null 9>&- || status=$?
  kill "$ticker" 2>/dev/null
  wait "$ticker" 2>/dev/null || true # it was ended by us
  if [ "$status" != 0 ]; then
    printf 'hdcs: FAILED after %d s: %s\n' $((SECONDS - startedAt)) "$text" >&2
    tail -n "+$from" "$HDCS_BOOTSTRAP_LOG" | tail -n "${LOG_LINES:-12}" | sed 's/^/  | /' >&2
    printf 'hdcs: %s\n      The whole log: %s\n' "${ADVICE:-See the lines above.}" "$HDCS_BOOTSTRAP_LOG" >&2
    exit "$status"
  fi
  printf 'hdcs: done in %d s: %s\n' $((SECONDS - startedAt)) "$text"
}

refuse() {
  printf 'hdcs: %s\n' "$1" >&2
  exit "${2:-1}"
}

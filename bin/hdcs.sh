#!/usr/bin/env bash
# hdcs : the command line client, from wherever it is called (a link to this file in /usr/local/bin is enough).
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
exec bash "$here/../scripts/run.sh" "$here/hdcs.ts" "$@"

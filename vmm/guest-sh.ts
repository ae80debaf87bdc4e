/**
 * A script in a Linux guest, as one program for `sh -s`: all it needs comes on standard input, so no secret stands in the
 * arguments of a process. The program starts the script once and tells how it stands; it is given again to ask again
 * (docs/decisions/0008). What came of it lies on the guest's own disk, so that neither a killed agent nor a move forgets it.
 */
import { HdcsError } from '../lib/errors.ts'
import type { GuestScript } from './host.ts'

const folderInGuest = '/var/lib/hdcs/setup'
/** What is told of its output. More: reports of a class grow to megabytes; less: the line that says why may be cut. */
export const outputBytes = 32 * 1024
/** A script that ends within it costs one look. Longer: progress is told in jumps; shorter: more calls of the guest. */
const waitTenths = 15

/** In single quotes only the quote itself means something. */
export const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

/** Ids become names of folders. */
export function scriptIdChecked(id: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,99}$/.test(id)) return id
  throw new HdcsError('invalid', `“${id}” is no name of a script for a guest.`)
}

const environmentOf = (variables: Record<string, string>) =>
  Object.entries(variables)
    .filter(([name]) => /^[A-Z][A-Z0-9_]*$/.test(name))
    .map(([name, value]) => `export ${name}=${quoted(value.replaceAll('\0', ''))}\n`)
    .join('')

/** Leads the session that the script runs in: its number ends all of it. The outcome is complete or not there. */
const runner = `d=$1
cd /
echo $$ >"$d/pid"
. "$d/environment"
read -r first <"$d/script"
case $first in
  '#!'*) chmod 700 "$d/script"; "$d/script" ;;
  *) sh "$d/script" ;;
esac >"$d/out" 2>&1
code=$?
read -r up rest </proc/uptime
echo "$up" >"$d/ended"
rm -f "$d/script" "$d/environment"
echo $code >"$d/exit.part"
mv "$d/exit.part" "$d/exit"
`

/** @param folder where the guest keeps what came of its scripts. */
export function shProgram(script: GuestScript, folder = folderInGuest): string {
  const id = scriptIdChecked(script.id)
  if (script.text.includes('\0')) throw new HdcsError('invalid', 'A script holds no NUL.')
  // As a function it is read whole before it runs: nothing it starts can read the rest of it away.
  return `main() {
umask 077
PATH=$PATH:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
d=${quoted(folder)}/${id}
read -r boot </proc/sys/kernel/random/boot_id
uptime() { read -r up rest </proc/uptime; echo "$up"; }
mkdir -p ${quoted(folder)}
if mkdir "$d" 2>/dev/null; then
  echo "$boot" >"$d/boot"
  uptime >"$d/started"
  printf %s ${quoted(environmentOf(script.environment))} >"$d/environment"
  printf '%s\\n' ${quoted(script.text)} >"$d/script"
  printf %s ${quoted(runner)} >"$d/run"
  ${environmentOf(script.secrets ?? {})}  printf %s ${quoted(script.input.replaceAll('\0', ''))} | setsid sh "$d/run" "$d" >/dev/null 2>&1 &
fi
turn=0
while [ ! -e "$d/exit" ] && [ $turn -lt ${waitTenths} ]; do sleep 0.1; turn=$((turn + 1)); done
now=$(uptime)
began=; ran=; [ -e "$d/boot" ] && read -r ran <"$d/boot"; [ -e "$d/started" ] && read -r began <"$d/started"
if [ ! -e "$d/exit" ]; then
  if [ "$ran" != "$boot" ]; then echo interrupted >"$d/exit"
  elif [ $((\${now%.*} - \${began%.*})) -gt ${Math.ceil(script.timeoutSeconds)} ]; then
    read -r pid <"$d/pid" && kill -KILL "-$pid"
    [ -e "$d/exit" ] || { echo late >"$d/exit"; echo "$now" >"$d/ended"; }
    rm -f "$d/script" "$d/environment"
  fi 2>/dev/null
fi
code=running; ended=$now
[ -e "$d/exit" ] && read -r code <"$d/exit"
[ -e "$d/ended" ] && read -r ended <"$d/ended"
echo "hdcs-script $code \${began:-0} $ended"
[ ! -e "$d/out" ] || tail -c ${outputBytes} "$d/out"
}
main
`
}

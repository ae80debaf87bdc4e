/**
 * The steps of a customisation that are ours: the name and the domain of a guest, in the words of its system. Each succeeds
 * where that is so already, so trying again harms nothing. Their variables come in the environment, a password on
 * standard input, on Windows in a variable that no file holds: what it reads there depends on its code page. It takes both at a restart: such a try ends interrupted, and the next finds it done.
 */
import type { CustomiseValue } from '../db/schema-customisation.ts'

export const builtIn = { timeoutSeconds: 600, retries: 2 } as const

/** Setup restarts the guest once or twice, each of which costs a try; what still asks somebody then waits in vain. */
export const awaiting = { timeoutSeconds: 1200, retries: 3 } as const

/** Once it is over nothing reads the answer file any more, which the host takes away when the customisation is. */
export const setupAwaited = `$state = 'HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Setup\\State'
function Running {
  $setup = Get-ItemProperty 'HKLM:\\SYSTEM\\Setup'
  $setup.SystemSetupInProgress -eq 1 -or $setup.OOBEInProgress -eq 1 -or (Get-ItemProperty $state).ImageState -ne 'IMAGE_STATE_COMPLETE'
}
if (Running) { 'Windows Setup is running: C:\\Windows\\Panther tells what it does' }
while (Running) { Start-Sleep -Seconds 2 }
"Windows Setup is over, and this is $env:COMPUTERNAME"
`

type Scripts = Record<CustomiseValue['shell'], string>

export const hostNameScripts: Scripts = {
  sh: `read -r name </proc/sys/kernel/hostname
[ "$name" = "$HDCS_DESKTOP" ] && { echo "it is $name already"; exit 0; }
if command -v hostnamectl >/dev/null && hostnamectl set-hostname "$HDCS_DESKTOP"; then :
else
  echo "$HDCS_DESKTOP" >/etc/hostname && echo "$HDCS_DESKTOP" >/proc/sys/kernel/hostname || exit 1
fi
grep -q "[[:space:]]$HDCS_DESKTOP\\$" /etc/hosts 2>/dev/null || echo "127.0.1.1 $HDCS_DESKTOP" >>/etc/hosts
echo "$name is $HDCS_DESKTOP now"
`,
  powershell: `$ErrorActionPreference = 'Stop'
if ($env:COMPUTERNAME -ieq $env:HDCS_COMPUTER) { "it is $env:COMPUTERNAME already"; exit 0 }
Rename-Computer -NewName $env:HDCS_COMPUTER -Force
"$env:COMPUTERNAME is $env:HDCS_COMPUTER after this restart"
Restart-Computer -Force
Start-Sleep -Seconds 3600
`,
}

export const domainScripts: Scripts = {
  sh: `command -v realm >/dev/null || {
  echo "realm is not installed: put realmd, sssd and adcli into the template" >&2
  exit 127
}
realm list --name-only | grep -qixF "$HDCS_DOMAIN" && { echo "it is in $HDCS_DOMAIN already"; exit 0; }
set -- --user="$HDCS_DOMAIN_USER"
[ -z "$HDCS_DOMAIN_OU" ] || set -- "$@" --computer-ou="$HDCS_DOMAIN_OU"
realm join --verbose "$@" "$HDCS_DOMAIN"
`,
  powershell: `$ErrorActionPreference = 'Stop'
$computer = Get-CimInstance Win32_ComputerSystem
if ($computer.PartOfDomain -and $computer.Domain -ieq $env:HDCS_DOMAIN) { "it is in $env:HDCS_DOMAIN already"; exit 0 }
if (-not $env:HDCS_DOMAIN_PASSWORD) { throw 'no password came with this script: update the agent of its host' }
$password = New-Object Security.SecureString
$env:HDCS_DOMAIN_PASSWORD.ToCharArray() | ForEach-Object { $password.AppendChar($_) }
Remove-Item Env:HDCS_DOMAIN_PASSWORD
$given = @{
  DomainName = $env:HDCS_DOMAIN
  Credential = New-Object Management.Automation.PSCredential($env:HDCS_DOMAIN_USER, $password)
}
if ($env:HDCS_DOMAIN_OU) { $given.OUPath = $env:HDCS_DOMAIN_OU }
Add-Computer @given -Force
"it is in $env:HDCS_DOMAIN after this restart"
Restart-Computer -Force
Start-Sleep -Seconds 3600
`,
}

/** In place of a step whose secret cannot be read any more. */
export const unreadable: Scripts = {
  sh: 'echo "the password that was kept cannot be read: give it anew in the settings of the pool" >&2; exit 1\n',
  powershell: '"the password that was kept cannot be read: give it anew in the settings of the pool"; exit 1\n',
}

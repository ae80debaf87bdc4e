/**
 * The same as guest-sh.ts for Windows: one program for PowerShell (5.1 and later) on standard input. It is proven as text
 * alone, because nobody here has a Windows to run it on (docs/decisions/0008).
 */
import { outputBytes, scriptIdChecked } from './guest-sh.ts'
import type { GuestScript } from './host.ts'

/** What is read on standard input goes through the system's old code page: so the program is ASCII, all else Base64. */
const decoded = (text: string) =>
  `[Text.Encoding]::UTF8.GetString([Convert]::FromBase64String('${Buffer.from(text.replaceAll('\0', '')).toString('base64')}'))`

/**
 * Takes the program whole: `-Command -` would take it line by line, as if it were typed. PowerShell reads its standard input for
 * `$input` by itself (about_PowerShell_exe), so what reads the console beside it gets nothing, or half.
 */
const bootstrap = `$ProgressPreference = 'SilentlyContinue'
$program = @($input) -join "\`n"
if (-not $program) { $program = [Console]::In.ReadToEnd() }
& ([ScriptBlock]::Create($program))`
export const powershellArguments = [
  '-NoProfile',
  '-NonInteractive',
  '-InputFormat',
  'Text',
  '-OutputFormat',
  'Text',
  '-ExecutionPolicy',
  'Bypass',
  '-EncodedCommand',
  Buffer.from(bootstrap, 'utf16le').toString('base64'),
]

const uptime = `function Uptime {
  $seconds = [Diagnostics.Stopwatch]::GetTimestamp() / [Diagnostics.Stopwatch]::Frequency
  $seconds.ToString('F2', [Globalization.CultureInfo]::InvariantCulture)
}
`

/**
 * Goes on when the program has answered. What is for the script's standard input comes in a variable, which the script
 * does not get: its bytes are UTF-8 without the mark that Windows PowerShell writes before them by itself. A process number is another
 * process' after a restart: with the moment of its start it is one alone.
 */
const runner = `param([string] $d)
${uptime}Set-Content -LiteralPath "$d\\pid" -Value $PID, (Get-Process -Id $PID).StartTime.ToFileTimeUtc()
$text = $env:HDCS_SETUP_INPUT
Remove-Item Env:HDCS_SETUP_INPUT -ErrorAction SilentlyContinue
. "$d\\environment.ps1"
$OutputEncoding = New-Object Text.UTF8Encoding $false
# A service has no console, and then nothing to set.
try { [Console]::OutputEncoding = $OutputEncoding } catch { }
$code = 1
try {
  $text | & powershell.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File "$d\\script.ps1" 2>&1 |
    ForEach-Object { "$_" } | Out-File -LiteralPath "$d\\out" -Encoding utf8 -Width 4096
  if ($null -ne $LASTEXITCODE) { $code = $LASTEXITCODE }
} catch { "$_" | Out-File -LiteralPath "$d\\out" -Encoding utf8 -Append -Width 4096 }
Remove-Item -LiteralPath "$d\\script.ps1", "$d\\environment.ps1" -Force -ErrorAction SilentlyContinue
Set-Content -LiteralPath "$d\\ended" -Value (Uptime)
Set-Content -LiteralPath "$d\\exit.part" -Value $code
Move-Item -LiteralPath "$d\\exit.part" -Destination "$d\\exit"
`

const environmentOf = (variables: Record<string, string>) =>
  Object.entries(variables)
    .filter(([name]) => /^[A-Z][A-Z0-9_]*$/.test(name))
    .map(([name, value]) => `$env:${name} = ${decoded(value)}\r\n`)
    .join('')

/** A script that is given no byte order mark would be read in the system's old code page. */
const written = (name: string, text: string) =>
  `[IO.File]::WriteAllText("$d\\${name}", ${text}, (New-Object Text.UTF8Encoding($true)))`

export function powershellProgram(script: GuestScript): string {
  const id = scriptIdChecked(script.id)
  // What is started inherits them: no file holds them.
  const secret = { ...script.secrets, HDCS_SETUP_INPUT: script.input }
  return `$ErrorActionPreference = 'Stop'
${uptime}$all = Join-Path $env:ProgramData 'HDCS\\setup'
$d = Join-Path $all '${id}'
if (-not (Test-Path -LiteralPath $all)) {
  New-Item -ItemType Directory -Path $all | Out-Null
  & icacls.exe $all /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' | Out-Null
}
$fresh = $true
try { New-Item -ItemType Directory -Path $d | Out-Null } catch { $fresh = $false }
if ($fresh) {
  Set-Content -LiteralPath "$d\\started" -Value (Uptime)
  ${written('environment.ps1', decoded(environmentOf(script.environment)))}
  ${written('script.ps1', decoded(script.text))}
  ${written('run.ps1', decoded(runner))}
  ${environmentOf(secret)}  Start-Process powershell.exe -WindowStyle Hidden -ArgumentList '-NoProfile', '-NonInteractive', '-ExecutionPolicy', 'Bypass', '-File', "\`"$d\\run.ps1\`"", "\`"$d\`""
}
for ($turn = 0; $turn -lt 15 -and -not (Test-Path -LiteralPath "$d\\exit"); $turn++) { Start-Sleep -Milliseconds 100 }
function Noted($name, $else, $line = 0) {
  # Not there yet, or being written in this moment: the next look sees it.
  $said = @(try { Get-Content -LiteralPath "$d\\$name" -TotalCount 2 } catch { })
  if ($said.Count -gt $line) { "$($said[$line])".Trim() } else { $else }
}
$now = Uptime
$began = Noted 'started' '0'
if (-not (Test-Path -LiteralPath "$d\\exit")) {
  $number = Noted 'pid' ''
  $process = if ($number -ne '') { Get-Process -Id $number -ErrorAction SilentlyContinue }
  # Until it says its number it is being started: in this life of the guest, or not at all.
  $lives = $number -eq '' -or ($process -and "$($process.StartTime.ToFileTimeUtc())" -eq (Noted 'pid' '' 1))
  if ([double] $now -lt [double] $began -or -not $lives) { Set-Content -LiteralPath "$d\\exit" -Value 'interrupted' }
  elseif ([double] $now - [double] $began -gt ${Math.ceil(script.timeoutSeconds)}) {
    # Not by PowerShell's own redirection: a word on its standard error would end this program.
    if ($number -ne '') { & cmd.exe /c "taskkill.exe /T /F /PID $number >nul 2>&1" }
    Set-Content -LiteralPath "$d\\exit" -Value 'late'
    Set-Content -LiteralPath "$d\\ended" -Value $now
    Remove-Item -LiteralPath "$d\\script.ps1", "$d\\environment.ps1" -Force -ErrorAction SilentlyContinue
  }
}
$code = Noted 'exit' 'running'
$ended = Noted 'ended' $now
$answer = [Text.Encoding]::UTF8.GetBytes("hdcs-script $code $began $ended\`n")
$stdout = [Console]::OpenStandardOutput()
$stdout.Write($answer, 0, $answer.Length)
if (Test-Path -LiteralPath "$d\\out") {
  $file = New-Object IO.FileStream("$d\\out", [IO.FileMode]::Open, [IO.FileAccess]::Read, [IO.FileShare]::ReadWrite)
  $length = [Math]::Min($file.Length, ${outputBytes})
  [void] $file.Seek(-$length, [IO.SeekOrigin]::End)
  $bytes = New-Object byte[] $length
  $read = $file.Read($bytes, 0, $length)
  $stdout.Write($bytes, 0, $read)
  $file.Close()
}
$stdout.Flush()
`
}

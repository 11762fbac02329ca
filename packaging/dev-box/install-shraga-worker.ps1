# Installs `shraga worker` on this machine and starts it now and with every start of the machine.
# Runs as System, and can be run again: it replaces what it wrote before.
# Never: the token is printed, or readable by anybody but System and administrators.
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [string] $Program,
    [Parameter(Mandatory)] [string] $Sha256,
    [Parameter(Mandatory)] [guid] $Worker,
    [Parameter(Mandatory)] [ValidatePattern('^[A-Za-z0-9][A-Za-z0-9._-]{2,62}$')] [string] $Machine,
    [Parameter(Mandatory)] [uri] $Store,
    [string] $Token = '',
    [string] $Settings = ''
)

$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$TaskName = 'Shraga worker'
# How long a download may take.
$DownloadSeconds = 600

$home_ = Join-Path $env:ProgramData 'Shraga'
$bin = Join-Path $env:ProgramFiles 'Shraga'
$exe = Join-Path $bin 'shraga.exe'

# A folder that System and administrators alone may enter: 'inheritance off', and two rights.
function New-PrivateFolder([string] $Path) {
    New-Item -ItemType Directory -Force -Path $Path | Out-Null
    & icacls.exe $Path /inheritance:r /grant:r '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' /Q | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "the rights of $Path can't be set" }
}

function Get-File([string] $From, [string] $To) {
    if (([uri] $From).Scheme -ne 'https') { throw "$From is no https address" }
    Invoke-WebRequest -UseBasicParsing -Uri $From -OutFile $To -TimeoutSec $DownloadSeconds
}

New-PrivateFolder $home_
New-Item -ItemType Directory -Force -Path $bin | Out-Null

# What runs is stopped first: its file can't be replaced otherwise. Its agents' work is taken up again.
$old = Get-ScheduledTask -TaskName $TaskName -ErrorAction SilentlyContinue
if ($old) { Stop-ScheduledTask -TaskName $TaskName }

$new = Join-Path $home_ 'shraga.new.exe'
Get-File $Program $new
$found = (Get-FileHash -Algorithm SHA256 -Path $new).Hash
if ($found -ne $Sha256.Trim()) {
    Remove-Item -Force $new
    throw "what is at $Program has the SHA-256 $found, not the one that was given"
}
Move-Item -Force -Path $new -Destination $exe

$config = Join-Path $home_ 'shraga.toml'
if ($Settings) {
    Get-File $Settings $config
} elseif (-not (Test-Path $config)) {
    throw "a worker needs agents: give -Settings, or bring $config with the image"
}

# What is this machine's own goes on its command line and into its environment, beside the settings of all.
$address = $Store.AbsoluteUri
if ($address -match '["%\r\n]') { throw 'the address of the store has characters that it may not have' }
$arguments = "worker --config `"$config`" --name $Machine"
if ($Token) {
    $secret = Join-Path $home_ 'worker.token'
    [IO.File]::WriteAllText($secret, $Token)
    $arguments += " --token-file `"$secret`""
}
$starter = Join-Path $home_ 'start-worker.cmd'
$lines = @(
    '@echo off',
    "set `"DATAVERSE_URL=$address`"",
    "set `"SHRAGA_WORKER_ID=$Worker`"",
    "`"$exe`" $arguments >> `"$(Join-Path $home_ 'worker.log')`" 2>&1"
)
[IO.File]::WriteAllText($starter, ($lines -join "`r`n") + "`r`n")

# The settings are judged before anything depends on them.
& $exe config --config $config --json | Out-Null
if ($LASTEXITCODE -ne 0) { throw "the settings in $config are refused: run '$exe config --config $config' to see why" }

$action = New-ScheduledTaskAction -Execute $starter -WorkingDirectory $home_
$start = New-ScheduledTaskTrigger -AtStartup
$who = New-ScheduledTaskPrincipal -UserId 'S-1-5-18' -LogonType ServiceAccount -RunLevel Highest
$how = New-ScheduledTaskSettingsSet -AllowStartIfOnBatteries -DontStopIfGoingOnBatteries -StartWhenAvailable `
    -RestartCount 999 -RestartInterval (New-TimeSpan -Minutes 1) -ExecutionTimeLimit ([TimeSpan]::Zero) `
    -MultipleInstances IgnoreNew
Register-ScheduledTask -Force -TaskName $TaskName -Action $action -Trigger $start -Principal $who -Settings $how | Out-Null
Start-ScheduledTask -TaskName $TaskName
Write-Output "the worker $Machine is installed, and starts with this machine"

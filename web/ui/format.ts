/** Numbers and times for people, by `Intl` in the language at hand. */
import { intlLanguage } from '../i18n/index.ts'

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** 3650722201 → `3.4 GiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1
  return `${formatNumber(value, digits)} ${units[unit]}`
}

export const formatNumber = (value: number, digits = 0) =>
  new Intl.NumberFormat(intlLanguage(), { maximumFractionDigits: digits }).format(value)

export const formatPercent = (share: number) =>
  new Intl.NumberFormat(intlLanguage(), { style: 'percent', maximumFractionDigits: 0 }).format(share)

/** 40000 → `40 sec`, 95000 → `2 min`: for estimates, so whole units only. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000))
  const [value, unit] =
    seconds < 90
      ? [seconds, 'second']
      : seconds < 5400
        ? [Math.round(seconds / 60), 'minute']
        : [Math.round(seconds / 3600), 'hour']
  return new Intl.NumberFormat(intlLanguage(), { style: 'unit', unit: unit as string, unitDisplay: 'short' }).format(
    value as number,
  )
}

/** 75000 → `1:15`: a clock that runs. */
export function formatClock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

export const formatExact = (iso: string) =>
  new Intl.DateTimeFormat(intlLanguage(), { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(iso))

/** The day as a heading, and the time of day to the second beneath it. */
export const formatDay = (iso: string) =>
  new Intl.DateTimeFormat(intlLanguage(), { dateStyle: 'full' }).format(new Date(iso))
export const formatSecond = (iso: string) =>
  new Intl.DateTimeFormat(intlLanguage(), { timeStyle: 'medium' }).format(new Date(iso))

export const formatTime = (iso: string) =>
  new Intl.DateTimeFormat(intlLanguage(), { hour: '2-digit', minute: '2-digit' }).format(new Date(iso))

const steps: [limitSeconds: number, unit: Intl.RelativeTimeFormatUnit, seconds: number][] = [
  [3600, 'minute', 60],
  [86_400, 'hour', 3600],
  [86_400 * 45, 'day', 86_400],
  [86_400 * 548, 'month', 86_400 * 30.44],
]

/** `2 min ago`, `in 5 min`; null within 45 seconds, where the page says "just now". */
export function formatAgo(iso: string, nowMs: number): string | null {
  const seconds = (new Date(iso).getTime() - nowMs) / 1000
  const size = Math.abs(seconds)
  if (size < 45) return null
  const [, unit, per] = steps.find(([limit]) => size < limit) ?? [0, 'year' as const, 86_400 * 365.25]
  return new Intl.RelativeTimeFormat(intlLanguage(), { numeric: 'always', style: 'short' }).format(
    Math.round(seconds / per) || Math.sign(seconds),
    unit,
  )
}

/** `Ana, Ben, Cem`; `—` when there is none. */
export const formatList = (names: readonly string[]) =>
  names.length ? new Intl.ListFormat(intlLanguage(), { type: 'conjunction', style: 'narrow' }).format(names) : '—'

import classes from './Picture.module.css'
import { hueOf } from './theme.ts'

/** A picture for a thing that has none: a quiet landscape in the hue of its name. */
export function Picture({ name, dimmed = false }: { name: string; dimmed?: boolean }) {
  const hue = hueOf(name)
  const at = (offset: number) => 40 + ((hue * (offset + 3)) % 30)
  return (
    <svg
      className={classes.picture}
      data-dimmed={dimmed || undefined}
      viewBox="0 0 320 180"
      preserveAspectRatio="xMidYMid slice"
      aria-hidden
      focusable="false"
    >
      <defs>
        <linearGradient id={`sky-${hue}`} x1="0" y1="0" x2="0.4" y2="1">
          <stop offset="0" stopColor={`hsl(${hue} 48% 30%)`} />
          <stop offset="1" stopColor={`hsl(${(hue + 40) % 360} 52% 58%)`} />
        </linearGradient>
      </defs>
      <rect width="320" height="180" fill={`url(#sky-${hue})`} />
      <circle cx={120 + 2 * at(2)} cy={at(0)} r="22" fill={`hsl(${(hue + 60) % 360} 80% 88%)`} opacity="0.75" />
      <path
        d={`M0 ${120 + at(1) / 4} C 70 ${70 + at(0)}, 130 ${150 - at(2) / 2}, 200 ${110 + at(1) / 3} S 300 ${90 + at(3) / 3}, 320 ${110} V180 H0 Z`}
        fill={`hsl(${hue} 45% 34%)`}
        opacity="0.7"
      />
      <path
        d={`M0 ${150 + at(2) / 6} C 80 ${120 + at(3) / 3}, 150 ${175 - at(1) / 4}, 230 ${145 + at(0) / 6} S 310 140, 320 ${146} V180 H0 Z`}
        fill={`hsl(${(hue + 340) % 360} 48% 22%)`}
        opacity="0.85"
      />
    </svg>
  )
}

/** Every token of the look: colours, sizes, spacing, radii. No other file of the web holds a colour or a pixel. */
import {
  type CSSVariablesResolver,
  createTheme,
  defaultVariantColorsResolver,
  type MantineColorsTuple,
  Menu,
  Modal,
  Notification,
  Popover,
  rem,
  Select,
  Tooltip,
} from '@mantine/core'

/** The one accent. Shade 8 is what buttons wear: white on it is 7.6 : 1. */
const harbour: MantineColorsTuple = [
  '#eef2ff',
  '#dbe3fb',
  '#b6c6f5',
  '#8fa7ef',
  '#6f8ce9',
  '#5979e3',
  '#4568d6',
  '#3a5ac6',
  '#2f4bb8',
  '#233a94',
]

/** Cooler than Mantine's own, so that light and dark look like one product. 7 is the body, 6 a card. */
const night: MantineColorsTuple = [
  '#d5dae3',
  '#c0c7d4',
  '#a3acbd',
  '#6b7486',
  '#3c4557',
  '#2c3444',
  '#1e2533',
  '#151b27',
  '#10151f',
  '#0a0e16',
]

/** What a state looks like; the icon and the word stand in StateBadge and the message files. */
export const tones = ['good', 'busy', 'paused', 'idle', 'warn', 'bad', 'violet'] as const
export type Tone = (typeof tones)[number]

/** Ink on its tint is at least 4.5 : 1 in both schemes (checked by axe on every page). */
const toneColours = {
  good: { light: ['#176b34', '#e3f6e9'], dark: ['#7fdc9c', '#143022'] },
  busy: { light: ['#1d4fa8', '#e4eefd'], dark: ['#93bdff', '#172a4a'] },
  paused: { light: ['#44566f', '#e7edf4'], dark: ['#aebfd6', '#232f40'] },
  idle: { light: ['#4b5361', '#eceef1'], dark: ['#b4bcc9', '#272e3b'] },
  warn: { light: ['#8a4a00', '#fdf0d9'], dark: ['#f5c26b', '#3a2a10'] },
  bad: { light: ['#b3261e', '#fdeae8'], dark: ['#ff9c93', '#441c1a'] },
  violet: { light: ['#6a3bb0', '#f1e9fc'], dark: ['#cdadff', '#2f2148'] },
} satisfies Record<Tone, { light: [ink: string, tint: string]; dark: [ink: string, tint: string] }>

const noticeTones: Record<string, Tone> = { red: 'bad', yellow: 'warn', blue: 'busy', teal: 'good' }

const fontFamily =
  "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', 'Noto Sans CJK SC', 'Microsoft YaHei', sans-serif"

/** Sizes that components ask for by name. */
export const sizes = {
  iconSmall: 16,
  icon: 20,
  stroke: 1.75,
  header: 56,
  navigation: 232,
  tray: 44,
  portalPage: 1040,
  dialogue: 520,
} as const

export const theme = createTheme({
  primaryColor: 'harbour',
  primaryShade: 8,
  autoContrast: true,
  colors: { harbour, dark: night },
  fontFamily,
  fontFamilyMonospace: "ui-monospace, 'SF Mono', Menlo, Consolas, 'Noto Sans Mono', monospace",
  headings: { fontFamily, fontWeight: '650', textWrap: 'balance' },
  defaultRadius: 'md',
  radius: { xs: rem(4), sm: rem(6), md: rem(8), lg: rem(12), xl: rem(20) },
  spacing: { xs: rem(8), sm: rem(12), md: rem(16), lg: rem(24), xl: rem(36) },
  cursorType: 'pointer',
  // Notices wear the tones of the states: Mantine's own light yellow is unreadable (2.7 : 1).
  variantColorResolver: input => {
    const tone = input.variant === 'light' && typeof input.color === 'string' ? noticeTones[input.color] : undefined
    if (!tone) return defaultVariantColorsResolver(input)
    const tint = `var(--hdcs-${tone}-tint)`
    return { background: tint, hover: tint, color: `var(--hdcs-${tone}-ink)`, border: '1px solid transparent' }
  },
  respectReducedMotion: true,
  components: {
    Modal: Modal.extend({
      defaultProps: { centered: true, radius: 'lg', size: sizes.dialogue, transitionProps: { duration: 120 } },
      styles: { title: { fontWeight: 650 } },
    }),
    Tooltip: Tooltip.extend({
      defaultProps: {
        withArrow: true,
        events: { hover: true, focus: true, touch: true },
        openDelay: 300,
        multiline: true,
        maw: 320,
        transitionProps: { duration: 100 },
      },
    }),
    // The placeholder that takes the focus instead of the first item is no child that a menu may have (axe).
    Menu: Menu.extend({ defaultProps: { withInitialFocusPlaceholder: false } }),
    Popover: Popover.extend({ defaultProps: { transitionProps: { duration: 100 } } }),
    Select: Select.extend({
      defaultProps: { allowDeselect: false, comboboxProps: { transitionProps: { duration: 100 } } },
    }),
    Notification: Notification.extend({ defaultProps: { withBorder: true } }),
  },
})

const toneVariables = (scheme: 'light' | 'dark') =>
  Object.fromEntries(
    tones.flatMap(tone => {
      const [ink, tint] = toneColours[tone][scheme]
      return [
        [`--hdcs-${tone}-ink`, ink],
        [`--hdcs-${tone}-tint`, tint],
      ]
    }),
  )

export const cssVariablesResolver: CSSVariablesResolver = () => ({
  variables: {
    '--hdcs-header': rem(sizes.header),
    '--hdcs-icon': rem(sizes.icon),
    '--hdcs-motion': '120ms',
    '--hdcs-screen': '#0b0f17',
    '--hdcs-screen-ink': '#f2f5fa',
    '--hdcs-screen-soft': '#aeb9cc',
    '--hdcs-screen-bar': 'rgba(20, 26, 38, 0.94)',
    '--hdcs-screen-line': 'rgba(255, 255, 255, 0.16)',
    '--hdcs-screen-veil': 'rgba(8, 12, 20, 0.72)',
    '--hdcs-brand-from': '#20337f',
    '--hdcs-brand-to': '#3f6bd8',
    '--hdcs-brand-ink': '#ffffff',
    '--hdcs-brand-soft': '#dbe6ff',
    '--hdcs-brand-glow': 'rgba(159, 216, 255, 0.28)',
  },
  light: {
    '--hdcs-canvas': '#f5f7fa',
    '--hdcs-surface': '#ffffff',
    '--hdcs-sunken': '#f1f4f8',
    '--hdcs-line': '#dde3eb',
    '--hdcs-line-strong': '#8791a1',
    '--hdcs-hover': '#f2f5fb',
    '--hdcs-selected': '#e8eefc',
    '--mantine-color-body': '#f5f7fa',
    '--mantine-color-text': '#1a2130',
    '--mantine-color-dimmed': '#566173',
    '--mantine-color-placeholder': '#6a7586',
    '--mantine-color-default-border': '#cfd6e0',
    '--mantine-color-error': '#b3261e',
    '--mantine-color-anchor': '#2f4bb8',
    ...toneVariables('light'),
  },
  dark: {
    '--hdcs-canvas': '#10151f',
    '--hdcs-surface': '#171e2b',
    '--hdcs-sunken': '#121824',
    '--hdcs-line': '#2b3445',
    '--hdcs-line-strong': '#77839a',
    '--hdcs-hover': '#1f2838',
    '--hdcs-selected': '#22304f',
    '--mantine-color-body': '#10151f',
    '--mantine-color-text': '#e6eaf2',
    '--mantine-color-dimmed': '#a3acbd',
    '--mantine-color-placeholder': '#8a94a6',
    '--mantine-color-default': '#1e2533',
    '--mantine-color-default-hover': '#28303f',
    '--mantine-color-default-border': '#3c4557',
    '--mantine-color-error': '#ff9c93',
    '--mantine-color-anchor': '#9db4f7',
    ...toneVariables('dark'),
  },
})

/** Hue of a thing that has no picture of its own: the same name gets the same one everywhere. */
export function hueOf(name: string): number {
  let hash = 7
  for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 360
  return hash
}

/** Exit codes: scripts can tell a refusal from a fault without reading text. README lists them. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  signIn: 3,
  forbidden: 4,
  notFound: 5,
  refused: 6,
  unreachable: 7,
  taskFailed: 8,
  interrupted: 130,
} as const

/** The API's error codes → how the CLI ends; those not named end with `failed`. */
const byCode: Record<string, number> = {
  invalid: exitCodes.usage,
  unauthenticated: exitCodes.signIn,
  forbidden: exitCodes.forbidden,
  not_found: exitCodes.notFound,
  conflict: exitCodes.refused,
  too_large: exitCodes.refused,
  rate_limited: exitCodes.refused,
  pool_exhausted: exitCodes.refused,
  user_limit: exitCodes.refused,
  no_host: exitCodes.refused,
  template_unavailable: exitCodes.refused,
  storage_full: exitCodes.refused,
  unreachable: exitCodes.unreachable,
  timeout: exitCodes.unreachable,
}

export function exitCodeOf(code: string): number {
  return byCode[code] ?? exitCodes.failed
}

/** What the person can do next, for errors where the answer's own text cannot know it. */
export const nextSteps: Record<string, string> = {
  unauthenticated: 'Sign in: hdcs login URL',
  forbidden: 'Ask an administrator for the right, or sign in as somebody else: hdcs login URL',
  pool_exhausted: 'Try again later, or give back a desktop: hdcs desktops; hdcs release DESKTOP',
  user_limit: 'Give one back first: hdcs desktops; hdcs release DESKTOP',
  unreachable: 'Is the server running, and the address right? hdcs login URL sets it.',
  rate_limited: 'Wait a minute, then try again.',
}

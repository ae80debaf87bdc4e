/** What every answer tells the browser not to do. */

export const securityHeaders = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), payment=()',
} as const

/** For answers that are no page: whatever slips into one, nothing of it runs. */
export const dataPolicy = "default-src 'none'; frame-ancestors 'none'"

/**
 * The content security policy of our pages.
 * @param nonce for the style elements that the component kit adds; null where there are none.
 * @param connect further origins the page may talk to: a gateway elsewhere.
 */
export function contentPolicy(nonce: string | null, connect: string[]): string {
  return [
    "default-src 'self'",
    "script-src 'self'",
    `style-src 'self'${nonce ? ` 'nonce-${nonce}'` : ''}`,
    "img-src 'self' data: blob:",
    "font-src 'self' data:",
    `connect-src ${["'self'", ...connect].join(' ')}`,
    "worker-src 'self'",
    "object-src 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ')
}

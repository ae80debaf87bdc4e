/** Who is asking, whether they really ask themselves, and whether they may. */
import type { Auth } from '../auth/auth.ts'
import type { Principal } from '../auth/principal.ts'
import { HdcsError } from '../lib/errors.ts'
import type { AnyRoute } from './route.ts'

export const sessionCookie = 'hdcs_session'
export const csrfHeader = 'x-hdcs-csrf'

/** Who asks public routes. */
export const nobody: Principal = {
  userId: '',
  name: '',
  displayName: '',
  roles: [],
  permissions: new Set(),
  tokenId: '',
}

export type ReadHeader = (name: string) => string | undefined

export interface Credential {
  token: string
  from: 'bearer' | 'cookie'
}

/** A bearer token goes before the cookie: who sends one means it. */
export function credentialOf(header: ReadHeader): Credential | undefined {
  const bearer = /^Bearer +(\S+)$/i.exec(header('authorization') ?? '')?.[1]
  if (bearer) return { token: bearer, from: 'bearer' }
  for (const part of (header('cookie') ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2)
    if (name === sessionCookie && value) return { token: value, from: 'cookie' }
  }
  return undefined
}

/**
 * A browser sends our cookie along with whatever page asks it to, so a write with it must prove that our own page
 * asked: a header that no foreign page can set without our consent, and the browser's own word where it comes from.
 * @returns what is wrong, or undefined. Pure.
 */
export function forgeryReason(header: ReadHeader, origin: string): string | undefined {
  if (header(csrfHeader) !== '1') return 'A write with the session cookie needs the header X-HDCS-CSRF: 1.'
  const fetchSite = header('sec-fetch-site')
  const from = header('origin')
  if (fetchSite === undefined && from === undefined) return 'The browser did not say which page asks.'
  if (fetchSite !== undefined && fetchSite !== 'same-origin') return 'Another site asked for this.'
  if (from !== undefined && !sameHost(from, origin)) return 'Another site asked for this.'
  return undefined
}

/** The scheme may differ where a proxy ends TLS without telling us; the host may not. */
function sameHost(from: string, origin: string): boolean {
  return URL.canParse(from) && URL.canParse(origin) && new URL(from).host === new URL(origin).host
}

/** A link or an image of another site; `none` is a bookmark or a typed address, nothing at all an older browser. */
function fromElsewhere(header: ReadHeader): boolean {
  const fetchSite = header('sec-fetch-site')
  return fetchSite === 'cross-site' || fetchSite === 'same-site'
}

export const isWrite = (route: AnyRoute) => route.method !== 'get'

/** @returns undefined when no credential, or none that opens anything, came along. */
export async function identify(auth: Auth, header: ReadHeader): Promise<Principal | undefined> {
  const credential = credentialOf(header)
  return credential && auth.principals.find(credential.token)
}

/**
 * Lets a request to a route, or says why not. Pure.
 * @throws HdcsError `unauthenticated` (sign in), `forbidden` (signing in again changes nothing).
 */
export function permit(
  principal: Principal | undefined,
  route: AnyRoute,
  header: ReadHeader,
  origin: string,
): Principal {
  const credential = credentialOf(header)
  if (route.permission === 'public') {
    // Nobody is signed in yet, but a foreign page must not sign people in as somebody else either.
    if (isWrite(route) && header('sec-fetch-site') === 'cross-site')
      throw new HdcsError('forbidden', 'Another site asked for this.')
    return nobody
  }
  if (!principal)
    throw new HdcsError('unauthenticated', credential ? 'The session has ended: sign in again.' : 'Sign in first.')
  if (credential?.from === 'cookie' && isWrite(route)) {
    const reason = forgeryReason(header, origin)
    if (reason) throw new HdcsError('forbidden', reason)
  }
  if (credential?.from === 'cookie' && route.acts && fromElsewhere(header))
    throw new HdcsError('forbidden', 'Another site asked for this.')
  if (!principal.permissions.has(route.permission))
    throw new HdcsError('forbidden', 'Your roles do not allow this: ask an administrator.')
  return principal
}

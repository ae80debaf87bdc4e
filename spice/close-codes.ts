/**
 * Why the gateway closed a channel's WebSocket (4000 to 4999 are free for applications, RFC 6455 §7.4.2). The page
 * decides from the code alone whether to come back (session.ts); the reason text beside it is for logs.
 */
export const closeCodes = {
  /** The SPICE server closed the channel: another client took over, or the machine went off. */
  desktopClosed: 4000,
  /** The main channel of this session is gone; the others go with it. */
  mainClosed: 4001,
  /** The connection to the SPICE server broke. */
  connectionBroken: 4002,
  /** The SPICE server could not be reached, or did not let us in. */
  linkFailed: 4003,
  /** Somebody ended the session: an administrator, a timer, a release. */
  kicked: 4004,
  /** The browser stopped reading or answering for too long. */
  stalled: 4005,
  /** The desktop migrates to another host: come back with a new ticket. */
  moved: 4006,
  /** More was sent than a client of ours sends. */
  tooMuch: 4007,
  /** The gateway shuts down: come back with a new ticket. */
  gatewayClosing: 4008,
  /** Somebody else opened it: a serial console, or the screen (an administrator, or its person who came back). */
  taken: 4009,
  /** Sent by the page itself: it could not understand what came. */
  notUnderstood: 4100,
} as const satisfies Record<string, number>

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes]

/** libvirt's keepalive (virkeepaliveprotocol.x): both sides may ping, and whoever is pinged answers. */
export const keepalivePing = 1
export const keepalivePong = 2
/** VIR_DRV_FEATURE_PROGRAM_KEEPALIVE: asking for it makes the server ping us too, and drop us when we are dead. */
export const keepaliveFeature = 10

export interface Keepalive {
  /** Too long: a hung daemon or a cut cable is noticed late; too short: a busy daemon is taken for dead. */
  intervalMs: number
  /** Pings left unanswered before the connection is given up. */
  count: number
}

/** A daemon that says nothing at all for 20 s is gone: libvirt's own client waits as long. */
export const defaultKeepalive: Keepalive = { intervalMs: 5_000, count: 3 }

/**
 * Pings at every interval and says `lost` after `count` of them brought nothing. Whatever arrives counts as an answer.
 *
 * @param held true while we ourselves do not read (a slow stream reader): silence then says nothing about the peer.
 */
export function startKeepalive(options: Keepalive, act: { ping(): void; lost(): void; held(): boolean }) {
  let unanswered = 0
  const timer = setInterval(() => {
    if (act.held()) return
    if (unanswered >= options.count) {
      clearInterval(timer)
      act.lost()
      return
    }
    unanswered++
    act.ping()
  }, options.intervalMs)
  timer.unref()
  return {
    heard() {
      unanswered = 0
    },
    stop: () => clearInterval(timer),
  }
}

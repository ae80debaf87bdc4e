/** The smallest page around a session; the tests read `window.seen` and drive `window.session`. */
import { HdcsError } from '../../../lib/errors.ts'
import { openSession, type Session, type SessionStatus } from '../../../spice/session.ts'

declare global {
  interface Window {
    session: Session
    seen: SessionStatus[]
    copied: string[]
  }
}

window.seen = []
window.copied = []
window.session = openSession({
  connect: async back => {
    const answer = await fetch(back ? '/connect?back' : '/connect', { method: 'POST' })
    if (answer.status === 409) throw new HdcsError('conflict', 'It did not move.')
    return answer.text()
  },
  area: document.getElementById('area') as HTMLElement,
  displayWorker: () => new Worker(new URL('../../../spice/display-worker.ts', import.meta.url), { type: 'module' }),
  changed: status => void window.seen.push(status),
  clipboard: text => void window.copied.push(text),
})

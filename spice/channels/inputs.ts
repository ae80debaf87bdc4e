/** The inputs channel (spice.proto, `InputsChannel`): keys by place and the pointer, from one canvas. */
import { openChannel } from '../channel.ts'
import { scanCode } from '../keys.ts'
import { type ButtonStep, buttonSteps, guestPixel, makeWheel } from '../pointer.ts'
import { pack } from '../wire.ts'

export interface Inputs {
  /** Presses in this order, releases in reverse. */
  combo(codes: readonly string[]): void
  /** Nothing stays pressed in the guest: the page lost the focus, or the session ends. */
  releaseAll(): void
  setRelative(relative: boolean): void
  close(): void
}

export interface InputsOptions {
  url: string
  canvas: HTMLCanvasElement
  /** The guest's size now. */
  guestSize(): { width: number; height: number }
  closed(code: number, reason: string): void
}

const fromServer = { init: 101, modifiers: 102, motionAck: 111 } as const
const toServer = { scanCode: 104, motion: 111, position: 112, press: 113, release: 114 } as const
/** The server confirms every fourth move. Higher: a slow line gathers old moves; lower: the pointer stutters over distance. */
const maxMovesInFlight = 8
const movesPerAck = 4
const display = 0

export function openInputs(options: InputsOptions): Inputs {
  const { canvas, guestSize } = options
  const held = new Set<string>()
  const wheel = makeWheel()
  let relative = false
  let mask = 0
  let pending: { x: number; y: number } | null = null
  let inFlight = 0
  let controlLeftAt = -1

  const channel = openChannel({
    url: options.url,
    type: 3,
    closed: options.closed,
    message(type) {
      if (type === fromServer.motionAck) {
        inFlight = Math.max(0, inFlight - movesPerAck)
        flushMove(false)
      }
      return type === fromServer.init || type === fromServer.modifiers || type === fromServer.motionAck
    },
  })

  function press(code: string, down: boolean): void {
    const bytes = scanCode(code, down)
    if (!bytes) return
    if (down) held.add(code)
    else held.delete(code)
    channel.send(toServer.scanCode, Uint8Array.from(bytes))
  }

  function key(event: KeyboardEvent, down: boolean): void {
    // An input method is composing: the letters come otherwise.
    if (event.isComposing) return
    event.preventDefault()
    event.stopPropagation()
    const { code, timeStamp } = event
    // Windows tells AltGr as ControlLeft and AltRight of one moment: the guest must see AltRight alone.
    if (down && code === 'AltRight' && controlLeftAt === timeStamp && held.has('ControlLeft'))
      press('ControlLeft', false)
    if (down && code === 'ControlLeft') controlLeftAt = timeStamp
    // The press was never sent: it came before the canvas had the focus.
    if (!down && !held.has(code)) return
    press(code, down)
    // macOS tells no release of keys that were pressed while Meta was held.
    if (!down && code.startsWith('Meta'))
      for (const other of [...held]) if (!/^(Shift|Control|Alt)/.test(other)) press(other, false)
  }

  /** At most so many positions are on the way; the newest waits and the others are dropped. */
  function flushMove(force: boolean): void {
    if (!pending || (!force && inFlight >= maxMovesInFlight)) return
    const { x, y } = pending
    pending = null
    inFlight++
    channel.send(toServer.position, pack(['u32', x], ['u32', y], ['u16', mask], ['u8', display]))
  }
  function move(event: PointerEvent): void {
    if (relative) {
      const { movementX, movementY } = event
      if (movementX || movementY)
        channel.send(toServer.motion, pack(['i32', movementX], ['i32', movementY], ['u16', mask]))
      return
    }
    const shown = canvas.getBoundingClientRect()
    const { width, height } = guestSize()
    if (shown.width === 0 || shown.height === 0 || width === 0) return
    const x = guestPixel(event.clientX - shown.left, shown.width, width)
    const y = guestPixel(event.clientY - shown.top, shown.height, height)
    pending = { x, y }
    flushMove(false)
  }
  function sendSteps(steps: readonly ButtonStep[]): void {
    // A press belongs where the pointer is, not where it was.
    if (steps.length > 0) flushMove(true)
    for (const step of steps) {
      mask = step.mask
      channel.send(step.pressed ? toServer.press : toServer.release, pack(['u8', step.number], ['u16', step.mask]))
    }
  }
  function pointer(event: PointerEvent): void {
    move(event)
    sendSteps(buttonSteps(mask, event.buttons))
  }
  function releaseAll(): void {
    for (const code of [...held]) press(code, false)
    sendSteps(buttonSteps(mask, 0))
  }

  const listening = new AbortController()
  const on = <E extends Event>(target: EventTarget, type: string, handle: (event: E) => void) =>
    target.addEventListener(type, event => handle(event as E), { passive: false, signal: listening.signal })
  on<KeyboardEvent>(canvas, 'keydown', event => key(event, true))
  on<KeyboardEvent>(canvas, 'keyup', event => key(event, false))
  on(canvas, 'blur', releaseAll)
  on(window, 'blur', releaseAll)
  on(document, 'visibilitychange', () => document.hidden && releaseAll())
  on<PointerEvent>(canvas, 'pointermove', pointer)
  on<PointerEvent>(canvas, 'pointerdown', event => {
    canvas.focus({ preventScroll: true })
    if (relative) void canvas.requestPointerLock()
    else canvas.setPointerCapture(event.pointerId)
    pointer(event)
    event.preventDefault()
  })
  on<PointerEvent>(canvas, 'pointerup', event => {
    pointer(event)
    event.preventDefault()
  })
  on(canvas, 'pointercancel', () => sendSteps(buttonSteps(mask, 0)))
  on(canvas, 'contextmenu', event => event.preventDefault())
  on<WheelEvent>(canvas, 'wheel', event => {
    event.preventDefault()
    sendSteps(wheel.turn(event.deltaY, event.deltaMode, mask))
  })

  return {
    combo(codes) {
      for (const code of codes) press(code, true)
      for (const code of codes.toReversed()) press(code, false)
    },
    releaseAll,
    setRelative(wished) {
      relative = wished
    },
    close() {
      releaseAll()
      listening.abort()
      channel.close()
    },
  }
}

/**
 * KeyboardEvent.code (the place of a key, whatever is printed on it) to PC scan codes, set 1 (the codes that QEMU's
 * PS/2 and USB keyboards understand; numbers as in keycodemapdb, `atset1`). The guest's own layout makes letters of
 * them.
 */

/** Marks codes that are sent with e0 before them. */
const extended = 0x100

/** Neighbours on the keyboard have neighbouring codes. */
const rows = [
  [0x01, 'Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace'],
  [0x0f, 'Tab KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter'],
  [0x1d, 'ControlLeft KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote'],
  [0x2a, 'ShiftLeft Backslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight'],
  [0x37, 'NumpadMultiply AltLeft Space CapsLock F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock'],
  [0x47, 'Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd'],
  [0x4f, 'Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal'],
  [0x56, 'IntlBackslash F11 F12 NumpadEqual'],
  [0x55, 'F16'],
  [0x5a, 'F20'],
  [0x5d, 'F13 F14 F15'],
  [0x64, 'Open Paste'],
  [0x6d, 'F23'],
  [0x6f, 'F24'],
  [0x70, 'KanaMode Lang2 Lang1 IntlRo'],
  [0x74, 'F21'],
  [0x79, 'Convert'],
  [0x7b, 'NonConvert'],
  [0x7d, 'IntlYen NumpadComma'],
  [extended | 0x03, 'F17 F19 Again Props Undo'],
  [extended | 0x10, 'MediaTrackPrevious'],
  [extended | 0x19, 'MediaTrackNext'],
  [extended | 0x1c, 'NumpadEnter ControlRight'],
  [extended | 0x20, 'AudioVolumeMute LaunchApp2 MediaPlayPause'],
  [extended | 0x24, 'MediaStop'],
  [extended | 0x2e, 'AudioVolumeDown'],
  [extended | 0x30, 'AudioVolumeUp'],
  [extended | 0x32, 'BrowserHome'],
  [extended | 0x35, 'NumpadDivide'],
  [extended | 0x37, 'PrintScreen AltRight'],
  [extended | 0x3c, 'Cut'],
  [extended | 0x41, 'Find'],
  [extended | 0x47, 'Home ArrowUp PageUp'],
  [extended | 0x4b, 'ArrowLeft'],
  [extended | 0x4d, 'ArrowRight'],
  [extended | 0x4f, 'End ArrowDown PageDown Insert Delete'],
  [extended | 0x5b, 'MetaLeft MetaRight ContextMenu Power Sleep'],
  [extended | 0x63, 'WakeUp'],
  [extended | 0x65, 'BrowserSearch BrowserFavorites BrowserRefresh BrowserStop BrowserForward BrowserBack'],
  [extended | 0x6b, 'LaunchApp1 LaunchMail MediaSelect'],
  [extended | 0x75, 'Help'],
  [extended | 0x77, 'F18 Copy F22'],
  [extended | 0x7d, 'Eject'],
] as const satisfies readonly (readonly [number, string])[]

const scanCodes: ReadonlyMap<string, number> = new Map(
  rows.flatMap(([from, names]) => names.split(' ').map((name, index): [string, number] => [name, from + index])),
)

/** Names other browsers and systems use for the same keys. */
const aliases: Readonly<Record<string, string>> = {
  OSLeft: 'MetaLeft',
  OSRight: 'MetaRight',
  VolumeMute: 'AudioVolumeMute',
  VolumeDown: 'AudioVolumeDown',
  VolumeUp: 'AudioVolumeUp',
  AltGraph: 'AltRight',
}

/** The one key with a code of its own kind, three bytes. */
const pause = { down: [0xe1, 0x1d, 0x45], up: [0xe1, 0x9d, 0xc5] } as const

/** All names that have a code. */
export const keyNames: readonly string[] = [...scanCodes.keys(), 'Pause']

/** Bytes for the inputs channel; undefined for a key no PC keyboard has. */
export function scanCode(name: string, down: boolean): readonly number[] | undefined {
  if (name === 'Pause') return down ? pause.down : pause.up
  const code = scanCodes.get(aliases[name] ?? name)
  if (code === undefined) return undefined
  const last = (code & 0x7f) | (down ? 0 : 0x80)
  return code & extended ? [0xe0, last] : [last]
}

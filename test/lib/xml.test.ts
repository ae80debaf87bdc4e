import { DOMParser } from '@xmldom/xmldom'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { xml } from '../../lib/xml.ts'

describe('XML', () => {
  it('gives back every text that was put in, and no element but its own', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), text => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly what XML cannot carry
        fc.pre(!/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/u.test(text))
        const written = xml`<a b='${text}'>${text}</a>`.xml
        const root = new DOMParser().parseFromString(written, 'text/xml').documentElement
        expect(root?.textContent).toBe(text)
        expect(root?.getAttribute('b')).toBe(text)
        expect(root?.childNodes.length).toBe(text === '' ? 0 : 1)
      }),
    )
  })

  it.each(['\u0000', '\u001b', '\ud800', '\uffff'])('refuses what it cannot carry: %j', text => {
    expect(() => xml`<a>${text}</a>`).toThrow(expect.objectContaining({ code: 'invalid' }))
  })

  it('puts pieces in as they are and leaves out what is null or false', () => {
    expect(xml`<a>${[xml`<b/>`, null, xml`<c/>`]}${false}${3}</a>`.xml).toBe('<a><b/><c/>3</a>')
  })
})

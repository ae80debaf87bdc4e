/** Texts that people write about things: no control characters, which no page shows and a terminal obeys. */
import { z } from '@hono/zod-openapi'

const inLine = 'must be one line without control characters: remove line breaks, tabs and what cannot be seen'
const inLines = 'must not hold control characters other than line breaks and tabs: remove what cannot be seen'

/** `U+2028` and `U+2029` break lines too. */
const noLine = /[\p{Cc}\u2028\u2029]/u
const noLines = /[^\P{Cc}\n\t]/u

/** One line: names and labels, @param most characters. */
export const textLine = (most: number) =>
  z
    .string()
    .trim()
    .max(most)
    .refine(text => !noLine.test(text), inLine)

/** Several lines: descriptions and notes. Line breaks of Windows become ours. */
export const textLines = (most: number) =>
  z
    .string()
    .overwrite(text => text.replaceAll('\r\n', '\n'))
    .max(most)
    .refine(text => !noLines.test(text), inLines)

import { HdcsError } from '../lib/errors.ts'

export interface Named {
  id: string
  name: string
}

export const isId = (text: string) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)

/**
 * What a person means by a name or an id.
 * @param list the noun's list, asked with `?name=`
 * @throws HdcsError `not_found`, with the names that would have been right when there are few
 */
export async function find<T extends Named>(
  noun: string,
  text: string,
  get: (id: string) => Promise<T>,
  list: (query: { name?: string }) => Promise<{ items: T[] }>,
): Promise<T> {
  if (isId(text)) return get(text)
  const [found] = (await list({ name: text })).items.filter(({ name }) => name === text)
  if (found) return found
  const names = (await list({})).items.map(({ name }) => name)
  const known = names.length === 0 ? 'there is none' : names.length > 12 ? '' : `known: ${names.join(', ')}`
  throw new HdcsError('not_found', `No ${noun} is called ${text}${known && ` (${known})`}.`)
}

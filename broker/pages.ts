/** Cuts a list that was read one longer than asked into a page and the cursor of the next. */
export function pageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  cursorOf: (row: Row) => string,
  itemOf: (row: Row) => Item,
) {
  const page = rows.slice(0, limit)
  const last = page.at(-1)
  return { items: page.map(itemOf), nextCursor: rows.length > limit && last !== undefined ? cursorOf(last) : null }
}

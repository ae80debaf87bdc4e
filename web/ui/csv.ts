interface TextColumn<T> {
  head: string
  text?: (row: T) => string
}

/** Quoted as RFC 4180 wants; a leading `=`, `+`, `-` or `@` is defused, so that a spreadsheet runs no formula of a stranger. */
export function csvOf<T>(columns: readonly TextColumn<T>[], rows: readonly T[]): string {
  const cell = (text: string) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`
  const written = columns.filter(column => column.text)
  const lines = [
    written.map(column => cell(column.head)),
    ...rows.map(row => written.map(column => cell(column.text?.(row) ?? ''))),
  ]
  return `${lines.map(line => line.join(',')).join('\r\n')}\r\n`
}

/** What is seen, as a file. The mark at the start tells spreadsheets that it is UTF-8. */
export function downloadCsv<T>(name: string, columns: readonly TextColumn<T>[], rows: readonly T[]): void {
  const url = URL.createObjectURL(new Blob([`\ufeff${csvOf(columns, rows)}`], { type: 'text/csv;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${name}.csv`
  link.click()
  URL.revokeObjectURL(url)
}

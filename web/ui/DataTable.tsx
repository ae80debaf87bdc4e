/**
 * The one list of the console: columns from a table, filters and search that the page keeps in the address bar, pages
 * by cursor, rows picked by keyboard or mouse with a bulk bar. It knows no routes and reads no data.
 */
import { Button, Checkbox, Group, Skeleton, VisuallyHidden } from '@mantine/core'
import { ChevronLeft, ChevronRight, Download, SearchX, X } from 'lucide-react'
import { type KeyboardEvent, type ReactNode, useMemo, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ActionButton } from './ActionButton.tsx'
import { downloadCsv } from './csv.ts'
import classes from './DataTable.module.css'
import { EmptyState } from './EmptyState.tsx'
import { ErrorPanel } from './ErrorPanel.tsx'
import { type Filter, FilterChip } from './FilterChip.tsx'
import { Icon } from './Icon.tsx'
import { MoreMenu } from './MoreMenu.tsx'
import { SearchBox } from './SearchBox.tsx'

export interface Column<T> {
  key: string
  head: string
  cell: (row: T) => ReactNode
  /** For the CSV. Without it the column is left out of it. */
  text?: (row: T) => string
  align?: 'right'
}

export interface BulkAction<T> {
  name: string
  label: string
  /** Null: this row allows it. */
  refusal: (row: T) => string | null
  act: (rows: T[]) => void
  danger?: boolean
  /** Seldom asked for: in the menu of the others. */
  rare?: boolean
}

export interface ListState {
  search: string
  filters: Record<string, string | undefined>
  cursors: string[]
}

export interface DataTableProps<T> {
  /** What the rows are, in the plural, for names and announcements. */
  noun: string
  rows: T[] | undefined
  rowId: (row: T) => string
  rowName: (row: T) => string
  /** The first is the name: its cell holds the link to the row. */
  columns: Column<T>[]
  filters?: Filter[]
  state: ListState
  onState: (state: ListState) => void
  searchable?: boolean
  bulk?: BulkAction<T>[]
  nextCursor?: string | null | undefined
  empty: ReactNode
  error?: unknown
  retry?: () => void
  /** A part of something larger: without count, CSV and pages beneath. */
  part?: boolean
}

export function DataTable<T>(props: DataTableProps<T>) {
  const { t } = useTranslation()
  const { rows, state, columns } = props
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set())
  const body = useRef<HTMLTableSectionElement>(null)
  const bulk = props.bulk?.length ? props.bulk : null
  const selected = useMemo(() => (rows ?? []).filter(row => picked.has(props.rowId(row))), [rows, picked, props.rowId])
  const filtered = state.search !== '' || Object.values(state.filters).some(Boolean)

  const pick = (id: string, on: boolean) => {
    const next = new Set(picked)
    if (on) next.add(id)
    else next.delete(id)
    setPicked(next)
  }

  /** Up and down walk the rows' links, Space picks: the links stay ordinary links. */
  const onKeyDown = (event: KeyboardEvent<HTMLTableSectionElement>) => {
    if (!(event.target instanceof HTMLAnchorElement)) return
    const lines = [...(body.current?.rows ?? [])].filter(line => line.querySelector(`td.${classes.name} a`))
    const links = lines.map(line => line.querySelector<HTMLAnchorElement>(`td.${classes.name} a`))
    const { target } = event
    const at = lines.findIndex(line => line.contains(target))
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key]
    if (to !== undefined && at >= 0) {
      event.preventDefault()
      links[Math.max(0, Math.min(links.length - 1, to))]?.focus()
    } else if (event.key === ' ' && bulk && at >= 0) {
      event.preventDefault()
      const row = rows?.[at]
      if (row) pick(props.rowId(row), !picked.has(props.rowId(row)))
    }
  }

  const acts = (bulk ?? []).map(({ name, label, refusal, act, danger = false, rare = false }) => {
    const able = selected.filter(row => refusal(row) === null)
    const [first] = selected
    const some = able.length < selected.length
    return {
      name,
      label: some ? `${label} (${t('common.of', { part: able.length, whole: selected.length })})` : label,
      reason: able.length || !first ? null : t('table.noneAllow', { reason: refusal(first) ?? '' }),
      onClick: () => act(able),
      danger,
      rare,
    }
  })
  const bar = selected.length > 0 && bulk && (
    <div className={classes.bar} data-selection>
      <strong>{t('table.selected', { count: selected.length })}</strong>
      {acts
        .filter(({ rare }) => !rare)
        .map(({ name, label, reason, danger, onClick }) => (
          <ActionButton key={name} size="xs" variant="default" reason={reason} danger={danger} onClick={onClick}>
            {label}
          </ActionButton>
        ))}
      <MoreMenu items={acts.filter(({ rare }) => rare)} />
      <Button
        size="xs"
        variant="subtle"
        className={classes.end}
        leftSection={<Icon of={X} small />}
        onClick={() => setPicked(new Set())}
      >
        {t('table.clearSelection')}
      </Button>
    </div>
  )

  const tools = !bar && (
    <div className={classes.bar}>
      {props.searchable && (
        <SearchBox
          className={classes.search}
          label={t('table.searchIn', { noun: props.noun })}
          value={state.search}
          onChange={search => props.onState({ ...state, search, cursors: [] })}
        />
      )}
      {props.filters?.map(filter => (
        <FilterChip
          key={filter.key}
          filter={filter}
          value={state.filters[filter.key]}
          onChange={value =>
            props.onState({ ...state, filters: { ...state.filters, [filter.key]: value }, cursors: [] })
          }
        />
      ))}
      {filtered && (
        <Button size="xs" variant="subtle" onClick={() => props.onState({ search: '', filters: {}, cursors: [] })}>
          {t('table.clearFilters')}
        </Button>
      )}
    </div>
  )

  if (props.error && !rows)
    return (
      <div className={classes.foot}>
        <ErrorPanel error={props.error} {...(props.retry && { retry: props.retry })} />
      </div>
    )
  if (rows?.length === 0 && !filtered && !state.cursors.length) return props.empty

  return (
    <>
      {(props.searchable || props.filters?.length || bar) && (bar || tools)}
      <div className={classes.scroll}>
        <table className={classes.table}>
          <caption style={{ display: 'contents' }}>
            <VisuallyHidden>
              {props.noun}. {t('table.keys')}
            </VisuallyHidden>
          </caption>
          <thead>
            <tr>
              {bulk && (
                <th className={classes.pick} scope="col">
                  <Checkbox
                    size="xs"
                    aria-label={t('table.selectAll')}
                    checked={!!rows?.length && selected.length === rows.length}
                    indeterminate={selected.length > 0 && selected.length < (rows?.length ?? 0)}
                    onChange={event =>
                      setPicked(event.currentTarget.checked ? new Set(rows?.map(props.rowId)) : new Set())
                    }
                  />
                </th>
              )}
              {columns.map(column => (
                <th key={column.key} data-align={column.align} scope="col">
                  {column.head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody ref={body} onKeyDown={onKeyDown}>
            {rows?.map(row => {
              const id = props.rowId(row)
              return (
                <tr key={id} data-selected={picked.has(id) || undefined}>
                  {bulk && (
                    <td className={classes.pick}>
                      <Checkbox
                        size="xs"
                        aria-label={t('table.selectRow', { name: props.rowName(row) })}
                        checked={picked.has(id)}
                        onChange={event => pick(id, event.currentTarget.checked)}
                      />
                    </td>
                  )}
                  {columns.map((column, index) => (
                    <td
                      key={column.key}
                      data-label={column.head}
                      data-align={column.align}
                      className={index === 0 ? classes.name : undefined}
                    >
                      <div>{column.cell(row)}</div>
                    </td>
                  ))}
                </tr>
              )
            })}
            {!rows &&
              ['a', 'b', 'c'].map(key => (
                <tr key={key}>
                  <td colSpan={columns.length + (bulk ? 1 : 0)}>
                    <Skeleton height="1.25rem" />
                  </td>
                </tr>
              ))}
          </tbody>
        </table>
      </div>
      {rows?.length === 0 && (
        <EmptyState
          icon={SearchX}
          title={t('table.noMatch')}
          text={t('table.noMatchText')}
          action={
            <Button variant="default" onClick={() => props.onState({ search: '', filters: {}, cursors: [] })}>
              {t('table.clearFilters')}
            </Button>
          }
        />
      )}
      {!!rows?.length && !props.part && (
        <div className={classes.foot}>
          <Group gap="xs">
            <span>{t('table.rows', { count: rows.length })}</span>
            <Button
              size="compact-xs"
              variant="subtle"
              leftSection={<Icon of={Download} small />}
              onClick={() => downloadCsv(props.noun, columns, rows)}
            >
              {t('table.csv')}
            </Button>
          </Group>
          {(props.nextCursor || state.cursors.length > 0) && (
            <Group gap="xs">
              <Button
                size="compact-sm"
                variant="default"
                leftSection={<Icon of={ChevronLeft} small />}
                disabled={!state.cursors.length}
                onClick={() => props.onState({ ...state, cursors: state.cursors.slice(0, -1) })}
              >
                {t('common.previous')}
              </Button>
              <span>{t('table.page', { page: state.cursors.length + 1 })}</span>
              <Button
                size="compact-sm"
                variant="default"
                rightSection={<Icon of={ChevronRight} small />}
                disabled={!props.nextCursor}
                onClick={() =>
                  props.nextCursor && props.onState({ ...state, cursors: [...state.cursors, props.nextCursor] })
                }
              >
                {t('common.next')}
              </Button>
            </Group>
          )}
        </div>
      )}
    </>
  )
}

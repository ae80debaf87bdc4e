import { Text, TextInput, useMantineColorScheme } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import {
  Languages,
  Layers,
  type LucideIcon,
  Monitor,
  Network,
  Package,
  Plus,
  Search,
  Server,
  SunMoon,
  UserRound,
} from 'lucide-react'
import { type KeyboardEvent, useId, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useMay } from '../data/me.ts'
import { clustersQuery, desktopsQuery, hostsQuery, poolsQuery, templatesQuery, usersQuery } from '../data/queries.ts'
import { changeLanguage } from '../i18n/index.ts'
import { Dialog } from '../ui/Dialog.tsx'
import { Icon } from '../ui/Icon.tsx'
import { places } from './nav.ts'
import classes from './Palette.module.css'

interface Entry {
  key: string
  group: string
  label: string
  hint?: string
  icon: LucideIcon
  act: () => void
}

/** How many of each noun are offered. More: the list scrolls before it helps. */
const perNoun = 5

/** Every page, every thing by name, and what can be made: `Ctrl K`. */
export function Palette({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const listId = useId()
  const entries = useEntries(text.trim())
  const chosen = entries[Math.min(at, entries.length - 1)]
  const run = (entry: Entry | undefined) => {
    if (!entry) return
    onClose()
    entry.act()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      setAt((Math.min(at, entries.length - 1) + step + entries.length) % Math.max(1, entries.length))
    } else if (event.key === 'Enter') {
      event.preventDefault()
      run(chosen)
    }
  }
  return (
    <Dialog
      onClose={onClose}
      withCloseButton={false}
      title={undefined}
      aria-label={t('palette.title')}
      yOffset="10vh"
      centered={false}
    >
      <TextInput
        data-autofocus
        role="combobox"
        aria-expanded
        aria-controls={listId}
        aria-activedescendant={chosen ? `${listId}-${chosen.key}` : undefined}
        aria-label={t('palette.title')}
        placeholder={t('palette.placeholder')}
        leftSection={<Icon of={Search} small />}
        value={text}
        onChange={event => {
          setText(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
        mb="xs"
      />
      <div className={classes.list} id={listId} role="listbox" aria-label={t('palette.title')}>
        {entries.map((entry, index) => (
          <div key={entry.key} role="presentation">
            {entries[index - 1]?.group !== entry.group && (
              <div className={classes.group} role="presentation">
                {entry.group}
              </div>
            )}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: the box above holds the focus and takes the keys */}
            {/* biome-ignore lint/a11y/useFocusableInteractive: options of a combobox are named by aria-activedescendant */}
            <div
              role="option"
              id={`${listId}-${entry.key}`}
              className={classes.item}
              aria-selected={entry === chosen}
              onMouseMove={() => setAt(index)}
              onClick={() => run(entry)}
            >
              <Icon of={entry.icon} small />
              {entry.label}
              {entry.hint && <small>{entry.hint}</small>}
            </div>
          </div>
        ))}
      </div>
      {entries.length === 0 && (
        <Text size="sm" c="dimmed" p="sm">
          {t('palette.empty', { text })}
        </Text>
      )}
      <Text size="xs" c="dimmed" mt="sm">
        {t('palette.hint')}
      </Text>
    </Dialog>
  )
}

function useEntries(text: string): Entry[] {
  const { t } = useTranslation()
  const may = useMay()
  const navigate = useNavigate()
  const { setColorScheme, colorScheme } = useMantineColorScheme()
  const [search] = useDebouncedValue(text, 200)
  const asked = search.length > 0
  const desktops = useQuery({ ...desktopsQuery({ search, limit: perNoun }), enabled: asked && may('desktop.read') })
  const users = useQuery({ ...usersQuery({ search, limit: perNoun }), enabled: asked && may('user.read') })
  const pools = useQuery({ ...poolsQuery({ search, limit: perNoun }), enabled: asked && may('pool.read') })
  const templates = useQuery({ ...templatesQuery({ limit: 100 }), enabled: may('template.read') })
  const hosts = useQuery({ ...hostsQuery({ limit: 100 }), enabled: may('host.read') })
  const clusters = useQuery({ ...clustersQuery, enabled: may('host.read') })

  const fits = (words: string) => words.toLowerCase().includes(text.toLowerCase())
  const go = t('palette.go')
  const pages = places
    .filter(place => may(place.permission))
    .map(({ name, icon, to }) => ({
      key: to,
      group: go,
      label: t(`nav.${name}`),
      icon,
      act: () => void navigate({ to }),
    }))
  const acts: Entry[] = [
    ...(may('pool.write')
      ? [
          {
            key: 'pool-new',
            group: t('palette.do'),
            label: t('pools.new'),
            icon: Plus,
            act: () => void navigate({ to: '/admin/pools/new' }),
          },
        ]
      : []),
    ...(may('template.write')
      ? [
          {
            key: 'template-new',
            group: t('palette.do'),
            label: t('templates.new'),
            icon: Plus,
            act: () => void navigate({ to: '/admin/templates', search: { new: 'recipe' } }),
          },
        ]
      : []),
    ...(may('user.write')
      ? [
          {
            key: 'user-new',
            group: t('palette.do'),
            label: t('people.new'),
            icon: Plus,
            act: () => void navigate({ to: '/admin/people', search: { new: 'person' } }),
          },
        ]
      : []),
    ...(may('host.write')
      ? [
          {
            key: 'host-new',
            group: t('palette.do'),
            label: t('hosts.join'),
            icon: Plus,
            act: () => void navigate({ to: '/admin/hosts', search: { new: 'host' } }),
          },
          {
            key: 'cluster-new',
            group: t('palette.do'),
            label: t('clusters.new'),
            icon: Plus,
            act: () => void navigate({ to: '/admin/hosts', search: { new: 'cluster' } }),
          },
          {
            key: 'site-new',
            group: t('palette.do'),
            label: t('sites.new'),
            icon: Plus,
            act: () => void navigate({ to: '/admin/hosts', search: { new: 'site' } }),
          },
        ]
      : []),
    {
      key: 'account',
      group: t('palette.do'),
      label: t('frame.account'),
      icon: UserRound,
      act: () => void navigate({ to: '/account' }),
    },
    { key: 'portal', group: go, label: t('frame.portal'), icon: Monitor, act: () => void navigate({ to: '/' }) },
    {
      key: 'scheme',
      group: t('palette.do'),
      label: `${t('scheme.label')}: ${t(colorScheme === 'dark' ? 'scheme.light' : 'scheme.dark')}`,
      icon: SunMoon,
      act: () => setColorScheme(colorScheme === 'dark' ? 'light' : 'dark'),
    },
    {
      key: 'en',
      group: t('palette.do'),
      label: t('language.en'),
      hint: t('common.language'),
      icon: Languages,
      act: () => void changeLanguage('en'),
    },
    {
      key: 'zh',
      group: t('palette.do'),
      label: t('language.zh'),
      hint: t('common.language'),
      icon: Languages,
      act: () => void changeLanguage('zh'),
    },
  ]
  const found = t('palette.found')
  const things: Entry[] = text
    ? [
        ...(asked ? (pools.data?.items ?? []) : [])
          // Until the answer comes these are the last question's.
          .filter(pool => fits(pool.name))
          .map(pool => ({
            key: pool.id,
            group: found,
            label: pool.name,
            hint: t('pools.one'),
            icon: Layers,
            act: () => void navigate({ to: '/admin/pools/$id', params: { id: pool.id } }),
          })),
        ...(asked ? (desktops.data?.items ?? []) : []).map(desktop => ({
          key: desktop.id,
          group: found,
          label: desktop.name,
          hint: desktop.userName ?? t('desktops.one'),
          icon: Monitor,
          act: () => void navigate({ to: '/admin/desktops/$id', params: { id: desktop.id } }),
        })),
        ...(asked ? (users.data?.items ?? []) : []).map(user => ({
          key: user.id,
          group: found,
          label: user.displayName || user.name,
          hint: user.name,
          icon: UserRound,
          act: () => void navigate({ to: '/admin/people/$id', params: { id: user.id } }),
        })),
        ...(templates.data?.items ?? [])
          .filter(template => fits(template.name))
          .slice(0, perNoun)
          .map(template => ({
            key: template.id,
            group: found,
            label: template.name,
            hint: t('templates.one'),
            icon: Package,
            act: () => void navigate({ to: '/admin/templates/$id', params: { id: template.id } }),
          })),
        ...(hosts.data?.items ?? [])
          .filter(host => fits(host.name))
          .slice(0, perNoun)
          .map(host => ({
            key: host.id,
            group: found,
            label: host.name,
            hint: t('hosts.one'),
            icon: Server,
            act: () => void navigate({ to: '/admin/hosts/$id', params: { id: host.id } }),
          })),
        ...(clusters.data?.items ?? [])
          .filter(cluster => fits(cluster.name))
          .slice(0, perNoun)
          .map(cluster => ({
            key: cluster.id,
            group: found,
            label: cluster.name,
            hint: t('clusters.one'),
            icon: Network,
            act: () => void navigate({ to: '/admin/hosts/clusters/$id', params: { id: cluster.id } }),
          })),
      ]
    : []
  const commands = [...pages, ...acts]
    .filter(entry => fits(entry.label))
    .toSorted((a, b) => (a.group === b.group ? 0 : a.group === go ? -1 : 1))
  return [...things, ...commands]
}

import { useQuery } from '@tanstack/react-query'
import { useMay } from '../data/me.ts'
import type { Permission, Task } from '../data/nouns.ts'
import { templatesQuery } from '../data/queries.ts'
import { AnchorLink } from '../frame/links.tsx'

const pages = {
  desktop: ['/admin/desktops/$id', 'desktop.read'],
  pool: ['/admin/pools/$id', 'pool.read'],
  host: ['/admin/hosts/$id', 'host.read'],
  cluster: ['/admin/hosts/clusters/$id', 'host.read'],
  template: ['/admin/templates/$id', 'template.read'],
  user: ['/admin/people/$id', 'user.read'],
} as const satisfies Record<string, [string, Permission]>

type Subject = Task['subject']

/** What a task is about, as a link to its page where it has one and the reader may see it. */
export function TaskSubject({ of: { type, id, name } }: { of: Subject }) {
  const may = useMay()
  if (type === 'version' && may('template.read')) return <Version id={id} name={name} />
  if ((type === 'storagePool' || type === 'volume') && may('host.read'))
    return <AnchorLink to="/admin/storage">{name}</AnchorLink>
  const page = type in pages ? pages[type as keyof typeof pages] : undefined
  if (!page || !may(page[1])) return <>{name}</>
  return (
    <AnchorLink to={page[0]} params={{ id }}>
      {name}
    </AnchorLink>
  )
}

/** A version has no page of its own: it stands on its template's. */
function Version({ id, name }: Pick<Subject, 'id' | 'name'>) {
  const { data } = useQuery(templatesQuery({ limit: 500 }))
  const template = data?.items.find(({ versions }) => versions.some(version => version.id === id))
  if (!template) return <>{name}</>
  return (
    <AnchorLink to="/admin/templates/$id" params={{ id: template.id }}>
      {name}
    </AnchorLink>
  )
}

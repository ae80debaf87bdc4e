import { Button, Group, Stack, TagsInput, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { useWrite } from '../data/actions.ts'
import { client } from '../data/client.ts'
import { useMay } from '../data/me.ts'
import type { Host } from '../data/nouns.ts'
import { hostsQuery } from '../data/queries.ts'
import { ErrorPanel } from '../ui/ErrorPanel.tsx'
import { notifyDone } from '../ui/notify.tsx'

/** Words that pools may ask for: what this host has that others have not. */
export function HostTags({ host }: { host: Host }) {
  const { t } = useTranslation()
  const writable = useMay()('host.write')
  const known = useTags()
  const [wish, setWish] = useState<string[] | null>(null)
  const save = useWrite((tags: string[]) => client.hostUpdate({ params: { id: host.id }, body: { tags } }), ['host'])
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t('hosts.tagsText')}
      </Text>
      <TagsInput
        aria-label={t('hosts.tags')}
        placeholder={writable ? t('hosts.tagsAdd') : ''}
        data={known}
        disabled={!writable}
        value={wish ?? host.tags}
        onChange={setWish}
        splitChars={[',', ' ']}
        maxTags={20}
      />
      <ErrorPanel error={save.error} />
      {writable && wish && (
        <Group>
          <Button
            size="xs"
            loading={save.isPending}
            onClick={() =>
              save.mutate(wish, {
                onSuccess: () => {
                  setWish(null)
                  notifyDone(t('hosts.tagsSaved', { name: host.name }))
                },
              })
            }
          >
            {t('common.save')}
          </Button>
          <Button size="xs" variant="default" onClick={() => setWish(null)}>
            {t('common.cancel')}
          </Button>
        </Group>
      )}
    </Stack>
  )
}

/** Every tag that some host has. */
export function useTags(): string[] {
  const may = useMay()
  const hosts = useQuery({ ...hostsQuery({ limit: 500 }), enabled: may('host.read') })
  return [...new Set((hosts.data?.items ?? []).flatMap(({ tags }) => tags))].toSorted()
}

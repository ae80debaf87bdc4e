/** How full a cluster or a host is, for each of the four things that can run out. */
import { SimpleGrid, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import type { Amount, Resources } from '../data/nouns.ts'
import { formatBytes, formatNumber } from '../ui/format.ts'
import { Bar, Meter, type MeterPart, toneOfShare } from '../ui/Meter.tsx'

export const resourceKinds = ['desktops', 'vcpus', 'memoryBytes', 'storageBytes'] as const satisfies (keyof Resources)[]
type ResourceKind = (typeof resourceKinds)[number]

const formats = {
  desktops: value => formatNumber(value),
  vcpus: value => formatNumber(value),
  memoryBytes: formatBytes,
  storageBytes: formatBytes,
} satisfies Record<ResourceKind, (value: number) => string>

/** Used first, then what is set aside: the rest of the bar is free. */
const partsOf = ({ used, reserved, total }: Amount): MeterPart[] => [
  { value: used, tone: toneOfShare(total > 0 ? (used + reserved) / total : 0) },
  { value: reserved, tone: 'paused', soft: true },
]

/** The four meters of a resource pool, with every figure in words. */
export function ResourceMeters({ of: resources }: { of: Resources }) {
  const { t } = useTranslation()
  return (
    <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="lg">
      {resourceKinds.map(kind => {
        const { total, reserved, used, free } = resources[kind]
        const format = formats[kind]
        return (
          <div key={kind}>
            <Meter
              label={t(`resources.${kind}`)}
              text={t('resources.used', { used: format(used), total: format(total) })}
              whole={total}
              parts={partsOf(resources[kind])}
            />
            <Text size="xs" c="dimmed" mt={4}>
              {t('resources.rest', { reserved: format(reserved), free: format(Math.max(0, free)) })}
            </Text>
          </div>
        )
      })}
    </SimpleGrid>
  )
}

/** One of them in a cell: `12 of 64`. */
export function ResourceBar({ kind, of: amount }: { kind: ResourceKind; of: Amount }) {
  const { t } = useTranslation()
  const format = formats[kind]
  return (
    <Bar
      text={
        amount.total > 0 ? t('common.of', { part: format(amount.used), whole: format(amount.total) }) : t('common.none')
      }
      whole={amount.total}
      parts={partsOf(amount)}
    />
  )
}

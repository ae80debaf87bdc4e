import {
  ActionIcon,
  Autocomplete,
  Button,
  Collapse,
  Group,
  MultiSelect,
  NumberInput,
  Radio,
  Select,
  SimpleGrid,
  Stack,
  Switch,
  TagsInput,
  Text,
  TextInput,
  Title,
} from '@mantine/core'
import type { UseFormReturnType } from '@mantine/form'
import { useQuery } from '@tanstack/react-query'
import { ChevronDown, ChevronRight, Plus, X } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useMay } from '../data/me.ts'
import type { Pool } from '../data/nouns.ts'
import { clustersQuery, hostsQuery } from '../data/queries.ts'
import { Icon } from '../ui/Icon.tsx'
import { Panel } from '../ui/Panel.tsx'
import { placements } from './cluster-form.tsx'
import { useTags } from './host-tags.tsx'
import classes from './PoolPlacement.module.css'
import { hasNeighbours, hasPorts, type PoolValues } from './pool-values.ts'

type PoolForm = UseFormReturnType<PoolValues>

const modes = ['nat', 'routed', 'bridge', 'isolated'] as const satisfies Pool['network']['mode'][]
const affinities = ['none', 'together', 'onlyTogether', 'apart', 'onlyApart'] as const satisfies Pool['affinity'][]

/** Where desktops of the pool go and what they may reach: folded away, because the defaults suit most pools. */
export function PoolPlacement(props: { form: PoolForm; opened: boolean; onToggle: () => void }) {
  const { t } = useTranslation()
  const { form, opened } = props
  return (
    <Panel
      title={t('pools.place')}
      aside={
        <Button
          size="compact-sm"
          variant="subtle"
          aria-expanded={opened}
          aria-label={t(opened ? 'pools.form.placeHide' : 'pools.form.placeShow')}
          leftSection={<Icon of={opened ? ChevronDown : ChevronRight} small />}
          onClick={props.onToggle}
        >
          {t(opened ? 'pools.form.hide' : 'pools.form.change')}
        </Button>
      }
    >
      {!opened && (
        <Text size="sm" c="dimmed">
          {t('pools.form.placeUsual')}
        </Text>
      )}
      <Collapse expanded={opened}>
        <Stack gap="lg">
          <Placement form={form} />
          <Network form={form} />
        </Stack>
      </Collapse>
    </Panel>
  )
}

function Placement({ form }: { form: PoolForm }) {
  const { t } = useTranslation()
  const may = useMay()
  const clusters = useQuery({ ...clustersQuery, enabled: may('host.read') })
  const tags = useTags()
  const { placement, affinity } = form.values
  return (
    <Stack>
      <MultiSelect
        label={t('pools.clusters')}
        description={t('pools.form.clustersHelp')}
        placeholder={form.values.clusterIds.length ? '' : t('pools.anyCluster')}
        data={(clusters.data?.items ?? []).map(({ id, name, siteName }) => ({
          value: id,
          label: `${siteName} / ${name}`,
        }))}
        {...form.getInputProps('clusterIds')}
      />
      <SimpleGrid cols={{ base: 1, xs: 2 }}>
        <Select
          label={t('clusters.placement')}
          description={t(`placementHelp.${placement}`)}
          data={(['cluster', ...placements] as const).map(value => ({ value, label: t(`placement.${value}`) }))}
          {...form.getInputProps('placement')}
        />
        <Select
          label={t('pools.affinity')}
          description={t(`affinityHelp.${affinity}`)}
          data={affinities.map(value => ({ value, label: t(`affinity.${value}`) }))}
          {...form.getInputProps('affinity')}
        />
      </SimpleGrid>
      <TagsInput
        label={t('pools.needs')}
        description={t('pools.form.needsHelp')}
        data={tags}
        splitChars={[',', ' ']}
        {...form.getInputProps('needs')}
      />
      <Radio.Group label={t('pools.ha')} {...form.getInputProps('ha')}>
        <Stack gap="xs" mt="xs">
          <Radio value="restart" label={t('ha.restart')} description={t('pools.form.haRestartHelp')} />
          <Radio value="wait" label={t('ha.wait')} description={t('pools.form.haWaitHelp')} />
        </Stack>
      </Radio.Group>
    </Stack>
  )
}

function Network({ form }: { form: PoolForm }) {
  const { t } = useTranslation()
  const may = useMay()
  const hosts = useQuery({ ...hostsQuery({ limit: 500 }), enabled: may('host.read') })
  const bridges = [...new Set((hosts.data?.items ?? []).flatMap(({ facts }) => facts?.bridges ?? []))].toSorted()
  const { mode, allow } = form.values
  return (
    <Stack>
      <Title order={3} size="h6">
        {t('pools.network')}
      </Title>
      <Select
        label={t('pools.mode')}
        description={t(`networkModeHelp.${mode}`)}
        data={modes.map(value => ({ value, label: t(`networkMode.${value}`) }))}
        {...form.getInputProps('mode')}
      />
      {mode === 'bridge' ? (
        <SimpleGrid cols={{ base: 1, xs: 2 }}>
          <Autocomplete
            required
            label={t('pools.interface')}
            description={t('pools.form.interfaceHelp')}
            data={bridges}
            {...form.getInputProps('interface')}
          />
          <NumberInput
            label={t('pools.vlan')}
            description={t('pools.form.vlanHelp')}
            min={1}
            max={4094}
            allowDecimal={false}
            clampBehavior="none"
            hideControls
            {...form.getInputProps('vlan')}
          />
        </SimpleGrid>
      ) : (
        hasNeighbours(mode) && (
          <Switch
            label={t('pools.neighbours')}
            description={t('pools.form.neighboursHelp')}
            {...form.getInputProps('neighbours', { type: 'checkbox' })}
          />
        )
      )}
      <fieldset className={classes.allow}>
        <Text component="legend" size="sm" fw={600}>
          {t('pools.allow')}
        </Text>
        <Text size="xs" c="dimmed">
          {t(
            allow.length
              ? 'pools.form.allowHelp'
              : mode === 'isolated'
                ? 'pools.form.allowNothing'
                : 'pools.form.allowNone',
          )}
        </Text>
        {allow.map((rule, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name of its own; the form addresses it by its place
          <div key={index} className={classes.rule}>
            <TextInput
              label={t('pools.form.cidr')}
              placeholder="10.0.0.0/8"
              {...form.getInputProps(`allow.${index}.cidr`)}
            />
            <Select
              label={t('pools.form.protocol')}
              data={(['any', 'tcp', 'udp', 'icmp'] as const).map(value => ({ value, label: t(`protocol.${value}`) }))}
              {...form.getInputProps(`allow.${index}.protocol`)}
            />
            <TextInput
              label={t('pools.form.ports')}
              placeholder="443, 8000-8100"
              disabled={!hasPorts(rule.protocol)}
              {...form.getInputProps(`allow.${index}.ports`)}
            />
            <ActionIcon
              variant="default"
              size="input-sm"
              aria-label={t('pools.form.ruleRemove', { cidr: rule.cidr })}
              onClick={() => form.removeListItem('allow', index)}
            >
              <Icon of={X} small />
            </ActionIcon>
          </div>
        ))}
        <Group mt="xs">
          <Button
            size="xs"
            variant="default"
            leftSection={<Icon of={Plus} small />}
            onClick={() => form.insertListItem('allow', { cidr: '', protocol: 'any', ports: '' })}
          >
            {t('pools.form.ruleAdd')}
          </Button>
        </Group>
      </fieldset>
    </Stack>
  )
}

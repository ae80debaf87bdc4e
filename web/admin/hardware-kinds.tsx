/** Fields of a form for what of the hardware has a choice of kinds. */
import { Select, type SelectProps, Switch } from '@mantine/core'
import type { GetInputPropsReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { diskBuses, firmwares, videos } from '../../lib/hardware.ts'
import type { KindValues } from './hardware-values.ts'

const kinds = { firmware: firmwares, diskBus: diskBuses }

/** A firmware, or what a disk is on. */
export function KindSelect({ name, ...rest }: SelectProps & { name: keyof typeof kinds }) {
  const { t } = useTranslation()
  return (
    <Select
      label={t(`hardware.${name}`)}
      description={t(`hardware.${name}Help`)}
      data={kinds[name].map(value => ({ value, label: t(`hardware.${value}`) }))}
      {...rest}
    />
  )
}

interface Props {
  inputs: (name: keyof KindValues, options?: { type: 'checkbox' }) => GetInputPropsReturnType
}

export function HardwareKindFields({ inputs }: Props) {
  const { t } = useTranslation()
  return (
    <>
      <Select
        allowDeselect={false}
        label={t('pools.form.video')}
        description={t('pools.form.videoHelp')}
        data={videos}
        {...inputs('video')}
      />
      <Switch
        mt="lg"
        label={t('pools.form.sound')}
        description={t('pools.form.soundHelp')}
        {...inputs('sound', { type: 'checkbox' })}
      />
      <KindSelect name="firmware" allowDeselect={false} {...inputs('firmware')} />
      <KindSelect name="diskBus" allowDeselect={false} {...inputs('diskBus')} />
    </>
  )
}

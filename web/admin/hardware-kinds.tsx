/** Fields of a form for what of the hardware has a choice of kinds. */
import { Select, Switch } from '@mantine/core'
import type { GetInputPropsReturnType } from '@mantine/form'
import { useTranslation } from 'react-i18next'
import { diskBuses, firmwares, videos } from '../../lib/hardware.ts'
import type { KindValues } from './hardware-values.ts'

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
      <Select
        allowDeselect={false}
        label={t('hardware.firmware')}
        description={t('hardware.firmwareHelp')}
        data={firmwares.map(value => ({ value, label: t(`hardware.${value}`) }))}
        {...inputs('firmware')}
      />
      <Select
        allowDeselect={false}
        label={t('hardware.diskBus')}
        description={t('hardware.diskBusHelp')}
        data={diskBuses.map(value => ({ value, label: t(`hardware.${value}`) }))}
        {...inputs('diskBus')}
      />
    </>
  )
}

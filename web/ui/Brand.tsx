import { Group, Text } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import classes from './Brand.module.css'

/** The mark and the name. */
export function Brand({ onDark = false }: { onDark?: boolean }) {
  const { t } = useTranslation()
  return (
    <Group gap="xs" wrap="nowrap">
      <svg
        className={classes.mark}
        data-on-dark={onDark || undefined}
        viewBox="0 0 32 32"
        aria-hidden
        focusable="false"
      >
        <rect className={classes.tile} width="32" height="32" rx="8" />
        <rect className={classes.line} x="7" y="8" width="18" height="12" rx="2.5" />
        <path className={classes.line} d="M12 24.5h8" />
        <path className={classes.spark} d="M11.5 16.2l3-3 2.6 2.4 3.4-3.6" />
      </svg>
      <Text fw={700} size="lg" lh={1} c={onDark ? 'var(--hdcs-brand-ink)' : 'inherit'}>
        {t('app.name')}
      </Text>
    </Group>
  )
}

import { Group, Kbd, Modal, Stack, Text } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'
import { useEffect } from 'react'
import { useTranslation } from 'react-i18next'

const asked = 'hdcs:help'
/** Opens the help from a button anywhere on the page. */
export const openHelp = () => window.dispatchEvent(new Event(asked))

/** What the keys do; `?` opens it on every page. */
export function HelpDialog() {
  const { t } = useTranslation()
  const [opened, { open, close }] = useDisclosure(false)
  useHotkeys([['shift+?', open]])
  useEffect(() => {
    window.addEventListener(asked, open)
    return () => window.removeEventListener(asked, open)
  }, [open])
  const rows: [keys: string[], what: string][] = [
    [['/'], t('help.search')],
    [['Ctrl', 'K'], t('help.palette')],
    [['?'], t('help.help')],
    [['↑', '↓'], t('help.table')],
    [['Enter'], t('help.open')],
    [['Space'], t('help.select')],
    [['Esc'], t('help.close')],
    [['Ctrl', 'Alt', 'Shift'], t('help.bar')],
  ]
  return (
    <Modal
      opened={opened}
      onClose={close}
      title={t('help.title')}
      closeButtonProps={{ 'aria-label': t('common.close') }}
    >
      <Stack gap="sm">
        {rows.map(([keys, what]) => (
          <Group key={what} justify="space-between" wrap="nowrap">
            <Text size="sm">{what}</Text>
            <Group gap={4} wrap="nowrap">
              {keys.map(key => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </Group>
          </Group>
        ))}
      </Stack>
    </Modal>
  )
}

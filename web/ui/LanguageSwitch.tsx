import { Button, Menu } from '@mantine/core'
import { Check, Languages } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { changeLanguage, type Language, languages } from '../i18n/index.ts'
import { Icon } from './Icon.tsx'

/** Each language is named in itself. `compact` shows the icon alone. */
export function LanguageSwitch({ compact = false }: { compact?: boolean }) {
  const { t, i18n } = useTranslation()
  const now = i18n.language as Language
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button
          variant="subtle"
          color="gray"
          c="dimmed"
          size="sm"
          px="xs"
          aria-label={`${t('common.language')}: ${t(`language.${now}`)}`}
        >
          <Icon of={Languages} />
          {!compact && <span className="wide">{t(`language.${now}`)}</span>}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        {languages.map(language => (
          <Menu.Item
            key={language}
            lang={language === 'zh' ? 'zh-CN' : language}
            rightSection={language === now ? <Icon of={Check} small /> : null}
            onClick={() => void changeLanguage(language)}
          >
            {t(`language.${language}`)}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}

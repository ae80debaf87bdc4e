import { Alert, Button, Group, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core'
import { useForm } from '@mantine/form'
import { useDocumentTitle } from '@mantine/hooks'
import { useNavigate, useRouter, useSearch } from '@tanstack/react-router'
import { CircleAlert, Info, MonitorSmartphone, ServerCog, Zap } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, client } from '../data/client.ts'
import { meQuery, queryClient } from '../data/queries.ts'
import { Brand } from '../ui/Brand.tsx'
import { formatDuration } from '../ui/format.ts'
import { Icon } from '../ui/Icon.tsx'
import { LanguageSwitch } from '../ui/LanguageSwitch.tsx'
import { SchemeSwitch } from '../ui/SchemeSwitch.tsx'
import classes from './Login.module.css'

export function Login() {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const router = useRouter()
  const { to, ended } = useSearch({ from: '/login' })
  const [error, setError] = useState<string | null>(null)
  const [busy, setBusy] = useState(false)
  useDocumentTitle(t('app.title', { page: t('login.title') }))
  const form = useForm({
    mode: 'uncontrolled',
    initialValues: { name: '', password: '' },
    validate: {
      name: value => (value.trim() ? null : t('login.nameMissing')),
      password: value => (value ? null : t('login.passwordMissing')),
    },
  })

  const wordsFor = (thrown: unknown): string => {
    if (!(thrown instanceof ApiError) || thrown.status === 0) return t('login.unreachable')
    if (thrown.status === 401) return t('login.wrong')
    if (thrown.status === 429)
      return thrown.retryAfterSeconds
        ? t('login.limitedFor', { time: formatDuration(thrown.retryAfterSeconds * 1000) })
        : t('login.limited')
    return t('login.failed', { detail: thrown.detail })
  }

  const signIn = async ({ name, password }: { name: string; password: string }) => {
    setBusy(true)
    setError(null)
    try {
      await client.login({ body: { name: name.trim(), password } })
      queryClient.clear()
      await queryClient.fetchQuery(meQuery)
      if (to) router.history.push(to)
      else await navigate({ to: '/' })
    } catch (thrown) {
      setError(wordsFor(thrown))
      form.setFieldValue('password', '')
      setBusy(false)
    }
  }

  return (
    <div className={classes.page}>
      <header className={classes.side}>
        <Brand onDark />
        <Scene />
        <div className={classes.pitch}>
          <Text fz={{ base: 'h2', md: 'h1' }} fw={700} lh={1.2} c="var(--hdcs-brand-ink)">
            {t('login.welcome')}
          </Text>
          <Text mt="sm" size="lg" className={classes.lead ?? ''}>
            {t('login.lead')}
          </Text>
        </div>
        <ul className={`${classes.points} ${classes.pitch}`}>
          <li>
            <Icon of={MonitorSmartphone} />
            {t('login.points.any')}
          </li>
          <li>
            <Icon of={Zap} />
            {t('login.points.fast')}
          </li>
          <li>
            <Icon of={ServerCog} />
            {t('login.points.own')}
          </li>
        </ul>
      </header>
      <main className={classes.form}>
        <div className={classes.tools}>
          <SchemeSwitch />
          <LanguageSwitch />
        </div>
        <div className={classes.middle}>
          <form className={classes.fields} onSubmit={form.onSubmit(signIn)} noValidate>
            <Stack gap="md">
              <Title order={1} size="h2">
                {t('login.title')}
              </Title>
              {ended && !error && (
                <Alert color="blue" icon={<Icon of={Info} />}>
                  {t('login.ended')}
                </Alert>
              )}
              {error && (
                <Alert color="red" icon={<Icon of={CircleAlert} />} role="alert">
                  {error}
                </Alert>
              )}
              <TextInput
                size="md"
                label={t('login.name')}
                autoComplete="username"
                autoCapitalize="none"
                spellCheck={false}
                data-autofocus
                autoFocus
                key={form.key('name')}
                {...form.getInputProps('name')}
              />
              <PasswordInput
                size="md"
                label={t('login.password')}
                autoComplete="current-password"
                key={form.key('password')}
                {...form.getInputProps('password')}
              />
              <Button type="submit" size="md" fullWidth loading={busy}>
                {t('login.submit')}
              </Button>
              <Group justify="center">
                <Text size="sm" c="dimmed" ta="center">
                  {t('login.forgot')}
                </Text>
              </Group>
            </Stack>
          </form>
        </div>
      </main>
    </div>
  )
}

/** Screens of many sizes: the one picture of the product. */
function Scene() {
  return (
    <svg className={classes.scene} viewBox="0 0 400 320" aria-hidden focusable="false">
      <rect x="40" y="30" width="260" height="170" rx="14" />
      <rect className={classes.fill} x="56" y="46" width="228" height="120" rx="6" />
      <path d="M140 200 l-8 34 h76 l-8 -34" />
      <rect x="230" y="150" width="150" height="104" rx="10" />
      <rect className={classes.fill} x="240" y="160" width="130" height="76" rx="4" />
      <rect x="20" y="180" width="62" height="112" rx="10" />
      <rect className={classes.fill} x="27" y="192" width="48" height="82" rx="4" />
    </svg>
  )
}

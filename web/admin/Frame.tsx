import { ActionIcon, AppShell, Burger, Kbd } from '@mantine/core'
import { useDisclosure, useHotkeys } from '@mantine/hooks'
import { Link, Outlet } from '@tanstack/react-router'
import { CircleHelp, Monitor, Search } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { useMay } from '../data/me.ts'
import { ButtonLink } from '../frame/links.tsx'
import { PersonMenu } from '../frame/PersonMenu.tsx'
import { StaleNotice } from '../frame/StaleNotice.tsx'
import { Brand } from '../ui/Brand.tsx'
import { HelpDialog, openHelp } from '../ui/HelpDialog.tsx'
import { Icon } from '../ui/Icon.tsx'
import { LanguageSwitch } from '../ui/LanguageSwitch.tsx'
import { SchemeSwitch } from '../ui/SchemeSwitch.tsx'
import { sizes } from '../ui/theme.ts'
import classes from './Frame.module.css'
import { places } from './nav.ts'
import { Palette } from './Palette.tsx'
import { Tray } from './Tray.tsx'

export function Frame() {
  const { t } = useTranslation()
  const may = useMay()
  const [navigation, menu] = useDisclosure(false)
  const [palette, find] = useDisclosure(false)
  useHotkeys([['mod+K', find.open]], [])
  return (
    <AppShell
      header={{ height: sizes.header }}
      footer={{ height: sizes.tray }}
      navbar={{ width: sizes.navigation, breakpoint: 'sm', collapsed: { mobile: !navigation } }}
      transitionDuration={0}
    >
      <a className="skip" href="#main">
        {t('app.skip')}
      </a>
      <AppShell.Header className={classes.surface ?? ''}>
        <div className={classes.header}>
          <Burger
            opened={navigation}
            onClick={menu.toggle}
            hiddenFrom="sm"
            size="sm"
            aria-label={navigation ? t('frame.closeNavigation') : t('frame.openNavigation')}
          />
          <Link to="/admin" className={classes.brand ?? ''} aria-label={`${t('app.name')}: ${t('nav.overview')}`}>
            <Brand />
          </Link>
          <button type="button" className={classes.find} onClick={find.open} aria-label={`${t('frame.search')} Ctrl K`}>
            <Icon of={Search} small />
            <span>{t('frame.search')}</span>
            <Kbd size="xs">Ctrl K</Kbd>
          </button>
          <ButtonLink to="/" variant="subtle" visibleFrom="md" leftSection={<Icon of={Monitor} />}>
            {t('frame.portal')}
          </ButtonLink>
          <ActionIcon
            variant="subtle"
            color="gray"
            c="dimmed"
            size="lg"
            visibleFrom="sm"
            aria-label={t('frame.help')}
            onClick={openHelp}
          >
            <Icon of={CircleHelp} />
          </ActionIcon>
          <SchemeSwitch />
          <LanguageSwitch compact />
          <PersonMenu />
        </div>
      </AppShell.Header>
      <AppShell.Navbar p="sm" className={classes.surface ?? ''} component="nav" aria-label={t('frame.navigation')}>
        <ul className={classes.list}>
          {places
            .filter(place => may(place.permission))
            .map(place => (
              <li key={place.to}>
                <Link
                  to={place.to}
                  className={classes.link ?? ''}
                  activeOptions={{ exact: place.to === '/admin', includeSearch: false }}
                  onClick={menu.close}
                >
                  <Icon of={place.icon} />
                  {t(`nav.${place.name}`)}
                </Link>
              </li>
            ))}
        </ul>
      </AppShell.Navbar>
      <AppShell.Main>
        <StaleNotice />
        <div id="main" tabIndex={-1} className={classes.main}>
          <Outlet />
        </div>
      </AppShell.Main>
      {/* Above the page: the list of tasks opens upwards. */}
      <AppShell.Footer className={classes.surface ?? ''} zIndex={150} component="div">
        <Tray />
      </AppShell.Footer>
      {palette && <Palette onClose={find.close} />}
      <HelpDialog />
    </AppShell>
  )
}

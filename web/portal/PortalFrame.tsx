import { Container } from '@mantine/core'
import { Link, Outlet } from '@tanstack/react-router'
import { LayoutDashboard } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { hasConsole, useMe } from '../data/me.ts'
import { AnchorLink, ButtonLink } from '../frame/links.tsx'
import { PersonMenu } from '../frame/PersonMenu.tsx'
import { StaleNotice } from '../frame/StaleNotice.tsx'
import { Brand } from '../ui/Brand.tsx'
import { HelpDialog } from '../ui/HelpDialog.tsx'
import { Icon } from '../ui/Icon.tsx'
import { LanguageSwitch } from '../ui/LanguageSwitch.tsx'
import { SchemeSwitch } from '../ui/SchemeSwitch.tsx'
import { sizes } from '../ui/theme.ts'
import classes from './PortalFrame.module.css'

export function PortalFrame() {
  const { t } = useTranslation()
  const me = useMe()
  return (
    <>
      <a className="skip" href="#main">
        {t('app.skip')}
      </a>
      <header className={classes.header}>
        <div className={classes.row}>
          <Link to="/" className={classes.brand ?? ''} aria-label={`${t('app.name')}: ${t('frame.portal')}`}>
            <Brand />
          </Link>
          {hasConsole(me) && (
            <ButtonLink to="/admin" variant="subtle" visibleFrom="xs" leftSection={<Icon of={LayoutDashboard} />}>
              {t('frame.console')}
            </ButtonLink>
          )}
          <SchemeSwitch />
          <LanguageSwitch />
          <PersonMenu />
        </div>
        <StaleNotice />
        {me.passwordTemporary && (
          <div className={classes.notice}>
            {t('account.temporary')} <AnchorLink to="/account">{t('account.temporaryAction')}</AnchorLink>
          </div>
        )}
      </header>
      <Container component="main" id="main" tabIndex={-1} size={sizes.portalPage} className={classes.main ?? ''}>
        <Outlet />
      </Container>
      <HelpDialog />
    </>
  )
}

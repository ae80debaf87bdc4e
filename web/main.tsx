import '@mantine/core/styles.css'
import '@mantine/notifications/styles.css'
import './ui/global.css'
import { MantineProvider } from '@mantine/core'
import { Notifications } from '@mantine/notifications'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { setNonce } from 'get-nonce'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { queryClient } from './data/queries.ts'
import { startLanguage } from './i18n/index.ts'
import { router } from './router.tsx'
import { cssVariablesResolver, theme } from './ui/theme.ts'

/** The server's nonce for the style elements that Mantine and its scroll lock add: the policy allows no others. */
const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? ''
setNonce(nonce)

/**
 * A part of the page that cannot be fetched: the server was updated meanwhile, or the line was cut. Loading anew gets
 * parts that fit together; once per visit, or a server that is really broken would be asked without end.
 */
const reloadedKey = 'hdcs.reloaded'
window.addEventListener('vite:preloadError', event => {
  if (sessionStorage.getItem(reloadedKey)) return
  event.preventDefault()
  sessionStorage.setItem(reloadedKey, 'yes')
  window.location.reload()
})
window.addEventListener('load', () => setTimeout(() => sessionStorage.removeItem(reloadedKey), 10_000))

await startLanguage()
const root = document.getElementById('root')
if (!root) throw new Error('index.html has no #root')
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariablesResolver}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <Notifications position="bottom-right" autoClose={6000} />
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
)

/** Every page by its address, written by hand. Portal, desktop and console are fetched apart: nobody loads what they do not see. */

import type { QueryClient } from '@tanstack/react-query'
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router'
import { ApiError } from './data/client.ts'
import { hasConsole } from './data/me.ts'
import { meQuery, queryClient } from './data/queries.ts'
import { Broken, Missing, MissingInConsole, Person } from './frame/Root.tsx'

const rootRoute = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: Missing,
  errorComponent: Broken,
})

const text = (value: unknown) => (typeof value === 'string' && value ? value : undefined)

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: (search): { to?: string; ended?: true } => {
    // Only an address of ours: a foreign one would make the sign-in page a trampoline.
    const to = text(search.to)
    return {
      ...(to?.startsWith('/') && !to.startsWith('//') && !to.includes('\\') && { to }),
      ...(search.ended === true && { ended: true as const }),
    }
  },
  component: lazyRouteComponent(() => import('./portal/Login.tsx'), 'Login'),
})

const personRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'person',
  component: Person,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.ensureQueryData(meQuery)
    } catch (thrown) {
      if (thrown instanceof ApiError && thrown.status === 401)
        throw redirect({ to: '/login', search: location.pathname === '/' ? {} : { to: location.href } })
      throw thrown
    }
  },
})

const portalRoute = createRoute({
  getParentRoute: () => personRoute,
  id: 'portal',
  component: lazyRouteComponent(() => import('./portal/PortalFrame.tsx'), 'PortalFrame'),
})
const homeRoute = createRoute({
  getParentRoute: () => portalRoute,
  path: '/',
  component: lazyRouteComponent(() => import('./portal/Home.tsx'), 'Home'),
})
const readyRoute = createRoute({
  getParentRoute: () => portalRoute,
  path: '/ready/$desktopId',
  validateSearch: (search): { task?: string; pool?: string } => {
    const task = text(search.task)
    const pool = text(search.pool)
    return { ...(task && { task }), ...(pool && { pool }) }
  },
  component: lazyRouteComponent(() => import('./portal/GettingReady.tsx'), 'GettingReady'),
})
const accountRoute = createRoute({
  getParentRoute: () => portalRoute,
  path: '/account',
  component: lazyRouteComponent(() => import('./portal/Account.tsx'), 'Account'),
})

const desktopRoute = createRoute({
  getParentRoute: () => personRoute,
  path: '/desktop/$desktopId',
  component: lazyRouteComponent(() => import('./desktop/DesktopPage.tsx'), 'DesktopPage'),
})

/** The screen of any machine: nothing but it, like one's own. */
const watchRoute = createRoute({
  getParentRoute: () => personRoute,
  path: '/admin/desktops/$id/screen',
  component: lazyRouteComponent(() => import('./desktop/WatchPage.tsx'), 'WatchPage'),
  beforeLoad: async ({ context }) => {
    if (!hasConsole(await context.queryClient.ensureQueryData(meQuery))) throw redirect({ to: '/' })
  },
})

const adminRoute = createRoute({
  getParentRoute: () => personRoute,
  path: '/admin',
  component: lazyRouteComponent(() => import('./admin/Frame.tsx'), 'Frame'),
  notFoundComponent: MissingInConsole,
  beforeLoad: async ({ context }) => {
    if (!hasConsole(await context.queryClient.ensureQueryData(meQuery))) throw redirect({ to: '/' })
  },
})

/** Filters, search and page of a list live in the address bar, so that a list can be sent to a colleague. */
const listSearch = (search: Record<string, unknown>): Record<string, string | undefined> =>
  Object.fromEntries(Object.entries(search).flatMap(([key, value]) => (text(value) ? [[key, String(value)]] : [])))

const adminPages = [
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/',
    component: lazyRouteComponent(() => import('./admin/Overview.tsx'), 'Overview'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/desktops',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/desktops.tsx'), 'Desktops'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/recycle-bin',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/recycle-bin.tsx'), 'RecycleBin'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/desktops/$id',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/desktop.tsx'), 'DesktopDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/desktops/$id/console',
    component: lazyRouteComponent(() => import('./admin/console.tsx'), 'ConsolePage'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/pools',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/pools.tsx'), 'Pools'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/pools/new',
    validateSearch: (search): { templateId?: string } => {
      const templateId = text(search.templateId)
      return templateId ? { templateId } : {}
    },
    component: lazyRouteComponent(() => import('./admin/pool-form.tsx'), 'PoolNew'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/pools/$id',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/pool.tsx'), 'PoolDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/pools/$id/edit',
    component: lazyRouteComponent(() => import('./admin/pool-form.tsx'), 'PoolEdit'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/templates',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/templates.tsx'), 'Templates'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/templates/$id',
    component: lazyRouteComponent(() => import('./admin/template.tsx'), 'TemplateDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/people',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/people.tsx'), 'People'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/people/$id',
    component: lazyRouteComponent(() => import('./admin/person.tsx'), 'PersonDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/hosts',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/hosts.tsx'), 'Hosts'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/hosts/clusters/$id',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/cluster.tsx'), 'ClusterDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/hosts/$id',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/host.tsx'), 'HostDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/storage',
    component: lazyRouteComponent(() => import('./admin/storages.tsx'), 'Storages'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/tasks',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/tasks.tsx'), 'TaskList'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/tasks/$id',
    component: lazyRouteComponent(() => import('./admin/task.tsx'), 'TaskDetail'),
  }),
  createRoute({
    getParentRoute: () => adminRoute,
    path: '/audit',
    validateSearch: listSearch,
    component: lazyRouteComponent(() => import('./admin/audit.tsx'), 'Audit'),
  }),
] as const

const routeTree = rootRoute.addChildren([
  loginRoute,
  personRoute.addChildren([
    portalRoute.addChildren([homeRoute, readyRoute, accountRoute]),
    desktopRoute,
    watchRoute,
    adminRoute.addChildren([...adminPages]),
  ]),
])

export const router = createRouter({
  routeTree,
  context: { queryClient },
  defaultPreload: 'intent',
  scrollRestoration: false,
  defaultNotFoundComponent: Missing,
  defaultErrorComponent: Broken,
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}

import { Skeleton, Stack } from '@mantine/core'

/** The shape of a page that is being read. */
export function PageWait() {
  return (
    <Stack gap="lg" aria-busy="true">
      <Skeleton h="2rem" w="40%" />
      <Skeleton h="12rem" radius="lg" />
      <Skeleton h="12rem" radius="lg" />
    </Stack>
  )
}

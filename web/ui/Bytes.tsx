import { Tooltip } from '@mantine/core'
import { formatBytes, formatNumber } from './format.ts'

/** `3.4 GiB`, the exact number on hover; `—` for none. */
export function Bytes({ of }: { of: number | null | undefined }) {
  if (of === null || of === undefined) return <>—</>
  return (
    <Tooltip label={`${formatNumber(of)} B`}>
      <span>{formatBytes(of)}</span>
    </Tooltip>
  )
}

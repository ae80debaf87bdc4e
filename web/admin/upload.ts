/** From a chosen file to a version that is being sealed: checksum, announcement, sending; each with its progress. */
import { useRef, useState } from 'react'
import { client } from '../data/client.ts'
import { queryClient } from '../data/queries.ts'
import { fileSha256 } from './sha256.ts'

export interface Announced {
  templateId: string
  number: number
}

export interface UploadState {
  step: 'hashing' | 'uploading'
  doneBytes: number
  wholeBytes: number
  bytesPerSecond: number
}

export interface UploadRun {
  state: UploadState | null
  error: unknown
  /** @returns whether the file arrived; false after a cancel or a failure */
  start(file: File, announce: (sha256: string) => Promise<Announced>): Promise<boolean>
  cancel(): void
}

export function useUpload(): UploadRun {
  const [state, setState] = useState<UploadState | null>(null)
  const [error, setError] = useState<unknown>(null)
  const running = useRef<AbortController>(null)

  const start = async (file: File, announce: (sha256: string) => Promise<Announced>) => {
    const controller = new AbortController()
    running.current = controller
    setError(null)
    const told = (step: UploadState['step']) => {
      const begun = performance.now()
      return (doneBytes: number) =>
        setState({
          step,
          doneBytes,
          wholeBytes: file.size,
          bytesPerSecond: (doneBytes / Math.max(1, performance.now() - begun)) * 1000,
        })
    }
    try {
      const sha256 = await fileSha256(file, told('hashing'), controller.signal)
      const { templateId, number } = await announce(sha256)
      const onProgress = told('uploading')
      onProgress(0)
      await client.upload({ templateId, number, file, onProgress, signal: controller.signal })
      return true
    } catch (thrown) {
      if (!controller.signal.aborted) setError(thrown)
      return false
    } finally {
      setState(null)
      await queryClient.invalidateQueries({ queryKey: ['template'] })
    }
  }
  return { state, error, start, cancel: () => running.current?.abort(new Error('cancelled')) }
}

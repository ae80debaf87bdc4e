import { fileURLToPath } from 'node:url'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/**
 * `vite build web` → web/dist, served by the control plane. Nothing may be inlined: the content security policy
 * allows no inline script, no inline style and no data: script, so assets stay files.
 */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'esnext',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 600,
  },
  worker: { format: 'es' },
  server: { proxy: { '/api': { target: process.env.HDCS_DEV_API ?? 'http://127.0.0.1:8080', ws: true } } },
})

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// Every page is an input of its own. `vite` alone serves them for development; the API is the registry's on port 5000.
export default defineConfig({
  plugins: [react()],
  build: {
    rollupOptions: { input: { registry: 'registry.html' } },
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    target: 'es2022',
  },
  server: { proxy: { '/api': 'http://localhost:5000' } },
});

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig, type Plugin } from 'vite';

/** Emits `sockjs.min.js` under a fixed name, for the hidden frames of SockJS's iframe transports. */
function sockjsForFrames(): Plugin {
  return {
    name: 'sockjs-for-frames',
    apply: 'build',
    async generateBundle() {
      const file = createRequire(import.meta.url).resolve('sockjs-client/dist/sockjs.min.js');
      const text = await readFile(file, 'utf8');
      const source = text.replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n');
      this.emitFile({ type: 'asset', fileName: 'sockjs.min.js', source });
    },
  };
}

export default defineConfig(() => {
  // URL of a broker for `npm run dev` and `npm run preview`.
  const broker = process.env.STOMPBOX ?? 'http://127.0.0.1:8080';
  const proxy = { '/ws': { target: broker, ws: true } };
  return {
    base: './',
    plugins: [svelte(), sockjsForFrames()],
    // sockjs-client expects Node's `global`.
    define: { global: 'globalThis' },
    // The content security policy does not allow `data:`.
    build: { assetsInlineLimit: 0, target: 'es2022' },
    server: { proxy },
    preview: { proxy },
  };
});

// Checks configurations for nginx with `nginx -t`, inside the main configuration of tests/interop/nginx.conf.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { run } from './programs.mjs';

const MAIN = new URL('../interop/nginx.conf', import.meta.url);
const ADDRESS = '127.0.0.1';

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, ADDRESS, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Creates a key and a certificate. Resolves with their paths. */
async function makeCertificate(directory, env) {
  const paths = { key: join(directory, 'key.pem'), certificate: join(directory, 'certificate.pem') };
  const { code, log } = await run('openssl', [
    ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '2'],
    ...['-subj', '/CN=chat.example.com', '-keyout', paths.key, '-out', paths.certificate],
  ], { env });
  if (code !== 0) throw new Error(`expected a certificate from openssl, found exit code ${code}:\n${log}`);
  return paths;
}

/**
 * Returns the configuration with the changes for the check: a free port, existing files, and the surrounding blocks
 * that it lacks.
 */
function adapt(text, port, { key, certificate }) {
  let site = text
    .replace(/^ *listen\s+\[::\].*\n/gm, '')
    .replace(/^( *listen\s+)(?:[\d.]+:)?\d+/gm, `$1${ADDRESS}:${port}`)
    .replace(/^( *ssl_certificate_key\s+)\S+;/gm, `$1${key};`)
    .replace(/^( *ssl_certificate\s+)\S+;/gm, `$1${certificate};`);
  // nginx accepts `location` only in a `server` block.
  if (/^location\s/m.test(site)) site = `server {\n    listen ${ADDRESS}:${port};\n${site}}\n`;
  if (site.includes('//stompbox') && !/^upstream\s+stompbox\s/m.test(site)) {
    site = `upstream stompbox {\n    server ${ADDRESS}:8080;\n}\n${site}`;
  }
  return site;
}

/** Resolves with the exit code and the standard error of `nginx -t` for a configuration. */
export async function checkNginx(text, parent, env) {
  const directory = join(parent, 'nginx');
  mkdirSync(directory);
  const site = adapt(text, await freePort(), await makeCertificate(directory, env));
  const main = readFileSync(MAIN, 'utf8').replace(/^ *include .*\n/gm, '');
  writeFileSync(join(directory, 'nginx.conf'), main.replace(/\}\s*$/, '    include site.conf;\n}\n'));
  writeFileSync(join(directory, 'site.conf'), site);
  return run('nginx', ['-t', '-e', 'stderr', '-p', `${directory}/`, '-c', 'nginx.conf'], { env });
}

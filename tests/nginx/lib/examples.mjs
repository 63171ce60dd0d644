// The configurations of examples/nginx as they are, but for what a test has otherwise: ports, directories, sockets.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PREFIX, startSidecar } from '../../browser/lib/server.mjs';
import { until } from '../../browser/lib/until.mjs';
import { startNginx } from './nginx.mjs';
import { INCLUDE, REPOSITORY } from './stage.mjs';

/**
 * The text of an example with replacements, each of which must have its place.
 * @param {string} name a file of examples/nginx
 * @param {Record<string, string>} replacements
 */
export function example(name, replacements) {
  let text = readFileSync(join(REPOSITORY, 'examples/nginx', name), 'utf8');
  for (const [from, to] of Object.entries(replacements)) {
    assert.ok(text.includes(from), `${name} has no ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

/** What examples with the module have otherwise in a test. */
export const withModule = ({ state, socket }) => ({
  'include snippets/manyhands.conf;': INCLUDE,
  'manyhands on;': `manyhands on; manyhands_state ${state}; manyhands_daemon unix:${socket};`,
});

/**
 * nginx without the module, as stock.conf has it, and its sidecar, as `startServer` of the browser tests starts a server.
 * @param {object} options those of `startServer`; `config.assets.preload` names what is shared
 */
export async function startStock({ root, work, config, host = '127.0.0.1', port }) {
  const socket = join(work, 'sidecar.sock'), origin = `http://${host}:${port}`;
  const text = example('stock.conf', { 'listen 80;': `listen ${host}:${port};`, 'root /var/www/html;': `root ${root};`, 'unix:/run/manyhands/sidecar.sock': `unix:${socket}` });
  const nginx = await startNginx(join(work, 'nginx'), { module: false, listens: 0, http: () => text });
  const sidecar = await startSidecar({ work, socket, through: origin, config: { ...config, state: { dir: join(work, 'state') } } }).catch(async (error) => { await nginx.stop(); throw error; });
  const output = () => [sidecar.output(), nginx.log()].map((said) => said.slice(-1500)).join('\n');
  return {
    port, origin, pid: sidecar.pid, output,
    async shared(path) { await until(`${path} is shared`, async () => (await fetch(`${origin}${PREFIX}/manifest${path}?again`)).ok, { hint: output }); },
    async stop() { await nginx.stop(); return sidecar.stop(); },
  };
}

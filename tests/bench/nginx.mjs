// CPU time of an nginx worker a request: the module against nginx's own `sub_filter` where a page gets the tag, and against nginx without the module where
// nothing is changed. The same requests by wrk, in interleaved rounds; the ratio of each round, and a 95 % interval of their mean.
//   node tests/bench/nginx.mjs [--short]
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAsset, MiB } from '../browser/lib/assets.mjs';
import { until } from '../browser/lib/until.mjs';
import { ask, NAVIGATION } from '../nginx/lib/http.mjs';
import { startLoad } from '../nginx/lib/load.mjs';
import { startNginx } from '../nginx/lib/nginx.mjs';
import { pageOf, SMALL, startBehind, TAG } from '../nginx/lib/stage.mjs';
import { load as machineLoad, median, SHORT } from './lib.mjs';

const ROUNDS = SHORT ? 5 : 16, SECONDS = SHORT ? 1 : 2;
const LOADS = [
  { name: '100 KB page with the tag', path: '/large.html', headers: NAVIGATION, against: 'sub_filter' },
  { name: '600 B page with the tag', path: '/small.html', headers: NAVIGATION, against: 'sub_filter' },
  { name: '100 KB page to a program', path: '/large.html', headers: {}, against: 'plain' },
  { name: '1 KB file', path: '/small.css', headers: {}, against: 'plain' },
  { name: 'asset of 4 MiB', path: '/asset.zip', headers: {}, against: 'plain', connections: 4 },
  { name: 'range of 16 KiB of an asset', path: '/asset.zip', headers: { range: 'bytes=1048576-1064959' }, against: 'plain' },
  { name: 'proxied 1 KB', path: '/behind/small.css', headers: {}, against: 'plain' },
];
/** What the figure may not be above: the interval, as a whole. */
const MOST = 1;
/** Two-sided 95 % of Student's distribution, by degrees of freedom. */
const STUDENT = { 4: 2.776, 15: 2.131 };

/** Seconds on a processor. */
const onCpu = (pid) => Number(readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0]) / 1e9;

/** Microseconds of the worker a request. */
async function measure({ nginx }, port, { path, headers, connections = 16 }) {
  const [worker] = nginx.workers(), before = onCpu(worker);
  const { requests, bad, read, text } = await startLoad(`http://127.0.0.1:${port}${path}`, { seconds: SECONDS, connections, headers }).ended;
  assert.equal(bad + read, 0, text);
  return (onCpu(worker) - before) * 1e6 / requests;
}

/** The mean of some ratios on the log scale, with its interval. */
function mean(ratios) {
  const logs = ratios.map(Math.log), n = logs.length, centre = logs.reduce((sum, value) => sum + value, 0) / n;
  const spread = Math.sqrt(logs.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (n - 1) / n) * STUDENT[n - 1];
  return [centre - spread, centre, centre + spread].map(Math.exp);
}

const work = await mkdtemp(join(tmpdir(), 'manyhands-bench-')), root = join(work, 'site'), hosts = {};
try {
  await mkdir(root);
  await writeFile(join(root, 'index.html'), SMALL);
  await writeFile(join(root, 'small.html'), SMALL);
  await writeFile(join(root, 'large.html'), pageOf(100_000));
  await writeFile(join(root, 'small.css'), 'p { color: red }\n'.repeat(60));
  await makeAsset(join(root, 'asset.zip'), 4 * MiB);
  const behind = await startNginx(join(work, 'behind'), { module: false, workers: 1, http: ([port]) => `server { listen 127.0.0.1:${port}; root ${root}; }` });
  hosts.behind = { nginx: behind, stop: () => behind.stop() };
  const common = `root ${root}; sendfile on; tcp_nopush on; keepalive_requests 1000000; location /behind/ { proxy_pass http://127.0.0.1:${behind.port}/; }`;
  const alone = async (name, more) => {
    const nginx = await startNginx(join(work, name), { module: false, workers: 1, http: ([port]) => `server { listen 127.0.0.1:${port}; ${common} ${more} }` });
    hosts[name] = { nginx, port: nginx.port, stop: () => nginx.stop() };
  };
  await alone('plain', '');
  await alone('sub_filter', `sub_filter '</head>' '${TAG}</head>'; sub_filter_once on; sub_filter_last_modified on;`);
  await mkdir(join(work, 'ours'));
  hosts.module = await startBehind({ root, work: join(work, 'ours'), server: () => common, log: false, nginx: { workers: 1 } });
  const has = (port) => async () => (await ask(port, '/large.html', { headers: NAVIGATION })).body.includes(TAG);
  await until('pages have the tag', has(hosts.module.port), { hint: hosts.module.output });
  assert.ok(await has(hosts.sub_filter.port)());
  await ask(hosts.module.port, '/asset.zip');
  await hosts.module.shared('/asset.zip');

  console.log(`${ROUNDS} rounds of ${SECONDS} s, load before: ${machineLoad()}`);
  console.log('CPU of the worker a request in microseconds: medians; ratio: mean of the rounds, 95 % interval');
  const above = [];
  for (const load of LOADS) {
    const names = ['module', load.against], seen = { module: [], [load.against]: [] };
    for (const name of names) await measure(hosts[name], hosts[name].port, load);
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of round % 2 ? names.toReversed() : names) seen[name].push(await measure(hosts[name], hosts[name].port, load));
    }
    const [least, centre, most] = mean(seen.module.map((ours, round) => ours / seen[load.against][round]));
    console.log(`${load.name.padEnd(28)} module ${median(seen.module).toFixed(1)}, ${load.against} ${median(seen[load.against]).toFixed(1)}: ${centre.toFixed(3)} (${least.toFixed(3)} to ${most.toFixed(3)})`);
    if (least > MOST) above.push(load.name);
  }
  assert.deepEqual(above, [], `costs more than ${MOST} times what it is compared with`);
} finally {
  for (const host of Object.values(hosts)) await host.stop();
  await rm(work, { recursive: true, force: true });
}

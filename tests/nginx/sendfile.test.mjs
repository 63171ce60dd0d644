// Files go from the disk to the socket inside the kernel, with the module as without: watched by strace.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../browser/lib/until.mjs';
import { injected, pageOf, site, untouched } from './lib/stage.mjs';

const LARGE = pageOf(100_000), BIG = Buffer.alloc(4 << 20, 'octets of a file ');

/** The system calls of a process while `work` runs: octets by name. */
async function traced(pid, file, work) {
  const strace = spawn('strace', ['-qq', '-e', 'trace=sendfile,pread64,read,writev,write,sendto', '-s', '0', '-o', file, '-p', String(pid)], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  strace.stderr.setEncoding('utf8').on('data', (text) => { said += text; });
  const failed = once(strace, 'error').then(([error]) => { throw new Error(`strace does not run: ${error.message}`); });
  failed.catch(() => {});
  await Promise.race([failed, until('strace watches', () => /^TracerPid:\t[1-9]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8')), { every: 10, hint: () => said })]);
  await work();
  const gone = once(strace, 'exit');
  strace.kill('SIGINT');
  await gone;
  const octets = {};
  for (const [, name, count] of readFileSync(file, 'utf8').matchAll(/^(\w+)\(.*\) = (\d+)$/gm)) octets[name] = (octets[name] ?? 0) + Number(count);
  return octets;
}

test('an asset, a range of it and a page to a program are sent by sendfile', { timeout: 60_000 }, async (t) => {
  const s = await site(t, { files: { 'large.html': LARGE, 'big.zip': BIG }, nginx: { workers: 1 }, server: ({ root }) => `root ${root}; sendfile on; tcp_nopush on;` });
  await s.sharing('/big.zip');
  const [worker] = s.nginx.workers(), watch = (work) => traced(worker, join(s.work, 'strace'), work);
  const whole = await watch(async () => untouched(await s.ask('/big.zip'), BIG));
  t.diagnostic(`asset: ${JSON.stringify(whole)}`);
  assert.equal(whole.sendfile, BIG.length);
  assert.ok((whole.writev ?? 0) + (whole.write ?? 0) + (whole.sendto ?? 0) < 20_000, JSON.stringify(whole));
  const range = await watch(async () => assert.equal((await s.ask('/big.zip', { headers: { range: 'bytes=1048576-2097151' } })).body.length, 1 << 20));
  assert.equal(range.sendfile, 1 << 20);
  const program = await watch(async () => untouched(await s.ask('/large.html'), LARGE));
  assert.equal(program.sendfile, LARGE.length);
  const visitor = await watch(async () => injected(await s.visit('/large.html'), LARGE));
  t.diagnostic(`page to a visitor: ${JSON.stringify(visitor)}`);
});

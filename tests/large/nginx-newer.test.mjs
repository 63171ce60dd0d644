// The module in an nginx that is newer than the distribution's (`prepare-nginx` has built one), and built against that tree: the tests of pages, counts, directives and of the
// daemon's absence pass there too. Parity is not among them: what nginx itself does with a length or a tag that comes twice is another matter in each version.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { REPOSITORY } from '../nginx/lib/stage.mjs';
import { INPUTS } from './lib.mjs';

const TREE = join(INPUTS, 'nginx/tree'), NGINX = join(TREE, 'objs/nginx');
const TESTS = ['pages', 'counted', 'daemon', 'directives', 'sendfile'].map((name) => `tests/nginx/${name}.test.mjs`);

function run(program, args, options = {}) {
  const done = spawnSync(program, args, { cwd: REPOSITORY, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  assert.equal(done.status, 0, `${program} ${args.join(' ')}\n${done.error ?? ''}${done.stdout.slice(-4_000)}${done.stderr.slice(-4_000)}`);
  return done.stdout;
}

test('the module in a newer nginx', { timeout: 1_500_000 }, (t) => {
  assert.ok(existsSync(NGINX), `no ${NGINX}: run tests/large/prepare-nginx, or set TEST_INPUTS`);
  const module = run('nginx-module/build', ['--source', TREE, '--nginx', NGINX, '--target', join(INPUTS, 'nginx/module')]).trim().split('\n').at(-1);
  // Runners of tests tell those below them that they are.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const output = run('node', ['--test', ...TESTS], { env: { ...env, PATH: `${dirname(NGINX)}:${env.PATH}`, TEST_MODULE: module } });
  const passed = Number(/^. pass (\d+)$/m.exec(output)?.[1]);
  t.diagnostic(`${spawnSync(NGINX, ['-v'], { encoding: 'utf8' }).stderr.trim()}: ${passed} tests passed`);
  assert.ok(passed > 50, output.slice(-2_000));
});

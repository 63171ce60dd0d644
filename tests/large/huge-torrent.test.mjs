// Past 4 GiB, where a length no longer fits 32 bits: the info-hash is that of three other programs.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import createTorrent from 'create-torrent';
import { create, infohash } from '../interop/lib.mjs';

const run = promisify(execFile);
const SIZE = 2 ** 32 + 1, PIECE = 4 << 20;

test('a sparse file of 4 GiB and one octet', { timeout: 600_000 }, async (t) => {
  const work = await mkdtemp(join(tmpdir(), 'manyhands-'));
  t.after(() => rm(work, { recursive: true, force: true }));
  const path = join(work, 'huge.bin'), file = await open(path, 'w');
  await file.write('first', 0);
  await file.write('beyond', 2 ** 31 + 7);
  await file.write('x', SIZE - 1);
  await file.close();
  const ours = await create(path, join(work, 'ours'));
  assert.deepEqual([ours.length, ours.pieceLength, ours.pieces], [SIZE, PIECE, 1025]);
  await run('mktorrent', ['-d', '-l', '22', '-o', join(work, 'mktorrent'), path]);
  await run('transmission-create', ['-s', '4096', '-o', join(work, 'transmission'), path]);
  await writeFile(join(work, 'create-torrent'), await promisify(createTorrent)(path, { pieceLength: PIECE, announceList: [] }));
  for (const program of ['mktorrent', 'transmission', 'create-torrent']) {
    assert.equal(infohash(await readFile(join(work, program))), ours.infohash, program);
  }
});

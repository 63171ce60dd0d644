// `manyhands torrent create` gives the info-hash that other programs give, for the same bytes, name and piece length.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import createTorrent from 'create-torrent';
import { makeAsset } from '../browser/lib/assets.mjs';
import { binary } from '../browser/lib/server.mjs';
import { create, infohash } from './lib.mjs';

const run = promisify(execFile);
const PIECE = 262_144;

/** Each writes the torrent of `path` to `output`, by pieces of 256 KiB. */
export const MAKERS = {
  'create-torrent': async (path, output) => writeFile(output, await promisify(createTorrent)(path, { pieceLength: PIECE, announceList: [], createdBy: 'test' })),
  mktorrent: (path, output) => run('mktorrent', ['-d', '-l', '18', '-o', output, path]),
  'transmission-create': (path, output) => run('transmission-create', ['-s', '256', '-o', output, path]),
};

const NAMES = ['plain.bin', 'with spaces in it.zip', '-dash', '--help', "a'quote", 'a"double quote', '100%25 sure', 'e\u0301 NFD', '\u00e9 NFC', '日本語.iso', '😀', '#hash?query&amp;',
  'semi;colon', 'star*[brackets]{braces}', '$HOME `id`', 'ends in a dot.', ' leading space', `${'x'.repeat(251)}.bin`, `${'ü'.repeat(127)}z`, '~tilde!'];
const SIZES = [1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 1_000_003];

async function folder(t) {
  const work = await mkdtemp(join(tmpdir(), 'manyhands-'));
  t.after(() => rm(work, { recursive: true, force: true }));
  await mkdir(join(work, 'files'));
  return work;
}

test('20 files of nasty names and sizes have the info-hash of three other programs', { timeout: 120_000 }, async (t) => {
  assert.equal(new Set(NAMES).size, 20);
  const work = await folder(t);
  for (const [index, name] of NAMES.entries()) {
    const path = join(work, 'files', name), size = SIZES[index % SIZES.length];
    await makeAsset(join(work, 'asset'), size, index);
    await writeFile(path, await readFile(join(work, 'asset')));
    const ours = await create(path, join(work, `${index}.ours`), '--piece-length', '256KiB');
    assert.equal(ours.name, name);
    assert.equal(ours.infohash, infohash(await readFile(join(work, `${index}.ours`))));
    for (const [program, make] of Object.entries(MAKERS)) {
      const output = join(work, `${index}.${program}`);
      await make(path, output);
      assert.equal(infohash(await readFile(output)), ours.infohash, `${program}, ${JSON.stringify(name)}, ${size} octets`);
    }
  }
});

test('so has a directory, where the programs order the files alike', { timeout: 60_000 }, async (t) => {
  const work = await folder(t), root = join(work, 'files');
  for (const [index, name] of ['a.bin', 'b/c.bin', 'b/d/e.bin', 'f é.bin', 'g.bin'].entries()) await makeAsset(join(root, name), SIZES[index], index);
  const ours = await create(root, join(work, 'ours'), '--piece-length', '256KiB');
  for (const [program, make] of Object.entries(MAKERS)) {
    const output = join(work, program);
    await make(root, output);
    assert.equal(infohash(await readFile(output)), ours.infohash, program);
  }
});

test('what the others take and no other system can store is refused in one line', async (t) => {
  const work = await folder(t);
  for (const name of ['new\nline', 'back\\slash', 'bell\x07']) {
    const path = join(work, 'files', name);
    await writeFile(path, 'x');
    await MAKERS.mktorrent(path, join(work, 'theirs'));
    await rm(join(work, 'theirs'));
    await assert.rejects(create(path, join(work, 'ours')), (error) => error.code === 1 && /^manyhands: [^\n]+\n$/.test(error.stderr), JSON.stringify(name));
  }
});

test('torrents of the other programs are read, and their files found whole', { timeout: 60_000 }, async (t) => {
  const work = await folder(t), root = join(work, 'files');
  for (const [index, name] of ['b.bin', 'A/z.bin', 'a-b.bin'].entries()) await makeAsset(join(root, name), SIZES[index + 2], index);
  for (const [program, make] of Object.entries(MAKERS)) {
    const output = join(work, program);
    await make(root, output);
    const { stdout } = await run(binary(), ['torrent', 'verify', '--json', output, root]);
    const { whole, files } = JSON.parse(stdout);
    assert.ok(whole && files.length === 3, program);
  }
  await symlink('b.bin', join(root, 'link'));
  await create(root, join(work, 'with a link'), '--piece-length', '256KiB');
  const theirs = join(work, 'mktorrent with a link');
  await MAKERS.mktorrent(root, theirs);
  await run(binary(), ['torrent', 'verify', theirs, root]);
  await run(binary(), ['torrent', 'verify', join(work, 'with a link'), root]);
});

// Files for the tests: deterministic, incompressible, with their digest.
import { createCipheriv, createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

export const MiB = 1 << 20;

/**
 * Writes `size` octets that depend on `seed` alone (AES-128-CTR key stream), by way of a temporary name, so that a server that watches the
 * directory never sees half a file.
 * @returns {Promise<{path: string, size: number, sha256: string}>}
 */
export async function makeAsset(path, size, seed = 1) {
  await mkdir(dirname(path), { recursive: true });
  const stream = createCipheriv('aes-128-ctr', createHash('md5').update(`manyhands ${seed}`).digest(), Buffer.alloc(16));
  const hash = createHash('sha256'), zeros = Buffer.alloc(MiB), file = await open(`${path}.part`, 'w');
  for (let at = 0; at < size; at += MiB) {
    const chunk = stream.update(zeros.subarray(0, Math.min(MiB, size - at)));
    hash.update(chunk);
    await file.write(chunk);
  }
  await file.close();
  await rename(`${path}.part`, path);
  return { path, size, sha256: hash.digest('hex') };
}

/** A video of `seconds` seconds with a seekable index at its front, noisy enough to weigh about `kilobits` a second. */
export async function makeVideo(path, seconds, kilobits) {
  const source = `testsrc=size=320x240:rate=12,noise=alls=60:allf=t`;
  const rate = ['-b:v', `${kilobits}k`, '-minrate', `${kilobits}k`, '-maxrate', `${kilobits}k`, '-bufsize', `${kilobits}k`];
  const done = spawnSync('ffmpeg', ['-loglevel', 'error', '-y', '-f', 'lavfi', '-i', source, '-t', String(seconds), '-c:v', 'libx264', '-preset', 'ultrafast',
    '-pix_fmt', 'yuv420p', '-g', '24', ...rate, '-movflags', '+faststart', '-f', 'mp4', path], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ffmpeg: ${done.error?.message ?? done.stderr}`);
  const bytes = await readFile(path);
  return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
}

/** SHA-256 of a file, in hexadecimal. */
export async function sha256File(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest('hex');
}

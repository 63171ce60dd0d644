// An HTTP mirror as volunteers run them: files below a directory, ranges, CORS, a capped uplink; and what a bad one does.
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { pipeline, Transform } from 'node:stream';
import { Relay } from './relay.mjs';

/** Octets that pass at once after a pause: a line has no more. */
export const BURST = 65_536;

/**
 * Starts a mirror of `root` behind a relay of its own, which counts what it sends.
 * @param {object} options
 * @param {string} options.root
 * @param {number} [options.rate] octets a second
 */
export async function startMirror({ root, rate }) {
  const mirror = {
    /** Whether other sites' pages may read its answers. */
    readable: true,
    /** Every octet of a body is another than the file's. */
    lies: false,
    /** Bodies break off after the first 100,000 octets. */
    cuts: false,
  };
  const server = createServer((request, response) => answer(request, response).catch(() => response.destroy()));
  const answer = async (request, response) => {
    const path = join(root, decodeURIComponent(new URL(request.url, 'http://mirror').pathname));
    const { size } = await stat(path).catch(() => ({}));
    const origin = mirror.readable ? { 'access-control-allow-origin': '*' } : {};
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (size === undefined || first === undefined || Number(last) >= size) return response.writeHead(size === undefined ? 404 : 416, origin).end();
    const [start, end] = [Number(first), Number(last)];
    response.writeHead(206, { ...origin, 'content-type': 'application/octet-stream', 'content-length': end - start + 1, 'content-range': `bytes ${start}-${end}/${size}` });
    let sent = 0;
    const change = new Transform({
      transform(chunk, _, done) {
        sent += chunk.length;
        if (mirror.cuts && sent > 100_000) return response.destroy();
        done(null, mirror.lies ? chunk.map((octet) => octet ^ 1) : chunk);
      },
    });
    pipeline(createReadStream(path, { start, end }), change, response, () => undefined);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay = await Relay.start({ rate, burst: BURST });
  relay.target = server.address().port;
  return Object.assign(mirror, {
    relay,
    url: `${relay.origin}/`,
    /** Octets of bodies that it sent. */
    get sent() { return relay.body(); },
    async close() { await relay.close(); server.closeAllConnections(); await new Promise((resolve) => server.close(resolve)); },
  });
}

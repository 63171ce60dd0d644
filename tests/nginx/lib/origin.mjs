// An origin that answers exactly as told: fields in the order and number given, bodies in the parts given, an end where none should be.
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * @typedef {object} Answer
 * @property {number} [status] 200
 * @property {[string, string][]} [headers]
 * @property {Buffer | string | Iterable<Buffer> | AsyncIterable<Buffer>} [body] parts are written one by one, each as a packet and, where `chunked`, a chunk of its own
 * @property {boolean} [chunked] else the length is sent, unless a field says it or the connection's end is to tell
 * @property {boolean} [close] no length: the end of the connection ends the body
 * @property {boolean} [abort] the connection breaks where the body ends
 */

/**
 * Starts an origin on a free port.
 * @param {(request: { method: string, path: string, headers: [string, string][], header(name: string): string | undefined }) => Answer | Promise<Answer>} answer
 */
export async function startOrigin(answer) {
  const sockets = new Set(), requests = [];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    serve(socket, requests, (request) => origin.answer(request)).catch(() => socket.destroy());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = {
    port: server.address().port,
    /** What was asked, oldest first. */
    requests,
    answer,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
  return origin;
}

async function serve(socket, requests, answer) {
  let text = '';
  for await (const part of socket) {
    text += part.toString('latin1');
    for (;;) {
      const end = text.indexOf('\r\n\r\n');
      if (end < 0) break;
      const [first, ...lines] = text.slice(0, end).split('\r\n');
      const headers = lines.map((line) => { const at = line.indexOf(':'); return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]; });
      const of = (name) => headers.find(([given]) => given === name)?.[1];
      const body = Number(of('content-length') ?? 0);
      if (text.length < end + 4 + body) break;
      text = text.slice(end + 4 + body);
      const [method, path, version] = first.split(' ');
      const request = { method, path, version, headers, header: of };
      requests.push(request);
      const kept = await send(socket, request, await answer(request));
      if (!kept) return;
    }
  }
}

/** Writes an answer; true when the connection stays open behind it. */
async function send(socket, { method, version, header }, { status = 200, headers = [], body = '', chunked = false, close = false, abort = false }) {
  const whole = typeof body === 'string' ? Buffer.from(body) : Buffer.isBuffer(body) ? body : undefined;
  const bodiless = method === 'HEAD' || status === 304 || status === 204, fields = [...headers];
  const framed = fields.some(([name]) => name.toLowerCase() === 'content-length');
  if (chunked) fields.push(['Transfer-Encoding', 'chunked']);
  else if (!framed && !close && (!bodiless || (method === 'HEAD' && whole?.length))) {
    if (!whole) throw new Error('an answer in parts needs a length, or `chunked` or `close`');
    fields.push(['Content-Length', String(whole.length)]);
  }
  const ends = close || abort || version === 'HTTP/1.0' || /\bclose\b/i.test(header('connection') ?? '');
  if (ends) fields.push(['Connection', 'close']);
  await written(socket, Buffer.from(`HTTP/1.1 ${status} X\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1'));
  if (!bodiless) {
    for await (const part of whole ? [whole] : body) {
      if (part.length === 0) continue;
      await written(socket, chunked ? Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]) : part);
      // A packet of its own each: the loop turns once before the next.
      if (!whole) await new Promise(setImmediate);
    }
    if (abort) { socket.destroy(); return false; }
    if (chunked) await written(socket, Buffer.from('0\r\n\r\n'));
  }
  if (ends) socket.end();
  return !ends;
}

/** Writes, and waits while the other end does not read; rejects once it has left. */
async function written(socket, octets) {
  if (socket.write(octets)) return;
  await new Promise((resolve) => {
    const go = () => { socket.off('drain', go).off('close', go); resolve(); };
    socket.on('drain', go).on('close', go);
  });
  if (socket.destroyed) throw new Error('the client left');
}

/** A body cut into parts of the sizes that `size()` gives. */
export function* parts(body, size) {
  for (let at = 0; at < body.length;) {
    const end = Math.min(body.length, at + Math.max(1, size()));
    yield body.subarray(at, end);
    at = end;
  }
}

/** Sizes between 1 and `most`, by a seed. */
export function randomSizes(seed, most) {
  let state = seed >>> 0 || 1;
  return () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return 1 + (state % most); };
}

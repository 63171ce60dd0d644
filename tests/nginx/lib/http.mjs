// HTTP/1.1 as octets: a client that takes nothing for granted. An answer counts only when its framing is complete and nothing follows it, which is
// what a filter that loses a buffer gets wrong while the body still looks like one.
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';

/** What a browser says when a visitor goes to a page. */
export const NAVIGATION = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8', 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' };

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {[string, string][]} headers names in lower case, in the order they came
 * @property {Buffer} body without its framing
 * @property {'length' | 'chunked' | 'close' | 'none'} framing what ended the body
 * @property {number} firstByte milliseconds until the first octet
 * @property {number} ms milliseconds until the end
 */

/**
 * One request on a connection of its own. Rejects where the answer is cut off, or followed by anything.
 * @param {number | import('node:net').NetConnectOpts} to a port of the loopback interface, or where else; with `tls` the options of tls.connect
 * @param {object} [options]
 * @param {string} [options.method]
 * @param {Record<string, string> | [string, string][]} [options.headers]
 * @param {string} [options.version]
 * @param {number} [options.pause] milliseconds to wait after each part that is read
 * @param {number} [options.timeout] milliseconds for everything
 * @returns {Promise<Answer>}
 */
export async function ask(to, path, { method = 'GET', headers = {}, body = '', version = '1.1', pause = 0, timeout = 60_000 } = {}) {
  const began = performance.now(), socket = await opened(to);
  const late = setTimeout(() => socket.destroy(new Error(`no answer to ${method} ${path} in ${timeout} ms`)), timeout);
  try {
    socket.write(requestOf(path, { method, headers: [...pairs(headers), ['connection', 'close']], body, version, host: `127.0.0.1:${to.port ?? to}` }));
    const parts = [];
    let firstByte;
    for await (const part of socket) {
      firstByte ??= performance.now() - began;
      parts.push(part);
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
    }
    const answer = parsed(Buffer.concat(parts), method);
    if (answer.rest.length) throw new Error(`${method} ${path}: ${answer.rest.length} octets behind the end of the answer: ${answer.rest.subarray(0, 100)}`);
    if (answer.framing === 'close' && version === '1.1') throw new Error(`${method} ${path}: only the end of the connection ends the answer`);
    return Object.assign(answer, { firstByte, ms: performance.now() - began });
  } catch (error) {
    error.message = `${method} ${path}: ${error.message}`;
    throw error;
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

/** The text of a request. */
export function requestOf(path, { method = 'GET', headers = [], body = '', version = '1.1', host = '127.0.0.1' } = {}) {
  const fields = pairs(headers);
  if (!fields.some(([name]) => name.toLowerCase() === 'host')) fields.unshift(['host', host]);
  if (body) fields.push(['content-length', String(Buffer.byteLength(body))]);
  return `${method} ${path} HTTP/${version}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}

/** A connection, open. */
export async function opened(to) {
  const target = typeof to === 'number' ? { port: to, host: '127.0.0.1' } : to;
  const socket = target.tls ? connectTls({ host: '127.0.0.1', ...target }) : connect(target);
  await once(socket, target.tls ? 'secureConnect' : 'connect');
  return socket;
}

/** Values of a header field, joined as RFC 9110 does; undefined when it is not there. */
export function header({ headers }, name) {
  const values = headers.filter(([given]) => given === name).map(([, value]) => value);
  return values.length ? values.join(', ') : undefined;
}

/** An answer's body without its content coding. */
export function decoded(answer) {
  switch (header(answer, 'content-encoding')) {
    case undefined: return answer.body;
    case 'gzip': return gunzipSync(answer.body);
    default: throw new Error(`content coding ${header(answer, 'content-encoding')}`);
  }
}

/** Takes one answer from the octets; what is behind it is `rest`. Throws where it is not all there. */
export function parsed(octets, method = 'GET') {
  const end = octets.indexOf('\r\n\r\n');
  if (end < 0) throw new Error(`no complete head in ${octets.length} octets: ${octets.subarray(0, 200)}`);
  const [first, ...lines] = octets.toString('latin1', 0, end).split('\r\n');
  const status = Number(/^HTTP\/1\.[01] (\d{3})( |$)/.exec(first)?.[1]);
  if (!status) throw new Error(`no status line: ${first}`);
  const headers = lines.map((line) => {
    const [, name, value] = /^([^\s:]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    if (!name) throw new Error(`no header field: ${line}`);
    return [name.toLowerCase(), value];
  });
  const after = octets.subarray(end + 4), length = header({ headers }, 'content-length'), coding = header({ headers }, 'transfer-encoding');
  if (length !== undefined && coding !== undefined) throw new Error('both Content-Length and Transfer-Encoding');
  if (method === 'HEAD' || status === 304 || status === 204) return { status, headers, framing: 'none', body: Buffer.alloc(0), rest: after };
  if (coding !== undefined) {
    const { body, rest } = unchunked(after);
    return { status, headers, framing: 'chunked', body, rest };
  }
  if (length === undefined) return { status, headers, framing: 'close', body: after, rest: Buffer.alloc(0) };
  if (after.length < Number(length)) throw new Error(`cut off: ${after.length} of ${length} octets`);
  return { status, headers, framing: 'length', body: after.subarray(0, Number(length)), rest: after.subarray(Number(length)) };
}

function unchunked(octets) {
  const parts = [];
  for (let at = 0; ;) {
    const line = octets.indexOf('\r\n', at);
    if (line < 0) throw new Error(`cut off: no chunk begins at octet ${at} of ${octets.length}`);
    const size = octets.toString('latin1', at, line);
    if (!/^[0-9a-f]+$/i.test(size)) throw new Error(`no size of a chunk at octet ${at}: ${size.slice(0, 40)}`);
    const from = line + 2, to = from + parseInt(size, 16);
    if (octets.length < to + 2) throw new Error(`cut off: a chunk of ${to - from} octets has ${octets.length - from}`);
    if (octets.toString('latin1', to, to + 2) !== '\r\n') throw new Error(`no end of the chunk at octet ${to}`);
    if (from === to) return { body: Buffer.concat(parts), rest: octets.subarray(to + 2) };
    parts.push(octets.subarray(from, to));
    at = to + 2;
  }
}

const pairs = (headers) => (Array.isArray(headers) ? [...headers] : Object.entries(headers));

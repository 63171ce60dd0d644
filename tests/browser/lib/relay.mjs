// A TCP relay between browsers and a server that counts and caps what passes. It is the tests' instrument: byte shares are measured here, by
// neither the client nor the server under test. It follows HTTP/1.1 far enough to say which request each byte belonged to; the cap is one
// token bucket shared by all connections, like an origin's uplink.
import { createServer, connect } from 'node:net';
import { once } from 'node:events';

/**
 * @typedef {object} Exchange one request and its answer, as seen on the wire
 * @property {string} method
 * @property {string} path with the query
 * @property {string | undefined} range the Range header
 * @property {string | undefined} cookie the Cookie header
 * @property {string} from client address
 * @property {number} status 0 until the answer's head is complete
 * @property {number} sent octets of the request, head included
 * @property {number} head octets of the answer's head
 * @property {number} body octets of the answer after its head; for a WebSocket all that followed the upgrade
 * @property {boolean} upgrade the answer was 101
 */

export class Relay {
  /** @type {Exchange[]} */ exchanges = [];
  #server; #sockets = new Set(); #target; #bucket; #burst; #capped;

  /**
   * @param {object} [options]
   * @param {number} [options.rate] octets a second towards all clients together; unlimited when absent
   * @param {(path: string) => boolean} [options.capped] which answers the rate applies to; scripts and pages are not a test's subject
   * @param {string} [options.host] address to listen on
   * @param {number} [options.burst] octets that pass at once after a pause; a tenth of a second's when absent
   */
  static async start({ rate, capped = () => true, host = '127.0.0.1', burst } = {}) {
    const relay = new Relay();
    relay.#burst = burst;
    relay.#bucket = new Bucket(rate, burst);
    relay.#capped = capped;
    relay.#server = createServer({ noDelay: true }, (client) => relay.#accept(client));
    relay.#server.listen(0, host);
    await once(relay.#server, 'listening');
    relay.port = relay.#server.address().port;
    relay.origin = `http://${host}:${relay.port}`;
    return relay;
  }

  /** Where connections go from now on. */
  set target(port) { this.#target = port; }
  /** Requests whose path matches lose their connection. */
  refuse = () => false;
  set rate(rate) { this.#bucket = new Bucket(rate, this.#burst); }

  /** Forgets the counts and the bucket's debt; open connections stay and are counted from zero. */
  reset() {
    this.exchanges.length = 0;
    this.#bucket = new Bucket(this.#bucket.rate, this.#burst);
    for (const { tap } of this.#sockets) tap.restart(this.exchanges);
  }

  /** Octets of answers' bodies (WebSockets and their frames included), over the exchanges that match. */
  body(match = () => true) { return this.exchanges.filter(match).reduce((sum, e) => sum + e.body, 0); }
  find(match) { return this.exchanges.filter(match); }
  /** Everything that went towards the clients, heads included. */
  get down() { return this.exchanges.reduce((sum, e) => sum + e.head + e.body, 0); }
  /** Everything that came from the clients. */
  get up() { return this.exchanges.reduce((sum, e) => sum + e.sent, 0); }

  /** Cuts the open connections whose current exchange matches, as a failing network would. Returns how many. */
  cut(match = () => true) {
    const found = [...this.#sockets].filter(({ tap }) => match(tap.current));
    for (const { client, upstream } of found) { client.destroy(); upstream.destroy(); }
    return found.length;
  }

  async close() {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client) {
    const tap = new Tap(this.exchanges, client.remoteAddress);
    const upstream = connect({ port: this.#target, host: '127.0.0.1', noDelay: true });
    const pair = { client, upstream, tap };
    this.#sockets.add(pair);
    const end = () => { client.destroy(); upstream.destroy(); this.#sockets.delete(pair); };
    for (const socket of [client, upstream]) socket.on('error', end).on('close', end);
    client.on('data', (chunk) => {
      tap.request(chunk);
      if (tap.current && !tap.current.status && this.refuse(tap.current.path)) return end();
      if (!upstream.write(chunk)) { client.pause(); upstream.once('drain', () => client.resume()); }
    });
    client.on('end', () => upstream.end());
    // Towards the client one chunk at a time: tokens first, then write, then wait for the socket to drain.
    let busy = Promise.resolve();
    upstream.on('data', (chunk) => {
      upstream.pause();
      busy = busy.then(async () => {
        for (let at = 0; at < chunk.length; at += STEP) {
          const part = chunk.subarray(at, at + STEP);
          tap.answer(part);
          if (this.#capped(tap.current?.path ?? '')) await this.#bucket.take(part.length);
          if (client.destroyed) return;
          if (!client.write(part)) await drained(client);
        }
        upstream.resume();
      });
    });
    upstream.on('end', () => { busy = busy.then(() => client.end()); });
  }
}

const STEP = 16_384;

/** Resolves when the socket takes data again, or never will. */
function drained(socket) {
  return new Promise((resolve) => {
    const done = () => { socket.off('drain', done).off('close', done); resolve(); };
    socket.on('drain', done).on('close', done);
  });
}

/** First come, first served over all connections; a tenth of a second of burst. */
class Bucket {
  #tokens; #burst; #last = performance.now(); #queue = Promise.resolve();
  constructor(rate, burst = (rate ?? 0) / 10) { this.rate = rate; this.#burst = this.#tokens = burst; }
  take(octets) {
    if (!this.rate) return Promise.resolve();
    this.#queue = this.#queue.then(async () => {
      const now = performance.now();
      this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#last) / 1000) * this.rate);
      this.#last = now;
      this.#tokens -= octets;
      if (this.#tokens < 0) await new Promise((resolve) => setTimeout(resolve, (-this.#tokens / this.rate) * 1000));
    });
    return this.#queue;
  }
}

/** Follows the requests and answers of one HTTP/1.1 connection. No pipelining: browsers and the tests' clients do not. */
class Tap {
  /** @type {Exchange | undefined} */ current;
  #log; #from; #head = ''; #body = 0; #answer = ''; #raw = false;
  constructor(log, from) { this.#log = log; this.#from = from; }

  /** After a reset an open exchange is counted again from zero. */
  restart(log) {
    this.#log = log;
    if (!this.current || (!this.#raw && this.current.status && this.#finished())) { this.current = undefined; return; }
    this.current = { ...this.current, sent: 0, head: 0, body: 0 };
    log.push(this.current);
  }

  request(chunk) {
    if (this.#raw) { this.current.sent += chunk.length; return; }
    let text = chunk.toString('latin1');
    while (text) {
      if (this.#body > 0) {
        const part = Math.min(this.#body, text.length);
        this.#body -= part;
        this.current.sent += part;
        text = text.slice(part);
        continue;
      }
      this.#head += text;
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      text = this.#head.slice(end + 4);
      this.#begin(this.#head.slice(0, end + 4));
      this.#head = '';
    }
  }

  answer(chunk) {
    const exchange = this.current;
    if (!exchange) return;
    if (exchange.status) { exchange.body += chunk.length; return; }
    this.#answer += chunk.toString('latin1');
    const end = this.#answer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.#answer.slice(0, end + 4), rest = this.#answer.length - head.length;
    this.#answer = '';
    exchange.head += head.length;
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]);
    if (status >= 100 && status < 200 && status !== 101) {
      if (rest) this.answer(chunk.subarray(chunk.length - rest));
      return;
    }
    exchange.status = status;
    exchange.length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? NaN);
    exchange.upgrade = status === 101;
    this.#raw = exchange.upgrade;
    exchange.body += rest;
  }

  #begin(head) {
    const [, method, path] = /^(\S+) (\S+)/.exec(head) ?? [];
    this.#body = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    this.current = { method, path, range: /^range: *(.*?)\r$/im.exec(head)?.[1], cookie: /^cookie: *(.*?)\r$/im.exec(head)?.[1], from: this.#from, status: 0, sent: head.length, head: 0, body: 0, upgrade: false };
    this.#answer = '';
    this.#log.push(this.current);
  }

  #finished() { return this.current.body >= this.current.length; }
}

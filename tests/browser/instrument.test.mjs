// The instrument first: byte shares are only worth something when the relay counts right and its cap holds.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { Relay } from './lib/relay.mjs';

const BODY = Buffer.alloc(1_000_003, 'x');

async function through(t, options) {
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      // Without a length the answer is chunked, and its framing counts.
      const head = request.url === '/chunked' ? {} : { 'Content-Length': BODY.length };
      response.writeHead(200, head);
      response.end(request.url === '/cut' ? BODY.subarray(0, 10) : BODY);
    });
  }).on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
    socket.on('error', () => {}).on('data', (data) => socket.write(data));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const relay = await Relay.start(options);
  relay.target = server.address().port;
  t.after(async () => { await relay.close(); server.close(); server.closeAllConnections(); });
  return relay;
}

test('every octet is counted, to the request it answers', async (t) => {
  const relay = await through(t);
  for (const path of ['/a?q=1', '/b']) assert.equal((await (await fetch(relay.origin + path, { headers: { Range: 'bytes=0-' } })).arrayBuffer()).byteLength, BODY.length);
  await (await fetch(`${relay.origin}/post`, { method: 'POST', body: 'y'.repeat(70_000) })).arrayBuffer();
  await (await fetch(`${relay.origin}/chunked`)).arrayBuffer();
  const seen = relay.exchanges.map(({ method, path, status, range }) => ({ method, path, status, range }));
  assert.deepEqual(seen, [
    { method: 'GET', path: '/a?q=1', status: 200, range: 'bytes=0-' }, { method: 'GET', path: '/b', status: 200, range: 'bytes=0-' },
    { method: 'POST', path: '/post', status: 200, range: undefined }, { method: 'GET', path: '/chunked', status: 200, range: undefined },
  ]);
  assert.deepEqual(relay.exchanges.slice(0, 3).map((e) => e.body), [BODY.length, BODY.length, BODY.length]);
  assert.ok(relay.exchanges[3].body > BODY.length);
  assert.ok(relay.exchanges[2].sent > 70_000);
  assert.equal(relay.down, relay.exchanges.reduce((sum, e) => sum + e.head + e.body, 0));
  relay.reset();
  assert.equal(relay.down + relay.up, 0);
});

test('a WebSocket is one exchange, counted both ways, also after a reset', async (t) => {
  const relay = await through(t);
  const socket = connect(relay.port, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n');
  await once(socket, 'data');
  const echo = async (octets) => {
    socket.write(Buffer.alloc(octets));
    for (let got = 0; got < octets;) got += (await once(socket, 'data'))[0].length;
  };
  await echo(5_000);
  assert.ok(relay.exchanges[0].upgrade);
  assert.equal(relay.exchanges[0].body, 5_000);
  relay.reset();
  await echo(300);
  assert.deepEqual(relay.exchanges.map(({ path, sent, body }) => ({ path, sent, body })), [{ path: '/ws', sent: 300, body: 300 }]);
});

test('the cap is shared by all connections', async (t) => {
  const rate = 4_000_000, relay = await through(t, { rate });
  const began = performance.now();
  await Promise.all([1, 2, 3].map(async (n) => (await fetch(`${relay.origin}/${n}`)).arrayBuffer()));
  const seconds = (performance.now() - began) / 1000;
  // An upper bound on speed is safe on a slow machine: it can only be slower.
  assert.ok(relay.down <= rate * seconds + rate / 10 + 16_384, `${relay.down} octets in ${seconds.toFixed(2)} s`);
});

test('what is exempt from the cap does not wait for it', async (t) => {
  const relay = await through(t, { rate: 1, capped: (path) => path !== '/free' });
  assert.equal((await (await fetch(`${relay.origin}/free`)).arrayBuffer()).byteLength, BODY.length);
});

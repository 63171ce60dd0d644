// Pages with a Content-Security-Policy, behind the proxy: never weakened, never violated.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { once } from 'node:events';
import { isOurs, ready, site } from './lib/stage.mjs';

const NONCE = 'bm9uY2Utb2YtdGhlLXBhZ2U';
const THEIRS = `<script nonce="${NONCE}">globalThis.theirs = 1</script>`;
/** Path: the page's policy, its own script, and whether a script of ours may run under that policy. */
const PAGES = {
  '/self': { policy: "default-src 'self'", active: true },
  '/nonce': { policy: `default-src 'self'; script-src 'nonce-${NONCE}' 'self'; worker-src 'self'; object-src 'none'`, script: THEIRS, active: true },
  '/nonce-only': { policy: `default-src 'none'; script-src 'nonce-${NONCE}'; connect-src 'self'`, script: THEIRS, active: false },
  '/strict-dynamic': { policy: `script-src 'nonce-${NONCE}' 'strict-dynamic'; worker-src 'self'; base-uri 'none'`, script: THEIRS, active: true },
  '/no-script': { policy: "default-src 'self'; script-src 'none'", active: false },
  '/no-connect': { policy: "default-src 'self'; connect-src 'none'", active: false },
  '/no-worker': { policy: "default-src 'self'; worker-src 'none'", active: false },
  '/sandbox': { policy: "sandbox; default-src 'self'", active: false },
};
const html = (script = '') => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Strict</title>${script}</head><body><p id="text">Its text.</p></body></html>`;

async function upstream(t) {
  const server = createServer((request, response) => {
    const page = PAGES[request.url] ?? {};
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', ...(page.policy && { 'Content-Security-Policy': page.policy }) }).end(html(page.script));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => { server.close(); server.closeAllConnections(); });
  return server.address().port;
}

test('every policy is kept as it was sent, obeyed, and made use of where it admits us', { timeout: 180_000 }, async (t) => {
  const s = await site(t, { upstream: () => upstream(t) });
  const watch = () => {
    globalThis.__violations = [];
    document.addEventListener('securitypolicyviolation', (e) => globalThis.__violations.push(`${e.violatedDirective} ${e.blockedURI}`));
  };
  for (const [path, { policy, script, active }] of Object.entries(PAGES)) {
    await t.test(path, async () => {
      s.relay.reset();
      const browser = await s.browser({ scripts: [watch] });
      const page = await browser.context.newPage();
      const answer = await page.goto(`${s.origin}${path}`);
      assert.equal(answer.headers()['content-security-policy'], policy);
      assert.equal(await page.textContent('#text'), 'Its text.');
      if (active) await ready(page);
      else assert.deepEqual(s.relay.find(isOurs).map((e) => e.path), [], 'not injected, so nothing of ours is asked for');
      if (script) assert.equal(await page.evaluate(() => globalThis.theirs), 1, 'the page’s own script ran');
      if (!policy.startsWith('sandbox')) assert.deepEqual(await page.evaluate(() => globalThis.__violations), []);
      assert.deepEqual(browser.complaints, []);
      await browser.close();
    });
  }
});

// The real server: finds the built binary, runs `manyhands serve` on a free port, waits until it answers, keeps what it printed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.mjs';

export const PREFIX = '/.well-known/manyhands';
const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Path of the binary: TEST_BINARY, else the newer of the release and the debug build. */
export function binary() {
  if (process.env.TEST_BINARY) return process.env.TEST_BINARY;
  const target = process.env.CARGO_TARGET_DIR ?? join(REPOSITORY, 'target');
  const built = ['release', 'debug'].map((profile) => join(target, profile, 'manyhands'))
    .map((path) => ({ path, time: statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0 })).filter(({ time }) => time > 0);
  if (built.length === 0) throw new Error('no manyhands binary: cargo build -p manyhands-cli, or set TEST_BINARY');
  return built.sort((a, b) => b.time - a.time)[0].path;
}

/**
 * Starts `manyhands serve`, or `manyhands proxy` where an upstream is given.
 * @param {object} options
 * @param {string} options.root directory to serve
 * @param {string} options.work directory for the configuration file and the state
 * @param {Record<string, Record<string, unknown>>} [options.config] sections of the configuration file
 * @param {string[]} [options.args] further arguments
 * @param {string} [options.host] address to listen on
 * @param {number} [options.port] port; a free one when absent
 * @param {number} [options.upstream] port of an HTTP server on the loopback interface
 */
export async function startServer({ root, work, config = {}, args = [], host = '127.0.0.1', port, upstream }) {
  port ??= await freePort(host);
  const file = join(work, 'manyhands.toml');
  await writeFile(file, toml({ ...config, state: { dir: join(work, 'state'), ...config.state } }));
  const what = upstream ? ['proxy', '--upstream', `http://127.0.0.1:${upstream}`] : ['serve', root];
  const server = launch([...what, '--listen', `${host}:${port}`, '--config', file, ...args], work, `http://${host}:${port}`);
  Object.assign(server, {
    port,
    /** Waits until the asset has been hashed, that is until its manifest is served. `?again`: nobody wanted it, so it is no demand. */
    async shared(path) {
      const manifest = `${server.origin}${config.site?.prefix ?? PREFIX}/manifest${path}?again`;
      await until(`${path} is shared`, async () => (await fetch(manifest)).ok, { timeout: 60_000, hint: server.output });
      return (await fetch(manifest)).json();
    },
  });
  await until('the server answers', async () => {
    if (!server.running()) throw new Error(`manyhands ended: ${server.output()}`);
    return fetch(server.origin, { signal: AbortSignal.timeout(2_000) }).then((r) => r.arrayBuffer().then(() => true), () => false);
  }, { timeout: 30_000, hint: server.output, fatal: () => !server.running() });
  return server;
}

/**
 * Starts `manyhands sidecar` and waits for its socket.
 * @param {object} options
 * @param {string} options.work directory for the configuration file
 * @param {string} options.socket the socket's path
 * @param {string} options.through URL of the nginx before it
 * @param {Record<string, Record<string, unknown>>} options.config sections of the configuration file; `state.dir` and `site.origin` among them
 * @param {string[]} [options.args] further arguments
 */
export async function startSidecar({ work, socket, through, config, args = [] }) {
  const file = join(work, 'manyhands.toml');
  await writeFile(file, toml(config));
  const sidecar = launch(['sidecar', '--socket', socket, '--through', through, '--config', file, ...args], work, config.site.origin);
  await until('the sidecar answers', () => {
    if (!sidecar.running()) throw new Error(`manyhands ended: ${sidecar.output()}`);
    return answers(socket);
  }, { timeout: 30_000, every: 20, hint: sidecar.output, fatal: () => !sidecar.running() });
  return Object.assign(sidecar, { socket, state: config.state.dir });
}

/** Whether somebody accepts connections on a unix socket. */
const answers = (path) => new Promise((resolve) => {
  const socket = connect(path, () => { socket.destroy(); resolve(true); }).on('error', () => resolve(false));
});

/**
 * Starts `manyhands serve --demo` and waits for the line that says where it listens, which comes after its files are made and hashed.
 * @param {string} work directory for the state
 */
export async function startDemo(work) {
  const port = await freePort(), state = join(work, 'state');
  const server = launch(['serve', '--demo', '--state', state, '--listen', `127.0.0.1:${port}`], work, `http://127.0.0.1:${port}`);
  await until('the demo is ready', () => {
    if (!server.running()) throw new Error(`manyhands ended: ${server.output()}`);
    return /listening on \S+\n/.test(server.output());
  }, { timeout: 120_000, hint: server.output, fatal: () => !server.running() });
  return Object.assign(server, { port, state });
}

/** Starts `manyhands mirror`, which says by itself how it is: `manyhands mirror --status`. */
export const startMirrorProgram = ({ work, args }) => launch(['mirror', ...args], work);

/** The process itself: what it prints, whether it runs, how it ends. */
function launch(args, cwd, origin) {
  const child = spawn(binary(), args, { cwd, env: bareEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
  const exit = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
  exit.catch(() => {});
  const running = () => child.exitCode === null && child.signalCode === null;
  return {
    pid: child.pid, origin, running,
    output: () => output,
    /** Ends the process (politely unless told otherwise) and waits for it. */
    async stop(signal = 'SIGTERM') {
      if (running()) child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000);
      const ended = await exit;
      clearTimeout(late);
      return ended;
    },
  };
}

/** Ours without MANYHANDS_*, which are settings of the binary: a developer's own must not decide a test. */
function bareEnvironment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MANYHANDS_')));
}

/** A port that nothing listened on a moment ago. */
export async function freePort(host = '127.0.0.1') {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Enough TOML for a configuration: sections of strings, numbers, booleans and lists, all of which JSON writes the same way. */
function toml(sections) {
  return Object.entries(sections)
    .map(([name, fields]) => `[${name}]\n${Object.entries(fields).map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`).join('')}`).join('\n');
}

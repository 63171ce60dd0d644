// Network namespaces for the tests: WebRTC needs an interface that is not the loopback, and nothing a test does may leave the machine.
//
// As a program:  node netns.mjs COMMAND ARGS...   runs COMMAND in a namespace of its own: loopback up, and a veth pair with the private
// address HOST_ADDRESS. The namespace has no name: it is held by its processes and vanishes with the last of them, whatever ended them.
// Works as root, and without root where the kernel allows unprivileged user namespaces.
//
// As a module: `clientNetwork()` makes further namespaces inside that one, joined by a bridge, each in an IPv4 /24 of its own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';

/** Address of the veth interface in the outer namespace. */
export const HOST_ADDRESS = '10.77.0.1';
/** Address of the bridge, where clients of `clientNetwork()` find a server. */
export const BRIDGE_ADDRESS = '10.78.0.1';
const DEAD_END = '10.77.0.2';
const MARK = 'TEST_NAMESPACE';

/** Whether this process already runs inside the tests' own namespace. */
export const inside = () => process.env[MARK] === '1';

/** Throws unless this process is inside the namespace: a test must not quietly run on the machine's own network. */
export function requireNamespace() {
  if (!inside()) throw new Error('run this through tests/run, or: node tests/browser/lib/netns.mjs node --test FILE');
}

/**
 * Client namespaces joined by a bridge. Each has the address 10.78.N.2/16, so every two of them differ in their IPv4 /24.
 * @param {number} count how many
 * @param {string} dir a directory for the small wrapper scripts
 * @returns {Promise<{clients: {address: string, wrap(program: string): string}[], close(): Promise<void>}>} `wrap` writes a script that
 *   runs the program inside the client's namespace and returns its path.
 */
export async function clientNetwork(count, dir) {
  requireNamespace();
  const bridge = `mhbr${process.pid}`.slice(0, 15);
  const holders = [];
  const close = async () => {
    for (const holder of holders) {
      const gone = once(holder, 'exit');
      if (holder.kill('SIGKILL')) await gone;
    }
    spawnSync('ip', ['link', 'del', bridge]);
  };
  try {
    ip('link', 'add', bridge, 'type', 'bridge');
    ip('addr', 'add', `${BRIDGE_ADDRESS}/16`, 'dev', bridge);
    ip('link', 'set', bridge, 'up');
    const clients = [];
    for (let n = 1; n <= count; n++) {
      // The holder answers once it is inside its own namespace; before that its pid names the outer one.
      const holder = spawn('unshare', ['--net', '--', 'sh', '-c', 'echo ready; exec sleep infinity'], { stdio: ['ignore', 'pipe', 'inherit'] });
      holders.push(holder);
      await once(holder.stdout, 'data');
      const pid = String(holder.pid), outer = `mhc${n}`, address = `10.78.${n}.2`;
      ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pid);
      ip('link', 'set', outer, 'master', bridge, 'up');
      const inner = (...args) => run('nsenter', ['--target', pid, '--net', 'ip', ...args]);
      inner('addr', 'add', `${address}/16`, 'dev', 'eth0');
      inner('link', 'set', 'eth0', 'up');
      inner('link', 'set', 'lo', 'up');
      inner('route', 'add', 'default', 'via', BRIDGE_ADDRESS);
      const wrap = (program) => {
        const script = join(dir, `in-client-${n}.sh`);
        writeFileSync(script, `#!/bin/sh\nexec nsenter --target ${pid} --net -- '${program}' "$@"\n`);
        chmodSync(script, 0o755);
        return script;
      };
      clients.push({ address, wrap });
    }
    return { clients, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function ip(...args) {
  run('ip', args);
}

function run(program, args) {
  const done = spawnSync(program, args, { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`${program} ${args.join(' ')}: ${done.error?.message ?? done.stderr.trim()}`);
}

async function main(command) {
  const self = fileURLToPath(import.meta.url);
  if (command[0] !== '--inside') {
    const user = process.getuid() === 0 ? [] : ['--user', '--map-root-user'];
    return spawnThrough('unshare', [...user, '--net', '--', process.execPath, self, '--inside', ...command]);
  }
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'mh0', 'type', 'veth', 'peer', 'name', 'mh1');
  ip('addr', 'add', `${HOST_ADDRESS}/24`, 'dev', 'mh0');
  ip('link', 'set', 'mh0', 'up');
  ip('link', 'set', 'mh1', 'up');
  // Chromium gathers candidates on the interface of the default route, so there must be one; nobody answers behind it.
  ip('route', 'add', 'default', 'via', DEAD_END, 'dev', 'mh0');
  return spawnThrough(command[1], command.slice(2), { ...process.env, [MARK]: '1' });
}

/** Runs a program with our own standard streams, hands signals on, and returns its exit status. */
async function spawnThrough(program, args, env = process.env) {
  const child = spawn(program, args, { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const [code, signal] = await once(child, 'exit');
  return code ?? 128 + (signal === 'SIGKILL' ? 9 : 15);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.length < 3) {
    console.error('usage: node netns.mjs COMMAND ARGS...');
    process.exit(2);
  }
  process.exitCode = await main(process.argv.slice(2));
}

// A root directory to try packages in: the machine's own with a layer over it that takes all changes and is gone with the test.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Whether this process may be every user, as packages want: inside a user namespace of one user root is not enough. */
export const mayInstall = () => process.getuid() === 0 && /^\s*0\s+0\s+4294967295$/m.test(readFileSync('/proc/self/uid_map', 'utf8'));

/** Services are not started: policy-rc.d is what Debian's scripts ask. */
const SETUP = `set -e
mount -t tmpfs none "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount --rbind /dev "$1/root/dev"
mount -t proc proc "$1/root/proc"
mount -t tmpfs none "$1/root/tmp"
printf '#!/bin/sh\\nexit 101\\n' >"$1/root/usr/sbin/policy-rc.d"
chmod 755 "$1/root/usr/sbin/policy-rc.d"
echo ready
exec sleep infinity`;

/** Such a root; it ends with the test. */
export async function throwAwayRoot(t) {
  const place = await mkdtemp(join(tmpdir(), 'manyhands-root-'));
  // The mounts are its own, and vanish with it.
  const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', SETUP, 'sh', place], { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaints = '';
  holder.stderr.setEncoding('utf8').on('data', (text) => { complaints += text; });
  const gone = once(holder, 'exit');
  t.after(async () => { holder.kill('SIGKILL'); await gone; await rm(place, { recursive: true }); });
  await Promise.race([once(holder.stdout, 'data'), gone.then(() => { throw new Error(`no layer over the root directory: ${complaints}`); })]);
  const within = (command) => ['nsenter', ['--target', String(holder.pid), '--mount', 'chroot', join(place, 'root'), 'env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin',
    'LC_ALL=C.UTF-8', 'DEBIAN_FRONTEND=noninteractive', ...command]];
  const run = (...command) => {
    const { status, stdout, stderr, error } = spawnSync(...within(command), { encoding: 'utf8', input: '' });
    if (error) throw error;
    return { status, output: `${stdout}${stderr}` };
  };
  return {
    run,
    /** A shell line that must succeed; what it printed. */
    sh(line) {
      const { status, output } = run('sh', '-c', line);
      if (status !== 0) throw new Error(`${line}: status ${status}\n${output}`);
      return output.trim();
    },
    /** Writes a file: text, or bytes. */
    write(path, content) {
      const { status, stderr } = spawnSync(...within(['sh', '-c', 'mkdir -p "$(dirname "$1")" && cat >"$1"', 'sh', path]), { input: content });
      if (status !== 0) throw new Error(`${path}: ${stderr}`);
    },
    /** Starts a program; it ends with the root at the latest. */
    start(...command) {
      const child = spawn(...within(command), { stdio: ['ignore', 'ignore', 'inherit'] });
      t.after(async () => { if (child.exitCode === null && child.signalCode === null) { const end = once(child, 'exit'); child.kill('SIGTERM'); await end; } });
      return child;
    },
  };
}

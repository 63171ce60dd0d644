// Debian's nginx as it is, each with a directory, a configuration and ports of its own: a master and its workers, their log, and how they end.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../browser/lib/server.mjs';
import { until } from '../../browser/lib/until.mjs';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));
// Debian keeps it where only root looks.
const ENVIRONMENT = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const TEMPORARY = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];

/** Path of the module: TEST_MODULE, else what nginx-module/build made. */
export function modulePath() {
  const path = process.env.TEST_MODULE ?? join(REPOSITORY, 'nginx-module/target/ngx_http_manyhands_module.so');
  if (!existsSync(path)) throw new Error(`no ${path}: run nginx-module/build, or set TEST_MODULE`);
  return path;
}

/** The text of a configuration file. */
function configuration(dir, { main = '', events = '', http, workers, module }) {
  return `${module ? `load_module ${modulePath()};\n` : ''}daemon off;
${process.getuid() === 0 ? 'user root;' : ''}
worker_processes ${workers || 1};
worker_shutdown_timeout 10s;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log notice;
${main}
events { worker_connections 1024; ${events} }
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  access_log off;
  server_names_hash_bucket_size 128;
  ${TEMPORARY.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ')}
${http}
}
`;
}

/** Writes a configuration and returns what every call of nginx needs. */
async function prepared(dir, options) {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'nginx.conf');
  await writeFile(file, configuration(dir, { workers: 2, module: true, ...options }));
  return ['-c', file, '-p', dir, '-e', join(dir, 'error.log')];
}

/** `nginx -t`: exit status, and what it says. */
export async function check(dir, options) {
  const done = spawnSync('nginx', [...await prepared(dir, options), '-t'], { env: ENVIRONMENT, encoding: 'utf8' });
  if (done.error) throw new Error(`nginx does not run: ${done.error.message}; apt-get install nginx`);
  return { status: done.status, output: done.stderr };
}

/**
 * Starts nginx and waits until its ports are open.
 * @param {string} dir a directory for its configuration, log and temporary files
 * @param {object} options
 * @param {(ports: number[]) => string} options.http what stands in `http { }`; given free ports
 * @param {number} [options.listens] how many ports; 1
 * @param {string} [options.main] further lines outside of `http`
 * @param {string} [options.events] further lines in `events`
 * @param {number} [options.workers] 2
 * @param {boolean} [options.module] whether the module is loaded
 * @param {number[]} [options.ports] these instead of free ones
 * @param {string[]} [options.under] a program that runs nginx, with its arguments
 */
export async function startNginx(dir, { http, listens = 1, ports, workers = 2, under = [], ...rest }) {
  ports ??= await Promise.all(Array.from({ length: listens }, () => freePort()));
  const options = { http: http(ports), workers, ...rest };
  const args = await prepared(dir, options);
  const [program, ...before] = [...under, 'nginx'];
  const child = spawn(program, [...before, ...args], { env: ENVIRONMENT, stdio: ['ignore', 'inherit', 'pipe'] });
  let output = '';
  child.stderr.setEncoding('utf8').on('data', (text) => { output += text; });
  const failed = once(child, 'error').then(([error]) => { throw new Error(`nginx does not run: ${error.message}; apt-get install nginx`); });
  failed.catch(() => {});
  const running = () => child.exitCode === null && child.signalCode === null;
  const log = () => (existsSync(join(dir, 'error.log')) ? readFileSync(join(dir, 'error.log'), 'utf8') : '');
  const everything = () => `${output}\n${log()}`;
  const nginx = {
    dir, port: ports[0], ports, pid: child.pid, running, log, output: () => output,
    origin: `http://127.0.0.1:${ports[0]}`,
    /** Process ids of the workers that serve, without those that finish. */
    workers: () => childrenOf(nginx.master()).filter(under.length ? () => true : isWorker),
    /** The master: the child itself, or below the program that runs it. */
    master: () => (existsSync(join(dir, 'nginx.pid')) ? Number(readFileSync(join(dir, 'nginx.pid'), 'utf8')) : child.pid),
    /** Lines of the error log of a level, such as `error`. */
    lines: (level) => log().split('\n').filter((line) => line.includes(` [${level}] `)),
    /** Reads the configuration again, a changed one where there is one, and waits for workers that have it. */
    async reload(changes) {
      if (changes) await prepared(dir, { ...options, ...changes, http: (changes.http ?? http)(ports) });
      const old = new Set(nginx.workers());
      process.kill(nginx.master(), 'SIGHUP');
      await until('nginx has new workers only', () => { const now = nginx.workers(); return now.length >= workers && !now.some((pid) => old.has(pid)); }, { every: 10, hint: everything });
    },
    async stop(signal = 'SIGTERM') {
      if (!running()) return;
      const gone = once(child, 'exit');
      if (under.length) process.kill(nginx.master(), signal); else child.kill(signal);
      const late = setTimeout(() => child.kill('SIGKILL'), under.length ? 120_000 : 15_000);
      await gone;
      clearTimeout(late);
    },
  };
  await Promise.race([failed, until('nginx has workers', () => {
    if (!running()) throw new Error(`nginx ended: ${everything()}`);
    return workers === 0 || nginx.workers().length >= workers;
  }, { every: 20, timeout: under.length ? 120_000 : 20_000, fatal: () => !running(), hint: everything })]);
  return nginx;
}

const childrenOf = (master) => readFileSync(`/proc/${master}/task/${master}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);

/** Told by the title that nginx gives its processes, which it cannot under another program. */
function isWorker(pid) {
  try { return /worker process\0*$/.test(readFileSync(`/proc/${pid}/cmdline`, 'latin1')); } catch { return false; }
}

/** KiB of memory a process holds. */
export const resident = (pid) => Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

/** How many descriptors a process has open. */
export const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;

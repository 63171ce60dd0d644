// Load by wrk: requests as fast as they are answered, on kept connections.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** Starts wrk; `ended` tells what it counted. */
export function startLoad(url, { connections = 16, seconds, headers = {}, threads = 1 }) {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const child = spawn('wrk', [`-t${threads}`, `-c${connections}`, `-d${seconds}s`, ...fields, url], { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part) => { text += part; });
  const failed = once(child, 'error').then(([error]) => { throw new Error(`wrk does not run: ${error.message}; apt-get install wrk`); });
  failed.catch(() => {});
  return {
    /** Ends it early; it still says what it counted. */
    stop: () => child.kill('SIGINT'),
    ended: Promise.race([failed, once(child, 'close').then(() => {
      const number = (pattern) => Number(pattern.exec(text)?.[1] ?? 0);
      const requests = number(/(\d+) requests in/);
      if (!requests) throw new Error(`wrk: ${text}`);
      return { requests, connect: number(/connect (\d+)/), read: number(/read (\d+)/), write: number(/write (\d+)/), timeout: number(/timeout (\d+)/), bad: number(/Non-2xx or 3xx responses: (\d+)/), text };
    })]),
  };
}

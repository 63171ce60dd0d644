// The experiment from outside: the assignment reckoned again from its definition, so that a test can choose what is held out; and the
// operator's view of it.
import { createHmac } from 'node:crypto';
import { PREFIX } from './server.mjs';

const HOLDOUT = 1000, HOUR = 3600;

/** `u32be(HMAC-SHA256(salt, message)[..4]) mod 10000` */
const draw = (salt, ...message) => createHmac('sha256', salt).update(Buffer.concat(message)).digest().readUInt32BE(0) % 10_000;

/** An integer of so many octets, big-endian. */
const integer = (value, octets) => Buffer.from(BigInt(value).toString(16).padStart(2 * octets, '0'), 'hex');

/** Hours a block, such that now is neither in the quarter of an hour that does not count nor within twenty minutes of the block's end. */
export function quietBlock(now = Date.now() / 1000) {
  for (let hours = 1; hours <= 168; hours++) {
    const into = now % (hours * HOUR);
    if (into > 16 * 60 && hours * HOUR - into > 20 * 60) return hours;
  }
  throw new Error('no length of a block fits');
}

/** The section `[experiment]` of a crossover in which these assets are held out now, and those are not. */
export function crossover(origin, { held = [], shared = [] }) {
  const block = quietBlock(), number = integer(Math.floor(Date.now() / 1000 / (block * HOUR)), 8);
  for (let n = 0; n < 1e6; n++) {
    const salt = `a salt, ${n}`, isHeld = (path) => draw(salt, Buffer.from(origin + path), number) < HOLDOUT;
    if (held.every(isHeld) && !shared.some(isHeld)) return { design: 'crossover', holdout: HOLDOUT, block, salt };
  }
  throw new Error('no salt found');
}

const SALT = 'a salt of visitors';
/** The section `[experiment]` of the design among visitors. */
export const visitors = () => ({ design: 'visitors', block: quietBlock(), salt: SALT });

/** A bucket of an arm under `visitors()`. */
export function bucketOf(arm) {
  for (let bucket = 0; bucket < 1024; bucket++) {
    const drawn = draw(SALT, integer(bucket, 2));
    if ((drawn < 500 ? 'untouched' : drawn < 1000 ? 'http' : 'p2p') === arm) return bucket;
  }
  throw new Error(`no bucket is ${arm}`);
}

/** What belongs to the operator; a server that is not on loopback for itself, as behind nginx, has `operator`, the fields with its key. */
const asked = async (server, path) => {
  const response = await fetch(`${server.origin}${PREFIX}/${path}`, { headers: server.operator?.() ?? {} });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
};

/** The rows of experiment.csv, numbers as numbers. Paths of tests hold no comma. */
export async function rows(server) {
  const [head, ...lines] = (await (await asked(server, 'experiment.csv')).text()).trim().split('\n').map((line) => line.split(','));
  return lines.map((line) => Object.fromEntries(head.map((name, at) => [name, /^\d+$/.test(line[at]) ? Number(line[at]) : line[at]])));
}

/** experiment.json of all that is written by now. `until` in the far future: reckoned for this request, not from what was kept. */
export async function analysis(server) {
  return (await asked(server, `experiment.json?until=${Math.ceil(Date.now() / 1000)}`)).json();
}

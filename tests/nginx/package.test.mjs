// The Debian packages: whatever dpkg and apt do with them, nginx can be started afterwards, and the machine is as it was when they are purged.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, test } from 'node:test';
import { requireNamespace } from '../browser/lib/netns.mjs';
import { binary, freePort } from '../browser/lib/server.mjs';
import { until } from '../browser/lib/until.mjs';
import { ask, NAVIGATION } from './lib/http.mjs';
import { modulePath } from './lib/nginx.mjs';
import { mayInstall, throwAwayRoot } from './lib/root.mjs';
import { PREFIX, TAG } from './lib/stage.mjs';

const BUILD = fileURLToPath(new URL('../../nginx-module/package/build', import.meta.url));
const MODULE = 'libnginx-mod-http-manyhands', DAEMON = 'manyhands';
const LOADED = '/etc/nginx/modules-enabled/50-mod-http-manyhands.conf', ON = '/etc/nginx/snippets/manyhands-on.conf';
const PAGE = '<!doctype html><html><head><title>A page</title></head><body>Its text.</body></html>';
const skip = !mayInstall() && 'packages need all of root\'s rights: run tests/run as root';

let out;
const packages = {};
before(async () => {
  if (skip) return;
  requireNamespace();
  out = await mkdtemp(join(tmpdir(), 'manyhands-packages-'));
  const build = (...args) => {
    const done = spawnSync(BUILD, ['--module', modulePath(), '--binary', binary(), ...args], { encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
    return Object.fromEntries(done.stdout.trim().split('\n').map((path) => [basename(path).split('_')[0], path]));
  };
  Object.assign(packages, build('--out', join(out, 'right')));
  packages.foreign = build('--out', join(out, 'foreign'), '--abi', 'nginx-abi-9.9.9-1')[MODULE];
});
after(() => out && rm(out, { recursive: true }));

/** A root with a site whose server block has the line that the documentation gives, and the packages in it. */
async function site(t, { line = 'include snippets/manyhands-on*.conf;' } = {}) {
  const root = await throwAwayRoot(t), port = await freePort();
  root.sh('rm -f /etc/nginx/sites-enabled/*');
  root.write('/srv/site/index.html', PAGE);
  root.write('/etc/nginx/sites-enabled/site', `server { listen 127.0.0.1:${port}; root /srv/site; ${line} }\n`);
  const place = (name) => `/root/${name}.deb`;
  for (const [name, path] of Object.entries(packages)) root.write(place(name), readFileSync(path));
  return {
    ...root, port,
    dpkg(what, ...names) { return root.run('dpkg', what, ...names.map((name) => (what === '-i' ? place(name) : name))); },
    install(...names) { const done = this.dpkg('-i', ...names); assert.equal(done.status, 0, done.output); return done.output; },
    remove(...names) { const done = this.dpkg('-r', ...names); assert.equal(done.status, 0, done.output); return done.output; },
    purge(...names) { const done = this.dpkg('-P', ...names); assert.equal(done.status, 0, done.output); return done.output; },
    /** nginx would start, with the module or without it. */
    works(when, loaded) {
      const { status, output } = root.run('nginx', '-T');
      assert.equal(status, 0, `${when}: ${output}`);
      assert.equal(/load_module .*manyhands/.test(output), loaded, `${when}: loaded`);
    },
    there: (path) => root.run('test', '-e', path, '-o', '-L', path).status === 0,
  };
}

test('install, upgrade, remove, install again, purge: nginx works at each step', { skip, timeout: 300_000 }, async (t) => {
  const s = await site(t);
  const machine = () => s.sh('find /etc /usr /var -path /var/lib/dpkg -prune -o -path /var/log -prune -o -name "*manyhands*" -print | sort');
  const clean = machine();
  s.works('before', false);

  s.install(MODULE);
  s.works('the module without the daemon', true);
  s.install(DAEMON);
  s.works('both', true);
  assert.equal(s.sh(`readlink ${LOADED}`), '/usr/share/nginx/modules-available/mod-http-manyhands.conf');
  assert.match(s.sh('id -nG manyhands; getent passwd manyhands'), /\/usr\/sbin\/nologin/);
  assert.ok(s.there('/etc/systemd/system/multi-user.target.wants/manyhands-sidecar.service'), 'the service starts with the machine');
  assert.match(s.sh('manyhands --version'), /^manyhands \d/);

  s.start('nginx', '-g', 'daemon off;');
  const page = await until('nginx answers', async () => (await fetch(`http://127.0.0.1:${s.port}/`)).text());
  assert.equal(page, PAGE, 'no daemon, no tag');

  s.sh(`rm ${LOADED}`);
  s.install(MODULE);
  assert.ok(!s.there(LOADED), 'what the administrator took out stays out');
  s.sh(`rm ${ON}`);
  s.works('an upgrade of a module that is switched off', false);
  s.remove(MODULE);
  s.install(MODULE);
  assert.ok(!s.there(LOADED) && !s.there(ON));
  s.purge(MODULE);

  s.install(MODULE);
  s.works('installed anew', true);
  s.sh('echo "# mine" >>/etc/nginx/snippets/manyhands.conf; echo "# mine" >>/etc/manyhands/manyhands.toml; mkdir -p /var/lib/manyhands/nginx');
  assert.doesNotMatch(s.remove(MODULE), /cannot be started/);
  s.works('the module removed', false);
  s.remove(DAEMON);
  assert.ok(s.there('/var/lib/manyhands/nginx') && s.there('/etc/manyhands/manyhands.toml'), 'removing keeps state and settings');
  s.install(MODULE, DAEMON);
  s.works('both again', true);
  assert.match(s.sh('tail -n 1 /etc/nginx/snippets/manyhands.conf'), /mine/);

  s.remove(DAEMON);
  s.works('the daemon removed', true);
  s.purge(MODULE);
  s.works('the module purged', false);
  s.purge(DAEMON);
  assert.ok(!s.there('/var/lib/manyhands'), 'purging takes the state');
  assert.equal(machine(), clean);
});

test('whoever names the module in files of his own is told which before it goes', { skip, timeout: 120_000 }, async (t) => {
  const s = await site(t, { line: 'manyhands on;\n  include snippets/manyhands.conf;\n  location /private/ { manyhands off; }' });
  s.install(MODULE);
  s.works('installed', true);
  assert.match(s.remove(MODULE), /cannot be started again before these files do without Manyhands:\n\/etc\/nginx\/sites-enabled\/site\n/);
});

test('a module for another nginx is not taken', { skip, timeout: 120_000 }, async (t) => {
  const s = await site(t);
  const { status, output } = s.dpkg('-i', 'foreign');
  assert.notEqual(status, 0);
  assert.match(output, /depends on nginx-abi-9\.9\.9-1/);
  s.works('refused by dpkg', false);
  s.purge(MODULE);
  s.works('and purged', false);

  s.install(MODULE);
  const apt = s.run('apt-get', '--yes', '--no-download', '--allow-downgrades', '--reinstall', 'install', '/root/foreign.deb');
  assert.notEqual(apt.status, 0);
  assert.match(apt.output, /nginx-abi-9\.9\.9-1/);
  s.works('refused by apt', true);
});

test('an nginx that the module was not made for waits, or the module goes: nginx works either way', { skip, timeout: 240_000 }, async (t) => {
  const s = await site(t);
  s.install(MODULE);
  // The next nginx, as far as apt can see: Debian's own package with another version and ABI.
  const [version, architecture] = s.sh("dpkg-query -W -f '${Version} ${Architecture}' nginx").split(' ');
  s.write('/root/next/DEBIAN/control', `Package: nginx\nVersion: ${version}.next\nArchitecture: ${architecture}\nMaintainer: nobody <root@localhost>\nDepends: nginx-common\nProvides: httpd, nginx-abi-9.9.9-1\nDescription: the next nginx\n`);
  s.sh('dpkg -L nginx | while read -r file; do if [ -f "$file" ]; then cp --parents -P "$file" /root/next; fi; done');
  s.sh('mkdir /root/repository && dpkg-deb --build /root/next /root/repository/nginx.deb && cd /root/repository && dpkg-scanpackages . >Packages 2>/dev/null');
  s.sh('echo "deb [trusted=yes] file:/root/repository ./" >/etc/apt/only.list');
  const apt = (...args) => s.run('apt-get', '-o', 'Dir::Etc::sourcelist=/etc/apt/only.list', '-o', 'Dir::Etc::sourceparts=/dev/null', '-o', 'APT::Sandbox::User=root', '--yes', ...args);
  assert.equal(apt('update').status, 0);

  const upgrade = apt('upgrade');
  assert.equal(upgrade.status, 0, upgrade.output);
  assert.match(upgrade.output, /kept back:\n\s+nginx/);
  s.works('apt upgrade', true);

  const full = apt('install', 'nginx');
  assert.equal(full.status, 0, full.output);
  assert.match(full.output, new RegExp(`Removing ${MODULE}`));
  assert.equal(s.sh("dpkg-query -W -f '${Version}' nginx"), `${version}.next`);
  s.works('nginx installed all the same', false);
});

/** What systemd would run, as it would: the unit's command, user, group, mask and directories. */
function startService(root) {
  const unit = root.sh('cat /lib/systemd/system/manyhands-sidecar.service').replaceAll('\\\n', ' ');
  const field = (name) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)[1];
  const [user, group, mask] = ['User', 'Group', 'UMask'].map(field);
  for (const [parent, kind] of [['/run', 'Runtime'], ['/var/lib', 'State']]) {
    root.sh(`install -d -m ${field(`${kind}DirectoryMode`)} -o ${user} -g ${group} ${parent}/${field(`${kind}Directory`)}`);
  }
  return root.start('sh', '-c', `umask ${mask}; . ${field('EnvironmentFile').slice(1)}; exec setpriv --reuid ${user} --regid ${group} --clear-groups --no-new-privs --bounding-set -all ${field('ExecStart')}`);
}

test('the service as its unit runs it, and nginx as Debian has it: pages get the tag, files are shared, and each reads what is its own', { skip, timeout: 180_000 }, async (t) => {
  const s = await site(t), origin = `http://127.0.0.1:${s.port}`;
  s.install(MODULE, DAEMON);
  const condition = /^ExecCondition=(.*)$/m.exec(s.sh('cat /lib/systemd/system/manyhands-sidecar.service'))[1];
  const may = () => s.run('sh', '-c', `. /etc/default/manyhands-sidecar; export OPTIONS; ${condition}`).status;
  assert.equal(may(), 1, 'not before it knows the name of the site');
  s.sh(`sed -i 's|^# origin = .*|origin = "${origin}"|' /etc/manyhands/manyhands.toml && sed -i 's|http://127.0.0.1|${origin}|' /etc/default/manyhands-sidecar`);
  s.sh('printf "[admission]\\nrequests = 1\\nprefixes = 1\\n" >>/etc/manyhands/manyhands.toml');
  assert.equal(may(), 0);
  s.sh('head -c 3000000 /dev/urandom >/srv/site/big.zip');
  const service = startService(s);
  s.start('nginx', '-g', 'daemon off;');

  const visit = async () => String((await ask(s.port, '/', { headers: NAVIGATION })).body), log = () => s.sh('tail -n 20 /var/log/nginx/error.log');
  const tagged = await until('the page has the tag', async () => { const page = await visit(); return page.includes(TAG) && page; }, { hint: log });
  assert.equal(tagged.replace(TAG, ''), PAGE);
  await until('the file is shared', async () => {
    await ask(s.port, '/big.zip');
    return (await ask(s.port, `${PREFIX}/torrent/big.zip`)).status === 200;
  }, { hint: log });

  const reads = (user, path) => s.run('setpriv', '--reuid', user, '--regid', user === 'nobody' ? 'nogroup' : user, '--clear-groups', 'cat', path).status === 0;
  const state = (line) => s.sh(`cd /var/lib/manyhands && ${line}`).split('\n').map((file) => `/var/lib/manyhands/${file}`);
  for (const file of state('find nginx assets -type f')) assert.deepEqual([reads('www-data', file), reads('nobody', file)], [true, false], file);
  for (const file of state('ls operator.key')) assert.deepEqual([reads('www-data', file), reads('nobody', file)], [false, false], file);
  assert.match(s.sh('stat -c "%a %U %G" /run/manyhands/sidecar.sock /run/manyhands/sidecar.sock.events'), /^660 manyhands www-data\n660 manyhands www-data$/);
  assert.match(s.sh('manyhands status --config /etc/manyhands/manyhands.toml --state /var/lib/manyhands'), /big\.zip/);

  service.kill('SIGKILL');
  await until('pages go out as they are', async () => (await visit()) === PAGE, { timeout: 10_000 });
  // While nginx runs with it: it goes on with what it has loaded.
  s.remove(MODULE);
  assert.equal(await visit(), PAGE);
  s.works('removed under a running nginx', false);
});

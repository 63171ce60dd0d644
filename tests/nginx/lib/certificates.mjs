// Certificates for one test: an authority, a server's, and a visitor's.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes them in a directory. Paths for nginx, contents for clients. */
export function certificates(dir) {
  const openssl = (...args) => execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  const key = (name) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.pem`];
  openssl('req', '-x509', ...key('authority'), '-days', '2', '-subj', '/CN=authority of the test');
  const signed = (name, extension) => openssl('req', '-x509', ...key(name), '-CA', 'authority.pem', '-CAkey', 'authority.key', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', extension);
  signed('server', 'subjectAltName=IP:127.0.0.1,DNS:site.test');
  signed('visitor', 'extendedKeyUsage=clientAuth');
  const path = (file) => join(dir, file), text = (file) => readFileSync(path(file));
  return {
    server: { certificate: path('server.pem'), key: path('server.key') },
    authority: path('authority.pem'),
    ca: text('authority.pem'),
    visitor: { cert: text('visitor.pem'), key: text('visitor.key') },
  };
}

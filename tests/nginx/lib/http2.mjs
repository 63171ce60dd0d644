// HTTP/2 over TLS, one session a call.
import { connect } from 'node:http2';

/**
 * Several requests at once over one session.
 * @param {number} port
 * @param {Buffer} ca
 * @param {Record<string, string>[]} requests pseudo-header fields included; `:path` is enough
 * @returns {Promise<import('./http.mjs').Answer[]>}
 */
export async function ask2(port, ca, requests) {
  const session = connect(`https://127.0.0.1:${port}`, { ca });
  try {
    return await Promise.all([
      ...requests.map((headers) => new Promise((resolve, reject) => {
        session.on('error', reject);
        const stream = session.request(headers), chunks = [];
        let head;
        stream.on('response', (fields) => { head = fields; });
        stream.on('data', (chunk) => chunks.push(chunk)).on('error', reject);
        stream.on('close', () => {
          const body = Buffer.concat(chunks), { ':status': status, ...fields } = head ?? {};
          if (stream.rstCode) return reject(new Error(`${headers[':path']}: reset with ${stream.rstCode}`));
          const answer = { status, headers: Object.entries(fields).map(([name, value]) => [name, String(value)]), body };
          const length = fields['content-length'];
          if (headers[':method'] !== 'HEAD' && length !== undefined && Number(length) !== body.length) return reject(new Error(`${headers[':path']}: ${body.length} of ${length} octets`));
          resolve(answer);
        });
        stream.end();
      })),
    ]);
  } finally {
    session.close();
  }
}

// Makes the pictures of docs/dashboard.md from the sample pages: `node tests/browser/screenshots.mjs [directory]`, from the repository.
// The pages are rendered from crates/server/src/operator/samples.rs, see docs/dashboard.md.
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { chromiumPath } from './lib/browser.mjs';

const pages = fileURLToPath(new URL('../vectors/pages/', import.meta.url));
const out = process.argv[2] ?? fileURLToPath(new URL('../../docs/images/', import.meta.url));
const PICTURES = [
  ...['dashboard', 'report'].flatMap((page) => [['phone', 390, 1_300], ['desktop', 1_120, 1_260]]
    .flatMap(([device, width, height]) => ['light', 'dark'].map((colorScheme) => ({ page, name: `${page}-${device}-${colorScheme}`, width, height, colorScheme })))),
  { page: 'dashboard-early', name: 'dashboard-early', width: 1_120, height: 420, colorScheme: 'light' },
];
/** A picture in the documentation must not outweigh it. */
const MOST = 200_000;

const profile = await mkdtemp(join(tmpdir(), 'manyhands-'));
const browser = await chromium.launch({ executablePath: chromiumPath(), args: ['--no-sandbox', '--disable-gpu'] });
for (const { page: name, name: picture, width, height, colorScheme } of PICTURES) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme });
  await page.goto(pathToFileURL(join(pages, `${name}.html`)).href);
  // As it looks while it is live; a file can't be.
  await page.evaluate(() => { const updated = document.getElementById('updated'); if (updated) updated.textContent = 'Live, 20:50:04'; });
  const path = join(out, `${picture}.png`);
  await page.screenshot({ path });
  const { size } = await stat(path);
  if (size > MOST) throw new Error(`${picture}.png has ${size} bytes`);
  console.log(`${picture}.png ${size}`);
  await page.close();
}
// What comes out of a printer, as a page count: a board reads two sheets.
const page = await browser.newPage();
await page.goto(pathToFileURL(join(pages, 'report.html')).href);
const pdf = await page.pdf({ preferCSSPageSize: true, path: join(profile, 'report.pdf') });
console.log(`report on paper: ${pdf.toString('latin1').match(/\/Type\s*\/Page\b/g).length} sheets of A4`);
await browser.close();
await rm(profile, { recursive: true, force: true });

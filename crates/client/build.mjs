// Bundles ts/ into assets/, byte for byte the same wherever it runs, and notes what it was built from.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

/** Files below a folder, as sorted paths relative to this one, with slashes. */
const files = (folder) =>
  readdirSync(join(here, folder), { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? files(`${folder}/${entry.name}`) : [`${folder}/${entry.name}`]))
    .sort();

/** SHA-256 over "path NUL content NUL" of every source, in byte order of the paths. `src/lib.rs` computes the same. */
export const digest = () => {
  const hash = createHash("sha256");
  for (const path of [...files("ts"), "build.mjs", "package-lock.json"].sort()) hash.update(`${path}\0`).update(readFileSync(join(here, path))).update("\0");
  return hash.digest("hex");
};

export const bundle = async (entry, format) => {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [`ts/${entry}.ts`],
    bundle: true,
    write: false,
    minify: true,
    format,
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
  });
  return result.outputFiles[0].contents;
};

export const ENTRIES = { loader: "iife", client: "esm", sw: "iife", "sw-off": "iife" };

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const [entry, format] of Object.entries(ENTRIES)) writeFileSync(join(here, `assets/${entry}.js`), await bundle(entry, format));
  writeFileSync(join(here, "assets/digest.txt"), `${digest()}\n`);
}

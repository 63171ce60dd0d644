// Bundles ts/ into assets/, byte for byte the same wherever it runs, and notes what it was built from.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

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

/** Each script, what kind it is, and how it knows its own address where `import.meta` does not exist. */
export const ENTRIES = {
  loader: { format: "iife", address: "document.currentScript.src" },
  client: { format: "esm" },
  diagnostics: { format: "esm" },
  sw: { format: "iife", address: "location.href" },
  "sw-off": { format: "iife", address: "location.href" },
};

/** esbuild bundles and shortens, terser after it inlines and folds more: together they make less than either. */
export const bundle = async (entry) => {
  const { format, address } = ENTRIES[entry];
  const { outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: [`ts/${entry}.ts`],
    bundle: true,
    write: false,
    minify: true,
    format,
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    ...(address && { define: { "import.meta.url": address } }),
  });
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2022,
    module: format === "esm",
    toplevel: true,
    compress: { passes: 4, keep_fargs: false, unsafe_arrows: true, unsafe_methods: true, pure_getters: true },
  });
  return Buffer.from(`${code}\n`);
};

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const entry of Object.keys(ENTRIES)) writeFileSync(join(here, `assets/${entry}.js`), await bundle(entry));
  writeFileSync(join(here, "assets/digest.txt"), `${digest()}\n`);
}

// Bundles ts/test/*.test.ts and runs them with Node's own test runner; checks that the committed bundles are up to date.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { bundle, digest, ENTRIES } from "./build.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "manyhands-client-"));
let status = 1;
try {
  const stale = [];
  for (const entry of Object.keys(ENTRIES)) {
    if (Buffer.compare(await bundle(entry), readFileSync(join(here, `assets/${entry}.js`)))) stale.push(`${entry}.js`);
  }
  if (readFileSync(join(here, "assets/digest.txt"), "utf8").trim() !== digest()) stale.push("digest.txt");
  if (stale.length) console.error(`stale in assets/: ${stale.join(", ")}; run npm run build`);
  const tests = readdirSync(join(here, "ts/test")).filter((name) => name.endsWith(".test.ts"));
  await build({
    absWorkingDir: here,
    entryPoints: tests.map((name) => `ts/test/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node18",
    outdir: out,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
  const env = { ...process.env, MANYHANDS_CLIENT: here, MANYHANDS_VECTORS: join(here, "../../tests/vectors") };
  const files = tests.map((name) => join(out, name.replace(/\.ts$/, ".mjs")));
  status = spawnSync(process.execPath, ["--test", ...process.argv.slice(2), ...files], { stdio: "inherit", env }).status || (stale.length ? 1 : 0);
} finally {
  rmSync(out, { recursive: true, force: true });
}
process.exit(status);

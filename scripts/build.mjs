// Bundles the executables into dist/: one self-contained file each, so that start-up reads one file.
// koffi and libsql stay outside: they ship native binaries in their packages.
import { existsSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const entries = { drydock: "src/cli/main.ts", world: "src/world/main.ts", bench: "bench/main.ts" };
const entryPoints = Object.fromEntries(Object.entries(entries).filter(([, file]) => existsSync(file)));
// Another folder for a second build beside the first.
const outdir = process.argv[2] ?? "dist";
await rm(outdir, { recursive: true, force: true });
await build({
  entryPoints,
  outdir,
  outExtension: { ".js": ".mjs" },
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  sourcemap: "linked",
  // Loading takes as long as there is text; names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  external: ["koffi", "libsql"],
  // Bundled CommonJS packages expect `require`.
  banner: {
    js: '#!/usr/bin/env node\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
await writeFile(`${outdir}/.built`, "");

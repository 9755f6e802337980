// Bundles the executables into dist/: for each one file, a launcher that runs it, and V8's code cache of it, without which a start parses a megabyte first.
// koffi and libsql stay outside: they ship native binaries in their packages.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build } from "esbuild";

const root = join(import.meta.dirname, "..");
// Another folder for a second build beside the first.
const outdir = process.argv[2] ?? "dist";
const common = {
  outdir,
  bundle: true,
  platform: "node",
  target: "node20",
  logLevel: "warning",
  // Loading takes as long as there is text; names stay, for stack traces.
  minifySyntax: true,
  minifyWhitespace: true,
  external: ["koffi", "libsql"],
};
const shebang = { js: "#!/usr/bin/env node" };

await rm(outdir, { recursive: true, force: true });
await Promise.all([
  build({
    ...common,
    entryPoints: { drydock: "src/cli/main.ts", world: "src/world/main.ts" },
    format: "cjs",
    outExtension: { ".js": ".cjs" },
    sourcemap: "linked",
    charset: "ascii",
    define: { "import.meta.url": "__url" },
    banner: { js: 'const __url = require("node:url").pathToFileURL(__filename).href;' },
  }),
  build({
    ...common,
    entryPoints: { drydock: "scripts/launcher.mjs", world: "scripts/launcher.mjs" },
    format: "esm",
    outExtension: { ".js": ".mjs" },
    banner: shebang,
  }),
  build({
    ...common,
    entryPoints: { bench: "bench/main.ts" },
    format: "esm",
    outExtension: { ".js": ".mjs" },
    sourcemap: "linked",
    // Bundled CommonJS packages expect `require`.
    banner: {
      js: `${shebang.js}\nimport { createRequire as __createRequire } from "node:module";\nconst require = __createRequire(import.meta.url);`,
    },
  }),
]);

// A cache holds what was compiled when it is written, and V8 takes it only when it runs with the same flags.
const example = join(root, "examples/two-options/lab.yaml");
const daemonFlags = JSON.parse(readFileSync(join(root, "src/world/daemon-flags.json"), "utf8"));
for (const [name, flags, words] of [
  ["drydock", [], ["plan", example]],
  ["world", daemonFlags, []],
]) {
  spawnSync(process.execPath, [...flags, join(root, "scripts/write-code-cache.mjs"), join(process.cwd(), outdir, `${name}.cjs`), ...words]);
}
await writeFile(join(outdir, ".built"), "");

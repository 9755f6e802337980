// Everything that can be said about the code without running it: types (twice: the pure rooms see no Node), format and lint, floating
// promises, dead code. Prints what fails; exit status 1 when anything does.
import { spawnSync } from "node:child_process";

const checks = [
  ["types", "tsc", []],
  ["types of the pure rooms", "tsc", ["-p", "tsconfig.pure.json"]],
  ["format and lint", "biome", ["check", "."]],
  [
    "type-aware lint",
    "oxlint",
    ["--type-aware", "--quiet", "-D", "typescript/no-floating-promises", "-D", "typescript/no-misused-promises", "src", "test", "bench"],
  ],
  ["dead code", "knip", ["--no-progress"]],
];

let failed = 0;
for (const [name, command, args] of checks) {
  const { status, stdout, stderr, error } = spawnSync(`node_modules/.bin/${command}`, args, {
    encoding: "utf8",
    env: { ...process.env, npm_config_loglevel: "silent" },
  });
  process.stdout.write(`${status === 0 ? "ok    " : "FAILED"} ${name}\n`);
  if (status === 0) continue;
  failed += 1;
  process.stdout.write(`${error ?? ""}${stdout ?? ""}${stderr ?? ""}\n`);
}
process.exitCode = failed === 0 ? 0 : 1;

// Runs a command in a world of its own: an unprivileged user namespace with its own network, mounts and processes, where making namespaces,
// links and rules needs no privileges and touches nothing of the machine's. Everything in it ends with the command.
//
//   node scripts/in-world.mjs node_modules/.bin/vitest run --project kernel
//
// Tests on a real kernel run this way as a whole: vitest itself is inside, so that test files need no wrapper of their own. Where user
// namespaces are refused, root goes without one. Where neither works, it says so and succeeds without running anything, unless CI or
// DRYDOCK_REQUIRE_KERNEL is set: then it fails.
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import koffi from "koffi";

const namespaces = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
const [first, ...rest] = process.argv.slice(2);

if (first === undefined) fail("in-world: no command given");
else if (first === "--inside") inside(rest);
else outside([first, ...rest]);

function outside(command) {
  const tried = [];
  for (const options of [["--user", "--map-root-user", ...namespaces], ...(process.getuid() === 0 ? [namespaces] : [])]) {
    const trial = spawnSync("unshare", [...options, "true"], { encoding: "utf8" });
    if (trial.status === 0) return run("unshare", [...options, process.execPath, import.meta.filename, "--inside", ...command]);
    tried.push(`unshare ${options.join(" ")}: ${trial.error?.message ?? trial.stderr.trim()}`);
  }
  const why = `this machine refuses namespaces, so nothing ran in a world (drydock doctor says what to change):\n  ${tried.join("\n  ")}`;
  if (process.env.CI || process.env.DRYDOCK_REQUIRE_KERNEL) fail(`in-world: ${why}`);
  else process.stderr.write(`in-world: SKIPPED: ${why}\n`);
}

function inside(command) {
  const libc = koffi.load(null);
  const mount = libc.func("int mount(str source, str target, str type, ulong flags, str data)");
  if (mount("drydock", "/run", "tmpfs", 0, null) !== 0) fail(`in-world: can't mount a tmpfs on /run (errno ${koffi.errno()})`);
  mkdirSync("/run/netns");
  // struct ifreq: 16 bytes of name, then the flags; 1 is IFF_UP, 0x8914 is SIOCSIFFLAGS.
  const ioctl = libc.func("int ioctl(int fd, ulong request, const uint8_t *argument)");
  const socket = libc.func("int socket(int domain, int type, int protocol)");
  const request = Buffer.alloc(40);
  request.write("lo");
  request.writeUInt16LE(1, 16);
  if (ioctl(socket(2, 2 | 0o2000000, 0), 0x8914, request) !== 0) fail(`in-world: can't set lo up (errno ${koffi.errno()})`);
  run(command[0], command.slice(1));
}

function run(file, args) {
  const child = spawn(file, args, { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("error", (error) => fail(`in-world: ${file}: ${error.message}`));
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exitCode = 1;
}

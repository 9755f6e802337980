/**
 * Network namespaces by name, where `ip netns` looks for them: bind mounts in /run/netns.
 *
 * Node's main thread goes into a namespace and back within one synchronous call, so that no other code ever runs there. What is made inside
 * (sockets, rule contexts) stays bound to it.
 */

import { createHash } from "node:crypto";
import { closeSync, mkdirSync, openSync, unlinkSync } from "node:fs";
import { checked, lastErrno, libc, linux, SystemError } from "./libc.ts";

const folder = "/run/netns";

/**
 * The file name of a host's namespace, and its name for `ip netns exec`: `node/shop/aks-0` becomes `node~shop~aks-0`. Different hosts get
 * different names of at most 200 bytes.
 */
export function namespaceName(host: string): string {
  let name = host.replaceAll("/", "~");
  // Asked for at each visit of each host, and next to none needs more.
  if (!/^[A-Za-z0-9_.@:+,~-]*$/.test(name) || host.includes("~")) name = escaped(host);
  // No file may be called so, and `ls` hides what starts with a dot.
  if (name.startsWith(".") || name === "") name = `%2E${name.slice(1)}`;
  if (name.length <= 200) return name;
  // `%h` is in no other name: an escape has two hexadecimal digits.
  return `${name.slice(0, 176)}%h${createHash("sha256").update(host).digest("hex").slice(0, 22)}`;
}

function escaped(host: string): string {
  let name = "";
  for (const character of host) {
    if (character === "/") name += "~";
    else if (/^[A-Za-z0-9_.@:+,-]$/.test(character)) name += character;
    else for (const byte of Buffer.from(character)) name += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return name;
}

/** Where a host's namespace is mounted. */
export function namespacePath(host: string): string {
  return `${folder}/${namespaceName(host)}`;
}

/**
 * The namespace in which the main thread is, as an open file: at first the one of the process, which stays open. `undefined` while inside one that
 * is being made.
 */
let here: number | undefined;
let started = false;

function current(): number {
  if (!started) {
    here = openSync("/proc/self/ns/net", "r");
    started = true;
  }
  if (here === undefined) throw new Error("a namespace is being made: its function may not go to another");
  return here;
}

/** Makes the namespace of a host and runs `fn` in it. What was mounted there before is taken off. */
export function makeNamespace<T>(host: string, fn: () => T): T {
  const c = libc();
  const path = namespacePath(host);
  const back = current();
  takeOff(path);
  mkdirSync(folder, { recursive: true });
  closeSync(openSync(path, "w"));
  checked("unshare(CLONE_NEWNET)", c.unshare(linux.CLONE_NEWNET));
  here = undefined;
  try {
    checked(`mount(${path})`, c.mount("/proc/thread-self/ns/net", path, null, linux.MS_BIND, null));
    return fn();
  } finally {
    goBack(back);
  }
}

/** Takes the name off. The namespace ends with its last socket and process. */
export function removeNamespace(host: string): void {
  takeOff(namespacePath(host));
}

function takeOff(path: string): void {
  if (libc().umount2(path, linux.MNT_DETACH) < 0) {
    const errno = lastErrno();
    if (errno === linux.ENOENT) return;
    // EINVAL: a file that is no mount.
    if (errno !== 22) throw new SystemError(`umount(${path})`, errno);
  }
  unlinkSync(path);
}

/** An open file of the namespace, for messages that name another namespace. Close it. */
export function openNamespace(host: string): number {
  return openSync(namespacePath(host), "r");
}

/** Runs `fn` in the namespace of a host. `fn` must be synchronous: what it defers runs at home. */
export function within<T>(host: string, fn: () => T): T {
  const back = current();
  const fd = openNamespace(host);
  try {
    checked(`setns(${host})`, libc().setns(fd, linux.CLONE_NEWNET));
    here = fd;
    try {
      return fn();
    } finally {
      goBack(back);
    }
  } finally {
    closeSync(fd);
  }
}

/** Not coming back would let everything else run in the wrong network: nothing can go on after that. */
function goBack(fd: number): void {
  if (libc().setns(fd, linux.CLONE_NEWNET) === 0) {
    here = fd;
    return;
  }
  process.stderr.write(`drydock: can't return from a namespace: ${new SystemError("setns", lastErrno()).message}\n`);
  process.abort();
}

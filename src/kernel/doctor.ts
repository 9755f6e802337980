/**
 * What this machine can do for a running lab. Each check says what it looked at, what it found, why that matters and how to change it. Nothing on
 * the machine is changed: what only a try can tell is tried in a namespace that ends at once.
 */

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { findProgram, searchPath } from "./programs.ts";

export type Check = {
  readonly name: string;
  readonly ok: boolean;
  /** False: labs run without it, but something is missing. */
  readonly required: boolean;
  readonly found: string;
  /** What needs it. */
  readonly why: string;
  /** What to do when it is not ok; a command where there is one. */
  readonly fix: string;
};

/** All checks, in an order in which the first that fails explains those after it. */
export function diagnose(): readonly Check[] {
  if (process.platform !== "linux") {
    return [
      {
        name: "Linux",
        ok: false,
        required: true,
        found: process.platform,
        why: "a running lab is made of Linux network namespaces; plan, trace, show and check --model work here",
        fix: "run labs on Linux, for example in a virtual machine",
      },
    ];
  }
  const world = tryWorld();
  return [
    kernelVersion(),
    ...userNamespaces(world),
    ...["nft", "ip", "unshare", "nsenter"].map((name) => program(name, true)),
    program("tcpdump", false),
    ...abilities(world),
    neighbourTable(),
  ];
}

/** Kernel 5.13: concatenated ranges, catch-all elements and bridge flags as the rules of labs use them. */
function kernelVersion(): Check {
  const found = release();
  const [major = 0, minor = 0] = found.split(".").map((part) => Number.parseInt(part, 10));
  return {
    name: "kernel version",
    ok: major > 5 || (major === 5 && minor >= 13),
    required: true,
    found,
    why: "labs use what nftables, bridges and veth can do since 5.13",
    fix: "use a distribution with Linux 5.13 or later (Debian 12, Ubuntu 22.04)",
  };
}

/** What a try in a new user and network namespace told. */
type World = { readonly error?: string; readonly can: ReadonlySet<string> };

const abilitiesTried = ["veth", "bridge", "nat", "policy routing", "conntrack"] as const;

/** A shell in namespaces of its own makes one of each thing; nothing of it outlives the shell. */
function tryWorld(): World {
  const script = [
    "ip link add d0 type veth peer name d1 && echo veth",
    "ip link add d2 type bridge && ip link set d1 master d2 && ip link set d1 type bridge_slave isolated on && echo bridge",
    "nft 'add table ip d; add chain ip d c { type nat hook postrouting priority 100; }; add rule ip d c masquerade' && echo nat",
    "ip rule add priority 100 fwmark 1 table 4294967295 && echo 'policy routing'",
    "nft 'add chain ip d f { type filter hook forward priority 0; }; add rule ip d f ct mark set ct mark' && echo conntrack",
    "true",
  ].join("\n");
  const attempts = [["--user", "--map-root-user", "--net"], ...(process.getuid?.() === 0 ? [["--net"]] : [])];
  let error = "";
  for (const options of attempts) {
    try {
      const output = execFileSync("unshare", [...options, "sh", "-c", script], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
        env: { ...process.env, LC_ALL: "C", PATH: searchPath().join(":") },
        timeout: 10_000,
      });
      return { can: new Set(output.split("\n")) };
    } catch (cause) {
      const stderr = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
      error = stderr === "" ? (cause instanceof Error ? cause.message : String(cause)) : (stderr.split("\n")[0] ?? "");
    }
  }
  return { error, can: new Set() };
}

function userNamespaces(world: World): readonly Check[] {
  const root = process.getuid?.() === 0;
  const asRoot = root ? "" : ", or run as root";
  const checks: Check[] = [
    {
      name: "namespaces",
      ok: world.error === undefined,
      required: true,
      found: world.error ?? "a user and network namespace could be made",
      why: "a lab lives in a user namespace of its own: it needs no privileges and leaves nothing behind",
      fix: `see the checks below${asRoot}; in a container, allow the system calls unshare, mount and setns`,
    },
  ];
  const sysctl = (path: string, bad: (value: string) => boolean, why: string, fix: string): void => {
    const value = readSysctl(path);
    if (value === undefined) return;
    const name = path.replaceAll("/", ".");
    checks.push({ name, ok: !bad(value), required: world.error !== undefined, found: `${name} = ${value}`, why, fix: `${fix}${asRoot}` });
  };
  sysctl(
    "kernel/apparmor_restrict_unprivileged_userns",
    (value) => value !== "0" && !root,
    "recent Ubuntu gives ordinary users namespaces without rights in them",
    "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
  );
  sysctl(
    "kernel/unprivileged_userns_clone",
    (value) => value === "0" && !root,
    "older Debian can forbid ordinary users to make user namespaces",
    "sudo sysctl -w kernel.unprivileged_userns_clone=1",
  );
  sysctl(
    "user/max_user_namespaces",
    (value) => Number(value) < 1,
    "0 forbids user namespaces to all",
    "sudo sysctl -w user.max_user_namespaces=15000",
  );
  sysctl(
    "user/max_net_namespaces",
    (value) => Number(value) < 100,
    "every host of a lab is a network namespace",
    "sudo sysctl -w user.max_net_namespaces=15000",
  );
  return checks;
}

function readSysctl(path: string): string | undefined {
  const file = join("/proc/sys", path);
  return existsSync(file) ? readFileSync(file, "utf8").trim() : undefined;
}

const packages: Readonly<Record<string, string>> = {
  nft: "nftables",
  ip: "iproute2",
  unshare: "util-linux",
  nsenter: "util-linux",
  tcpdump: "tcpdump",
};

const purposes: Readonly<Record<string, string>> = {
  nft: "reading the rules that are in force",
  ip: "`drydock exec` enters a host with it",
  unshare: "makes the lab's world",
  nsenter: "`drydock exec` enters the lab's world with it",
  tcpdump: "`drydock capture`",
};

function program(name: string, required: boolean): Check {
  const found = findProgram(name);
  return {
    name,
    ok: found !== undefined,
    required,
    found: found ?? "not found",
    why: purposes[name] ?? "",
    fix: `sudo apt-get install ${packages[name] ?? name}`,
  };
}

function abilities(world: World): readonly Check[] {
  const modules = { veth: "veth", bridge: "bridge", nat: "nft_masq", "policy routing": "", conntrack: "nft_ct" } as const;
  return abilitiesTried.map((name) => ({
    name,
    ok: world.can.has(name),
    required: true,
    found: world.can.has(name) ? "works" : (world.error ?? "refused"),
    why: "tried in a namespace of its own",
    fix: modules[name] === "" ? "use a kernel with CONFIG_IP_MULTIPLE_TABLES" : `load the kernel's module: sudo modprobe ${modules[name]}`,
  }));
}

/**
 * The neighbour (ARP) table is one for all namespaces of a machine, and holds gc_thresh3 entries, 1024 by default (net/core/neighbour.c). Labs
 * can't change it from inside.
 */
function neighbourTable(): Check {
  const limit = readSysctl("net/ipv4/neigh/default/gc_thresh3");
  return {
    name: "neighbour table",
    ok: limit === undefined || Number(limit) >= 8192,
    required: false,
    found: limit === undefined ? "not to be seen from here" : `net.ipv4.neigh.default.gc_thresh3 = ${limit}`,
    why: "all hosts of all labs share it: with more than about 500 that talk at once, packets wait or get lost",
    fix: "for large labs: sudo sysctl -w net.ipv4.neigh.default.gc_thresh2=16384 net.ipv4.neigh.default.gc_thresh3=32768",
  };
}

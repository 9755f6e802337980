/**
 * The kernel settings of a host: files under /proc/sys, written while inside its namespace.
 *
 * A fresh namespace copies IPv4's from the machine's first one (net.core.devconf_inherit_init_net), where distributions set what they like. So
 * everything that decides about a packet is said here, and what a fresh namespace has already is not written again.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Host, InterfaceName } from "../ir/network.ts";
import { libc, linux } from "./libc.ts";

/** Path below /proc/sys/net, and value. */
export type Settings = ReadonlyMap<string, string>;

/**
 * A proc file system of our own, mounted anew after so many namespaces.
 *
 * The kernel keeps an entry per namespace and file under one and the same name, and finds it by walking all of them: with 1,000 namespaces an
 * open takes 0.2 ms instead of 20 µs, and 5,000 take five times that. A mount of our own has a list of its own, which ends with it.
 */
const procFolder = "/run/drydock-proc";
const namespacesPerMount = 100;

const commonBase = "/proc/sys/net/";
let base = commonBase;
let opened = 0;

/** Call once in each namespace that was made, before its settings are touched. */
export function prepareSettings(): void {
  if (base !== commonBase && ++opened % namespacesPerMount !== 0) return;
  releaseSettings();
  mkdirSync(procFolder, { recursive: true });
  // Refused where /proc itself is covered in part, as in some containers: then the common one serves, only slower.
  if (libc().mount("proc", procFolder, "proc", 0, null) === 0) base = `${procFolder}/sys/net/`;
}

/** Unmounts what {@link prepareSettings} mounted. */
export function releaseSettings(): void {
  if (base !== commonBase) libc().umount2(procFolder, linux.MNT_DETACH);
  base = commonBase;
}

/** Everywhere. `all` and `default`, since some settings are the larger of `all` and the interface's own. */
const everywhere: readonly (readonly [string, string])[] = [
  ...["all", "default"].flatMap((scope) =>
    ["rp_filter", "proxy_arp", "arp_ignore", "arp_announce", "arp_filter", "accept_local", "src_valid_mark"].map(
      (name) => [`ipv4/conf/${scope}/${name}`, "0"] as const,
    ),
  ),
  // A lab asks questions faster than the Internet does. No type of ICMP counts towards a limit: neither the one per destination nor the one of the whole namespace.
  ["ipv4/icmp_ratelimit", "0"],
  ["ipv4/icmp_ratemask", "0"],
  // For interfaces to come: those with an IPv6 address turn it on. `lo` is there already and keeps ::1.
  ["ipv6/conf/default/disable_ipv6", "1"],
];

/** Order matters: writing ip_forward resets others. */
export function hostSettings(host: Host): Settings {
  const settings = new Map<string, string>([["ipv4/ip_forward", host.forwarding ? "1" : "0"]]);
  for (const [path, value] of everywhere) settings.set(path, value);
  for (const scope of ["all", "default"]) {
    // A router sends redirects unless told otherwise, and accepts none; a host the other way round.
    settings.set(`ipv4/conf/${scope}/${host.forwarding ? "send_redirects" : "accept_redirects"}`, "0");
  }
  if (host.interfaces.some((link) => link.kind === "bridge")) {
    // Present when the module br_netfilter is: bridged packets would pass the rules twice.
    for (const name of ["iptables", "ip6tables", "arptables"]) settings.set(`bridge/bridge-nf-call-${name}`, "0");
  }
  if (ipv6Interfaces(host).size > 0) {
    settings.set("ipv6/conf/all/forwarding", host.forwarding ? "1" : "0");
    settings.set("ipv6/icmp/ratelimit", "0");
    for (const name of ["accept_ra", "accept_redirects", "accept_dad", "dad_transmits", "autoconf"]) {
      settings.set(`ipv6/conf/default/${name}`, "0");
    }
  }
  return settings;
}

/** Interfaces that something of IPv6 stands on. */
export function ipv6Interfaces(host: Host): ReadonlySet<InterfaceName> {
  const found = new Set<InterfaceName>();
  for (const link of host.interfaces) if (link.addresses.some(({ address }) => address.includes(":"))) found.add(link.name);
  for (const route of host.routes) if ("dev" in route && route.dst.includes(":")) found.add(route.dev);
  for (const neighbour of host.neighbours) if (neighbour.address.includes(":")) found.add(neighbour.dev);
  return found;
}

/** What a fresh namespace says, read in one. */
export function readSettings(paths: Iterable<string>): Settings {
  const found = new Map<string, string>();
  for (const path of paths) {
    const value = readSetting(path);
    if (value !== undefined) found.set(path, value);
  }
  return found;
}

/** `undefined` when this kernel has no such setting. */
export function readSetting(path: string): string | undefined {
  try {
    return readFileSync(base + path, "utf8").trim();
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Writes in the current namespace. False when this kernel has no such setting. */
export function writeSetting(path: string, value: string): boolean {
  try {
    writeFileSync(base + path, value);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

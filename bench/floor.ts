/**
 * The kernel's own floor: what `ip -batch` needs for the same number of namespaces, links, addresses and routes as a lab.
 *
 * Strict on purpose: `ip` configures other namespaces only by one process each, which would flatter us; so addresses and routes are timed on as
 * many interfaces of one namespace, in one batch. Runs inside a world of its own.
 */

import { spawnSync } from "node:child_process";

export type Floor = {
  readonly namespacesMs: number;
  readonly linksMs: number;
  readonly addressesMs: number;
  readonly totalMs: number;
  readonly teardownMs: number;
};

/** `pods` namespaces, each with a veth to a bridge port on one of `nodes`, an address and a default route. */
export function measureFloor(nodes: number, pods: number): Floor {
  const podNames = Array.from({ length: pods }, (_, index) => `floor-p${index}`);
  const nodeNames = Array.from({ length: nodes }, (_, index) => `floor-n${index}`);
  const nodeOf = (index: number) => nodeNames[index % nodes] ?? "";

  const namespacesMs = batch([...nodeNames, ...podNames].map((name) => `netns add ${name}`));
  let linksMs = batch(podNames.map((name, index) => `link add v${index} netns ${nodeOf(index)} type veth peer name eth0 netns ${name}`));
  for (const node of nodeNames) {
    const own = podNames.flatMap((_, index) => (nodeOf(index) === node ? [`link set v${index} master br0 up`] : []));
    linksMs += batch(["link add br0 type bridge", "link set br0 up", ...own], node);
  }
  // The same number of addresses and routes, without a process for each namespace.
  batch(["netns add floor-flat"]);
  batch(
    podNames.flatMap((_, index) => [`link add a${index} type veth peer name b${index}`]),
    "floor-flat",
  );
  const address = (index: number) => `10.${(index >> 14) & 255}.${(index >> 6) & 255}.${(index & 63) * 4 + 1}`;
  const addressesMs = batch(
    podNames.flatMap((_, index) => [
      `link set a${index} up`,
      `addr add ${address(index)}/32 dev a${index}`,
      `route add default dev a${index} table ${index + 1000}`,
    ]),
    "floor-flat",
  );
  const teardownMs = batch([...podNames, ...nodeNames].map((name) => `netns del ${name}`));
  batch(["netns del floor-flat"]);
  return { namespacesMs, linksMs, addressesMs, totalMs: namespacesMs + linksMs + addressesMs, teardownMs };
}

/** Milliseconds that one `ip -batch` takes. */
function batch(lines: readonly string[], namespace?: string): number {
  const started = performance.now();
  const { status, stderr } = spawnSync("ip", [...(namespace === undefined ? [] : ["-n", namespace]), "-batch", "-"], {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  if (status !== 0) throw new Error(`ip -batch: ${stderr.slice(0, 400)}`);
  return performance.now() - started;
}

/** Mininet's own time for one switch and `hosts` hosts, in milliseconds; `null` where it is not installed or cannot run. */
export function measureMininet(hosts: number): number | null {
  const started = performance.now();
  const { status } = spawnSync("mn", ["--topo", `single,${hosts}`, "--controller", "none", "--switch", "lxbr", "--test", "none"], {
    encoding: "utf8",
  });
  return status === 0 ? performance.now() - started : null;
}

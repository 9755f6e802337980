/**
 * Every address and prefix that a resource writes down, as opposed to those that were given out to machines and pods. Rules and routes can tell two
 * addresses apart only by something that is written: so addresses between which nothing is written are alike.
 *
 * The resources are read as text, property by property, so that a property that is new to the compiler is not forgotten here.
 */

import type { RouteTable } from "../arm/resources.ts";
import { ipv6Half } from "../compile/ipv6/half.ts";
import type { Topology } from "../compile/topology.ts";
import { type Address, ipv4Number, parseAddress } from "../net/address.ts";
import { addressOf, hostPrefix, lengthOf, type Prefix, parseLoosePrefix, prefixCovers, prefixFamily } from "../net/prefix.ts";
import { PrefixTrie } from "../net/prefix-trie.ts";
import { armBucket, kubeBucket, type Resource, type Resources } from "../resources/resources.ts";

/**
 * Addresses by what is written around them. Prefixes are nested or apart, so the longest one that holds an address says which others hold it: two
 * addresses with the same longest prefix are in the same ones.
 */
export class Regions {
  readonly #trie = new PrefixTrie<number>();

  constructor(prefixes: Iterable<Prefix>) {
    for (const [index, prefix] of [...new Set(prefixes)].sort().entries()) this.#trie.set(prefix, index);
  }

  /** The same number for addresses that nothing tells apart. */
  of(address: Address): number {
    return this.#trie.lookup(address)?.value ?? -1;
  }
}

/** What says where machines and pods are, node by node or pod by pod, and nothing besides. */
const givenOut = new Set([
  "microsoft.compute/virtualmachinescalesets/virtualmachines",
  "microsoft.compute/virtualmachinescalesets/virtualmachines/networkinterfaces",
  "microsoft.containerinstance/containergroups",
  "microsoft.network/networkinterfaces",
  "microsoft.network/routetables",
  "drydock.lab/documents",
  "drydock.lab/ipamstates",
  "drydock.lab/leakedaddresses",
]);

/** What of a design's resources is written, and which of its ends that tells apart. */
export class Written {
  readonly #resources: Resources;
  readonly #topology: Topology;
  readonly #prefixes: ReadonlySet<Prefix>;
  readonly #blocks: readonly Prefix[];
  /** Addresses as rules and routes of any kind but network policies see them. */
  readonly ofRules: Regions;
  /** … and as all rules do. */
  readonly all: Regions;
  #ends: Ends;

  /** `blocks`: those of network policies. */
  constructor(resources: Resources, topology: Topology, blocks: readonly Prefix[], before?: Written) {
    this.#resources = resources;
    this.#topology = topology;
    this.#blocks = blocks;
    this.#prefixes = writtenPrefixes(resources, topology);
    this.ofRules = before?.ofRules ?? new Regions(this.#prefixes);
    this.all = before?.all ?? new Regions([...this.#prefixes, ...blocks]);
    this.#ends = before === undefined ? new Ends() : before.#ends;
  }

  /** Takes notice of an end's address. */
  count(address: Address): void {
    this.#ends.add(address);
  }

  /**
   * What is written of a later version of the resources. `undefined` when something else has changed than rules and routes, or when those tell ends apart
   * that were alike, or no longer tell ends apart that were not. Regions stay as they were: they are told apart by the same ends.
   */
  after(resources: Resources, topology: Topology): Written | undefined {
    const buckets = new Set([...this.#resources.buckets(), ...resources.buckets()]);
    const changed = [...buckets].filter((bucket) => this.#resources.list(bucket) !== resources.list(bucket));
    const isPolicies = (bucket: string) => bucket.startsWith("/") && bucket.endsWith("/NetworkPolicy");
    const ofRules = changed.filter((bucket) => !isPolicies(bucket));
    if (!ofRules.every((bucket) => rulesAndRoutes.has(bucket))) return undefined;
    return ofRules.length === 0 ? this : this.#afterRules(resources, topology);
  }

  #afterRules(resources: Resources, topology: Topology): Written | undefined {
    // A node's own routes say where its pods are, and a fault names a route.
    if (topology.faults.length > 0 || nodeRoutesIn(this.#topology) !== nodeRoutesIn(topology)) return undefined;
    const after = new Written(resources, topology, this.#blocks, this);
    for (const others of [[], this.#blocks]) {
      const either = [...this.#prefixes, ...after.#prefixes, ...others];
      for (const one of [this, after]) {
        // One by one, since of two that say the same each may go, and not both.
        const left = new Set(either);
        for (const prefix of either) {
          if (one.#prefixes.has(prefix) || others.includes(prefix) || !left.delete(prefix)) continue;
          if (this.#ends.areToldApartBy(prefix, [...left])) return undefined;
        }
      }
    }
    return after;
  }
}

/** What may change without anybody being somewhere else. */
const rulesAndRoutes = new Set(["microsoft.network/routetables", "microsoft.network/networksecuritygroups"]);

/** The addresses of all ends. */
class Ends {
  readonly #added: number[] = [];
  #sorted: Float64Array | undefined;
  #hasIpv6 = false;

  add(address: Address): void {
    const number = ipv4Number(address);
    if (number === undefined) this.#hasIpv6 = true;
    else this.#added.push(number);
    this.#sorted = undefined;
  }

  /** Beside the `others`: are some of those that nothing longer holds in `prefix`, and some around it? In IPv6 addresses are not counted: perhaps. */
  areToldApartBy(prefix: Prefix, others: readonly Prefix[]): boolean {
    if (prefixFamily(prefix) === 6) return this.#hasIpv6;
    const [closest] = others.filter((other) => prefixCovers(other, prefix)).sort((a, b) => lengthOf(b) - lengthOf(a));
    const inside = this.#bare(prefix, others);
    return inside > 0 && this.#bare(closest, others) > inside;
  }

  /** How many of `prefix` (or of all) are in none of the `others` in it. */
  #bare(prefix: Prefix | undefined, others: readonly Prefix[]): number {
    const within = others.filter(
      (other) =>
        prefixFamily(other) === 4 &&
        other !== prefix &&
        (prefix === undefined || (lengthOf(other) > lengthOf(prefix) && prefixCovers(prefix, other))),
    );
    const outermost = [...new Set(within)].filter(
      (one) => !within.some((other) => lengthOf(other) < lengthOf(one) && prefixCovers(other, one)),
    );
    return outermost.reduce((count, one) => count - this.#count(one), this.#count(prefix));
  }

  #count(prefix: Prefix | undefined): number {
    this.#sorted ??= Float64Array.from(this.#added).sort();
    if (prefix === undefined) return this.#sorted.length;
    const first = ipv4Number(addressOf(prefix)) ?? 0;
    return this.#below(first + 2 ** (32 - lengthOf(prefix))) - this.#below(first);
  }

  #below(limit: number): number {
    const sorted = this.#sorted ?? new Float64Array();
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((sorted[middle] ?? 0) < limit) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const nodeRouteTexts = new WeakMap<Topology, string>();

/** The routes to nodes' own pods that tables have, as text. */
function nodeRoutesIn(topology: Topology): string {
  let text = nodeRouteTexts.get(topology);
  if (text === undefined) {
    const nodes = nodeRoutes(topology);
    const tables = topology.vnets.flatMap(({ subnets }) =>
      subnets.map(({ key, routeTable }) => ({ key, routes: routeTable?.properties.routes ?? [] })),
    );
    text = tables
      .flatMap(({ key, routes }) =>
        routes.flatMap(({ properties: { addressPrefix, nextHopIpAddress } }) =>
          nodes.has(addressPrefix) ? [`${key} ${addressPrefix} ${nextHopIpAddress}`] : [],
        ),
      )
      .join("\n");
    nodeRouteTexts.set(topology, text);
  }
  return text;
}

/** All but those of network policies, which a pod is compared with by itself. */
function writtenPrefixes(resources: Resources, topology: Topology): ReadonlySet<Prefix> {
  const found = new Set<Prefix>();
  const kubernetes = [...topology.clusters.keys()].flatMap((cluster) => ["Service", "ConfigMap"].map((kind) => kubeBucket(cluster, kind)));
  for (const bucket of resources.buckets()) {
    if (bucket.startsWith("/") ? !kubernetes.includes(bucket) : givenOut.has(bucket)) continue;
    for (const resource of resources.list(bucket)) for (const prefix of prefixesIn(resource)) found.add(prefix);
  }
  // A bucket holds resources of its type only: keys and values are written together.
  const tables = resources.list(armBucket("Microsoft.Network/routeTables")) as readonly unknown[] as readonly RouteTable[];
  for (const table of tables) for (const prefix of ownRoutes(table, topology)) found.add(prefix);
  return found;
}

/** Routes that are not just the one way to a node's pods. */
function ownRoutes({ properties }: RouteTable, topology: Topology): readonly Prefix[] {
  const nodes = nodeRoutes(topology);
  return properties.routes.flatMap((route) => {
    const { addressPrefix, nextHopIpAddress } = route.properties;
    return nodes.get(addressPrefix) === nextHopIpAddress ? [] : prefixesIn([addressPrefix, nextHopIpAddress]);
  });
}

const routesOf = new WeakMap<Topology, ReadonlyMap<string, string>>();

/** For each node's pod prefix the node's address. */
function nodeRoutes(topology: Topology): ReadonlyMap<string, string> {
  let routes = routesOf.get(topology);
  if (routes === undefined) {
    const clusters = [...topology.clusters.values(), ...(ipv6Half(topology)?.clusters.values() ?? [])];
    const nodes = clusters.flatMap((cluster) => [...cluster.nodes.values()]);
    routes = new Map(nodes.flatMap(({ podCidr, nic }) => (podCidr === undefined ? [] : [[podCidr, nic.primary] as const])));
    routesOf.set(topology, routes);
  }
  return routes;
}

const known = new WeakMap<Resource, readonly Prefix[]>();

function prefixesIn(value: unknown): readonly Prefix[] {
  if (typeof value === "string") return prefixesOfText(value);
  if (typeof value !== "object" || value === null) return [];
  const before = known.get(value as Resource);
  if (before !== undefined) return before;
  const found = Object.values(value).flatMap(prefixesIn);
  known.set(value as Resource, found);
  return found;
}

function prefixesOfText(text: string): readonly Prefix[] {
  // Ids are by far the most strings.
  if (text.startsWith("/subscriptions/")) return [];
  return text.split(/[\s,;"'[\]]+/).flatMap((word) => {
    if (!/^[0-9a-fA-F]*[.:]/.test(word)) return [];
    const address = parseAddress(word);
    return address === undefined ? (parseLoosePrefix(word) ?? []) : hostPrefix(address);
  });
}

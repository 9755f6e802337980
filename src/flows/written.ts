/**
 * Every address and prefix that a resource writes down, as opposed to those that were given out to machines and pods. Rules and routes can tell two
 * addresses apart only by something that is written: so addresses between which nothing is written are alike.
 *
 * The resources are read as text, property by property, so that a property that is new to the compiler is not forgotten here.
 */

import type { RouteTable } from "../arm/resources.ts";
import type { Topology } from "../compile/topology.ts";
import { type Address, parseAddress } from "../net/address.ts";
import { hostPrefix, type Prefix, parseLoosePrefix } from "../net/prefix.ts";
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

/** All but those of network policies, which a pod is compared with by itself. */
export function writtenPrefixes(resources: Resources, topology: Topology): ReadonlySet<Prefix> {
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
export function nodeRoutes(topology: Topology): ReadonlyMap<string, string> {
  let routes = routesOf.get(topology);
  if (routes === undefined) {
    const nodes = [...topology.clusters.values()].flatMap((cluster) => [...cluster.nodes.values()]);
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

/**
 * A design with another network option for one of its clusters: what must change in the documents' resources, and the address space that it takes,
 * chosen where the design leaves it open. Every choice is told. Whether the result is valid is Azure's rules' business (`checkAzure`), which are
 * also asked how large a subnet must be: there is no second arithmetic here.
 */

import { clusterDefaults, maxPodsRange, type RuleSet } from "../arm/limits.ts";
import { type ManagedNetworkOption, networkOption, optionNames } from "../arm/network-option.ts";
import { newProblems, poolWith, profileWith } from "../arm/other-option.ts";
import type { AgentPool, AzureResource, ManagedCluster, Subnet } from "../arm/resources.ts";
import { checkAzure } from "../arm/rules/index.ts";
import type { ArmProblem } from "../arm/rules/problem.ts";
import { azureView, parentOf, sameId } from "../arm/rules/view.ts";
import type { Documents } from "../lab/index.ts";
import { addressFrom, addressValue } from "../net/address.ts";
import {
  addressOf,
  lastAddressOf,
  lengthOf,
  mustPrefix,
  type Prefix,
  parseLoosePrefix,
  prefixCovers,
  prefixesOverlap,
  prefixOf,
} from "../net/prefix.ts";
import { armKey } from "../resources/resources.ts";

export type Converted = {
  readonly documents: Documents;
  /** What was chosen or changed beside the option itself. Sentences without a final full stop. */
  readonly chosen: readonly string[];
  /** Errors that the design did not have before: with them, there is no such design. */
  readonly problems: readonly ArmProblem[];
};

/** The documents with `option` for `cluster`. The same documents when it has that option already. */
export function withOption(documents: Documents, cluster: ManagedCluster, option: ManagedNetworkOption): Converted {
  const azure = documents.flatMap(({ value }) => (isAzure(value) ? [value] : []));
  const pools = azureView(azure).poolsOf(cluster);
  if (networkOption(cluster.properties.networkProfile, pools) === option) return { documents, chosen: [], problems: [] };
  const design = new Design(azure, cluster, option);
  design.change();
  const changed = new Map(design.resources.map((resource) => [armKey(resource.id), resource]));
  const known = new Set(documents.map(({ key }) => key));
  return {
    documents: [
      ...documents.map(({ key, value }) => ({ key, value: changed.get(key) ?? value })),
      ...[...changed].filter(([key]) => !known.has(key)).map(([key, value]) => ({ key, value })),
    ],
    chosen: design.chosen,
    problems: design.problems.filter(({ severity }) => severity === "error"),
  };
}

class Design {
  resources: readonly AzureResource[];
  readonly chosen: string[] = [];
  readonly #cluster: ManagedCluster;
  readonly #option: ManagedNetworkOption;
  readonly #rules: RuleSet;
  /** What is said of the design as it was. */
  readonly #before: readonly ArmProblem[];

  constructor(resources: readonly AzureResource[], cluster: ManagedCluster, option: ManagedNetworkOption) {
    this.resources = resources;
    this.#cluster = cluster;
    this.#option = option;
    this.#before = checkAzure(resources);
    this.#rules = resources.find((resource) => resource.type === "Drydock.Lab/labs")?.properties.rules ?? "current";
  }

  change(): void {
    const { properties } = this.#cluster;
    const networkProfile = profileWith(properties.networkProfile, this.#option, this.#rules, (own) => this.#podCidr(own));
    this.#put({ ...this.#cluster, properties: { ...properties, networkProfile } });
    for (const pool of this.#pools) this.#put(this.#pool(pool));
    if (this.#option === "podSubnet") this.#givePodSubnet();
    if (this.#option === "nodeSubnet") this.#makeRoomForNodes();
  }

  /** What Azure has against it now and had not before. */
  get problems(): readonly ArmProblem[] {
    return newProblems(this.#before, checkAzure(this.resources));
  }

  get #pools(): readonly AgentPool[] {
    return azureView(this.resources).poolsOf(this.#cluster);
  }

  /** The cluster's own, or AKS's default if it is free, or another one as large. */
  #podCidr(own: string | undefined): string {
    if (own !== undefined) {
      this.chosen.push(`pod CIDR ${own}: the cluster keeps its own`);
      return own;
    }
    const nodes = this.#pools.reduce((sum, { properties }) => sum + Math.max(properties.count, properties.maxCount ?? 0) + 1, 0);
    const length = Math.min(16, 24 - Math.ceil(Math.log2(nodes)));
    const taken = this.#taken;
    const wanted = prefixOf(addressOf(mustPrefix(clusterDefaults.podCidr)), length);
    const others = privateRanges.flatMap((range) => [...prefixesIn(range, length)]);
    const from = others.indexOf(wanted);
    const found = [...others.slice(from), ...others.slice(0, from)].find(
      (prefix) => !taken.some((other) => prefixesOverlap(other, prefix)),
    );
    const podCidr = found ?? wanted;
    const why =
      podCidr === clusterDefaults.podCidr ? "AKS's default, which nothing else uses" : `free, and large enough for ${nodes} nodes`;
    this.chosen.push(`pod CIDR ${podCidr}: ${found === undefined ? "AKS's default, though nothing private is free" : why}`);
    return podCidr;
  }

  /** Every range that something has. */
  get #taken(): readonly Prefix[] {
    return this.resources.flatMap((resource) => {
      switch (resource.type) {
        case "Microsoft.Network/virtualNetworks":
          return prefixes(resource.properties.addressSpace.addressPrefixes);
        case "Microsoft.Network/localNetworkGateways":
          return prefixes(resource.properties.localNetworkAddressSpace.addressPrefixes);
        case "Microsoft.Network/routeTables":
          return prefixes(resource.properties.routes.map((route) => route.properties.addressPrefix)).filter(
            (prefix) => lengthOf(prefix) > 0,
          );
        case "Microsoft.ContainerService/managedClusters": {
          const { serviceCidr, podCidr } = resource.properties.networkProfile;
          return prefixes([serviceCidr, ...(podCidr === undefined ? [] : [podCidr])]);
        }
        default:
          return [];
      }
    });
  }

  #pool(pool: AgentPool): AgentPool {
    const { properties } = poolWith(pool, {});
    const { min, max } = maxPodsRange[this.#rules][this.#option];
    const maxPods = Math.min(Math.max(properties.maxPods, min), max);
    if (maxPods !== properties.maxPods) {
      this.chosen.push(
        `pool ${pool.name}: maxPods ${maxPods} instead of ${properties.maxPods}: ${optionNames[this.#option]} takes ${min} to ${max}`,
      );
    }
    return { ...pool, properties: { ...properties, maxPods } };
  }

  /** A subnet for the pods of all pools, of the first size that will do. */
  #givePodSubnet(): void {
    const nodes = this.#subnetOf(this.#pools[0]);
    if (nodes === undefined) return;
    this.#tryLarger(nodes, `${nodes.name}-pods`, "for the pods", (subnet) => {
      for (const pool of this.#pools) this.#put({ ...pool, properties: { ...pool.properties, podSubnetID: subnet.id } });
    });
  }

  /** Node by node one address and `maxPods` more: another subnet, where the nodes' own is too small for that. */
  #makeRoomForNodes(): void {
    const isTight = this.#tooSmall().length > 0;
    const nodes = this.#subnetOf(this.#pools[0]);
    if (!isTight || nodes === undefined) return;
    this.#tryLarger(nodes, `${nodes.name}-azure`, `since ${nodes.properties.addressPrefix} is too small for nodes and pods`, (subnet) => {
      for (const pool of this.#pools) {
        if (!sameId(pool.properties.vnetSubnetID, nodes.id)) continue;
        this.#put({ ...pool, properties: { ...pool.properties, vnetSubnetID: subnet.id } });
      }
    });
  }

  #subnetOf(pool: AgentPool | undefined): Subnet | undefined {
    return this.resources.find(
      (resource): resource is Subnet =>
        resource.type === "Microsoft.Network/virtualNetworks/subnets" &&
        pool !== undefined &&
        sameId(resource.id, pool.properties.vnetSubnetID),
    );
  }

  /** Makes a subnet beside `model`, with what is attached to that, as small as Azure's rules allow, and says so. The VNet grows when it is full. */
  #tryLarger(model: Subnet, name: string, why: string, use: (subnet: Subnet) => void): void {
    const before = this.resources;
    for (let length = 28; length >= 8; length--) {
      this.resources = before;
      const place = this.#freeRange(model, length);
      if (place === undefined) continue;
      const id = `${parentOf(model.id)}/subnets/${name}`;
      const subnet: Subnet = { ...model, id, name, properties: { ...model.properties, addressPrefix: place.prefix } };
      this.#put(subnet);
      use(subnet);
      if (this.#tooSmall().length > 0) continue;
      const grown = place.grows ? `, by which the address space of the VNet grows` : "";
      this.chosen.push(`a new subnet ${name}, ${place.prefix}, ${why}${grown}; NSG, route table and NAT gateway as on ${model.name}`);
      return;
    }
    this.resources = before;
  }

  #freeRange(model: Subnet, length: number): { readonly prefix: Prefix; readonly grows: boolean } | undefined {
    const vnetId = parentOf(armKey(model.id));
    const vnet = this.resources.find((resource) => armKey(resource.id) === vnetId);
    if (vnet?.type !== "Microsoft.Network/virtualNetworks") return undefined;
    const space = prefixes(vnet.properties.addressSpace.addressPrefixes);
    const used = this.resources.flatMap((resource) =>
      resource.type === "Microsoft.Network/virtualNetworks/subnets" && parentOf(armKey(resource.id)) === vnetId
        ? prefixes([resource.properties.addressPrefix])
        : [],
    );
    const isFree = (prefix: Prefix) => !used.some((other) => prefixesOverlap(other, prefix));
    const inside = space.flatMap((range) => (lengthOf(range) <= length ? [...prefixesIn(range, length)] : [])).find(isFree);
    if (inside !== undefined) return { prefix: inside, grows: false };
    const taken = this.#taken;
    const beside = privateRanges
      .flatMap((range) => (lengthOf(range) <= length ? [...prefixesIn(range, Math.min(length, 16))] : []))
      .find((prefix) => !taken.some((other) => prefixesOverlap(other, prefix)));
    if (beside === undefined) return undefined;
    const prefix = prefixOf(addressOf(beside), length);
    const addressPrefixes = [...vnet.properties.addressSpace.addressPrefixes, prefix];
    this.#put({ ...vnet, properties: { ...vnet.properties, addressSpace: { addressPrefixes } } });
    return { prefix, grows: true };
  }

  /** What Azure has against the sizes of the cluster's subnets. */
  #tooSmall(): readonly ArmProblem[] {
    return this.problems.filter(({ code }) => code === "InsufficientSubnetSize");
  }

  #put(resource: AzureResource): void {
    const key = armKey(resource.id);
    const isKnown = this.resources.some(({ id }) => armKey(id) === key);
    this.resources = isKnown ? this.resources.map((other) => (armKey(other.id) === key ? resource : other)) : [...this.resources, resource];
  }
}

const privateRanges = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"].map(mustPrefix);

function* prefixesIn(range: Prefix, length: number): Generator<Prefix> {
  const last = addressValue(lastAddressOf(range));
  const step = 1n << BigInt(32 - length);
  for (let value = addressValue(addressOf(range)); value <= last; value += step) {
    const prefix = prefixOf(addressFrom(4, value), length);
    if (prefixCovers(range, prefix)) yield prefix;
  }
}

function prefixes(texts: readonly string[]): Prefix[] {
  return texts.flatMap((text) => parseLoosePrefix(text) ?? []);
}

function isAzure(value: Documents[number]["value"]): value is AzureResource {
  return "type" in value && "id" in value;
}

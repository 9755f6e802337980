/**
 * The resources of all documents together while they are being accepted: found by id, their children gathered whichever way they are written, their
 * names made unique, and what AKS made itself told apart from what is the user's.
 */

import type { RuleSet } from "../../arm/limits.ts";
import { clusterTag, nodeResourceGroup, segmentAfter } from "../../arm/names.ts";
import type { ArmId, AzureResource } from "../../arm/resources.ts";
import type { PropertyPath } from "../../arm/rules/problem.ts";
import { parentOf } from "../../arm/rules/view.ts";
import type { Complain, Origin } from "../lab/expand.ts";
import { excerpt, type Finding, formatValue, type Kept } from "../problem.ts";
import { placeOf } from "../tree.ts";
import { lostReference, type PlacedResource } from "./placed.ts";
import { isRecord, keyIn, Reading, spelled, Value } from "./value.ts";

export type Item = {
  readonly placed: PlacedResource;
  /** As it is called from here on. */
  readonly id: ArmId;
  /** In lower case. */
  readonly type: string;
  /** Unique among those of its type whose names are places on the way of a packet. */
  readonly name: string;
  readonly group: string;
  readonly properties: Value;
  readonly reading: Reading;
};

/** Types whose names Drydock uses for hosts and ends of journeys: they must differ in the whole lab, where Azure's differ in a resource group. */
const named = new Set([
  "microsoft.network/virtualnetworks",
  "microsoft.compute/virtualmachines",
  "microsoft.network/azurefirewalls",
  "microsoft.network/privateendpoints",
  "microsoft.network/localnetworkgateways",
  "microsoft.containerservice/managedclusters",
]);

/** Children that a parent's properties hold, by the parent's type: their collection, and the type's last segment. */
const inline: Readonly<Record<string, readonly { readonly collection: string; readonly segment: string; readonly isFlat?: true }[]>> = {
  "microsoft.network/virtualnetworks": [
    { collection: "subnets", segment: "subnets" },
    { collection: "virtualNetworkPeerings", segment: "virtualNetworkPeerings" },
  ],
  "microsoft.network/routetables": [{ collection: "routes", segment: "routes" }],
  "microsoft.network/networksecuritygroups": [{ collection: "securityRules", segment: "securityRules" }],
  "microsoft.network/firewallpolicies": [{ collection: "ruleCollectionGroups", segment: "ruleCollectionGroups" }],
  "microsoft.containerservice/managedclusters": [{ collection: "agentPoolProfiles", segment: "agentPools", isFlat: true }],
};

export class Estate {
  readonly rules: RuleSet;
  readonly resources: AzureResource[] = [];
  /** By id in lower case. */
  readonly origins = new Map<string, Origin>();
  readonly kept: Kept[] = [];
  readonly #complain: Complain;
  readonly #items = new Map<string, Item>();
  readonly #children = new Map<string, Item[]>();
  /** Clusters by the node resource group, in lower case, that AKS makes for them. */
  readonly #nodeGroups = new Map<string, Item>();
  readonly #groups = new Map<string, Item[]>();
  /** Of VNets, in lower case. */
  readonly #networkNames = new Set<string>();
  readonly #claimed = new Set<Item>();
  /** What has been said once of all resources of a type. */
  readonly #said = new Set<string>();

  constructor(placed: readonly PlacedResource[], rules: RuleSet, complain: Complain) {
    this.rules = rules;
    this.#complain = complain;
    const all = new Map<string, PlacedResource>();
    for (const one of placed.flatMap((resource) => withChildren(resource))) {
      const key = one.id.toLowerCase();
      const before = all.get(key);
      all.set(key, before === undefined ? one : this.#merged(before, one));
    }
    const names = uniqueNames([...all.values()]);
    for (const [key, one] of all) {
      const reading = new Reading((path, finding) => this.#complain(one.source, one.at(path), finding));
      const name = names.get(key) ?? one.name;
      const item: Item = {
        placed: one,
        id: canonicalId(one, names),
        type: one.type.toLowerCase(),
        name,
        group: segmentAfter(one.id, "resourceGroups"),
        properties: new Value(one.properties, ["properties"], reading),
        reading,
      };
      for (const { collection } of inline[item.type] ?? []) reading.seeAll(spelled(one, ["properties", collection]));
      this.#items.set(key, item);
      if (item.type === "microsoft.containerservice/managedclusters") this.#nodeGroups.set(this.nodeGroupOf(item).toLowerCase(), item);
      if (item.type === "microsoft.network/virtualnetworks") this.#networkNames.add(name.toLowerCase());
      addTo(this.#children, parentOf(key), item);
      addTo(this.#groups, item.group.toLowerCase(), item);
    }
  }

  get items(): Iterable<Item> {
    return this.#items.values();
  }

  find(id: string): Item | undefined {
    return this.#items.get(id.toLowerCase());
  }

  /** Of a parent, the children of a type (in lower case), in the order of the documents. */
  childrenOf(parent: Item, type: string): readonly Item[] {
    return (this.#children.get(parent.placed.id.toLowerCase()) ?? []).filter((child) => child.type === type);
  }

  /** For a VNet that AKS makes; false when another has the name. */
  takeNetworkName(name: string): boolean {
    const isFree = !this.#networkNames.has(name.toLowerCase());
    this.#networkNames.add(name.toLowerCase());
    return isFree;
  }

  inGroup(group: string): readonly Item[] {
    return this.#groups.get(group.toLowerCase()) ?? [];
  }

  nodeGroupOf(cluster: Item): string {
    const { name, location, id } = cluster.placed;
    const given = cluster.properties.get("nodeResourceGroup").text();
    return given ?? nodeResourceGroup(segmentAfter(id, "resourceGroups"), name, location ?? "");
  }

  /** The cluster whose node resource group this is. */
  clusterOfGroup(group: string): Item | undefined {
    return this.#nodeGroups.get(group.toLowerCase());
  }

  /** Did AKS make it? It is in a node resource group, or says so itself. */
  isMadeByAks({ placed, group }: Item): boolean {
    return this.isNodeGroup(group) || placed.tags?.[clusterTag] !== undefined;
  }

  isNodeGroup(group: string): boolean {
    return this.#nodeGroups.has(group.toLowerCase()) || /^mc_[^_]+.*_.+_.+$/i.test(group);
  }

  /** Its owner is described, so that the emulated Azure makes it. */
  claim(networkInterface: Item): void {
    this.#claimed.add(networkInterface);
  }

  isClaimed(networkInterface: Item): boolean {
    return this.#claimed.has(networkInterface);
  }

  add(resource: AzureResource, origin: Origin): void {
    this.resources.push(resource);
    this.origins.set(resource.id.toLowerCase(), origin);
  }

  /** Where a resource comes from whose properties are called here as they are there. */
  origin({ placed }: Item, rename: (property: PropertyPath) => PropertyPath = (property) => ["properties", ...property]): Origin {
    const at = (property: PropertyPath) => placed.at(spelled(placed, rename(property)));
    return { source: placed.source, path: [], rename: at };
  }

  /** About a property, whose path is the resource's own: `["properties", "routes", 0]`. */
  complain({ placed }: Item, path: PropertyPath, finding: Finding): void {
    this.#complain(placed.source, placed.at(spelled(placed, path)), finding);
  }

  /** It is there, and changes no packet's way. */
  keep({ placed }: Item, why: string, kind: string = placed.type): void {
    const { line } = placeOf(placed.source, placed.at([]));
    this.kept.push({ file: placed.source.file, line, kind, name: excerpt(placed.name), why });
  }

  /** The same thing about a property of a type once, however many resources have it. */
  sayOnce(key: string): boolean {
    if (this.#said.has(key)) return false;
    this.#said.add(key);
    return true;
  }

  /**
   * The resource that a reference stands for. One that no document describes is reported: as an error if `isNeeded`, because then nothing can be
   * said about whoever refers to it.
   */
  refer(value: Value, what: string, isNeeded: boolean): Item | undefined {
    const id = value.text();
    if (id === undefined || id === lostReference) return undefined;
    const found = this.find(id);
    if (found !== undefined) return found;
    const { name, group, command } = described(id);
    const where = group === "" ? "" : ` of resource group ${excerpt(group)}`;
    value.report({
      code: "UnknownReference",
      ...(isNeeded ? {} : { severity: "warning" as const }),
      message: `no document describes ${what} ${formatValue(name)}${where}${isNeeded ? "" : ": it is as if it were not there"}`,
      fix: `add a file that has it${command === undefined ? "" : `, such as the output of \`${excerpt(command)}\``}`,
    });
    return undefined;
  }

  /** What is said of one resource in two places: the second adds to the first. */
  #merged(first: PlacedResource, second: PlacedResource): PlacedResource {
    const [a, b] = [first.properties, second.properties];
    if (!isRecord(a) || !isRecord(b)) return isRecord(b) ? second : first;
    const added = Object.entries(b).filter(([key, value]) => value !== null && JSON.stringify(a[keyIn(a, key)]) !== JSON.stringify(value));
    const differing = added.map(([key]) => key).filter((key) => !isEmpty(a[keyIn(a, key)]));
    const places = new Set(added.map(([key]) => keyIn(a, key)));
    if (differing.length > 0 && first.type.toLowerCase() !== "microsoft.containerservice/managedclusters/agentpools") {
      const { line } = placeOf(first.source, first.at([]));
      this.#complain(second.source, second.at([]), {
        code: "DefinedTwice",
        severity: "warning",
        value: second.name,
        message: `${second.name} is also at ${first.source.file}:${line}, with other ${differing.slice(0, 5).map(excerpt).join(", ")}: what stands here counts`,
        fix: "leave one of them out",
      });
    }
    const kept = Object.entries(a).filter(([key]) => !places.has(key));
    const isOfSecond = (part: PropertyPath) => part[0] !== "properties" || part.length === 1 || Object.hasOwn(b, String(part[1]));
    return {
      ...first,
      ...second,
      properties: Object.fromEntries([...kept, ...added]),
      ...(first.source === second.source ? { at: (part) => (isOfSecond(part) ? second.at(part) : first.at(part)) } : {}),
    };
  }
}

function addTo<T>(lists: Map<string, T[]>, key: string, one: T): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [one]);
  else list.push(one);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || value === "" || (typeof value === "object" && Object.keys(value).length === 0);
}

/** A resource and the children in its properties, as resources of their own. */
function withChildren(resource: PlacedResource): readonly PlacedResource[] {
  const { properties } = resource;
  if (!isRecord(properties)) return [resource];
  const children = (inline[resource.type.toLowerCase()] ?? []).flatMap(({ collection, segment, isFlat }) => {
    const key = keyIn(properties, collection);
    const list: unknown = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (!Array.isArray(list)) return [];
    return list.flatMap((child: unknown, index): PlacedResource[] => {
      if (!isRecord(child)) return [];
      const name = child[keyIn(child, "name")];
      // A pool may leave its name out: AKS calls it so.
      const own = typeof name === "string" && name !== "" ? name : isFlat === true ? `nodepool${index + 1}` : undefined;
      if (own === undefined) return [];
      return [
        {
          id: `${resource.id}/${segment}/${own}`,
          type: `${resource.type}/${segment}`,
          name: own,
          properties: isFlat === true ? child : (child[keyIn(child, "properties")] ?? {}),
          source: resource.source,
          at: (part) => resource.at(["properties", key, index, ...(isFlat === true && part[0] === "properties" ? part.slice(1) : part)]),
        },
      ];
    });
  });
  return [resource, ...children];
}

/** Names by id in lower case, of the resources whose name is another's too: the resource group goes before it. */
function uniqueNames(all: readonly PlacedResource[]): ReadonlyMap<string, string> {
  const byName = new Map<string, PlacedResource[]>();
  for (const one of all) {
    const type = one.type.toLowerCase();
    if (!named.has(type)) continue;
    addTo(byName, `${type} ${one.name.toLowerCase()}`, one);
  }
  const names = new Map<string, string>();
  for (const twins of byName.values()) {
    if (twins.length < 2) continue;
    for (const { id, name } of twins) names.set(id.toLowerCase(), `${segmentAfter(id, "resourceGroups")}-${name}`);
  }
  return names;
}

/** With its cluster's name as it is used here: a pool, and what else is a cluster's, knows its cluster by the id. */
function canonicalId({ id, name, type }: PlacedResource, names: ReadonlyMap<string, string>): ArmId {
  if (type.toLowerCase() === "microsoft.containerservice/managedclusters") {
    return `${id.slice(0, id.lastIndexOf("/"))}/${names.get(id.toLowerCase()) ?? name}`;
  }
  return id;
}

/** What an id says to a person, and the command that would show the resource. */
function described(id: string): { readonly name: string; readonly group: string; readonly command: string | undefined } {
  const group = segmentAfter(id, "resourceGroups");
  const parts = id.split("/");
  const name = parts.at(-1) ?? "";
  const type = id.toLowerCase();
  const parent = parts.at(-3) ?? "";
  const show = (command: string, of: string) => `az ${command} show -g ${group} -n ${of}`;
  if (/\/virtualnetworks\/[^/]+\/subnets\/[^/]+$/.test(type))
    return { name: `${parent}/${name}`, group, command: show("network vnet", parent) };
  const command = commands.find(([segment]) => parts.at(-2)?.toLowerCase() === segment)?.[1];
  return { name, group, command: command === undefined || group === "" ? undefined : show(command, name) };
}

const commands: readonly (readonly [segment: string, command: string])[] = [
  ["virtualnetworks", "network vnet"],
  ["routetables", "network route-table"],
  ["networksecuritygroups", "network nsg"],
  ["natgateways", "network nat gateway"],
  ["publicipaddresses", "network public-ip"],
  ["publicipprefixes", "network public-ip prefix"],
  ["networkinterfaces", "network nic"],
  ["virtualnetworkgateways", "network vnet-gateway"],
  ["localnetworkgateways", "network local-gateway"],
  ["managedclusters", "aks"],
];

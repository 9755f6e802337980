/** A lab file's short form to the ARM resources that it stands for, and where in the file each of them comes from. */

import { clusterDefaults, type Provisioning, type RuleSet } from "../../arm/limits.ts";
import {
  addressTag,
  applicationSecurityGroupsTag,
  armId,
  ipForwardingTag,
  ipv6AddressTag,
  nodeResourceGroup,
  publicAddressTag,
  publicIpv6AddressTag,
  securityGroupTag,
  subnetTag,
} from "../../arm/names.ts";
import {
  type AgentPool,
  type ArmId,
  type AzureResource,
  type LabMachine,
  listenTag,
  type ManagedCluster,
  type NetworkProfile,
  type PodIPAllocationMode,
  type Reference,
  type SecurityRule,
} from "../../arm/resources.ts";
import { defaultNetworkOption } from "../../arm/rules/clusters.ts";
import { gatewaySubnet } from "../../arm/rules/networks.ts";
import type { PropertyPath } from "../../arm/rules/problem.ts";
import { parentOf } from "../../arm/rules/view.ts";
import { defaultSecurityRules, securityGroupDocs } from "../../arm/security-rules.ts";
import { parseAddress } from "../../net/address.ts";
import { aksNetwork, completedProfile, defaultMaxPods, dnsPrefixOf, type GivenProfile, podCidrIgnored } from "../azure/defaults.ts";
import { closest, Suggestions } from "../nearest.ts";
import { type Finding, formatPath, formatValue, type Path } from "../problem.ts";
import type { Source } from "../tree.ts";
import type { ClusterEntry, LabFile } from "./definition.ts";
import type { FileFault } from "./faults.ts";
import { expandLoadBalancer, type LoadBalancerEntry } from "./load-balancers.ts";

/** A lab file as it was read, and the document that it is. */
export type ReadLab = { readonly source: Source; readonly lab: Omit<LabFile, "lab"> & { readonly lab: string | undefined } };

/** Where a resource comes from, and how its properties are called there. */
export type Origin = { readonly source: Source; readonly path: Path; readonly rename: (property: PropertyPath) => Path };

export type Manifest = { readonly path: string; readonly source: Source; readonly at: Path };

export type Expansion = {
  readonly name: string;
  readonly rules: RuleSet;
  readonly resources: readonly AzureResource[];
  /** By id in lower case. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** By the cluster's id in lower case. */
  readonly manifests: ReadonlyMap<string, readonly Manifest[]>;
  /** Those of which kind and target are known. */
  readonly faults: readonly FaultEntry[];
};

export type FaultEntry = { readonly entry: Pick<FileFault, "kind" | "target" | "name">; readonly source: Source; readonly path: Path };

/** What other documents bring into the lab, what it is called if no file says it, of which day it is, and how clusters are made whatever files say. */
export type Surroundings = {
  readonly name: string;
  readonly rules: RuleSet;
  readonly provisioning?: Provisioning | undefined;
  readonly resources: readonly AzureResource[];
};

export type Complain = (source: Source, path: Path, finding: Finding) => void;

export function expandLab(files: readonly ReadLab[], others: Surroundings, complain: Complain): Expansion {
  return new Expander(files, others, complain).expand();
}

/** Of which day Azure's limits and defaults are. */
export function rulesOf(files: readonly ReadLab[]): RuleSet {
  const says = ({ source: { root } }: ReadLab) => root.kind === "map" && root.entries.has("rules");
  return (files.find(says) ?? files[0])?.lab.rules ?? "current";
}

type Located<T> = { readonly entry: T; readonly source: Source; readonly path: Path };

const same = (property: PropertyPath): Path => property;

class Expander {
  readonly #files: readonly ReadLab[];
  readonly #others: readonly AzureResource[];
  readonly #complain: Complain;
  readonly #name: string;
  readonly #rules: RuleSet;
  /** What holds whatever the files say. */
  readonly #provisioning: Provisioning | undefined;
  readonly #location: string;
  readonly #suggestions = new Suggestions();
  readonly #resources: AzureResource[] = [];
  readonly #origins = new Map<string, Origin>();
  /** Names in lower case, those that AKS gives among them: a VNet's is that of a place on the way of a packet. */
  readonly #networkNames = new Set<string>();
  /** Resources of other documents, by type and name in lower case. */
  readonly #foreign = new Map<string, AzureResource>();
  readonly #foreignIds = new Set<ArmId>();
  /** Gateways of other documents, by the id of the VNet in lower case. */
  readonly #foreignGateways = new Map<string, ArmId>();
  /** VNets of other documents, by name in lower case. */
  readonly #foreignNetworks = new Map<string, { readonly id: ArmId; readonly name: string }>();
  /** Ids by `vnet/subnet` in lower case. */
  readonly #subnets = new Map<string, { readonly id: ArmId; readonly label: string }>();
  /** All of them, once they are asked for. */
  #labels: readonly string[] | undefined;
  /** The table of a subnet, by the subnet's id in lower case. */
  readonly #tableOf = new Map<string, { readonly id: ArmId; readonly name: string }>();
  /** The NAT gateway of a subnet, by the subnet's id in lower case. */
  readonly #natGatewayOf = new Map<string, { readonly id: ArmId; readonly name: string }>();
  /** Names in lower case to ids. */
  readonly #publicAddresses = new Map<string, { readonly id: ArmId; readonly name: string }>();
  readonly #publicPrefixes = new Map<string, { readonly id: ArmId; readonly name: string }>();
  /** The security group of a subnet or a machine, by its id in lower case. */
  readonly #groupOf = new Map<string, { readonly id: ArmId; readonly name: string }>();
  /** Application security groups, by name in lower case: they are there because a machine is in them. */
  readonly #memberships = new Map<string, { readonly id: ArmId; readonly name: string }>();
  readonly #manifests = new Map<string, readonly Manifest[]>();

  constructor(files: readonly ReadLab[], others: Surroundings, complain: Complain) {
    this.#files = files;
    this.#others = others.resources;
    this.#complain = complain;
    this.#name = this.#agreed("lab") ?? others.name;
    this.#agreed("rules");
    this.#rules = others.rules;
    this.#provisioning = others.provisioning;
    this.#location = this.#agreed("location") ?? "";
  }

  expand(): Expansion {
    const { name } = this.#lab();
    this.#knowOthers();
    const networks = this.#unique("networks", "network", (lab) => lab.networks);
    for (const network of networks) this.#subnetNames(network);
    const tables = this.#unique("routeTables", "route table", (lab) => lab.routeTables);
    for (const table of tables) this.#routeTable(table);
    const machines = this.#unique("machines", "machine", (lab) => lab.machines);
    this.#applicationSecurityGroups(machines);
    for (const group of this.#unique("securityGroups", "network security group", (lab) => lab.securityGroups)) {
      this.#securityGroup(group, machines);
    }
    for (const prefix of this.#unique("publicIPPrefixes", "public IP prefix", (lab) => lab.publicIPPrefixes)) this.#publicPrefix(prefix);
    for (const address of this.#unique("publicIPAddresses", "public IP address", (lab) => lab.publicIPAddresses))
      this.#publicAddress(address);
    for (const gateway of this.#unique("natGateways", "NAT gateway", (lab) => lab.natGateways)) this.#natGateway(gateway);
    for (const network of networks) this.#network(network);
    for (const machine of machines) this.#machine(machine);
    for (const balancer of this.#unique("loadBalancers", "load balancer", (lab) => lab.loadBalancers))
      this.#loadBalancer(balancer, machines);
    const ownNames = networks.map(({ entry }) => entry.name);
    const networkNames = new Map(
      [...this.#foreignNetworks.values()]
        .map(({ name: other }) => other)
        .concat(ownNames)
        .map((one) => [one.toLowerCase(), one]),
    );
    for (const network of networks) this.#peerings(network, networkNames);
    for (const endpoint of this.#unique("privateEndpoints", "private endpoint", (lab) => lab.privateEndpoints)) {
      this.#privateEndpoint(endpoint);
    }
    const gateways = new Set<string>();
    for (const site of this.#unique("sites", "site", (lab) => lab.sites)) this.#site(site, networkNames, gateways);
    for (const host of this.#unique("internet", "internet host", (lab) => lab.internet)) this.#internetHost(host);
    for (const cluster of this.#unique("clusters", "cluster", (lab) => lab.clusters)) this.#cluster(cluster);
    return {
      name,
      rules: this.#rules,
      resources: this.#resources,
      origins: this.#origins,
      manifests: this.#manifests,
      faults: this.#faults(),
    };
  }

  #faults(): readonly FaultEntry[] {
    const all = this.#files.flatMap(({ source, lab }) =>
      lab.faults.flatMap((fault, index) => (fault === undefined ? [] : [{ entry: fault, source, path: ["faults", index] as Path }])),
    );
    const unique = new Set<Path>(this.#distinct("fault", all).map(({ path }) => path));
    return all.flatMap(({ entry: { kind, target, name }, source, path }) => {
      if (kind === undefined || target === undefined || (name !== undefined && !unique.has(path))) return [];
      return [{ entry: { kind, target, ...(name === undefined ? {} : { name }) }, source, path }];
    });
  }

  /** What lab files may name of other documents: networks, subnets, public addresses. */
  #knowOthers(): void {
    for (const other of this.#others) {
      const { id, name, type } = other;
      const key = name.toLowerCase();
      this.#foreign.set(`${type}/${key}`, other);
      this.#foreignIds.add(id);
      if (type === "Microsoft.Network/virtualNetworks") {
        this.#foreignNetworks.set(key, { id, name });
        this.#networkNames.add(key);
      } else if (type === "Microsoft.Network/virtualNetworkGateways") {
        for (const { properties } of other.properties.ipConfigurations) {
          this.#foreignGateways.set(parentOf(properties.subnet.id).toLowerCase(), id);
        }
      } else if (type === "Microsoft.Network/publicIPAddresses") this.#publicAddresses.set(key, { id, name });
      else if (type === "Microsoft.Network/publicIPPrefixes") this.#publicPrefixes.set(key, { id, name });
      else if (type === "Microsoft.Network/applicationSecurityGroups") this.#memberships.set(key, { id, name });
    }
    const labels = new Map([...this.#foreignNetworks.values()].map(({ id, name }) => [id.toLowerCase(), name]));
    for (const { id, name, type } of this.#others) {
      if (type !== "Microsoft.Network/virtualNetworks/subnets") continue;
      const label = `${labels.get(parentOf(id).toLowerCase()) ?? ""}/${name}`;
      this.#subnets.set(label.toLowerCase(), { id, label });
    }
  }

  /** A resource of another document, by its type and its name. */
  #other<Type extends AzureResource["type"]>(type: Type, name: string): Extract<AzureResource, { readonly type: Type }> | undefined {
    // The key says the type.
    return this.#foreign.get(`${type}/${name.toLowerCase()}`) as Extract<AzureResource, { readonly type: Type }> | undefined;
  }

  /** Of an entry for what another document describes, only these properties count. */
  #refuseOthers(entry: object, counting: readonly string[], source: Source, path: Path, what: string): void {
    for (const property of propertiesAt(source, path)) {
      if (counting.includes(property) || !Object.hasOwn(entry, property)) continue;
      this.#complain(source, [...path, property], {
        code: "Conflict",
        message: `another document describes ${what}: here it may say ${counting.join(", ")}`,
        fix: `leave ${property} out, or change it there`,
      });
    }
  }

  #networkId(name: string): ArmId {
    return this.#foreignNetworks.get(name.toLowerCase())?.id ?? armId(this.#name, "Microsoft.Network/virtualNetworks", name);
  }

  /** What every file that says it says alike. Defaults count only when no file says anything. */
  #agreed<K extends "lab" | "rules" | "location" | "provisioning">(property: K): ReadLab["lab"][K] | undefined {
    const said = this.#files.filter(({ source }) => source.root.kind === "map" && source.root.entries.has(property));
    const [first, ...others] = said;
    if (first === undefined) return this.#files[0]?.lab[property];
    for (const other of others) {
      if (other.lab[property] === first.lab[property] || other.lab[property] === undefined) continue;
      this.#complain(other.source, [property], {
        code: "Conflict",
        value: other.lab[property],
        message: `${property} is ${formatValue(other.lab[property])} here and ${formatValue(first.lab[property])} in ${first.source.file}`,
        fix: "files of one lab must agree; or leave it out here",
      });
    }
    return first.lab[property];
  }

  #lab() {
    const name = this.#name;
    const [first] = this.#files;
    const agreed = this.#agreed("provisioning");
    const provisioning = this.#provisioning ?? agreed;
    this.#add(
      {
        id: armId(name, "Drydock.Lab/labs", name),
        name,
        type: "Drydock.Lab/labs",
        location: this.#location,
        properties: { rules: this.#rules, ...(provisioning === undefined ? {} : { provisioning }) },
      },
      first === undefined ? undefined : { source: first.source, path: [], rename: same },
    );
    return { name };
  }

  #add(resource: AzureResource, origin: Origin | undefined): void {
    this.#resources.push(resource);
    if (origin !== undefined) this.#origins.set(resource.id.toLowerCase(), origin);
  }

  /** Named entries of all files. The second of a name is reported and left out; Azure's names differ in more than case. */
  #unique<T extends { readonly name: string | undefined }>(
    property: string,
    what: string,
    entries: (lab: ReadLab["lab"]) => readonly (T | undefined)[],
  ): Located<T & { readonly name: string }>[] {
    const all = this.#files.flatMap(({ source, lab }) =>
      entries(lab).flatMap((entry, index) => (entry === undefined ? [] : [{ entry, source, path: [property, index] as Path }])),
    );
    const type = typesOf[property];
    return this.#distinct(what, all).filter(
      ({ entry, source, path }) => type === undefined || !this.#isElsewhere(type, what, entry.name, source, path),
    );
  }

  /** Does another document describe a resource of this name? Reported: one of the two would hide the other. */
  #isElsewhere(type: AzureResource["type"], what: string, name: string, source: Source, path: Path): boolean {
    if (this.#other(type, name) === undefined) return false;
    this.#complain(source, [...path, "name"], {
      code: "DuplicateName",
      value: name,
      message: `another document describes a ${what} called ${formatValue(name)}, too`,
      fix: "give this one another name, or leave it out",
    });
    return true;
  }

  #distinct<T extends { readonly name: string | undefined }>(
    what: string,
    all: readonly Located<T>[],
  ): Located<T & { readonly name: string }>[] {
    const seen = new Map<string, Located<T>>();
    const unique: Located<T & { readonly name: string }>[] = [];
    for (const located of all) {
      const { entry, source, path } = located;
      const { name } = entry;
      if (name === undefined) continue;
      const first = seen.get(name.toLowerCase());
      if (first !== undefined) {
        const where = `${first.source === source ? "" : `${first.source.file}, `}${formatPath([...first.path, "name"])}`;
        const message = `there are two ${what}s called ${formatValue(name)}: here and at ${where}. Azure's names do not differ in case alone`;
        this.#complain(source, [...path, "name"], { code: "DuplicateName", value: name, message, fix: "give one of them another name" });
        continue;
      }
      seen.set(name.toLowerCase(), located);
      unique.push({ entry: { ...entry, name }, source, path });
    }
    return unique;
  }

  #subnetNames(network: Located<NetworkEntry>): void {
    for (const { entry } of this.#subnetsOf(network, false)) {
      const label = `${network.entry.name}/${entry.name}`;
      const id = armId(this.#name, "Microsoft.Network/virtualNetworks/subnets", network.entry.name, entry.name);
      this.#subnets.set(label.toLowerCase(), { id, label });
    }
  }

  #subnetsOf({ entry, source, path }: Located<NetworkEntry>, report: boolean) {
    const located = entry.subnets.flatMap((subnet, index) =>
      subnet === undefined ? [] : [{ entry: subnet, source, path: [...path, "subnets", index] }],
    );
    if (report) return this.#distinct("subnet", located);
    return located.flatMap((subnet) =>
      subnet.entry.name === undefined ? [] : [{ ...subnet, entry: { ...subnet.entry, name: subnet.entry.name } }],
    );
  }

  #network(network: Located<NetworkEntry>): void {
    const { entry, source, path } = network;
    const id = armId(this.#name, "Microsoft.Network/virtualNetworks", entry.name);
    const [prefixes, indexes] = present(entry.addressSpace);
    this.#networkNames.add(entry.name.toLowerCase());
    this.#add(
      {
        id,
        name: entry.name,
        type: "Microsoft.Network/virtualNetworks",
        location: this.#location,
        properties: { addressSpace: { addressPrefixes: prefixes } },
      },
      {
        source,
        path,
        rename: (property) =>
          property[0] === "addressSpace" ? ["addressSpace", ...property.slice(2).map((index) => indexes[Number(index)] ?? 0)] : property,
      },
    );
    for (const subnet of this.#subnetsOf(network, true)) {
      const { prefix, rename: renamed } = this.#subnetPrefixes(subnet);
      if (prefix === undefined) continue;
      const subnetId = armId(this.#name, "Microsoft.Network/virtualNetworks/subnets", entry.name, subnet.entry.name);
      const table = this.#tableOf.get(subnetId.toLowerCase());
      const group = this.#groupOf.get(subnetId.toLowerCase());
      const natGateway = this.#natGatewayOf.get(subnetId.toLowerCase());
      const services = [...new Set(present(subnet.entry.serviceEndpoints)[0])];
      this.#add(
        {
          id: subnetId,
          name: subnet.entry.name,
          type: "Microsoft.Network/virtualNetworks/subnets",
          properties: {
            ...prefix,
            ...(table === undefined ? {} : { routeTable: { id: table.id } }),
            ...(group === undefined ? {} : { networkSecurityGroup: { id: group.id } }),
            ...(natGateway === undefined ? {} : { natGateway: { id: natGateway.id } }),
            ...(services.length === 0 ? {} : { serviceEndpoints: services.map((service) => ({ service })) }),
            ...(subnet.entry.delegations === undefined
              ? {}
              : {
                  delegations: present(subnet.entry.delegations)[0].map((serviceName) => ({
                    name: serviceName,
                    properties: { serviceName },
                  })),
                }),
          },
        },
        { source, path: subnet.path, rename: renamed },
      );
    }
  }

  /** A subnet's prefixes as ARM has them, and how those are called in the file. */
  #subnetPrefixes({ entry, source, path }: Located<NonNullable<NetworkEntry["subnets"][number]>>) {
    const [prefixes, indexes] = present(entry.prefixes);
    const [only] = prefixes;
    const at = indexes[0] ?? 0;
    if (entry.prefixes === undefined) {
      // A wrong value and a misspelling have been reported already.
      const isReported = propertiesAt(source, path).some((property) => property === "prefix" || !Object.hasOwn(entry, property));
      if (entry.prefix === undefined && !isReported) {
        this.#complain(source, path, {
          code: "MissingProperty",
          message: "prefix is missing in a subnet",
          fix: "add prefix: with the subnet's part of the VNet's address space, or prefixes: with one of each family",
        });
      }
      const rename = (property: PropertyPath): Path => (property[0] === "addressPrefix" ? ["prefix"] : property);
      return { prefix: entry.prefix === undefined ? undefined : { addressPrefix: entry.prefix }, rename };
    }
    if (entry.prefix !== undefined) {
      this.#complain(source, [...path, "prefix"], {
        code: "InvalidValue",
        value: entry.prefix,
        message: "a subnet has prefix or prefixes, not both",
        fix: "put it into prefixes",
      });
    }
    // The IPv4 one is what single-stack resources see.
    const four = prefixes.findIndex((text) => !text.includes(":"));
    const ordered = four < 0 ? prefixes : [prefixes[four] ?? "", ...prefixes.filter((_, index) => index !== four)];
    const places = four < 0 ? indexes : [indexes[four] ?? 0, ...indexes.filter((_, index) => index !== four)];
    const rename = ([first, index, ...rest]: PropertyPath): Path => {
      if (first === "addressPrefix") return ["prefixes", places[0] ?? at];
      if (first === "addressPrefixes") return index === undefined ? ["prefixes"] : ["prefixes", places[Number(index)] ?? at, ...rest];
      return first === undefined ? [] : [first, ...(index === undefined ? [] : [index]), ...rest];
    };
    if (only === undefined) return { prefix: undefined, rename };
    const addressPrefix = ordered[0] ?? only;
    return { prefix: ordered.length === 1 ? { addressPrefix } : { addressPrefix, addressPrefixes: ordered }, rename };
  }

  /** The name of the VNet as it was given. */
  #networkCalled(reference: string, networks: ReadonlyMap<string, string>, source: Source, path: Path): string | undefined {
    const network = networks.get(reference.toLowerCase());
    if (network !== undefined) return network;
    const names = [...networks.values()];
    this.#complain(source, path, {
      code: "UnknownReference",
      value: reference,
      message: `there is no network ${formatValue(reference)}${this.#suggestions.didYouMean(reference, names)}`,
      fix: names.length === 0 ? "describe it under networks" : `networks are ${some(names)}`,
    });
    return undefined;
  }

  #peerings({ entry, source, path }: Located<NetworkEntry>, networks: ReadonlyMap<string, string>): void {
    const located = entry.peerings.flatMap((peering, index) => {
      if (peering?.network === undefined) return [];
      const at = [...path, "peerings", index];
      const remote = this.#networkCalled(peering.network, networks, source, [...at, "network"]);
      if (remote === undefined) return [];
      return [{ entry: { ...peering, remote, name: peering.name ?? `${entry.name}-to-${remote}` }, source, path: at }];
    });
    for (const { entry: peering, path: at } of this.#distinct("peering", located)) {
      const { remote, name, network: _network, ...properties } = peering;
      this.#add(
        {
          id: armId(this.#name, "Microsoft.Network/virtualNetworks/virtualNetworkPeerings", entry.name, name),
          name,
          type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
          properties: { remoteVirtualNetwork: { id: this.#networkId(remote) }, ...properties },
        },
        { source, path: at, rename: (property) => (property[0] === "remoteVirtualNetwork" ? ["network"] : property) },
      );
    }
  }

  /** The id of the subnet that `VNET/SUBNET` names. */
  #subnet(reference: string | undefined, source: Source, path: Path): ArmId | undefined {
    if (reference === undefined || !/^[^/]+\/[^/]+$/.test(reference)) return undefined;
    const found = this.#subnets.get(reference.toLowerCase());
    if (found !== undefined) return found.id;
    this.#labels ??= [...this.#subnets.values()].map(({ label }) => label);
    const labels = this.#labels;
    this.#complain(source, path, {
      code: "UnknownReference",
      value: reference,
      message: `there is no subnet ${formatValue(reference)}${this.#suggestions.didYouMean(reference, labels)}`,
      fix: labels.length === 0 ? "describe it under networks" : `subnets are ${some(labels)}`,
    });
    return undefined;
  }

  /** One that lab files describe: what is attached to another's is said where that is described. */
  #ownSubnet(reference: string | undefined, source: Source, path: Path): ArmId | undefined {
    const id = this.#subnet(reference, source, path);
    if (id === undefined || !this.#foreignIds.has(id)) return id;
    this.#complain(source, path, {
      code: "Conflict",
      value: reference,
      message: `another document describes subnet ${reference}, and what is attached to it`,
      fix: "attach it there",
    });
    return undefined;
  }

  #routeTable({ entry, source, path }: Located<NonNullable<LabFile["routeTables"][number]> & { readonly name: string }>): void {
    const id = armId(this.#name, "Microsoft.Network/routeTables", entry.name);
    for (const [index, reference] of entry.subnets.entries()) {
      const at = [...path, "subnets", index];
      const subnet = this.#ownSubnet(reference, source, at);
      if (subnet === undefined) continue;
      const other = this.#tableOf.get(subnet.toLowerCase());
      if (other !== undefined) {
        this.#complain(source, at, {
          code: "InvalidParameter",
          value: reference,
          message: `subnet ${reference} has two route tables, ${other.name} and ${entry.name}; a subnet has at most one`,
          source: "learn:azure/virtual-network/virtual-networks-udr-overview",
          fix: "put all routes of the subnet into one table",
        });
      } else this.#tableOf.set(subnet.toLowerCase(), { id, name: entry.name });
    }
    const all = entry.routes.flatMap((route, index) =>
      route === undefined ? [] : [{ entry: route, source, path: [...path, "routes", index] }],
    );
    const routes = this.#distinct("route", all).flatMap(({ entry: route, path: at }) => {
      const { addressPrefix, nextHopType, nextHopIpAddress } = route;
      if (addressPrefix === undefined || nextHopType === undefined) return [];
      const hop = nextHopIpAddress === undefined ? {} : { nextHopIpAddress };
      return [{ index: Number(at.at(-1)), route: { name: route.name, properties: { addressPrefix, nextHopType, ...hop } } }];
    });
    this.#add(
      {
        id,
        name: entry.name,
        type: "Microsoft.Network/routeTables",
        location: this.#location,
        properties: { disableBgpRoutePropagation: entry.disableBgpRoutePropagation, routes: routes.map(({ route }) => route) },
      },
      {
        source,
        path,
        rename: (property) =>
          property.map((step, index) => (index === 1 && typeof step === "number" ? (routes[step]?.index ?? step) : step)),
      },
    );
  }

  /** A machine's membership makes the group: it has nothing else to say. */
  #applicationSecurityGroups(machines: readonly Located<MachineEntry>[]): void {
    for (const { entry, source, path } of machines) {
      for (const [index, name] of entry.applicationSecurityGroups.entries()) {
        if (name === undefined || this.#memberships.has(name.toLowerCase())) continue;
        const id = armId(this.#name, "Microsoft.Network/applicationSecurityGroups", name);
        this.#memberships.set(name.toLowerCase(), { id, name });
        this.#add(
          { id, name, type: "Microsoft.Network/applicationSecurityGroups", location: this.#location, properties: {} },
          { source, path: [...path, "applicationSecurityGroups", index], rename: () => [] },
        );
      }
    }
  }

  #publicPrefix({ entry, source, path }: Located<NonNullable<LabFile["publicIPPrefixes"][number]> & { readonly name: string }>): void {
    const { name, prefixLength } = entry;
    if (prefixLength === undefined) return;
    const id = armId(this.#name, "Microsoft.Network/publicIPPrefixes", name);
    this.#publicPrefixes.set(name.toLowerCase(), { id, name });
    this.#add(
      { id, name, type: "Microsoft.Network/publicIPPrefixes", location: this.#location, properties: { prefixLength } },
      { source, path, rename: same },
    );
  }

  #publicAddress({ entry, source, path }: Located<NonNullable<LabFile["publicIPAddresses"][number]> & { readonly name: string }>): void {
    const { name, publicIPPrefix } = entry;
    const id = armId(this.#name, "Microsoft.Network/publicIPAddresses", name);
    const [prefix] =
      publicIPPrefix === undefined ? [] : this.#publicReferences("prefix", [publicIPPrefix], source, [...path, "publicIPPrefix"]);
    this.#publicAddresses.set(name.toLowerCase(), { id, name });
    this.#add(
      {
        id,
        name,
        type: "Microsoft.Network/publicIPAddresses",
        location: this.#location,
        properties: {
          publicIPAllocationMethod: "Static",
          ...(entry.publicIPAddressVersion === "IPv6" ? { publicIPAddressVersion: "IPv6" } : {}),
          ...(prefix === undefined ? {} : { publicIPPrefix: prefix }),
        },
      },
      { source, path, rename: same },
    );
  }

  /** Ids of public addresses or prefixes, by name. `path`: of the list, or of the one name. */
  #publicReferences(what: "address" | "prefix", names: readonly (string | undefined)[], source: Source, path: Path): Reference[] {
    const known = what === "address" ? this.#publicAddresses : this.#publicPrefixes;
    return names.flatMap((name, index) => {
      if (name === undefined) return [];
      const found = known.get(name.toLowerCase());
      if (found !== undefined) return [{ id: found.id }];
      const all = [...known.values()].map((one) => one.name);
      const section = what === "address" ? "publicIPAddresses" : "publicIPPrefixes";
      this.#complain(
        source,
        typeof path.at(-1) === "string" && /^publicIP(Prefix|Address|v6Address)$/.test(String(path.at(-1))) ? path : [...path, index],
        {
          code: "UnknownReference",
          value: name,
          message: `there is no public IP ${what} ${formatValue(name)}${this.#suggestions.didYouMean(name, all)}`,
          fix: all.length === 0 ? `describe it under ${section}` : `there are ${some(all)}`,
        },
      );
      return [];
    });
  }

  #natGateway({ entry, source, path }: Located<NonNullable<LabFile["natGateways"][number]> & { readonly name: string }>): void {
    const { name } = entry;
    const id = armId(this.#name, "Microsoft.Network/natGateways", name);
    for (const [index, reference] of entry.subnets.entries()) {
      const at = [...path, "subnets", index];
      const subnet = this.#ownSubnet(reference, source, at);
      if (subnet === undefined) continue;
      const other = this.#natGatewayOf.get(subnet.toLowerCase());
      if (other === undefined) this.#natGatewayOf.set(subnet.toLowerCase(), { id, name });
      else {
        this.#complain(source, at, {
          code: "InvalidParameter",
          value: reference,
          message: `subnet ${reference} has two NAT gateways, ${other.name} and ${name}; a subnet has at most one`,
          source: "learn:azure/nat-gateway/nat-gateway-resource",
          fix: "give one of them more addresses instead",
        });
      }
    }
    this.#add(
      {
        id,
        name,
        type: "Microsoft.Network/natGateways",
        location: this.#location,
        properties: {
          publicIpAddresses: this.#publicReferences("address", entry.publicIpAddresses, source, [...path, "publicIpAddresses"]),
          publicIpPrefixes: this.#publicReferences("prefix", entry.publicIpPrefixes, source, [...path, "publicIpPrefixes"]),
          idleTimeoutInMinutes: entry.idleTimeoutInMinutes,
        },
      },
      { source, path, rename: same },
    );
  }

  #securityGroup({ entry, source, path }: Located<SecurityGroupEntry>, machines: readonly Located<MachineEntry>[]): void {
    const group = { id: armId(this.#name, "Microsoft.Network/networkSecurityGroups", entry.name), name: entry.name };
    for (const [index, reference] of entry.subnets.entries()) {
      const at = [...path, "subnets", index];
      const subnet = this.#ownSubnet(reference, source, at);
      if (subnet !== undefined) this.#attach(group, subnet, `subnet ${reference}`, source, at);
    }
    for (const [index, name] of entry.machines.entries()) {
      if (name === undefined) continue;
      const at = [...path, "machines", index];
      const machine = machines.find((one) => one.entry.name.toLowerCase() === name.toLowerCase());
      if (machine === undefined) {
        const names = machines.map((one) => one.entry.name);
        this.#complain(source, at, {
          code: "UnknownReference",
          value: name,
          message: `there is no machine ${formatValue(name)}${this.#suggestions.didYouMean(name, names)}`,
          fix: names.length === 0 ? "describe it under machines" : `machines are ${some(names)}`,
        });
      } else this.#attach(group, armId(this.#name, "Microsoft.Compute/virtualMachines", machine.entry.name), `machine ${name}`, source, at);
    }
    const all = entry.rules.flatMap((rule, index) =>
      rule === undefined ? [] : [{ entry: rule, source, path: [...path, "rules", index] }],
    );
    const rules = this.#distinct("security rule", all).flatMap((rule) => {
      const made = this.#securityRule(rule);
      return made === undefined ? [] : [{ index: Number(rule.path.at(-1)), rule: made }];
    });
    this.#add(
      {
        ...group,
        type: "Microsoft.Network/networkSecurityGroups",
        location: this.#location,
        properties: { securityRules: rules.map(({ rule }) => rule), defaultSecurityRules },
      },
      {
        source,
        path,
        rename: ([first, index, ...rest]) =>
          first !== "securityRules" ? [] : index === undefined ? ["rules"] : ["rules", rules[Number(index)]?.index ?? 0, ...rest],
      },
    );
  }

  /** A subnet and a network interface have one group at most. */
  #attach(group: { readonly id: ArmId; readonly name: string }, id: ArmId, what: string, source: Source, path: Path): void {
    const other = this.#groupOf.get(id.toLowerCase());
    if (other === undefined) this.#groupOf.set(id.toLowerCase(), group);
    else {
      this.#complain(source, path, {
        code: "InvalidParameter",
        message: `${what} has two network security groups, ${other.name} and ${group.name}; it has at most one`,
        source: securityGroupDocs,
        fix: "put all rules into one group, or one on the subnet and one on the machine",
      });
    }
  }

  #securityRule({ entry, source, path }: Located<SecurityRuleEntry & { readonly name: string }>): SecurityRule | undefined {
    const { name, priority, direction, access, protocol } = entry;
    if (priority === undefined || direction === undefined || access === undefined) return undefined;
    const memberships = (
      property: "sourceApplicationSecurityGroups" | "destinationApplicationSecurityGroups",
    ): readonly Reference[] | undefined =>
      entry[property]?.flatMap((group, index) => {
        const found = group === undefined ? undefined : this.#memberships.get(group.toLowerCase());
        if (group === undefined || found !== undefined) return found === undefined ? [] : [{ id: found.id }];
        const names = [...this.#memberships.values()].map((one) => one.name);
        this.#complain(source, [...path, property, index], {
          code: "UnknownReference",
          value: group,
          message: `no machine is in an application security group ${formatValue(group)}${this.#suggestions.didYouMean(group, names)}`,
          fix: names.length === 0 ? "name it under applicationSecurityGroups of a machine" : `there are ${some(names)}`,
        });
        return [];
      });
    const [from, to] = [memberships("sourceApplicationSecurityGroups"), memberships("destinationApplicationSecurityGroups")];
    return {
      name,
      properties: {
        ...(entry.description === undefined ? {} : { description: entry.description }),
        protocol,
        ...(from === undefined ? {} : { sourceApplicationSecurityGroups: from }),
        ...oneOrMore("sourceAddressPrefix", "sourceAddressPrefixes", entry, from === undefined),
        ...oneOrMore("sourcePortRange", "sourcePortRanges", entry, true),
        ...(to === undefined ? {} : { destinationApplicationSecurityGroups: to }),
        ...oneOrMore("destinationAddressPrefix", "destinationAddressPrefixes", entry, to === undefined),
        ...oneOrMore("destinationPortRange", "destinationPortRanges", entry, true),
        access,
        priority,
        direction,
      },
    };
  }

  #machine({ entry, source, path }: Located<MachineEntry>): void {
    const subnet = this.#subnet(entry.subnet, source, [...path, "subnet"]);
    if (subnet === undefined) return;
    const [listen] = present(entry.listen);
    const id = armId(this.#name, "Microsoft.Compute/virtualMachines", entry.name);
    const group = this.#groupOf.get(id.toLowerCase());
    const { publicIPAddress } = entry;
    const [publicIp] =
      publicIPAddress === undefined ? [] : this.#publicReferences("address", [publicIPAddress], source, [...path, "publicIPAddress"]);
    const memberships = new Set(
      present(entry.applicationSecurityGroups)[0].flatMap((name) => this.#memberships.get(name.toLowerCase())?.id ?? []),
    );
    this.#add(
      {
        id,
        name: entry.name,
        type: "Microsoft.Compute/virtualMachines",
        location: this.#location,
        tags: {
          [subnetTag]: subnet,
          ...(listen.length === 0 ? {} : { [listenTag]: [...new Set(listen)].join(" ") }),
          ...(entry.address === undefined ? {} : { [addressTag]: entry.address }),
          ...(entry.enableIPForwarding ? { [ipForwardingTag]: "true" } : {}),
          ...(publicIp === undefined ? {} : { [publicAddressTag]: publicIp.id }),
          ...this.#machineInIpv6(entry, source, path),
          ...(group === undefined ? {} : { [securityGroupTag]: group.id }),
          ...(memberships.size === 0 ? {} : { [applicationSecurityGroupsTag]: [...memberships].join(" ") }),
        },
        properties: { networkProfile: { networkInterfaces: [] } },
      },
      { source, path, rename: ([, tag]) => [machineTags[String(tag)] ?? "subnet"] },
    );
    if (entry.firewall !== undefined) this.#firewall(entry.name, id, entry.firewall, source, [...path, "firewall"]);
  }

  #loadBalancer({ entry, source, path }: Located<LoadBalancerEntry>, machines: readonly Located<MachineEntry>[]): void {
    const subnet = this.#subnet(entry.subnet, source, [...path, "subnet"]);
    const known = new Map(machines.map((machine) => [machine.entry.name.toLowerCase(), machine.entry.name]));
    const behind = (entry.machines ?? []).flatMap((wanted, index) => {
      const found = wanted === undefined ? undefined : known.get(wanted.toLowerCase());
      if (wanted !== undefined && found === undefined) {
        const names = [...known.values()];
        this.#complain(source, [...path, "machines", index], {
          code: "UnknownReference",
          value: wanted,
          message: `there is no machine ${formatValue(wanted)}${this.#suggestions.didYouMean(wanted, names)}`,
          fix: names.length === 0 ? "describe it under machines" : `machines are ${some(names)}`,
        });
      }
      return found === undefined ? [] : [armId(this.#name, "Microsoft.Compute/virtualMachines", found)];
    });
    const rules = (entry.rules ?? []).flatMap((rule, index) =>
      rule?.name === undefined ? [] : [{ entry: { ...rule, name: rule.name }, source, path: [...path, "rules", index] }],
    );
    this.#distinct("load-balancing rule", rules);
    if (subnet === undefined) return;
    const id = armId(this.#name, "Microsoft.Network/loadBalancers", entry.name);
    this.#add(expandLoadBalancer(id, this.#location, entry, subnet, [...new Set(behind)]), { source, path, rename: same });
  }

  /** What a machine's tags say of IPv6. */
  #machineInIpv6(entry: MachineEntry, source: Source, path: Path): Readonly<Record<string, string>> {
    const { ipFamilies, ipv6Address, publicIPv6Address } = entry;
    const wanted = ipFamilies === undefined ? ipv6Address !== undefined || publicIPv6Address !== undefined : ipFamilies.includes("IPv6");
    if (!wanted) return {};
    const [publicIp] =
      publicIPv6Address === undefined ? [] : this.#publicReferences("address", [publicIPv6Address], source, [...path, "publicIPv6Address"]);
    return {
      [ipv6AddressTag]: parseAddress(ipv6Address ?? "") ?? ipv6Address ?? "",
      ...(publicIp === undefined ? {} : { [publicIpv6AddressTag]: publicIp.id }),
    };
  }

  #privateEndpoint({ entry, source, path }: Located<NonNullable<LabFile["privateEndpoints"][number]> & { readonly name: string }>): void {
    const subnet = this.#subnet(entry.subnet, source, [...path, "subnet"]);
    if (subnet === undefined) return;
    const [listen] = present(entry.listen);
    this.#add(
      {
        id: armId(this.#name, "Microsoft.Network/privateEndpoints", entry.name),
        name: entry.name,
        type: "Microsoft.Network/privateEndpoints",
        location: this.#location,
        tags: {
          [subnetTag]: subnet,
          ...(listen.length === 0 ? {} : { [listenTag]: [...new Set(listen)].join(" ") }),
          ...(entry.address === undefined ? {} : { [addressTag]: entry.address }),
        },
        properties: { subnet: { id: subnet }, networkInterfaces: [] },
      },
      { source, path, rename: ([, tag]) => (tag === addressTag ? ["address"] : ["subnet"]) },
    );
  }

  #firewall(machine: string, id: ArmId, entry: NonNullable<MachineEntry["firewall"]>, source: Source, path: Path): void {
    const located = entry.rules.flatMap((rule, index) =>
      rule === undefined ? [] : [{ entry: rule, source, path: [...path, "rules", index] }],
    );
    const rules = this.#distinct("firewall rule", located).map(({ entry: rule, path: at }) => ({
      index: Number(at.at(-1)),
      rule: {
        name: rule.name,
        action: rule.action,
        protocols: present(rule.protocols)[0],
        sourceAddresses: present(rule.sourceAddresses)[0],
        destinationAddresses: present(rule.destinationAddresses)[0],
        destinationPorts: present(rule.destinationPorts)[0],
      },
    }));
    this.#add(
      {
        id: armId(this.#name, "Drydock.Lab/firewalls", machine),
        name: machine,
        type: "Drydock.Lab/firewalls",
        properties: { virtualMachine: { id }, defaultAction: entry.defaultAction, rules: rules.map(({ rule }) => rule), snat: entry.snat },
      },
      {
        source,
        path,
        rename: (property) =>
          property.map((step, index) => (index === 1 && typeof step === "number" ? (rules[step]?.index ?? step) : step)),
      },
    );
  }

  #site(
    { entry, source, path }: Located<NonNullable<LabFile["sites"][number]> & { readonly name: string }>,
    networks: ReadonlyMap<string, string>,
    gateways: Set<string>,
  ): void {
    if (entry.network === undefined) return;
    const network = this.#networkCalled(entry.network, networks, source, [...path, "network"]);
    if (network === undefined) return;
    const group = this.#name;
    const location = this.#location;
    // Of a site that another document's local network gateway stands for, this file has the machines.
    const known = this.#other("Drydock.Lab/sites", entry.name);
    const gatewayName = `${network}-gateway`;
    const foreign = this.#foreignGateways.get(this.#networkId(network).toLowerCase());
    const gateway = foreign ?? armId(group, "Microsoft.Network/virtualNetworkGateways", gatewayName);
    if (known === undefined && foreign === undefined && !gateways.has(network)) {
      gateways.add(network);
      this.#add(
        {
          id: gateway,
          name: gatewayName,
          type: "Microsoft.Network/virtualNetworkGateways",
          location,
          properties: {
            gatewayType: "Vpn",
            ipConfigurations: [
              {
                id: `${gateway}/ipConfigurations/default`,
                name: "default",
                properties: { subnet: { id: `${this.#networkId(network)}/subnets/${gatewaySubnet}` } },
              },
            ],
          },
        },
        { source, path, rename: () => [] },
      );
    }
    const local = known?.properties.localNetworkGateway.id ?? armId(group, "Microsoft.Network/localNetworkGateways", entry.name);
    const [prefixes, prefixIndexes] = present(entry.prefixes);
    if (known !== undefined) this.#samePrefixes(entry.name, prefixes, source, [...path, "prefixes"]);
    const machines: LabMachine[] = [];
    const machineIndexes: number[] = [];
    const located = entry.machines.flatMap((machine, index) =>
      machine === undefined ? [] : [{ entry: machine, source, path: [...path, "machines", index] }],
    );
    for (const { entry: machine, path: at } of this.#distinct("machine", located)) {
      if (machine.address === undefined) continue;
      machines.push({ name: machine.name, address: machine.address, listen: [...new Set(present(machine.listen)[0])] });
      machineIndexes.push(Number(at.at(-1)));
    }
    if (known === undefined) this.#siteInAzure({ name: entry.name, local, gateway, gatewayName, prefixes }, source, path);
    this.#add(
      {
        id: known?.id ?? armId(group, "Drydock.Lab/sites", entry.name),
        name: entry.name,
        type: "Drydock.Lab/sites",
        properties: { localNetworkGateway: { id: local }, machines },
      },
      {
        source,
        path,
        rename: ([first, index, ...rest]) => {
          if (first === undefined) return [];
          const indexes = first === "prefixes" ? prefixIndexes : machineIndexes;
          return index === undefined ? [first] : [first, indexes[Number(index)] ?? 0, ...rest];
        },
      },
    );
  }

  /** What Azure knows of a site: its prefixes, and the connection of the VNet's gateway. */
  #siteInAzure(
    site: {
      readonly name: string;
      readonly local: ArmId;
      readonly gateway: ArmId;
      readonly gatewayName: string;
      readonly prefixes: readonly string[];
    },
    source: Source,
    path: Path,
  ): void {
    const connection = `${site.gatewayName}-to-${site.name}`;
    const group = this.#name;
    const location = this.#location;
    this.#add(
      {
        id: site.local,
        name: site.name,
        type: "Microsoft.Network/localNetworkGateways",
        location,
        properties: { localNetworkAddressSpace: { addressPrefixes: site.prefixes } },
      },
      { source, path, rename: () => ["prefixes"] },
    );
    this.#add(
      {
        id: armId(group, "Microsoft.Network/connections", connection),
        name: connection,
        type: "Microsoft.Network/connections",
        location,
        properties: { connectionType: "IPsec", virtualNetworkGateway1: { id: site.gateway }, localNetworkGateway2: { id: site.local } },
      },
      { source, path, rename: () => ["network"] },
    );
  }

  #samePrefixes(name: string, prefixes: readonly string[], source: Source, path: Path): void {
    const local = this.#other("Microsoft.Network/localNetworkGateways", name);
    const theirs = local?.properties.localNetworkAddressSpace.addressPrefixes ?? [];
    if ([...prefixes].sort().join(" ") === [...theirs].sort().join(" ")) return;
    this.#complain(source, path, {
      code: "Conflict",
      message: `another document describes site ${name}, with the prefixes ${some(theirs)}`,
      fix: "write the same prefixes, or change them there",
    });
  }

  #internetHost({ entry, source, path }: Located<NonNullable<LabFile["internet"][number]> & { readonly name: string }>): void {
    if (entry.address === undefined) return;
    this.#add(
      {
        id: armId(this.#name, "Drydock.Lab/internetHosts", entry.name),
        name: entry.name,
        type: "Drydock.Lab/internetHosts",
        properties: {
          address: entry.address,
          ...(entry.ipv6Address === undefined ? {} : { ipv6Address: parseAddress(entry.ipv6Address) ?? entry.ipv6Address }),
          listen: [...new Set(present(entry.listen)[0])],
          ...(entry.service === undefined ? {} : { service: entry.service }),
        },
      },
      { source, path, rename: same },
    );
  }

  #cluster({ entry, source, path }: Located<ClusterEntry & { readonly name: string }>): void {
    const { name } = entry;
    const [paths, indexes] = present(entry.manifests);
    const manifests = paths.map((text, index) => ({ path: text, source, at: [...path, "manifests", indexes[index] ?? 0] }));
    const known = this.#other("Microsoft.ContainerService/managedClusters", name);
    if (known !== undefined) {
      this.#manifests.set(known.id.toLowerCase(), manifests);
      this.#refuseOthers(entry, ["name", "manifests"], source, path, `cluster ${name}`);
      return;
    }
    const id = armId(this.#name, "Microsoft.ContainerService/managedClusters", name);
    const dnsPrefix = entry.dnsPrefix ?? dnsPrefixOf(name);
    const group = entry.nodeResourceGroup ?? nodeResourceGroup(this.#name, name, this.#location);
    const networkProfile = this.#networkProfile(entry, source, path);
    const resource: ManagedCluster = {
      id,
      name,
      type: "Microsoft.ContainerService/managedClusters",
      location: this.#location,
      properties: {
        dnsPrefix,
        ...(entry.kubernetesVersion === undefined ? {} : { kubernetesVersion: entry.kubernetesVersion }),
        nodeResourceGroup: group,
        networkProfile,
        ...(entry.apiServerAccessProfile === undefined ? {} : { apiServerAccessProfile: entry.apiServerAccessProfile }),
        ...addonProfilesOf(entry),
      },
    };
    this.#add(resource, {
      source,
      path,
      rename: ([first, ...rest]) =>
        first === undefined ? [] : first === "networkProfile" ? rest : first === "agentPoolProfiles" ? ["pools"] : [first, ...rest],
    });
    const subnet =
      entry.subnet === undefined
        ? this.#managedSubnet(entry, group, dnsPrefix, source, path)
        : this.#subnet(entry.subnet, source, [...path, "subnet"]);
    this.#pools(entry, resource, subnet, source, path);
    this.#manifests.set(id.toLowerCase(), manifests);
  }

  #networkProfile(entry: ClusterEntry, source: Source, path: Path): NetworkProfile {
    const { networkPlugin, networkPluginMode } = this.#networkOption(entry, source, path);
    const plugin = { networkPlugin, ...(networkPluginMode === undefined ? {} : { networkPluginMode }) };
    const hasPodSubnet = entry.podSubnet !== undefined || entry.pools.some((pool) => pool?.podSubnet !== undefined);
    const given = {
      ...plugin,
      ...(entry.networkMode === undefined ? {} : { networkMode: entry.networkMode }),
      ...(entry.networkPolicy === undefined ? {} : { networkPolicy: entry.networkPolicy }),
      ...(entry.networkDataplane === undefined ? {} : { networkDataplane: entry.networkDataplane }),
      ipFamilies: entry.ipFamilies && present(entry.ipFamilies)[0],
      podCidr: entry.podCidr,
      podCidrs: entry.podCidrs && present(entry.podCidrs)[0],
      serviceCidr: entry.serviceCidr,
      serviceCidrs: entry.serviceCidrs && present(entry.serviceCidrs)[0],
      dnsServiceIP: entry.dnsServiceIP,
      outboundType: entry.outboundType,
      loadBalancerProfile: this.#loadBalancerProfile(entry, source, path),
      natGatewayProfile: entry.natGatewayProfile && {
        count: entry.natGatewayProfile.managedOutboundIPProfile?.count,
        idleTimeoutInMinutes: entry.natGatewayProfile.idleTimeoutInMinutes,
      },
    };
    const ignored = podCidrIgnored(given);
    if (ignored !== undefined) this.#complain(source, [...path, "podCidr"], ignored);
    return completedProfile(given, this.#rules, hasPodSubnet);
  }

  #loadBalancerProfile(entry: ClusterEntry, source: Source, path: Path): GivenProfile["loadBalancerProfile"] {
    const profile = entry.loadBalancerProfile;
    if (profile === undefined) return {};
    const at = [...path, "loadBalancerProfile"];
    const { outboundIPs, outboundIPPrefixes, managedOutboundIPs, clusterServiceLoadBalancerHealthProbeMode: mode } = profile;
    const publicIPs = this.#publicReferences("address", outboundIPs?.publicIPs ?? [], source, [...at, "outboundIPs", "publicIPs"]);
    const prefixes = outboundIPPrefixes?.publicIPPrefixes ?? [];
    const publicIPPrefixes = this.#publicReferences("prefix", prefixes, source, [...at, "outboundIPPrefixes", "publicIPPrefixes"]);
    return {
      ...(managedOutboundIPs === undefined
        ? {}
        : {
            managedOutboundIPs: {
              count: managedOutboundIPs.count,
              ...(managedOutboundIPs.countIPv6 === undefined ? {} : { countIPv6: managedOutboundIPs.countIPv6 }),
            },
          }),
      ...(outboundIPs === undefined ? {} : { outboundIPs: { publicIPs } }),
      ...(outboundIPPrefixes === undefined ? {} : { outboundIPPrefixes: { publicIPPrefixes } }),
      allocatedOutboundPorts: profile.allocatedOutboundPorts,
      idleTimeoutInMinutes: profile.idleTimeoutInMinutes,
      ...(mode === undefined ? {} : { clusterServiceLoadBalancerHealthProbeMode: mode }),
    };
  }

  /** As the cluster says it, or as AKS chooses for one that does not. */
  #networkOption(entry: ClusterEntry, source: Source, path: Path): Pick<NetworkProfile, "networkPlugin" | "networkPluginMode"> {
    const { networkPlugin, networkPluginMode } = entry;
    const mode = networkPluginMode === undefined ? {} : { networkPluginMode };
    if (networkPlugin !== undefined) return { networkPlugin, ...mode };
    // A wrong value has been reported already, and is not taken for none.
    if (propertiesAt(source, path).some((property) => isMeant(property, "networkPlugin", entry)))
      return { networkPlugin: "azure", ...mode };
    return { ...defaultNetworkOption(entry.kubernetesVersion, this.#rules), ...mode };
  }

  /** The VNet that AKS makes for a cluster that names no subnet. Only when a pool needs it. */
  #managedSubnet(entry: ClusterEntry, group: string, dnsPrefix: string, source: Source, path: Path): ArmId | undefined {
    const pools = entry.pools.filter((pool) => pool !== undefined);
    if (pools.length > 0 && pools.every((pool) => pool.subnet !== undefined)) return undefined;
    const isDualStack = entry.ipFamilies?.includes("IPv6") === true;
    const [made, subnet] = aksNetwork({ group, dnsPrefix, location: this.#location, rules: this.#rules, isDualStack });
    const network = made.name;
    const origin = { source, path, rename: () => ["subnet"] };
    if (this.#networkNames.has(network)) {
      this.#complain(source, [...path, "dnsPrefix"], {
        code: "DuplicateName",
        value: dnsPrefix,
        message: `the VNet that AKS makes for cluster ${entry.name} is called ${network}, after its DNS prefix ${dnsPrefix}; another VNet of the lab has that name`,
        fix: "give the cluster another dnsPrefix, or a subnet",
      });
    }
    this.#networkNames.add(network);
    this.#add(made, origin);
    this.#add(subnet, origin);
    return subnet.id;
  }

  #pools(entry: ClusterEntry, cluster: ManagedCluster, clusterSubnet: ArmId | undefined, source: Source, path: Path): void {
    const { networkProfile } = cluster.properties;
    const sharedPodSubnet = entry.podSubnet === undefined ? undefined : this.#subnet(entry.podSubnet, source, [...path, "podSubnet"]);
    const podsOf = (podSubnetID: ArmId | undefined, podIPAllocationMode: PodIPAllocationMode | undefined) => ({
      ...(podSubnetID === undefined ? {} : { podSubnetID }),
      ...(podIPAllocationMode === undefined ? {} : { podIPAllocationMode }),
    });
    const maxPodsFor = (podSubnetID: ArmId | undefined) => defaultMaxPods(networkProfile, podSubnetID);
    const located = entry.pools.flatMap((pool, index) => (pool === undefined ? [] : [{ pool, index }]));
    const named = located.map(({ pool, index }) => ({
      entry: { ...pool, name: pool.name ?? (index === 0 ? clusterDefaults.poolName : `nodepool${index + 1}`) },
      source,
      path: [...path, "pools", index] as Path,
    }));
    for (const { entry: pool, path: at } of this.#distinct("pool", named)) {
      const own = pool.subnet === undefined ? undefined : this.#subnet(pool.subnet, source, [...at, "subnet"]);
      const [taints] = present(pool.nodeTaints);
      const podSubnet = pool.podSubnet === undefined ? sharedPodSubnet : this.#subnet(pool.podSubnet, source, [...at, "podSubnet"]);
      const properties: AgentPool["properties"] = {
        count: pool.count,
        maxPods: pool.maxPods ?? maxPodsFor(podSubnet),
        vnetSubnetID: own ?? clusterSubnet ?? unknownSubnet,
        ...podsOf(podSubnet, pool.podIPAllocationMode ?? entry.podIPAllocationMode),
        osType: pool.osType,
        mode: pool.mode ?? (at.at(-1) === 0 ? "System" : "User"),
        ...scalingOf(pool),
        ...(pool.windowsProfile === undefined ? {} : { windowsProfile: pool.windowsProfile }),
        ...(pool.nodeLabels === undefined ? {} : { nodeLabels: pool.nodeLabels }),
        ...(taints.length === 0 ? {} : { nodeTaints: taints }),
      };
      this.#pool(cluster, pool.name, properties, {
        source,
        path: at,
        // What the pool leaves out may be the cluster's: one step up twice.
        rename: ([first, ...rest]) => {
          if (first === undefined) return [];
          const name = first === "vnetSubnetID" ? "subnet" : first === "podSubnetID" ? "podSubnet" : first;
          const isShared = (name === "subnet" || name === "podSubnet" || name === "podIPAllocationMode") && pool[name] === undefined;
          return isShared ? [up, up, name] : [name, ...rest];
        },
      });
    }
    if (entry.pools.length > 0) return;
    this.#pool(
      cluster,
      clusterDefaults.poolName,
      {
        count: clusterDefaults.nodeCount,
        maxPods: maxPodsFor(sharedPodSubnet),
        vnetSubnetID: clusterSubnet ?? unknownSubnet,
        ...podsOf(sharedPodSubnet, entry.podIPAllocationMode),
        osType: "Linux",
        mode: "System",
      },
      {
        source,
        path,
        rename: ([first]) => {
          if (first === "vnetSubnetID") return ["subnet"];
          if (first === "podSubnetID") return ["podSubnet"];
          return first === "podIPAllocationMode" ? [first] : ["pools"];
        },
      },
    );
  }

  #pool(cluster: ManagedCluster, name: string, properties: AgentPool["properties"], origin: Origin): void {
    const id = armId(this.#name, "Microsoft.ContainerService/managedClusters/agentPools", cluster.name, name);
    this.#add({ id, name, type: "Microsoft.ContainerService/managedClusters/agentPools", properties }, origin);
  }
}

function scalingOf({ enableAutoScaling, minCount, maxCount, upgradeSettings }: PoolEntry): Partial<AgentPool["properties"]> {
  const { maxSurge, maxUnavailable } = upgradeSettings ?? {};
  return {
    ...(enableAutoScaling === undefined ? {} : { enableAutoScaling }),
    ...(minCount === undefined ? {} : { minCount }),
    ...(maxCount === undefined ? {} : { maxCount }),
    ...(upgradeSettings === undefined
      ? {}
      : {
          upgradeSettings: { ...(maxSurge === undefined ? {} : { maxSurge }), ...(maxUnavailable === undefined ? {} : { maxUnavailable }) },
        }),
  };
}

function addonProfilesOf({ addonProfiles }: ClusterEntry): Pick<ManagedCluster["properties"], "addonProfiles"> {
  const addon = addonProfiles?.aciConnectorLinux;
  const subnet = addon?.config?.SubnetName;
  if (addon === undefined || subnet === undefined) return {};
  return { addonProfiles: { aciConnectorLinux: { enabled: addon.enabled, config: { SubnetName: subnet } } } };
}

/** Of what a section describes, for those whose entries may not stand beside another document's of the same name. */
const typesOf: Readonly<Record<string, AzureResource["type"]>> = {
  networks: "Microsoft.Network/virtualNetworks",
  machines: "Microsoft.Compute/virtualMachines",
  privateEndpoints: "Microsoft.Network/privateEndpoints",
  routeTables: "Microsoft.Network/routeTables",
  securityGroups: "Microsoft.Network/networkSecurityGroups",
  publicIPPrefixes: "Microsoft.Network/publicIPPrefixes",
  publicIPAddresses: "Microsoft.Network/publicIPAddresses",
  natGateways: "Microsoft.Network/natGateways",
};

type MachineEntry = NonNullable<LabFile["machines"][number]> & { readonly name: string };
type SecurityGroupEntry = NonNullable<LabFile["securityGroups"][number]> & { readonly name: string };
type SecurityRuleEntry = NonNullable<SecurityGroupEntry["rules"][number]>;
type PoolEntry = NonNullable<ClusterEntry["pools"][number]>;
/** How the tags of a machine are called in a lab file. */
const machineTags: Readonly<Record<string, string>> = {
  [addressTag]: "address",
  [publicAddressTag]: "publicIPAddress",
  [ipv6AddressTag]: "ipv6Address",
  [publicIpv6AddressTag]: "publicIPv6Address",
};

type NetworkEntry = NonNullable<LabFile["networks"][number]> & { readonly name: string };

/** Of a pool whose subnet is unknown, which has been reported: no rule finds it. */
const unknownSubnet = "/unknown/subnets/unknown";

/** A step of a path from a part to what it is in. */
const up = "..";

/** A path with its steps up taken. */
export function resolvePath(path: Path): Path {
  const result: (string | number)[] = [];
  for (const step of path) {
    if (step === up) result.pop();
    else result.push(step);
  }
  return result;
}

function propertiesAt(source: Source, path: Path): readonly string[] {
  let part = source.root;
  for (const step of path) {
    const next = part.kind === "map" ? part.entries.get(String(step))?.value : part.kind === "list" ? part.items[Number(step)] : undefined;
    if (next === undefined) return [];
    part = next;
  }
  return part.kind === "map" ? [...part.entries.keys()] : [];
}

/** Is it the property, or a misspelling of it, which has been reported? `known` has a key for each property that there is. */
function isMeant(written: string, property: string, known: object): boolean {
  return written === property || (!Object.hasOwn(known, written) && closest(written, Object.keys(known)) === property);
}

/** The items that could be read, and their positions in the document. */
function present<T>(items: readonly (T | undefined)[] | undefined): [readonly T[], readonly number[]] {
  const values: T[] = [];
  const indexes: number[] = [];
  for (const [index, item] of (items ?? []).entries()) {
    if (item === undefined) continue;
    values.push(item);
    indexes.push(index);
  }
  return [values, indexes];
}

/** A rule's property in its two forms, as they are given: for one value, and for several. `anyway`: all, when neither is. */
function oneOrMore<One extends string, Several extends string>(
  one: One,
  several: Several,
  entry: { readonly [K in One]: string | undefined } & { readonly [K in Several]: readonly (string | undefined)[] | undefined },
  anyway: boolean,
): Partial<Readonly<Record<One, string> & Record<Several, readonly string[]>>> {
  const values: Record<string, unknown> = {};
  if (entry[one] !== undefined) values[one] = entry[one];
  if (entry[several] !== undefined) values[several] = present(entry[several])[0];
  if (anyway && entry[one] === undefined && entry[several] === undefined) values[one] = "*";
  return values as Partial<Readonly<Record<One, string> & Record<Several, readonly string[]>>>;
}

/** The first few of a list of names. */
function some(names: readonly string[]): string {
  return names.length <= 8 ? names.join(", ") : `${names.slice(0, 8).join(", ")} and ${names.length - 8} more`;
}

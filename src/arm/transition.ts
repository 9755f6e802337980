/** What Azure does not let one change on what is running (AKS docs as named at each rule), and what to do instead. */

import { parseAddress } from "../net/address.ts";
import { type Prefix, parsePrefix, prefixContains, prefixCovers } from "../net/prefix.ts";
import { lastSegment, segmentAfter, subnetTag } from "./names.ts";
import { isOverlayProfile, networkOption, optionNames } from "./network-option.ts";
import { isOverlayMove, overlayMoveDocs, overlayMoveProblems } from "./overlay-move.ts";
import type { AgentPool, AzureResource, ManagedCluster, NetworkProfile, Subnet } from "./resources.ts";
import { refusedOutboundChange } from "./rules/outbound.ts";
import type { ArmProblem, PropertyPath } from "./rules/problem.ts";
import { type AzureView, azureView, parentOf, sameId, subnetLabel } from "./rules/view.ts";

const rebuild =
  "make a new cluster beside it with the new value, move the workloads, and delete the old one; in a lab: give it another name, or `drydock down --purge` first";
const newPool = "add a new pool with the new value, move the pods, and delete the old pool";
const planning = "aks:concepts-network-ip-address-planning.md";

/** `current`: what runs, with what AKS made. `next`: what the documents want. */
export function refusedTransitions(current: readonly AzureResource[], next: readonly AzureResource[]): readonly ArmProblem[] {
  const problems: ArmProblem[] = [];
  const [now, wanted] = [azureView(current), azureView(next)];
  const lab = now.labs[0];
  const wantedLab = wanted.labs[0];
  if (lab !== undefined && wantedLab !== undefined && lab.properties.rules !== wantedLab.properties.rules) {
    problems.push(
      changed(wantedLab.id, ["rules"], lab.properties.rules, wantedLab.properties.rules, {
        message: "a running lab keeps its rule set",
        fix: "start a lab of another name, or `drydock down --purge` first",
      }),
    );
  }
  for (const cluster of wanted.clusters) {
    const before = now.cluster(cluster.id);
    if (before === undefined) continue;
    problems.push(
      ...clusterChanges(now, wanted, before, cluster),
      ...outboundChanges(wanted, before, cluster),
      ...poolChanges(now, wanted, cluster),
      ...tableChanges(now, wanted, cluster),
    );
  }
  for (const machine of wanted.machines) {
    const from = now.machine(machine.id)?.tags?.[subnetTag];
    const to = machine.tags?.[subnetTag];
    if (from === undefined || to === undefined || sameId(parentOf(from), parentOf(to))) continue;
    problems.push(
      changed(machine.id, ["tags", subnetTag], subnetLabel(from), subnetLabel(to), {
        message: "a virtual machine can change to another subnet, but stays in its VNet",
        source: "learn:azure/virtual-network/virtual-network-network-interface",
        fix: "delete the machine (take it out of the file and apply), then add it anew; or give the new one another name",
      }),
    );
  }
  problems.push(...networkChanges(current, now, wanted));
  return problems;
}

const dualStackDocs = "aks:configure-dual-stack.md";

type Rule = { readonly message: string; readonly source?: string; readonly fix: string };

function changed(id: string, property: PropertyPath, from: unknown, to: unknown, rule: Rule): ArmProblem {
  const { message, ...rest } = rule;
  const text = `changing property '${property.join(".")}' from ${written(from)} to ${written(to)} is not allowed: ${message}`;
  return { code: "PropertyChangeNotAllowed", severity: "error", id, property, value: to, message: text, ...rest };
}

function written(value: unknown): string {
  return value === undefined ? "nothing" : String(value);
}

function clusterChanges(now: AzureView, next: AzureView, before: ManagedCluster, after: ManagedCluster): ArmProblem[] {
  const problems: ArmProblem[] = [];
  const option = networkOption(before.properties.networkProfile, now.poolsOf(before));
  const nextOption = networkOption(after.properties.networkProfile, next.poolsOf(after));
  const [old, wanted] = [before.properties.networkProfile, after.properties.networkProfile];
  const compare = (property: PropertyPath, from: unknown, to: unknown, rule: Rule) => {
    if (from !== to) problems.push(changed(after.id, property, from, to, rule));
  };
  const profile = (name: keyof typeof old, rule: Rule) => compare(["networkProfile", name], old[name], wanted[name], rule);

  if (old.networkPlugin !== wanted.networkPlugin || old.networkPluginMode !== wanted.networkPluginMode) {
    if (isOverlayMove(option, nextOption)) {
      problems.push(...overlayMoveProblems(before, after, next.labs[0]?.properties.rules ?? "current"));
    } else {
      const message = `the network option is fixed; the only ways in place are from ${optionNames.kubenet} and from ${optionNames.nodeSubnet} to ${optionNames.overlay}, and never back`;
      profile("networkPlugin", { message, source: overlayMoveDocs, fix: rebuild });
      profile("networkPluginMode", { message, source: overlayMoveDocs, fix: rebuild });
    }
  } else {
    if (!isGrowth(old, wanted)) {
      const why = isOverlayProfile(old)
        ? "the pod CIDR of an overlay can grow to a larger range that holds it, and change in no other way"
        : "the pod CIDR of kubenet is fixed: pods keep their addresses for as long as the cluster lives";
      profile("podCidr", {
        message: why,
        source: "aks:azure-cni-overlay-pod-expand.md; aks:concepts-network-azure-cni-overlay.md",
        fix: rebuild,
      });
    }
    const nodes = "a cluster's nodes are set up with it; only new and upgraded nodes ever changed over, with a release of AKS";
    profile("networkMode", { message: nodes, source: "chg:2021-01-04", fix: rebuild });
  }
  profile("serviceCidr", {
    message: "the service CIDR is fixed; from Kubernetes 1.33 on it can be extended with a ServiceCIDR object, which is not modelled yet",
    source: planning,
    fix: rebuild,
  });
  const listed = (name: "podCidrs" | "serviceCidrs", message: string) =>
    compare(["networkProfile", name], old[name]?.join(", "), wanted[name]?.join(", "), { message, source: dualStackDocs, fix: rebuild });
  const families = ({ ipFamilies = ["IPv4"] }: NetworkProfile) => ipFamilies.join(", ");
  compare(["networkProfile", "ipFamilies"], families(old), families(wanted), {
    message: "nodes and pods keep the families that they were made with",
    source: dualStackDocs,
    fix: rebuild,
  });
  if (wanted.ipFamilies?.includes("IPv6") === true && old.ipFamilies?.includes("IPv6") === true) {
    listed("podCidrs", "the ranges of a dual-stack cluster's pods are fixed");
    listed("serviceCidrs", "the ranges of a dual-stack cluster's Services are fixed");
  }
  profile("dnsServiceIP", { message: "every pod was told this address", source: planning, fix: rebuild });
  profile("loadBalancerSku", {
    message: "the load balancer's SKU is fixed",
    source: "aks:upgrade-basic-load-balancer-on-aks.md",
    fix: rebuild,
  });
  const isPrivate = (cluster: ManagedCluster) => cluster.properties.apiServerAccessProfile?.enablePrivateCluster === true;
  compare(["apiServerAccessProfile", "enablePrivateCluster"], isPrivate(before), isPrivate(after), {
    message: "a cluster is made private, or public, for good",
    source: "aks:private-clusters.md",
    fix: rebuild,
  });
  compare(["dnsPrefix"], before.properties.dnsPrefix, after.properties.dnsPrefix, {
    message: "the names of everything that AKS made come from it",
    source: "sdk",
    fix: rebuild,
  });
  compare(["nodeResourceGroup"], before.properties.nodeResourceGroup, after.properties.nodeResourceGroup, {
    message: "the node resource group is fixed",
    source: "aks:faq.yml",
    fix: rebuild,
  });
  return problems;
}

/** Does the pod CIDR of an overlay grow to a range that holds the one before? Docs: azure-cni-overlay-pod-expand.md. */
function isGrowth(old: NetworkProfile, wanted: NetworkProfile): boolean {
  const [before, after] = [parsePrefix(old.podCidr ?? ""), parsePrefix(wanted.podCidr ?? "")];
  return isOverlayProfile(old) && before !== undefined && after !== undefined && prefixCovers(after, before);
}

function outboundChanges(wanted: AzureView, before: ManagedCluster, after: ManagedCluster): ArmProblem[] {
  const allowed = refusedOutboundChange(wanted, before, after);
  if (allowed === undefined) return [];
  const [from, to] = [before.properties.networkProfile.outboundType, after.properties.networkProfile.outboundType];
  return [
    changed(after.id, ["networkProfile", "outboundType"], from, to, {
      message: `from ${from} the outbound type can change to ${allowed.join(", ") || "no other"}`,
      source: "aks:egress-outboundtype.md",
      fix: allowed.length === 0 ? rebuild : `use ${allowed.join(" or ")}, or ${rebuild}`,
    }),
  ];
}

function poolChanges(now: AzureView, wanted: AzureView, cluster: ManagedCluster): ArmProblem[] {
  const problems: ArmProblem[] = [];
  const old = new Map(now.poolsOf(cluster).map((pool) => [pool.id.toLowerCase(), pool]));
  for (const pool of wanted.poolsOf(cluster)) {
    const before = old.get(pool.id.toLowerCase());
    if (before === undefined) continue;
    const compare = (name: keyof AgentPool["properties"], rule: Rule, shown = (value: unknown) => value) => {
      const [from, to] = [before.properties[name], pool.properties[name]];
      const isSame = name === "vnetSubnetID" || name === "podSubnetID" ? sameId(String(from), String(to)) : from === to;
      if (!isSame) problems.push(changed(pool.id, [name], shown(from), shown(to), rule));
    };
    compare("maxPods", {
      message: "max pods per node are fixed when a pool is made",
      source: planning,
      fix: `write maxPods: ${before.properties.maxPods}; or ${newPool}`,
    });
    compare("vnetSubnetID", { message: "a pool stays in its subnet", source: "aks:node-pool-unique-subnet.md", fix: newPool }, (value) =>
      subnetLabel(String(value)),
    );
    compare(
      "podSubnetID",
      { message: "a pool's pods stay in their subnet", source: "aks:concepts-network-azure-cni-pod-subnet.md", fix: newPool },
      (value) => (value === undefined ? value : subnetLabel(String(value))),
    );
    compare("podIPAllocationMode", {
      message: "the allocation mode is fixed when a pool is made",
      source: "aks:concepts-network-azure-cni-pod-subnet.md",
      fix: newPool,
    });
    compare("osType", { message: "a pool keeps its operating system", source: "sdk", fix: newPool });
  }
  return problems;
}

/** kubenet writes its routes into the table that its subnet had when the cluster was made, be it one of one's own or AKS's. */
function tableChanges(now: AzureView, wanted: AzureView, cluster: ManagedCluster): ArmProblem[] {
  if (cluster.properties.networkProfile.networkPlugin !== "kubenet") return [];
  const ids = new Set(now.poolsOf(cluster).map((pool) => pool.properties.vnetSubnetID.toLowerCase()));
  return [...ids].flatMap((id) => {
    const [before, after] = [now.subnet(id), wanted.subnet(id)];
    if (before === undefined || after === undefined) return [];
    const [from, to] = [before.properties.routeTable?.id ?? "", after.properties.routeTable?.id ?? ""];
    const isManaged = isInGroup(from, cluster.properties.nodeResourceGroup);
    if (sameId(from, to) || (to === "" && (from === "" || isManaged))) return [];
    const name = (table: string) => (table === "" ? "none" : lastSegment(table));
    const problem: ArmProblem = {
      code: "CustomRouteTableInvalidUpdateAttempt",
      severity: "error",
      id: after.id,
      property: ["routeTable"],
      value: name(to),
      message: `the route table of subnet ${subnetLabel(id)} cannot be changed from ${name(from)} to ${name(to)}: kubenet cluster ${cluster.name} has its routes in the one that was there when it was made`,
      source: "aks:configure-kubenet.md",
      fix: isManaged
        ? "to use a table of your own, make a new cluster in a subnet that has it; or leave the table away from this subnet"
        : "leave the table on the subnet; the routes in it can be changed at any time",
    };
    return [problem];
  });
}

function isInGroup(id: string, group: string): boolean {
  return segmentAfter(id, "resourceGroups").toLowerCase() === group.toLowerCase();
}

function networkChanges(current: readonly AzureResource[], now: AzureView, wanted: AzureView): ArmProblem[] {
  const problems: ArmProblem[] = [];
  for (const network of wanted.networks) {
    const before = now.network(network.id);
    const gone = (before?.properties.addressSpace.addressPrefixes ?? []).filter(
      (prefix) => !network.properties.addressSpace.addressPrefixes.includes(prefix),
    );
    // Subnets that go or move with it are checked below, and the documents' own rules see to the rest.
    const spaces = prefixesOf(network.properties.addressSpace.addressPrefixes);
    const stranded = gone.length === 0 ? [] : strandedNics(current, (subnet) => sameId(parentOf(subnet), network.id), wanted, spaces);
    if (stranded.length > 0) {
      problems.push({
        code: "InUsePrefixCannotBeDeleted",
        severity: "error",
        id: network.id,
        property: ["addressSpace", "addressPrefixes"],
        value: gone.join(", "),
        message: `address range ${gone.join(", ")} of VNet ${network.name} is in use: ${some(stranded)}`,
        source: "learn:azure/virtual-network/manage-virtual-network",
        fix: "delete what is in it first; ranges can be added at any time",
      });
    }
  }
  for (const subnet of now.subnets) {
    const after = wanted.subnet(subnet.id);
    if (after?.properties.addressPrefix === subnet.properties.addressPrefix) continue;
    // AKS's own subnets are not among the documents'; they go with their cluster.
    const users = usersOf(wanted, subnet);
    const own = nicsIn(current, (id) => sameId(id, subnet.id)).filter(({ owner }) => stays(wanted, owner));
    if (own.length === 0 && users.length === 0) continue;
    if (after === undefined) {
      if (users.length === 0) continue;
      problems.push({
        code: "InUseSubnetCannotBeDeleted",
        severity: "error",
        id: subnet.id,
        property: [],
        message: `subnet ${subnetLabel(subnet.id)} is in use by ${users.join(", ")} and cannot be deleted`,
        source: "learn:azure/virtual-network/virtual-network-manage-subnet",
        fix: "delete what is in it first",
      });
    } else if (own.length > 0) {
      problems.push({
        code: "InUseSubnetCannotBeUpdated",
        severity: "error",
        id: subnet.id,
        property: ["addressPrefix"],
        value: after.properties.addressPrefix,
        message: `subnet ${subnetLabel(subnet.id)} is in use and cannot be changed from ${subnet.properties.addressPrefix} to ${after.properties.addressPrefix}: ${some(own)}`,
        source: "learn:azure/virtual-network/virtual-network-manage-subnet",
        fix: "add another subnet and move what is in this one",
      });
    }
  }
  return problems;
}

type Nic = { readonly name: string; readonly owner: string; readonly address: string };

/** Network interfaces in subnets. `owner` is the id of the machine. */
function nicsIn(current: readonly AzureResource[], isIn: (subnet: string) => boolean): readonly Nic[] {
  return current.flatMap((resource) => {
    const isNic =
      resource.type === "Microsoft.Network/networkInterfaces" ||
      resource.type === "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";
    if (!isNic) return [];
    const owner = resource.properties.virtualMachine?.id ?? resource.properties.privateEndpoint?.id ?? "";
    return resource.properties.ipConfigurations
      .filter(({ properties }) => isIn(properties.subnet.id))
      .map(({ properties }) => ({ name: resource.name, owner, address: properties.privateIPAddress }));
  });
}

/** Interfaces that stay, with addresses that the new address space does not have. */
function strandedNics(
  current: readonly AzureResource[],
  isIn: (subnet: string) => boolean,
  wanted: AzureView,
  spaces: readonly Prefix[],
): readonly Nic[] {
  return nicsIn(current, isIn).filter(({ address, owner }) => {
    const parsed = parseAddress(address);
    return parsed !== undefined && !spaces.some((space) => prefixContains(space, parsed)) && stays(wanted, owner);
  });
}

/** Is the machine still wanted? A node is for as long as its cluster is. */
function stays(wanted: AzureView, machine: string): boolean {
  if (!/\/virtualmachinescalesets\//i.test(machine)) return wanted.machine(machine) !== undefined;
  const group = /\/resourcegroups\/([^/]+)\//i.exec(machine)?.[1]?.toLowerCase();
  return wanted.clusters.some((cluster) => cluster.properties.nodeResourceGroup.toLowerCase() === group);
}

function usersOf(wanted: AzureView, subnet: Subnet): readonly string[] {
  return wanted.pools.filter((pool) => sameId(pool.properties.vnetSubnetID, subnet.id)).map((pool) => `pool ${pool.name}`);
}

function prefixesOf(texts: readonly string[]): readonly Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}

function some(nics: readonly Nic[]): string {
  const shown = nics.slice(0, 3).map(({ name, address }) => `${name} has ${address}`);
  return nics.length > 3 ? `${shown.join(", ")} and ${nics.length - 3} more` : shown.join(", ");
}

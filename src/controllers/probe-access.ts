/**
 * Do security groups let a health probe through to a network interface? Probes come from Azure's host address, and are judged like all that
 * comes in (Azure docs: load-balancer-custom-probe-overview): a rule that denies the tag AzureLoadBalancer, or everything, silences a backend.
 */

import type { ArmId, NetworkInterface, NetworkSecurityGroup, Reference } from "../arm/resources.ts";
import { decidingRule, type JudgingRule, judgingRules, type Membership } from "../arm/security-rules.ts";
import { probeSources } from "../arm/service-tags.ts";
import { type Address, familyOf, parseAddress } from "../net/address.ts";
import { prefixContains } from "../net/prefix.ts";
import type { Resources } from "../resources/resources.ts";
import { indexed } from "./memo.ts";
import { getArm } from "./view.ts";

/** The ports that connections come from begin here; which one a probe has is chance. */
const probeSourcePort = 49_152;

function isProbeSource(address: Address): boolean {
  return address === probeSources[4] || address === probeSources[6];
}

type Judge = (destination: Address, port: number) => boolean;

const everybody: Judge = () => true;

/** Of `configuration`, an IP configuration of a network interface of a node or of a machine. */
export function letsProbeIn(resources: Resources, configuration: ArmId, port: number): boolean {
  const owner = configuration.slice(0, configuration.lastIndexOf("/ipConfigurations/"));
  const nic =
    getArm(resources, "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces", owner) ??
    getArm(resources, "Microsoft.Network/networkInterfaces", owner);
  const own = nic?.properties.ipConfigurations.find(({ id }) => id === configuration)?.properties;
  if (nic === undefined || own === undefined) return true;
  const judges = [judgeOf(resources, subnetGroup(resources, own)), judgeOf(resources, nic.properties.networkSecurityGroup)];
  if (judges.every((judge) => judge === everybody)) return true;
  const destination = parseAddress(own.privateIPAddress);
  return destination === undefined || judges.every((judge) => judge(destination, port));
}

function subnetGroup(
  resources: Resources,
  { subnet }: NetworkInterface["properties"]["ipConfigurations"][number]["properties"],
): Reference | undefined {
  return getArm(resources, "Microsoft.Network/virtualNetworks/subnets", subnet.id)?.properties.networkSecurityGroup;
}

function judgeOf(resources: Resources, reference: Reference | undefined): Judge {
  const group = reference === undefined ? undefined : getArm(resources, "Microsoft.Network/networkSecurityGroups", reference.id);
  return group === undefined ? everybody : groupJudge(group);
}

/** Most rules are not about this sender; in most groups the first that is lets it in to every node. */
const groupJudge = indexed((group: NetworkSecurityGroup): Judge => {
  const rules = judgingRules(group, "Inbound").filter(isAboutProbes);
  const [first] = rules;
  if (first?.access === "Allow" && isAboutAll(first)) return everybody;
  return (destination, destinationPort) =>
    decidingRule(
      rules,
      { protocol: "tcp", source: probeSources[familyOf(destination)], sourcePort: probeSourcePort, destination, destinationPort },
      isMember,
    )?.access === "Allow";
});

function isAboutProbes({ protocol, source }: JudgingRule): boolean {
  if (protocol !== undefined && protocol !== "tcp") return false;
  const both = Object.values(probeSources);
  if (source.kind === "prefixes") return source.prefixes.some((prefix) => both.some((address) => prefixContains(prefix, address)));
  return source.kind === "any" || both.some((address) => isMember(address, source));
}

function isAboutAll({ destination, sourcePorts, destinationPorts }: JudgingRule): boolean {
  const isAll =
    (destination.kind === "any" && destination.family === undefined) ||
    (destination.kind === "tag" && destination.tag === "VirtualNetwork");
  return isAll && sourcePorts.length === 0 && destinationPorts.length === 0;
}

/** Of Azure's host address and of a node, which is in its virtual network and in no application security group. */
const isMember: Membership = (address, peers) =>
  peers.kind === "tag" && (peers.tag === "VirtualNetwork" || (peers.tag === "AzureLoadBalancer" && isProbeSource(address)));

/** Network security groups by chance, for a random lab. */

import type { Chance } from "../../src/lab/check.ts";

/** What of a lab rules can be about. */
export type Surroundings = {
  /** `VNET/SUBNET`, without the gateway's. */
  readonly subnets: readonly string[];
  readonly machines: readonly string[];
  /** Application security groups, each with machines of one VNet. */
  readonly memberships: readonly string[];
  readonly prefixes: readonly string[];
};

/** Lines of a lab file's `securityGroups`: up to two on subnets, and one on a machine. */
export function randomSecurityGroups(chance: Chance, around: Surroundings): readonly string[] {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const groups: string[] = [];
  const free = [...around.subnets];
  for (let index = 0; index < chance.below(3) && free.length > 0; index++) {
    const [subnet] = free.splice(chance.below(free.length), 1);
    groups.push(group(`subnet${index}`, `subnets: [${subnet}]`));
  }
  if (around.machines.length > 0 && chance.below(2) === 0) groups.push(group("machine", `machines: [${pick(around.machines)}]`));
  return groups;

  function group(name: string, where: string): string {
    const rules = Array.from({ length: chance.below(6) }, (_, index) => rule(index)).join(", ");
    return `  - { name: ${name}, ${where}, rules: [${rules}] }`;
  }

  function rule(index: number): string {
    // A rule's application security groups are of one VNet.
    const membership = around.memberships.length === 0 ? undefined : pick(around.memberships);
    const protocol = pick(["Tcp", "Udp", "Icmp", '"*"', '"*"']);
    return `{ ${[
      `name: r${index}`,
      `priority: ${100 + 10 * chance.below(90) + index}`,
      `direction: ${pick(["Inbound", "Inbound", "Outbound"])}`,
      `access: ${pick(["Allow", "Deny"])}`,
      `protocol: ${protocol}`,
      ...peers("source", membership),
      ...peers("destination", membership),
      ...(protocol === "Icmp" ? [] : [...ports("source"), ...ports("destination")]),
    ].join(", ")} }`;
  }

  function peers(end: "source" | "destination", membership: string | undefined): readonly string[] {
    switch (chance.below(5)) {
      case 0:
        return [`${end}AddressPrefix: ${pick(["VirtualNetwork", "Internet", "AzureLoadBalancer", '"*"'])}`];
      case 1:
        return [`${end}AddressPrefix: ${pick(around.prefixes)}`];
      case 2:
        return [
          `${end}AddressPrefixes: [${[...new Set(Array.from({ length: 1 + chance.below(8) }, () => pick(around.prefixes)))].join(", ")}]`,
        ];
      case 3:
        return membership === undefined ? [] : [`${end}ApplicationSecurityGroups: [${membership}]`];
      default:
        return [];
    }
  }

  function ports(end: "source" | "destination"): readonly string[] {
    // Source ports of the packets that labs are tried with are spread over the range.
    if (end === "source") return chance.below(5) === 0 ? ["sourcePortRange: 40000-50000"] : [];
    switch (chance.below(4)) {
      case 0:
        return [`destinationPortRange: ${pick(["80", "53", "8080", "443", "5432", "30000-32767", "1-1023"])}`];
      case 1:
        return [`destinationPortRanges: [${pick(["80, 53", "5432, 8000-8999", "1-100, 50-443", '"443", 5432'])}]`];
      default:
        return [];
    }
  }
}

/** Who a Service of type LoadBalancer lets in: what its spec says, the pods that it is for, and its annotations. */
export function randomAccess(chance: Chance): readonly [more: string, app: string, annotations: string] {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const ranges = pick(["203.0.113.0/24", "10.40.0.0/16, 198.18.0.0/15", "10.40.200.4/32, 192.168.0.0/16", "0.0.0.0/0"]);
  const annotations = [
    ...(chance.below(2) === 0 ? ['azure-load-balancer-internal: "true"'] : []),
    ...(chance.below(2) === 0 ? ['azure-deny-all-except-load-balancer-source-ranges: "true"'] : []),
    ...pick([[`azure-allowed-ip-ranges: "${ranges}"`], ["azure-allowed-service-tags: VirtualNetwork"], []]),
  ];
  const isRanged = annotations.some((annotation) => annotation.startsWith("azure-allowed-ip-ranges"));
  const more = isRanged || chance.below(2) === 0 ? "" : `loadBalancerSourceRanges: [${ranges}], `;
  return [more, "web", `{ ${annotations.map((annotation) => `service.beta.kubernetes.io/${annotation}`).join(", ")} }`];
}

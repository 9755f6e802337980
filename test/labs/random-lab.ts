/** Labs by chance, for tests: small, valid, and different in everything that decides where a packet goes. */

import { Chance } from "../../src/lab/check.ts";
import { randomFaults } from "./random-faults.ts";
import { randomLoadBalancers } from "./random-load-balancers.ts";
import { addNetworkPolicies } from "./random-network-policies.ts";
import { randomOptions, virtualNode, windowsPool } from "./random-options.ts";
import { randomAccess, randomSecurityGroups } from "./random-security-groups.ts";

export type LabText = { readonly lab: string; readonly manifests: Readonly<Record<string, string>> };

/** The same lab for the same seed. */
export function randomLab(seed: number): LabText {
  const chance = new Chance(seed);
  const windows = new Chance(seed ^ 0x77696e);
  const virtual = new Chance(seed ^ 0x616369);
  const balancing = new Chance(seed ^ 0x5bd1e995);
  const egress = new Chance(seed ^ 0x65677265);
  const hosted = new Chance(seed ^ 0x686f7374);
  const publicAddresses: string[] = [];
  const natGateways: string[] = [];
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const vnets = 1 + chance.below(2);
  const subnetsOf: string[][] = [];
  const clusters: string[] = [];
  const machines: string[] = [];
  const loadBalancers: string[] = [];
  // Behind the others, which are called by their place in the list.
  const later: string[] = [];
  const sites: string[] = [];
  const routeTables: string[] = [];
  const manifests: Record<string, string> = {};
  // A chance of its own: what else a seed gives stays as it was.
  const security = new Chance(seed ^ 0x5ec0_0de5);
  const memberships: string[] = [];
  const subnetNames: string[] = [];
  const groupsOfOptions: string[] = [];
  const prefixes = ["203.0.113.10", "203.0.113.0/24", "192.168.0.0/16", "192.168.0.5", "198.18.0.0/15", "10.200.0.0/20", "10.210.0.0/20"];
  for (let vnet = 0; vnet < vnets; vnet++) {
    const base = `10.${40 + vnet}`;
    const natSubnets: string[] = egress.below(3) === 0 ? [`v${vnet}/data`] : [];
    const subnets = [`{ name: data, prefix: ${base}.200.0/28 }`];
    const count = 1 + chance.below(2);
    for (let index = 0; index < count; index++) {
      const name = `c${vnet}${index}`;
      const plugin = pick(["kubenet", "azure", "azure"]);
      const mode =
        plugin === "azure" ? `networkMode: ${pick(["bridge", "transparent"])}, ` : `podCidr: 10.${100 + 10 * vnet + index}.0.0/16, `;
      const maxPods = pick([10, 15, 30]);
      const nodes = Math.max(Math.ceil(30 / maxPods), 1 + chance.below(3));
      subnets.push(`{ name: n${index}, prefix: ${base}.${index}.0/24 }`);
      subnetNames.push(`v${vnet}/n${index}`);
      const hasNatGateway = egress.below(4) === 0;
      if (hasNatGateway) natSubnets.push(`v${vnet}/n${index}`);
      const outboundType =
        ["", "", hasNatGateway ? "outboundType: userAssignedNATGateway, " : "outboundType: none, "][egress.below(3)] ?? "";
      const own = egress.below(4) === 0 ? `own-${name}` : undefined;
      if (own !== undefined) publicAddresses.push(own);
      prefixes.push(`${base}.${index}.0/24`, `${base}.${index}.4`, `${base}.${index}.0/28`, `10.${100 + 10 * vnet + index}.0.0/16`);
      const burst = plugin === "azure" ? virtualNode(virtual, vnet, index, base) : undefined;
      subnets.push(...(burst?.subnets ?? []));
      clusters.push(
        `  - { name: ${name}, networkPlugin: ${plugin}, ${mode}subnet: v${vnet}/n${index}, serviceCidr: 172.20.${10 * vnet + index}.0/24, dnsServiceIP: 172.20.${10 * vnet + index}.10, pools: [{ name: p, count: ${nodes}, maxPods: ${maxPods} }${plugin === "azure" ? windowsPool(windows) : ""}], ${profile(balancing, own)}${outboundType}${burst?.profile ?? ""}manifests: [${name}.yaml] }`,
      );
      manifests[`${name}.yaml`] =
        `${manifest(chance, security, hosted, nodes)}${balancedServices(balancing, `${base}.${index}.240`)}${burst?.manifest ?? ""}${byHand(hosted, `${base}.200.4`)}`;
    }
    // The newer network options, with a chance of their own, so that they leave the rest of a seed's lab as it was.
    const options = randomOptions(seed, vnet, base, (own, nodes) => manifest(own, security, hosted, nodes));
    subnets.push(...options.subnets);
    clusters.push(...options.clusters);
    routeTables.push(...options.routeTables);
    groupsOfOptions.push(...options.securityGroups);
    Object.assign(manifests, options.manifests);
    const balanced = randomLoadBalancers(new Chance((seed * 2 + vnet) ^ 0x6c6f6164), vnet, base);
    subnets.push(...balanced.subnets);
    later.push(...balanced.machines);
    loadBalancers.push(...balanced.loadBalancers);
    routeTables.push(...balanced.routeTables);
    subnetsOf.push(subnets);
    subnetNames.push(`v${vnet}/data`);
    prefixes.push(`${base}.200.0/28`, `${base}.200.4`, `${base}.0.0/16`);
    const isMember = security.below(2) === 0;
    if (isMember) memberships.push(`asg${vnet}`);
    if (natSubnets.length > 0) {
      const addresses = Array.from({ length: 1 + egress.below(3) }, (_, index) => `nat${vnet}-${index}`);
      publicAddresses.push(...addresses);
      natGateways.push(`  - { name: nat${vnet}, subnets: [${natSubnets.join(", ")}], publicIpAddresses: [${addresses.join(", ")}] }`);
    }
    const isPublic = egress.below(2) === 0;
    if (isPublic) publicAddresses.push(`m${vnet}-public`);
    machines.push(
      `  - { name: m${vnet}, subnet: v${vnet}/data, listen: [5432/tcp, 53/udp]${isMember ? `, applicationSecurityGroups: [asg${vnet}]` : ""}${isPublic ? `, publicIPAddress: m${vnet}-public` : ""} }`,
    );
    if (chance.below(2) === 0) {
      sites.push(
        `  - { name: s${vnet}, network: v${vnet}, prefixes: [192.168.${vnet}.0/24], machines: [{ name: erp, address: 192.168.${vnet}.5, listen: [443/tcp] }] }`,
      );
    }
    if (chance.below(3) === 0) {
      const hop = pick([
        "nextHopType: None",
        "nextHopType: Internet",
        "nextHopType: VnetLocal",
        `nextHopType: VirtualAppliance, nextHopIpAddress: ${base}.0.4`,
      ]);
      routeTables.push(
        `  - { name: t${vnet}, subnets: [v${vnet}/data], routes: [{ name: r, addressPrefix: ${pick(["203.0.113.0/24", "192.168.0.0/16", `${base}.0.0/24`, `${base}.0.4/32`])}, ${hop} }] }`,
      );
    }
  }
  addNetworkPolicies(seed, clusters, manifests);
  const machineNames = machines.map((_, vnet) => `m${vnet}`);
  const securityGroups = randomSecurityGroups(security, { subnets: subnetNames, machines: machineNames, memberships, prefixes });
  const sides = randomPeerings(new Chance(seed ^ 0x9ee1), vnets, sites);
  const router = randomRouter(new Chance(seed ^ 0x4077), sites);
  const networks = subnetsOf.map((subnets, vnet) => {
    const more = router === undefined ? subnets : [...subnets, ...router.subnetsOf(vnet)];
    return `  - { name: v${vnet}, addressSpace: [10.${40 + vnet}.0.0/16], subnets: [${more.join(", ")}]${sides[vnet] ?? ""} }`;
  });
  for (const vnet of networks.keys()) if (router !== undefined) machines.push(router.senderIn(vnet));
  if (router !== undefined) {
    machines.push(router.machine);
    routeTables.push(...networks.flatMap((_, vnet) => router.tablesOf(vnet)));
  }
  machines.push(...later);
  const named = (lines: readonly string[]) => lines.flatMap((line) => /\{ name: ([\w-]+)/.exec(line)?.[1] ?? []);
  const faults = randomFaults(new Chance(seed ^ 0x6661756c), {
    clusters: named(clusters).filter((name) => name.startsWith("c")),
    machines: named(machines),
    appliances: named(machines.filter((line) => line.includes("enableIPForwarding: true"))),
    sites: named(sites),
    peerings: sides.map((_, vnet) => `v${vnet}/v${vnet}-to-v${1 - vnet}`),
    routedSubnets: [...new Set(routeTables.flatMap((line) => /subnets: \[([^\]]+)\]/.exec(line)?.[1] ?? []))],
  });
  const section = (name: string, lines: readonly string[]) => (lines.length === 0 ? "" : `${name}:\n${lines.join("\n")}\n`);
  const lab = `lab: random\nrules: ${pick(["current", "lesson"])}\n${section("networks", networks)}${section("machines", machines)}${section("loadBalancers", loadBalancers)}${section("natGateways", natGateways)}${section(
    "publicIPAddresses",
    publicAddresses.map((name) => `  - { name: ${name} }`),
  )}${section("privateEndpoints", router === undefined ? [] : [router.endpoint])}${section("sites", sites)}${section("routeTables", routeTables)}${section("securityGroups", [...securityGroups, ...groupsOfOptions])}internet:\n  - { name: www, address: 203.0.113.10, listen: [443/tcp, 53/udp], service: Microsoft.Storage }\n${section("faults", faults)}${section("clusters", clusters)}`;
  return { lab, manifests };
}

/** Each VNet's side of a peering between the two, if they are peered; and now and then a site inside another site's prefix. */
function randomPeerings(chance: Chance, vnets: number, sites: string[]): readonly string[] {
  const flip = () => chance.below(2) === 0;
  const [first] = sites;
  const vnetOfFirst = first === undefined ? undefined : /network: v(\d)/.exec(first)?.[1];
  if (vnetOfFirst !== undefined && flip()) {
    sites.push(
      `  - { name: inner, network: v${vnetOfFirst}, prefixes: [192.168.${vnetOfFirst}.128/25], machines: [{ name: lab, address: 192.168.${vnetOfFirst}.130, listen: [443/tcp] }] }`,
    );
  }
  if (vnets < 2 || chance.below(4) === 0) return [];
  const hasGateway = (vnet: number) => sites.some((site) => site.includes(`network: v${vnet},`));
  const borrower = hasGateway(0) !== hasGateway(1) && flip() ? (hasGateway(0) ? 1 : 0) : undefined;
  return [0, 1].map((vnet) => {
    const other = 1 - vnet;
    const gateway = borrower === undefined ? "" : borrower === vnet ? ", useRemoteGateways: true" : ", allowGatewayTransit: true";
    const access = chance.below(8) === 0 ? ", allowVirtualNetworkAccess: false" : "";
    return `, peerings: [{ network: v${other}${flip() ? ", allowForwardedTraffic: true" : ""}${gateway}${access} }]`;
  });
}

/**
 * A machine of v0 that forwards, mostly as a firewall; a machine in each VNet in a subnet whose routes lead there, for some destinations, by peering
 * too; and sometimes what comes in by v0's gateway.
 */
function randomRouter(chance: Chance, sites: readonly string[]) {
  if (chance.below(3) === 0) return undefined;
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const address = "10.40.213.4";
  const prefixes = ["0.0.0.0/0", "10.40.0.0/16", "10.41.0.0/16", "10.41.212.0/28", "10.40.200.0/28", "192.168.0.0/16", "203.0.113.0/24"];
  const routes = () => {
    const chosen = prefixes.filter(() => chance.below(3) === 0);
    return chosen
      .map((prefix, index) => `{ name: r${index}, addressPrefix: ${prefix}, nextHopType: VirtualAppliance, nextHopIpAddress: ${address} }`)
      .join(", ");
  };
  const rule = (index: number) =>
    `{ name: r${index}, action: ${pick(["Allow", "Deny"])}, protocols: [${pick(["TCP", "UDP", "ICMP", "Any"])}], sourceAddresses: ["${pick(["*", "10.40.0.0/16", "10.41.212.4"])}"], destinationPorts: ["${pick(["*", "1-100", "443"])}"] }`;
  const rules = Array.from({ length: chance.below(3) }, (_, index) => rule(index)).join(", ");
  const firewall =
    chance.below(3) === 0
      ? ""
      : `, firewall: { defaultAction: ${pick(["Allow", "Deny"])}, snat: ${pick(["internet", "all", "none"])}, rules: [${rules}] }`;
  const endpoints = [0, 1].map(() => chance.below(2) === 0);
  const hasGateway = sites.some((site) => site.includes("network: v0,")) && chance.below(2) === 0;
  const propagation = () => (chance.below(3) === 0 ? ", disableBgpRoutePropagation: true" : "");
  return {
    machine: `  - { name: router, subnet: v0/r, address: ${address}, enableIPForwarding: ${pick(["true", "true", "true", "false"])}${firewall} }`,
    subnetsOf: (vnet: number) => [
      `{ name: s, prefix: 10.${40 + vnet}.212.0/28${endpoints[vnet] === true ? ", serviceEndpoints: [Microsoft.Storage]" : ""} }`,
      ...(vnet === 0 ? [`{ name: r, prefix: 10.40.213.0/28 }`] : []),
      ...(vnet === 0 && hasGateway ? [`{ name: GatewaySubnet, prefix: 10.40.214.0/27 }`] : []),
    ],
    endpoint: `  - { name: sql, subnet: ${pick(["v0/s", "v0/r", "v0/data"])}, listen: [1433/tcp, 53/udp] }`,
    senderIn: (vnet: number) => `  - { name: s${vnet}, subnet: v${vnet}/s, listen: [22/tcp, 53/udp] }`,
    tablesOf: (vnet: number) => [
      `  - { name: s${vnet}, subnets: [v${vnet}/s], routes: [${routes()}]${propagation()} }`,
      ...(vnet === 0 && hasGateway
        ? [
            `  - { name: in, subnets: [v0/GatewaySubnet], routes: [{ name: r, addressPrefix: ${pick(["10.40.0.0/16", "10.40.212.0/28"])}, nextHopType: VirtualAppliance, nextHopIpAddress: ${address} }] }`,
          ]
        : []),
    ],
  };
}

function manifest(chance: Chance, security: Chance, hosted: Chance, nodes: number): string {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const objects: string[] = [
    deployment("web", 1 + chance.below(2 * nodes), `[{ containerPort: 80, name: http }, { containerPort: 53, protocol: UDP, name: dns }]`),
    deployment("host", 1, "[{ containerPort: 8081 }]", "hostNetwork: true, "),
    service(
      "web",
      pick(["ClusterIP", "NodePort", "LoadBalancer"]),
      "{ port: 80, targetPort: http, name: a }, { port: 53, protocol: UDP, targetPort: dns, name: b }",
      "",
    ),
    service("local", pick(["NodePort", "LoadBalancer"]), "{ port: 8080, targetPort: 80 }", "externalTrafficPolicy: Local, "),
    service("inside", "ClusterIP", "{ port: 80 }", "internalTrafficPolicy: Local, "),
    service("nobody", pick(["ClusterIP", "LoadBalancer"]), "{ port: 81 }", "", "nobody"),
    service("sticky", pick(["ClusterIP", "LoadBalancer"]), "{ port: 80 }", "sessionAffinity: ClientIP, "),
    service("ranges", "LoadBalancer", "{ port: 80 }", `loadBalancerSourceRanges: [${pick(["203.0.113.0/24", "198.51.100.0/24"])}], `),
    service(
      "internal",
      "LoadBalancer",
      "{ port: 80 }",
      pick(["", "externalTrafficPolicy: Local, "]),
      "web",
      '{ service.beta.kubernetes.io/azure-load-balancer-internal: "true" }',
    ),
    service(
      "guarded",
      "LoadBalancer",
      "{ port: 80, name: http }, { port: 53, protocol: UDP, targetPort: dns, name: dns }",
      ...randomAccess(security),
    ),
  ];
  if (hosted.below(3) === 0) {
    objects.push(
      "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: { name: agent }\nspec: { selector: { matchLabels: { app: agent } }, template: { metadata: { labels: { app: agent } }, spec: { containers: [{ name: main, image: any, ports: [{ containerPort: 80, hostPort: 8090 }, { containerPort: 53, protocol: UDP, hostPort: 5300 }] }] } } }\n",
    );
  }
  if (chance.below(3) === 0) {
    objects.push(
      "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: azure-ip-masq-agent-config, namespace: kube-system }\ndata:\n  ip-masq-agent: |\n    nonMasqueradeCIDRs: [192.168.0.0/16, 10.0.0.0/8]\n    masqLinkLocal: true\n",
    );
  }
  return objects.join("---\n");
}

/** The outbound rule and the health probes of a cluster. */
function profile(chance: Chance, own: string | undefined): string {
  const mode = chance.below(4) === 0 ? "clusterServiceLoadBalancerHealthProbeMode: Shared, " : "";
  const ports = chance.below(2) === 0 ? "allocatedOutboundPorts: 4000, " : "";
  const managed = `managedOutboundIPs: { count: ${1 + chance.below(2)} }`;
  return `loadBalancerProfile: { ${mode}${ports}${own === undefined ? managed : `outboundIPs: { publicIPs: [${own}] }`} }, `;
}

/** Services without a selector, for a machine. */
function byHand(chance: Chance, machine: string): string {
  const make = (name: string) =>
    `---\n${service(name, "LoadBalancer", "{ port: 80, targetPort: 5432, name: db }", "", "").replace("selector: { app:  }, ", "")}`;
  const port = "ports: [{ port: 5432, name: db }]";
  return [
    `${make("endpoints")}---\napiVersion: v1\nkind: Endpoints\nmetadata: { name: endpoints }\nsubsets: [{ addresses: [{ ip: ${machine} }], ${port} }]\n`,
    `${make("slice")}---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: { name: slice-1, labels: { kubernetes.io/service-name: slice } }\naddressType: IPv4\nendpoints: [{ addresses: [${machine}] }]\n${port}\n`,
    "",
  ][chance.below(3)] as string;
}

/** Services that ask Azure for more than an address. */
function balancedServices(chance: Chance, address: string): string {
  const prefix = "service.beta.kubernetes.io";
  const maybe = (text: string) => (chance.below(2) === 0 ? text : "");
  const local = () => maybe("externalTrafficPolicy: Local, ");
  const internal = () => maybe(`${prefix}/azure-load-balancer-internal: "true", `);
  const both = "{ port: 80, targetPort: http, name: a }, { port: 53, protocol: UDP, targetPort: dns, name: b }";
  const probed = `${prefix}/azure-load-balancer-health-probe-protocol: http, ${prefix}/azure-load-balancer-health-probe-request-path: /healthz, `;
  const fixed = `${prefix}/azure-load-balancer-internal: "true", ${prefix}/azure-load-balancer-ipv4: ${address}`;
  return [
    "",
    service("probed", "LoadBalancer", both, local(), "web", `{ ${internal()}${probed}${prefix}/port_80_health-probe_num-of-probe: "3" }`),
    service(
      "translated",
      "LoadBalancer",
      both,
      local(),
      "web",
      `{ ${internal()}${prefix}/azure-disable-load-balancer-floating-ip: "true" }`,
    ),
    service(
      "all-ports",
      "LoadBalancer",
      both,
      local(),
      "web",
      `{ ${prefix}/azure-load-balancer-internal: "true", ${prefix}/azure-load-balancer-enable-high-availability-ports: "true" }`,
    ),
    service(
      "half",
      "LoadBalancer",
      both,
      local(),
      "web",
      `{ ${internal()}${prefix}/port_80_no_lb_rule: "true", ${prefix}/port_53_no_probe_rule: "true" }`,
    ),
    service("first", "LoadBalancer", "{ port: 80 }", local(), "web", `{ ${fixed} }`),
    service("second", "LoadBalancer", "{ port: 81, targetPort: 80 }", local(), "web", `{ ${fixed} }`),
  ].join("---\n");
}

function deployment(name: string, replicas: number, ports: string, more = ""): string {
  return `apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: ${name} }\nspec: { replicas: ${replicas}, selector: { matchLabels: { app: ${name} } }, template: { metadata: { labels: { app: ${name} } }, spec: { ${more}containers: [{ name: main, image: any, ports: ${ports} }] } } }\n`;
}

function service(name: string, type: string, ports: string, more: string, app = "web", annotations = "{}"): string {
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name}, annotations: ${annotations} }\nspec: { type: ${type}, ${more}selector: { app: ${app} }, ports: [${ports}] }\n`;
}

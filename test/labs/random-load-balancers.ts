/** Load balancers of one's own by chance, for one VNet of a lab: in front of machines that answer, and of firewalls that routes lead to. */

import type { Chance } from "../../src/lab/check.ts";

type RandomLoadBalancers = {
  readonly subnets: readonly string[];
  readonly machines: readonly string[];
  readonly loadBalancers: readonly string[];
  readonly routeTables: readonly string[];
};

/** `base`: the first two numbers of the VNet's addresses. */
export function randomLoadBalancers(chance: Chance, vnet: number, base: string): RandomLoadBalancers {
  const nothing = { subnets: [], machines: [], loadBalancers: [], routeTables: [] };
  if (chance.below(2) === 0) return nothing;
  const served = servers(chance, vnet, base);
  const appliances = chance.below(2) === 0 ? nothing : firewalls(chance, vnet, base);
  return {
    subnets: [...served.subnets, ...appliances.subnets],
    machines: [...served.machines, ...appliances.machines],
    loadBalancers: [...served.loadBalancers, ...appliances.loadBalancers],
    routeTables: appliances.routeTables,
  };
}

/** One to three machines, with rules that hash less than the five-tuple, other ports behind than before, probes that nobody or somebody answers. */
function servers(chance: Chance, vnet: number, base: string): RandomLoadBalancers {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const names = Array.from({ length: 1 + chance.below(3) }, (_, index) => `web${vnet}${index}`);
  const probe = () => pick(["", ", probe: { port: 443 }", ", probe: { port: 80 }", ", probe: { protocol: Http, port: 80 }"]);
  const mode = () => `, loadDistribution: ${pick(["Default", "SourceIP", "SourceIPProtocol"])}`;
  const rules =
    chance.below(4) === 0
      ? `{ name: all, protocol: All${probe()}${mode()} }`
      : `{ name: web, frontendPort: 80${probe()}${mode()} }, { name: other, frontendPort: 8443, backendPort: 443${probe()} }, { name: dns, protocol: Udp, frontendPort: 53${mode()} }`;
  return {
    subnets: [`{ name: web, prefix: ${base}.206.0/28 }`],
    machines: names.map((name) => `  - { name: ${name}, subnet: v${vnet}/web, listen: [${pick(["80/tcp", "80/tcp, 443/tcp"])}, 53/udp] }`),
    loadBalancers: [
      `  - { name: web${vnet}, ${pick([`subnet: v${vnet}/web, address: ${base}.206.13`, `subnet: v${vnet}/data, address: ${base}.200.13`])}, machines: [${names.join(", ")}], rules: [${rules}] }`,
    ],
    routeTables: [],
  };
}

/** Two or three firewalls behind high-availability ports, and a machine whose routes lead there; sometimes the way back has a frontend of its own, or none. */
function firewalls(chance: Chance, vnet: number, base: string): RandomLoadBalancers {
  const pick = <T>(items: readonly T[]): T => items[chance.below(items.length)] as T;
  const names = Array.from({ length: 2 + chance.below(2) }, (_, index) => `fw${vnet}${index}`);
  const firewall = () =>
    `, firewall: { defaultAction: ${pick(["Allow", "Allow", "Deny"])}, snat: ${pick(["internet", "all", "none"])}, rules: [{ name: web, protocols: [TCP], destinationPorts: ["1-100"] }] }`;
  const machines = names.map(
    (name) =>
      `  - { name: ${name}, subnet: v${vnet}/fw, listen: [22/tcp], enableIPForwarding: ${pick(["true", "true", "true", "false"])}${chance.below(4) === 0 ? "" : firewall()} }`,
  );
  const balancer = (name: string, host: number) =>
    `  - { name: ${name}${vnet}, subnet: v${vnet}/fw, address: ${base}.207.${host}, machines: [${names.join(", ")}], rules: [{ name: all, protocol: All${pick(["", ", probe: { port: 22 }"])}, loadDistribution: ${pick(["Default", "Default", "SourceIP"])} }] }`;
  const isPair = chance.below(3) === 0;
  const route = (prefix: string, host: number, index: number) =>
    `{ name: r${index}, addressPrefix: ${prefix}, nextHopType: VirtualAppliance, nextHopIpAddress: ${base}.207.${host} }`;
  const prefixes = ["0.0.0.0/0", "10.40.0.0/16", "10.41.0.0/16", "192.168.0.0/16", `${base}.208.16/28`].filter(() => chance.below(2) === 0);
  const back = chance.below(4) === 0 ? [] : [route(`${base}.208.0/28`, isPair ? 14 : 13, 0)];
  return {
    subnets: [
      `{ name: fw, prefix: ${base}.207.0/28 }`,
      `{ name: led, prefix: ${base}.208.0/28 }`,
      `{ name: back, prefix: ${base}.208.16/28 }`,
    ],
    machines: [
      ...machines,
      `  - { name: led${vnet}, subnet: v${vnet}/led, listen: [80/tcp, 53/udp] }`,
      `  - { name: back${vnet}, subnet: v${vnet}/back, listen: [80/tcp, 53/udp] }`,
    ],
    loadBalancers: [balancer("fw", 13), ...(isPair ? [balancer("second", 14)] : [])],
    routeTables: [
      `  - { name: led${vnet}, subnets: [v${vnet}/led], routes: [${prefixes.map((prefix, index) => route(prefix, 13, index)).join(", ")}] }`,
      `  - { name: back${vnet}, subnets: [v${vnet}/back], routes: [${back.join(", ")}] }`,
    ],
  };
}

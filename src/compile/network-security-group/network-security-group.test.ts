import { describe, expect, test } from "vitest";
import { openLab } from "../../lab/index.ts";
import type { LabView } from "../../lab/view.ts";
import { mustAddress } from "../../net/address.ts";
import { compile } from "../index.ts";

const surroundings = `lab: t
networks:
  - name: hub
    addressSpace: [10.240.0.0/16]
    subnets: [{ name: a, prefix: 10.240.0.0/24 }, { name: b, prefix: 10.240.1.0/24 }]
machines:
  - { name: one, subnet: hub/a, listen: [80/tcp, 53/udp], applicationSecurityGroups: [front] }
  - { name: two, subnet: hub/b, listen: [80/tcp, 53/udp], applicationSecurityGroups: [back] }
sites: [{ name: hq, network: hub, prefixes: [192.168.0.0/16], machines: [{ name: pc, address: 192.168.0.5, listen: [80/tcp] }] }]
internet: [{ name: www, address: 203.0.113.10, listen: [443/tcp] }]
`;

function open(groups: string, more = ""): LabView {
  const { view, problems } = openLab([{ path: "lab.yaml", text: `${surroundings}${groups}${more}` }], () => undefined);
  if (view === undefined) throw new Error(problems.map((problem) => `${problem.path}: ${problem.message}`).join("\n"));
  return view;
}

function judged(view: LabView, from: string, destination: string, protocol: "tcp" | "udp" | "icmp" = "tcp", destinationPort = 80): string {
  const [path] = view.tracer.trace(from, { protocol, destination: mustAddress(destination), destinationPort });
  const by = path?.decidedBy?.origin?.reason.split(":")[0] ?? "";
  return `${path?.outcome}${path?.outcome === "delivered" ? "" : ` on ${path?.decidedBy?.host}: ${by}`}`;
}

const rule = (name: string, priority: number, rest: string) => `{ name: ${name}, priority: ${priority}, ${rest} }`;

describe("order", () => {
  const both = open(`securityGroups:
  - { name: sub, subnets: [hub/b], rules: [${rule("s-in", 100, "direction: Inbound, access: Deny, protocol: Tcp")}, ${rule("s-out", 100, "direction: Outbound, access: Deny")}] }
  - { name: nic, machines: [two], rules: [${rule("n-in", 100, "direction: Inbound, access: Deny")}, ${rule("n-out", 100, "direction: Outbound, access: Deny, protocol: Udp")}] }
`);
  test("inbound: the subnet's group, then the interface's", () => {
    expect(judged(both, "vm/one", "10.240.1.4")).toBe("dropped on vm/two: denied by rule s-in (100) of NSG sub on subnet hub/b");
    expect(judged(both, "vm/one", "10.240.1.4", "icmp")).toBe(
      "dropped on vm/two: denied by rule n-in (100) of NSG nic on the network interface",
    );
  });
  test("outbound: the interface's group, then the subnet's", () => {
    expect(judged(both, "vm/two", "10.240.0.4", "udp", 53)).toBe(
      "dropped on vm/two: denied by rule n-out (100) of NSG nic on the network interface",
    );
    expect(judged(both, "vm/two", "10.240.0.4")).toBe("dropped on vm/two: denied by rule s-out (100) of NSG sub on subnet hub/b");
  });
});

test("a group is stateful: the reply of a flow that was let in is not judged", () => {
  const view = open(`securityGroups: [{ name: g, subnets: [hub/b], rules: [${rule("out", 100, "direction: Outbound, access: Deny")}] }]\n`);
  expect(judged(view, "vm/one", "10.240.1.4")).toBe("delivered");
});

test("a rule that lets a packet pass is a step of the trace", () => {
  const view = open("securityGroups: [{ name: g, subnets: [hub/b] }]\n");
  const [path] = view.tracer.trace("vm/one", { protocol: "tcp", destination: mustAddress("10.240.1.4"), destinationPort: 80 });
  expect(path?.hops.at(-1)?.steps.map((step) => step.origin?.reason)).toContainEqual(
    expect.stringContaining("allowed by rule AllowVnetInBound (65000) of NSG g on subnet hub/b"),
  );
});

test("application security groups stand for the interfaces in them", () => {
  const view = open(`securityGroups:
  - name: g
    subnets: [hub/a, hub/b]
    rules:
      - ${rule("front-to-back", 100, "direction: Inbound, access: Allow, sourceApplicationSecurityGroups: [front], destinationApplicationSecurityGroups: [back]")}
      - ${rule("nothing-else", 200, "direction: Inbound, access: Deny")}
`);
  expect(judged(view, "vm/one", "10.240.1.4")).toBe("delivered");
  expect(judged(view, "vm/two", "10.240.0.4")).toContain("nothing-else");
  expect(judged(view, "site/hq/pc", "10.240.1.4")).toContain("nothing-else");
});

describe("service tags", () => {
  const deny = (tag: string, end: string, direction: string, more = "") =>
    open(
      `securityGroups: [{ name: g, subnets: [hub/a], rules: [${rule("it", 100, `direction: ${direction}, access: Deny, ${end}: ${tag}`)}] }]\n${more}`,
    );
  test("VirtualNetwork is the VNet and what is behind its gateway", () => {
    const view = deny("VirtualNetwork", "sourceAddressPrefix", "Inbound");
    expect(judged(view, "vm/two", "10.240.0.4")).toContain("rule it");
    expect(judged(view, "site/hq/pc", "10.240.0.4")).toContain("rule it");
  });
  test("and the prefixes of the subnet's own route table", () => {
    const table = "routeTables: [{ name: t, subnets: [hub/a], routes: [{ name: r, addressPrefix: 203.0.113.0/24, nextHopType: None }] }]\n";
    expect(judged(deny("VirtualNetwork", "destinationAddressPrefix", "Outbound", table), "vm/one", "203.0.113.10")).toContain("rule it");
    expect(judged(deny("Internet", "destinationAddressPrefix", "Outbound", table), "vm/one", "203.0.113.10")).not.toContain("rule it");
  });
  test("a default route among them makes everything VirtualNetwork", () => {
    const table = "routeTables: [{ name: t, subnets: [hub/a], routes: [{ name: r, addressPrefix: 0.0.0.0/0, nextHopType: None }] }]\n";
    expect(judged(deny("VirtualNetwork", "destinationAddressPrefix", "Outbound", table), "vm/one", "203.0.113.10")).toContain("rule it");
    expect(judged(deny("Internet", "destinationAddressPrefix", "Outbound", table), "vm/one", "203.0.113.10")).toContain("rule it");
  });
  test("Internet is what is outside", () => {
    expect(judged(deny("Internet", "destinationAddressPrefix", "Outbound"), "vm/one", "203.0.113.10")).toContain("rule it");
    expect(judged(deny("Internet", "destinationAddressPrefix", "Outbound"), "vm/one", "192.168.0.5")).toBe("delivered");
  });
  test("private space that belongs to nobody is neither", () => {
    expect(judged(deny("Internet", "destinationAddressPrefix", "Outbound"), "vm/one", "10.1.0.1")).toContain("rule DenyAllOutBound");
  });
});

describe("Azure's platform", () => {
  const denied = (destination: string) =>
    open(
      `securityGroups: [{ name: g, subnets: [hub/a], rules: [${rule("it", 100, `direction: Outbound, access: Deny, destinationAddressPrefix: ${destination}`)}] }]\n`,
    );
  test("is not subject to rules", () => expect(judged(denied('"*"'), "vm/one", "168.63.129.16", "udp", 53)).not.toContain("rule it"));
  test("unless they name its tag", () => {
    expect(judged(denied("AzurePlatformDNS"), "vm/one", "168.63.129.16", "udp", 53)).toContain("rule it");
    expect(judged(denied("AzurePlatformIMDS"), "vm/one", "169.254.169.254")).toContain("rule it");
  });
});

describe("sharing", () => {
  const cluster =
    "clusters: [{ name: c, networkPlugin: azure, subnet: hub/b, serviceCidr: 10.9.0.0/16, pools: [{ count: 3, maxPods: 30 }] }]\n";
  const view = open("securityGroups: [{ name: g, subnets: [hub/b], rules: [] }]\n", cluster);
  const table = (name: string) => view.network.host(name)?.ruleSet.find((one) => one.name === "network-security-group");
  const nodes = view.network.names().filter((name) => name.startsWith("node/"));
  test("all machines of a subnet have one table", () => {
    expect(nodes).toHaveLength(3);
    expect(new Set(nodes.map(table)).size).toBe(1);
    expect(table("vm/two")).toBeDefined();
  });
  test("a machine without a group has none, and tracks no connections", () => expect(view.network.host("vm/one")?.ruleSet).toEqual([]));
  test("what did not change is the same object in the next network", () => {
    expect(compile(view.resources, view.network).host("vm/two")).toBe(view.network.host("vm/two"));
    expect(compile(view.resources).host("vm/two")?.ruleSet[0]).toBe(table("vm/two"));
  });
});

import { describe, expect, test } from "vitest";
import { mustAddress } from "../net/address.ts";
import { mustPrefix, prefixContains } from "../net/prefix.ts";
import type { NetworkSecurityGroup, SecurityRule } from "./resources.ts";
import {
  type Direction,
  decidingRule,
  defaultSecurityRules,
  type Flow,
  judgingRules,
  type Membership,
  portRange,
} from "./security-rules.ts";

const group = (...securityRules: readonly SecurityRule[]): NetworkSecurityGroup => ({
  id: "/nsg",
  name: "nsg",
  type: "Microsoft.Network/networkSecurityGroups",
  properties: { securityRules, defaultSecurityRules },
});

const rule = (name: string, priority: number, properties: Partial<SecurityRule["properties"]>): SecurityRule => ({
  name,
  properties: { protocol: "*", access: "Deny", direction: "Inbound", priority, ...properties },
});

/** A VNet of 10.240.0.0/16, with 10.240.0.9 in the application security group `web`. */
const isMember: Membership = (address, peers) => {
  if (peers.kind === "members") return peers.groups.includes("web") && address === "10.240.0.9";
  const inNetwork = prefixContains(mustPrefix("10.240.0.0/16"), address) || address === "168.63.129.16";
  if (peers.tag === "VirtualNetwork") return inNetwork;
  return peers.tag === "AzureLoadBalancer" ? address === "168.63.129.16" : !inNetwork;
};

const flow = (text: string): Flow => {
  const [protocol, source, sourcePort, destination, destinationPort] = text.split(" ");
  return {
    protocol: protocol as Flow["protocol"],
    source: mustAddress(source ?? ""),
    sourcePort: Number(sourcePort),
    destination: mustAddress(destination ?? ""),
    destinationPort: Number(destinationPort),
  };
};

const decided = (direction: Direction, text: string, ...rules: readonly SecurityRule[]) =>
  decidingRule(judgingRules(group(...rules), direction), flow(text), isMember)?.name;

describe("the default rules", () => {
  const cases: readonly [Direction, string, string][] = [
    ["Inbound", "tcp 10.240.1.1 1 10.240.2.2 80", "AllowVnetInBound"],
    ["Inbound", "tcp 168.63.129.16 1 10.240.2.2 80", "AllowVnetInBound"],
    ["Inbound", "tcp 168.63.129.16 1 198.18.0.4 80", "AllowAzureLoadBalancerInBound"],
    ["Inbound", "icmp 203.0.113.1 0 10.240.2.2 0", "DenyAllInBound"],
    ["Outbound", "udp 10.240.1.1 1 10.240.2.2 53", "AllowVnetOutBound"],
    ["Outbound", "tcp 10.240.1.1 1 203.0.113.1 443", "AllowInternetOutBound"],
  ];
  test.each(cases)("%s %s: %s", (direction, text, name) => expect(decided(direction, text)).toBe(name));
});

describe("the first rule that matches decides", () => {
  const first = rule("first", 100, { access: "Allow", protocol: "Tcp", destinationPortRange: "80" });
  const second = rule("second", 200, {});
  test("whatever order they are written in", () => {
    expect(decided("Inbound", "tcp 203.0.113.1 1 10.240.2.2 80", second, first)).toBe("first");
    expect(decided("Inbound", "tcp 203.0.113.1 1 10.240.2.2 81", second, first)).toBe("second");
  });
  test("in its own direction", () => expect(decided("Outbound", "tcp 10.240.2.2 1 10.240.2.3 80", second)).toBe("AllowVnetOutBound"));
});

describe("what a rule matches", () => {
  const matches = (properties: Partial<SecurityRule["properties"]>, text: string) =>
    decided("Inbound", text, rule("it", 100, { direction: "Inbound", ...properties })) === "it";
  const packet = "tcp 10.240.0.9 5000 10.240.2.2 443";
  test("an address, a prefix, one of several, everything", () => {
    expect(matches({ sourceAddressPrefix: "10.240.0.9" }, packet)).toBe(true);
    expect(matches({ sourceAddressPrefix: "10.240.0.8" }, packet)).toBe(false);
    expect(matches({ destinationAddressPrefixes: ["192.168.0.0/16", "10.240.2.0/24", "10.240.0.0/16"] }, packet)).toBe(true);
    expect(matches({ destinationAddressPrefix: "*" }, packet)).toBe(true);
    expect(matches({ destinationAddressPrefix: "0.0.0.0/0" }, packet)).toBe(true);
  });
  test("members of an application security group", () => {
    expect(matches({ sourceApplicationSecurityGroups: [{ id: "web" }] }, packet)).toBe(true);
    expect(matches({ destinationApplicationSecurityGroups: [{ id: "web" }] }, packet)).toBe(false);
  });
  test("ports, of TCP and UDP only", () => {
    expect(matches({ destinationPortRanges: ["80", "440-450"] }, packet)).toBe(true);
    expect(matches({ sourcePortRange: "1-4999" }, packet)).toBe(false);
    expect(matches({ destinationPortRange: "443" }, "icmp 10.240.0.9 0 10.240.2.2 0")).toBe(false);
    expect(matches({ destinationPortRange: "0-65535" }, "icmp 10.240.0.9 0 10.240.2.2 0")).toBe(true);
  });
  test("its protocol", () => {
    expect(matches({ protocol: "Udp" }, packet)).toBe(false);
    expect(matches({ protocol: "Icmp" }, "icmp 10.240.0.9 0 10.240.2.2 0")).toBe(true);
  });
});

test("port ranges are merged, so that they can stand in one set", () => {
  const [read] = judgingRules(group(rule("it", 100, { destinationPortRanges: ["100-200", "443", "50-120", "201"] })), "Inbound");
  expect(read?.destinationPorts).toEqual([
    { first: 50, last: 201 },
    { first: 443, last: 443 },
  ]);
});

test("a port range", () => {
  expect(portRange("80")).toEqual({ first: 80, last: 80 });
  expect(portRange("8000-8999")).toEqual({ first: 8000, last: 8999 });
  for (const text of ["", "a", "80-", "9-8", "65536", "1-70000", "-1", "1,2"]) expect(portRange(text)).toBeUndefined();
});

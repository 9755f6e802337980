/** For each family, a table with every construct of src/ir/ruleset.ts. */

import type { Origin } from "../../ir/network.ts";
import { type Field, type Match, priorities, type Rule, type Statement, type Table } from "../../ir/ruleset.ts";
import { mustAddress } from "../../net/address.ts";
import { mustPrefix } from "../../net/prefix.ts";

const origin: Origin = { resource: "/r", reason: 'why: "quoted" \\ {braces} # $x; 100% ☂', source: "s" };

const rule = (statements: readonly Statement[], matches: readonly Match[] = []): Rule => ({ matches, statements, origin });
const value = (field: Field, values: readonly (string | number)[], op: "==" | "!=" = "=="): Match => ({
  kind: "value",
  field,
  op,
  values,
});
const drop: Statement = { kind: "verdict", verdict: "drop", disposition: "spoofed" };
const counter: Statement = { kind: "counter" };

const a4 = mustAddress("10.0.0.1");
const b4 = mustAddress("10.2.0.2");
const a6 = mustAddress("fd00::1");
const b6 = mustAddress("fd00:2::2");

/** Fields of every family; those of one family only are added below. */
const commonMatches: readonly Match[] = [
  value("meta l4proto", ["tcp"]),
  value("meta l4proto", ["tcp", "udp", "sctp", "icmp"]),
  value("meta l4proto", ["tcp"], "!="),
  value("th sport", [1024]),
  value("th dport", [80, 443], "!="),
  { kind: "value", field: "th dport", op: "==", values: [{ first: 30000, last: 32767 }] },
  { kind: "value", field: "th dport", op: "==", values: [80, { first: 30000, last: 32767 }] },
  value("iifname", ["eth0"]),
  value("oifname", ["eth0", "a.b-c_1@x"], "!="),
  value("meta mark", [0]),
  value("meta mark", [1, 4294967295]),
  { kind: "value", field: "meta mark", op: "==", values: [16], mask: 0xff },
  { kind: "value", field: "ct mark", op: "!=", values: [16], mask: 0xf0 },
  { kind: "value", field: "ct mark", op: "==", values: [16, 32], mask: 0xf0 },
  { kind: "value", field: "ct mark", op: "!=", values: [16, 32], mask: 0xf0 },
  value("ct mark", [0], "!="),
  value("ct state", ["established", "related"]),
  value("ct state", ["new"]),
  value("ct state", ["invalid", "untracked"], "!="),
  value("ct direction", ["original"]),
  value("ct direction", ["reply"], "!="),
  value("ct status", ["dnat"]),
  value("ct status", ["dnat", "snat"]),
  value("ct status", ["dnat"], "!="),
  value("ct original proto-dst", [80]),
  value("ct original proto-dst", [80, 443]),
  value("ct original protocol", ["tcp"]),
  value("ct reply proto-src", [80]),
  { kind: "lookup", fields: ["ct original protocol", "ct reply proto-src"], op: "==", set: "ports-of-protocols" },
  value("fib daddr type", ["local"]),
  value("fib saddr type", ["local", "unicast"], "!="),
  { kind: "lookup", fields: ["iifname"], op: "==", set: "names" },
  { kind: "lookup", fields: ["th dport"], op: "!=", set: "ports" },
  { kind: "lookup", fields: ["meta mark", "th dport"], op: "==", set: "numbers" },
];

const ipv4Matches: readonly Match[] = [
  value("ip saddr", [a4]),
  value("ip daddr", [mustPrefix("10.0.0.0/8"), mustPrefix("10.1.0.0/16"), "192.0.2.1"], "!="),
  value("ct original ip daddr", [a4]),
  value("ct original ip daddr", [mustPrefix("10.0.0.0/8"), a4]),
  value("icmp type", ["echo-request"]),
  value("icmp type", [0, 8]),
  value("ct original ip saddr", [a4]),
  value("ct reply ip saddr", [mustPrefix("10.0.0.0/8")]),
  { kind: "lookup", fields: ["ip saddr"], op: "==", set: "prefixes4" },
  { kind: "lookup", fields: ["ct reply ip saddr"], op: "!=", set: "prefixes4" },
  { kind: "lookup", fields: ["iifname", "ip saddr"], op: "!=", set: "own4" },
  { kind: "lookup", fields: ["ip saddr", "th dport"], op: "==", set: "ranges4" },
];

const ipv6Matches: readonly Match[] = [
  value("ip6 saddr", [a6]),
  value("ip6 daddr", [mustPrefix("fd00::/8"), b6]),
  { kind: "lookup", fields: ["ip6 saddr"], op: "==", set: "prefixes6" },
];

const commonStatements: readonly Statement[] = [
  { kind: "verdict", verdict: "accept" },
  { kind: "verdict", verdict: "return" },
  { kind: "verdict", verdict: "jump", chain: "leaf" },
  { kind: "verdict", verdict: "goto", chain: "leaf" },
  { kind: "random-vmap", verdicts: [{ verdict: "goto", chain: "leaf" }, { verdict: "drop" }, { verdict: "jump", chain: "leaf" }] },
  { kind: "random-vmap", verdicts: [{ verdict: "goto", chain: "leaf" }] },
  { kind: "set-mark", target: "meta", value: { kind: "constant", value: 7 } },
  { kind: "set-mark", target: "ct", value: { kind: "constant", value: 4294967295 } },
  { kind: "set-mark", target: "meta", value: { kind: "or", value: 0x4000 } },
  { kind: "set-mark", target: "ct", value: { kind: "or", value: 0x4000 } },
  { kind: "set-mark", target: "meta", value: { kind: "random", modulus: 3, offset: 0 } },
  { kind: "set-mark", target: "ct", value: { kind: "random", modulus: 1, offset: 5 } },
  { kind: "set-mark", target: "meta", value: { kind: "copy", from: "ct" } },
  { kind: "set-mark", target: "ct", value: { kind: "copy", from: "meta" } },
  { kind: "set-mark", target: "meta", value: { kind: "map", fields: ["iifname"], map: "marks" } },
  { kind: "set-mark", target: "ct", value: { kind: "map", fields: ["meta mark"], map: "marks-of-marks" } },
  { kind: "vmap", fields: ["meta l4proto", "th dport"], map: "services" },
  counter,
];

const ipv4Statements: readonly Statement[] = [
  {
    kind: "set-mark",
    target: "meta",
    value: { kind: "hash", fields: ["ip saddr", "ip daddr", "th sport", "th dport", "meta l4proto"], modulus: 3, seed: 1, offset: 10 },
  },
  { kind: "set-mark", target: "ct", value: { kind: "hash", fields: ["ip saddr"], modulus: 1, seed: 4294967295, offset: 0 } },
  {
    kind: "set-mark",
    target: "meta",
    value: { kind: "map", fields: ["ip daddr", "meta l4proto", "th dport", "meta mark"], map: "backends4" },
  },
  { kind: "vmap", fields: ["ip daddr", "meta l4proto", "th dport"], map: "services4" },
  { kind: "vmap", fields: ["ip saddr"], map: "policies4" },
  { kind: "update-set", fields: ["ip saddr", "th sport"], set: "seen4" },
  { kind: "reject", with: "icmp port-unreachable" },
  { kind: "reject", with: "icmp admin-prohibited" },
  { kind: "reject", with: "tcp reset" },
];

const leaf = { name: "leaf", rules: [rule([counter])] };
const services: Table["maps"][number] = {
  name: "services",
  key: ["inet_proto", "inet_service"],
  value: "verdict",
  elements: [
    { key: ["tcp", 80], value: { verdict: "goto", chain: "leaf" }, origin },
    { key: ["udp", 53], value: { verdict: "drop" } },
    { key: ["sctp", 1], value: { verdict: "accept" } },
  ],
};
const marks: Table["maps"] = [
  { name: "marks", key: ["ifname"], value: ["mark"], elements: [{ key: ["eth0"], value: [1] }] },
  { name: "marks-of-marks", key: ["mark"], value: ["mark"], elements: [{ key: [1], value: [2] }] },
];
const commonSets: Table["sets"] = [
  { name: "names", key: ["ifname"], elements: [{ key: ["eth0"] }, { key: ["eth1"] }] },
  { name: "ports", key: ["inet_service"], interval: true, elements: [{ key: [80] }, { key: [{ first: 30000, last: 32767 }] }] },
  { name: "numbers", key: ["mark", "inet_service"], elements: [{ key: [1, 80] }] },
  {
    name: "ports-of-protocols",
    key: ["inet_proto", "inet_service"],
    interval: true,
    elements: [{ key: ["tcp", { first: 1, last: 1023 }] }],
  },
  { name: "empty", key: ["ipv4_addr"], interval: true, elements: [] },
];
const ipv4Sets: Table["sets"] = [
  {
    name: "prefixes4",
    key: ["ipv4_addr"],
    interval: true,
    elements: [
      { key: [mustPrefix("10.0.0.0/8")] },
      { key: [mustPrefix("10.1.0.0/16")] },
      { key: [mustAddress("10.1.0.1")] },
      { key: [mustPrefix("0.0.0.0/32")] },
    ],
  },
  { name: "own4", key: ["ifname", "ipv4_addr"], elements: [{ key: ["eth0", a4] }, { key: ["eth0", b4] }] },
  {
    name: "ranges4",
    key: ["ipv4_addr", "inet_service"],
    interval: true,
    elements: [{ key: [mustPrefix("10.0.0.0/8"), { first: 1, last: 1023 }] }, { key: [mustAddress("192.0.2.1"), 80] }],
  },
  { name: "seen4", key: ["ipv4_addr", "inet_service"], dynamicTimeoutSeconds: 10800, elements: [] },
];
const ipv4Maps: Table["maps"] = [
  {
    name: "services4",
    key: ["ipv4_addr", "inet_proto", "inet_service"],
    value: "verdict",
    elements: [{ key: [a4, "tcp", 80], value: { verdict: "goto", chain: "leaf" } }],
  },
  {
    name: "backends4",
    key: ["ipv4_addr", "inet_proto", "inet_service", "mark"],
    value: ["mark"],
    elements: [{ key: [a4, "tcp", 80, 0], value: [3232235777] }],
  },
  {
    name: "endpoints4",
    key: ["ipv4_addr", "inet_proto", "inet_service", "mark"],
    value: ["ipv4_addr", "inet_service"],
    elements: [
      { key: [a4, "tcp", 80, 0], value: [b4, 8080] },
      { key: [a4, "tcp", 80, 1], value: [a4, 8080] },
    ],
  },
  { name: "hosts4", key: ["ipv4_addr"], value: ["ipv4_addr"], elements: [{ key: [a4], value: [b4] }] },
  {
    name: "policies4",
    key: ["ipv4_addr"],
    value: "verdict",
    interval: true,
    elements: [
      { key: [mustPrefix("10.0.0.0/8")], value: { verdict: "jump", chain: "leaf" } },
      { key: [mustPrefix("192.168.0.0/16")], value: { verdict: "return" } },
    ],
  },
];

const nat4 = {
  out: [
    rule([{ kind: "snat", address: a4 }], [value("ip saddr", [b4])]),
    rule([{ kind: "snat", address: a4, ports: { first: 1024, last: 2047 } }]),
    rule([{ kind: "snat", address: a4, ports: { first: 1024, last: 2047 } }], [value("meta l4proto", ["tcp"])]),
    rule([{ kind: "masquerade" }]),
    rule([{ kind: "masquerade", flag: "fully-random" }]),
  ],
  in: [
    rule([{ kind: "dnat", to: { address: a4 } }]),
    rule([{ kind: "dnat", to: { address: a4, port: 8080 } }]),
    rule([{ kind: "dnat", to: { address: a4, port: 8080 } }], [value("meta l4proto", ["tcp", "udp"]), value("th dport", [80])]),
    rule([{ kind: "dnat", to: { fields: ["ip daddr", "meta l4proto", "th dport", "meta mark"], map: "endpoints4" } }]),
    rule([{ kind: "dnat", to: { fields: ["ip daddr"], map: "hosts4" } }]),
  ],
} as const;
const nat6 = {
  out: [
    rule([{ kind: "snat", address: a6 }]),
    rule([{ kind: "snat", address: a6, ports: { first: 1024, last: 2047 } }]),
    rule([{ kind: "masquerade" }]),
  ],
  in: [
    rule([{ kind: "dnat", to: { address: a6 } }]),
    rule([{ kind: "dnat", to: { address: a6, port: 8080 } }]),
    rule([{ kind: "dnat", to: { fields: ["ip6 daddr", "meta l4proto", "th dport", "meta mark"], map: "endpoints6" } }]),
  ],
} as const;
const ipv6Sets: Table["sets"] = [
  {
    name: "prefixes6",
    key: ["ipv6_addr"],
    interval: true,
    elements: [{ key: [mustPrefix("fd00::/8")] }, { key: [mustPrefix("fd01::/16")] }],
  },
];
const ipv6Maps: Table["maps"] = [
  {
    name: "endpoints6",
    key: ["ipv6_addr", "inet_proto", "inet_service", "mark"],
    value: ["ipv6_addr", "inet_service"],
    elements: [{ key: [a6, "tcp", 80, 0], value: [b6, 8080] }],
  },
];

type Nat = { readonly out: readonly Rule[]; readonly in: readonly Rule[] };

function chains(matches: readonly Match[], statements: readonly Statement[], nat: Nat): Table["chains"] {
  return [
    {
      name: "prerouting",
      base: { type: "filter", hook: "prerouting", priority: priorities.raw, policy: "accept" },
      rules: [rule([{ kind: "notrack" }])],
    },
    {
      name: "input",
      base: { type: "filter", hook: "input", priority: priorities.security, policy: "drop" },
      rules: matches.map((match) => rule([counter, drop], [match])),
    },
    {
      name: "forward",
      base: { type: "filter", hook: "forward", priority: priorities.filter, policy: "drop" },
      rules: statements.map((statement) => rule([statement])),
    },
    {
      name: "output",
      base: { type: "route", hook: "output", priority: priorities.mangle, policy: "accept" },
      rules: [rule([counter], matches.slice(0, 3))],
    },
    { name: "nat-in", base: { type: "nat", hook: "prerouting", priority: priorities.dstnat, policy: "accept" }, rules: nat.in },
    { name: "nat-own", base: { type: "nat", hook: "output", priority: priorities.dstnat, policy: "accept" }, rules: nat.in },
    { name: "nat-out", base: { type: "nat", hook: "postrouting", priority: priorities.srcnat, policy: "accept" }, rules: nat.out },
    leaf,
    { name: "empty", rules: [] },
  ];
}

const common = { sets: commonSets, maps: [services, ...marks] };
const reject6: readonly Statement[] = [
  { kind: "reject", with: "icmp port-unreachable" },
  { kind: "reject", with: "icmp admin-prohibited" },
  { kind: "reject", with: "tcp reset" },
];

export const everything: readonly Table[] = [
  {
    family: "ip",
    name: "everything",
    chains: chains([...commonMatches, ...ipv4Matches], [...commonStatements, ...ipv4Statements], nat4),
    sets: [...common.sets, ...ipv4Sets],
    maps: [...common.maps, ...ipv4Maps],
  },
  {
    family: "ip6",
    name: "everything",
    chains: chains([...commonMatches, ...ipv6Matches], [...commonStatements, ...reject6], nat6),
    sets: [...common.sets, ...ipv6Sets],
    maps: [...common.maps, ...ipv6Maps],
  },
  {
    family: "inet",
    name: "everything",
    chains: chains([...commonMatches, ...ipv4Matches, ...ipv6Matches], [...commonStatements, ...ipv4Statements], {
      out: [...nat4.out, ...nat6.out],
      in: [...nat4.in, ...nat6.in],
    }),
    sets: [...common.sets, ...ipv4Sets, ...ipv6Sets],
    maps: [...common.maps, ...ipv4Maps, ...ipv6Maps],
  },
];

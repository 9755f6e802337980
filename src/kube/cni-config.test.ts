import { describe, expect, test } from "vitest";
import { readCniConfig } from "./cni-config.ts";

const bridge = {
  type: "bridge",
  isDefaultGateway: true,
  hairpinMode: true,
  ipMasq: true,
  ipam: { type: "host-local", ranges: [[{ subnet: "usePodCidr" }]], routes: [{ dst: "10.9.0.0/16" }] },
};
const ptp = { type: "ptp", ipam: { type: "host-local", subnet: "usePodCidr", routes: [{ dst: "0.0.0.0/0" }] } };
const list = (...plugins: readonly object[]) => ({ cniVersion: "1.0.0", name: "own", plugins });

const read = (data: Readonly<Record<string, unknown>>) =>
  readCniConfig({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "cni-config", namespace: "kube-system" },
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)])),
  });

test("a bridge that is the default gateway", () => {
  expect(read({ "10-own.conflist": list(bridge) }).config).toEqual({
    name: "own",
    type: "bridge",
    bridge: "cni0",
    ipMasq: true,
    returnsToSender: true,
    routes: ["0.0.0.0/0", "10.9.0.0/16"],
  });
});

test("a bridge's ports send nothing back unless it is said", () => {
  const returns = (modes: object) => read({ "10-own.conflist": list({ ...bridge, hairpinMode: false, ...modes }) }).config?.returnsToSender;
  expect(returns({})).toBe(false);
  expect(returns({ promiscMode: true })).toBe(true);
});

test("host ports are mapped by portmap, when the runtime tells it of them", () => {
  const portmapOf = (fields: object) => read({ "10-own.conflist": list(ptp, { type: "portmap", ...fields }) }).config?.portmap;
  expect(portmapOf({ capabilities: { portMappings: true } })).toEqual({ snat: true });
  expect(portmapOf({ capabilities: { portMappings: true }, snat: false })).toEqual({ snat: false });
  expect(portmapOf({})).toBeUndefined();
});

test("links of their own, by the older form of one plugin", () => {
  const config = read({ "10-own.conf": { cniVersion: "0.3.1", name: "own", ...ptp } }).config;
  expect(config).toMatchObject({ type: "ptp", ipMasq: false, routes: ["0.0.0.0/0"] });
});

test("the first file by name counts, as on a node", () => {
  expect(read({ "20-b.conflist": list(ptp), "10-a.conflist": list(bridge), "README.md": "x" }).config?.type).toBe("bridge");
});

describe("what is no configuration, or none that is modelled, is refused by name", () => {
  test.each<readonly [string, Readonly<Record<string, unknown>>, string]>([
    ["no file", { "README.md": "x" }, "has no key that ends in .conflist or .conf"],
    ["no JSON", { "a.conflist": "{" }, "a.conflist is not JSON"],
    ["a list", { "a.conflist": "[]" }, "a.conflist is no mapping"],
    ["a version to come", { "a.conflist": { ...list(bridge), cniVersion: "9.0.0" } }, "cniVersion 9.0.0 is none of"],
    ["no name", { "a.conflist": { ...list(bridge), name: "-x" } }, "name must be letters"],
    ["no plugins", { "a.conflist": list() }, "plugins is empty"],
    ["another plugin", { "a.conflist": list({ type: "calico" }) }, "a.conflist.plugins[0]: plugin type calico is not modelled"],
    [
      "another plugin behind",
      { "a.conflist": list(bridge, { type: "tuning" }) },
      "a.conflist.plugins[1]: plugin type tuning is not modelled",
    ],
    ["a VLAN", { "a.conflist": list({ ...bridge, vlan: 5 }) }, "plugins[0].vlan is not modelled"],
    ["no gateway", { "a.conflist": list({ ...bridge, isDefaultGateway: false }) }, "a bridge without an address of its own"],
    ["hairpin twice", { "a.conflist": list({ ...bridge, promiscMode: true }) }, "hairpinMode and promiscMode cannot both be true"],
    ["hairpin and promiscuous", { "a.conflist": list({ ...bridge, promiscMode: true }) }, "cannot both be true"],
    ["a name for a bridge", { "a.conflist": list({ ...bridge, bridge: "a b;reboot" }) }, "is no name for a bridge"],
    ["a text for a flag", { "a.conflist": list({ ...bridge, ipMasq: "yes" }) }, 'ipMasq: "yes" is neither true nor false'],
    ["another allocator", { "a.conflist": list({ ...bridge, ipam: { type: "dhcp" } }) }, "ipam type dhcp is not modelled"],
    [
      "the same prefix on every node",
      { "a.conflist": list({ ...ptp, ipam: { type: "host-local", subnet: "10.1.0.0/24" } }) },
      "is the same on every node",
    ],
    [
      "a route by somebody else",
      { "a.conflist": list({ ...ptp, ipam: { ...ptp.ipam, routes: [{ dst: "0.0.0.0/0", gw: "10.1.1.1" }] } }) },
      "gw is not modelled",
    ],
    ["no CIDR", { "a.conflist": list({ ...ptp, ipam: { ...ptp.ipam, routes: [{ dst: "everywhere" }] } }) }, '"everywhere" is no CIDR'],
    ["a prototype", { "a.conflist": '{"__proto__": {"name": "x"}}' }, "name must be letters"],
  ])("%s", (_, data, message) => {
    expect(read(data).problem?.message).toContain(message);
  });
});

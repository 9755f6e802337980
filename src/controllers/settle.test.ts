import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AzureResource, LoadBalancer, NetworkInterface, PublicIPAddress } from "../arm/resources.ts";
import type { KubeObject, Service } from "../kube/objects.ts";
import { mustAddress } from "../net/address.ts";
import { mustPrefix, prefixContains } from "../net/prefix.ts";
import type { Write } from "../resources/resources.ts";
import { settle } from "./index.ts";
import {
  cluster,
  daemonSet,
  deployment,
  everything,
  keyIn,
  machine,
  pod,
  pool,
  service,
  statefulSet,
  subnetId,
  TestLab,
  vnet,
} from "./testing/lab.ts";

const [plain, flat] = [subnetId("hub", "plain"), subnetId("hub", "flat")];
const internal = { "service.beta.kubernetes.io/azure-load-balancer-internal": "true" };
const clusters = ["a", "k"] as const;

/** Two clusters in one VNet, with subnets and prefixes small enough to run out of everything. */
const azure: readonly AzureResource[] = [
  ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/28", flat: "10.240.2.0/25" }),
  cluster("k", { networkPlugin: "kubenet", podCidr: "10.244.0.0/21", serviceCidr: "10.0.0.0/27" }),
  pool("k", "np1", plain, { count: 3 }),
  cluster("a", { serviceCidr: "10.1.0.0/27", dnsServiceIP: "10.1.0.10" }),
  pool("a", "np1", flat, { count: 2, maxPods: 12 }),
];

const objects: readonly KubeObject[] = [
  deployment("web", 4),
  statefulSet("db", 2),
  daemonSet("agent", { hostNetwork: true }),
  pod("single"),
  service("web", { type: "LoadBalancer" }),
  service("local", { type: "LoadBalancer", externalTrafficPolicy: "Local", selector: { app: "web" } }),
  service("inside", { type: "LoadBalancer", selector: { app: "web" } }, internal),
  service("db", { clusterIP: "None" }),
];

function writesOf(): Write[] {
  const lab = new TestLab(azure);
  for (const name of clusters) lab.add(name, ...objects);
  return lab.resources.buckets().flatMap((bucket) => lab.resources.list(bucket).map((value) => ({ key: keyOfAny(bucket, value), value })));
}

function keyOfAny(bucket: string, value: AzureResource | KubeObject): string {
  return "id" in value ? value.id.toLowerCase() : keyIn(bucket.split("/")[2] ?? "", value);
}

describe("settle", () => {
  it("comes to rest in a few rounds, and finds nothing to do then", () => {
    const lab = new TestLab(azure);
    for (const name of clusters) lab.add(name, ...objects);
    expect(lab.settle()).toBeLessThanOrEqual(4);
    const before = lab.dump();
    expect(lab.settle()).toBe(1);
    expect(lab.dump()).toBe(before);
  });

  it("gives the same lab whatever the order of its documents", () => {
    const lab = new TestLab();
    lab.apply(writesOf());
    lab.settle();
    const want = lab.dump();
    const all = writesOf();
    fc.assert(
      fc.property(fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }), (writes) => {
        const other = new TestLab();
        other.apply(writes);
        other.settle();
        expect(other.dump()).toBe(want);
      }),
      { numRuns: 20 },
    );
  });

  it("comes to rest in any order of the controllers", () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(everything, { minLength: everything.length, maxLength: everything.length }), (order) => {
        const lab = new TestLab();
        lab.apply(writesOf());
        settle(lab.resources, order, (writes) => lab.apply(writes));
        expect(lab.pods("k").every(({ status }) => status?.phase === "Running")).toBe(true);
        expectUnique(lab);
        expect(lab.settle()).toBe(1);
      }),
      { numRuns: 20 },
    );
  });

  it("names the controllers that keep writing", () => {
    const lab = new TestLab();
    const flap = (name: string, uid: string) => ({
      name,
      reconcile: (): Write[] => [{ key: keyIn("c", pod("x")), value: { ...pod("x"), metadata: { name: "x", namespace: "default", uid } } }],
    });
    expect(() => settle(lab.resources, [flap("left", "1"), flap("right", "2")], (writes) => lab.apply(writes))).toThrow(
      /do not come to rest after 50 rounds; still writing: left \(1, for example \/kubernetes\/c\/Pod\/default\/x\), right/,
    );
  });
});

/** Deletes and puts as people and servers do them, in any order; a restart reads everything back from a store. */
class Change implements fc.Command<Record<string, never>, { lab: TestLab }> {
  readonly text: string;
  readonly apply: (lab: TestLab) => TestLab;

  constructor(text: string, apply: (lab: TestLab) => TestLab) {
    this.text = text;
    this.apply = apply;
  }

  check(): boolean {
    return true;
  }

  run(_model: Record<string, never>, real: { lab: TestLab }): void {
    real.lab = this.apply(real.lab);
    real.lab.settle();
    expectUnique(real.lab);
    const before = real.lab.dump();
    expect(real.lab.settle()).toBe(1);
    expect(real.lab.dump()).toBe(before);
  }

  toString(): string {
    return this.text;
  }
}

const anyCluster = fc.constantFrom(...clusters);
const anyName = fc.constantFrom("one", "two", "three", "four");

const changes = [
  fc
    .tuple(anyCluster, fc.nat(12))
    .map(
      ([name, count]) =>
        new Change(`scale ${name} to ${count}`, (lab) =>
          lab.put(name === "k" ? pool("k", "np1", plain, { count }) : pool("a", "np1", flat, { count, maxPods: 12 })),
        ),
    ),
  fc
    .tuple(anyCluster, anyName, fc.nat(20))
    .map(([c, name, n]) => new Change(`deployment ${c}/${name} of ${n}`, (lab) => lab.add(c, deployment(name, n)))),
  fc
    .tuple(anyCluster, anyName)
    .map(([c, name]) => new Change(`no deployment ${c}/${name}`, (lab) => lab.remove(keyIn(c, deployment(name, 0))))),
  fc
    .tuple(anyCluster, anyName, fc.constantFrom("ClusterIP", "NodePort", "LoadBalancer"), fc.boolean(), fc.boolean())
    .map(
      ([c, name, type, isInternal, isLocal]) =>
        new Change(`service ${c}/${name} ${type} internal=${isInternal} local=${isLocal}`, (lab) =>
          lab.add(
            c,
            service(
              name,
              { type, ...(type === "LoadBalancer" && isLocal ? { externalTrafficPolicy: "Local" } : {}) },
              isInternal ? internal : {},
            ),
          ),
        ),
    ),
  fc.tuple(anyCluster, anyName).map(([c, name]) => new Change(`no service ${c}/${name}`, (lab) => lab.remove(keyIn(c, service(name))))),
  fc
    .tuple(anyName, fc.constantFrom(plain, flat), fc.option(fc.integer({ min: 4, max: 20 })))
    .map(
      ([name, subnet, offset]) =>
        new Change(`machine ${name} in ${subnet.slice(-5)} at ${offset}`, (lab) =>
          lab.put(machine(name, subnet, offset === null ? undefined : `10.240.${subnet === plain ? 0 : 2}.${offset}`)),
        ),
    ),
  anyName.map((name) => new Change(`no machine ${name}`, (lab) => lab.remove(machine(name, plain).id.toLowerCase()))),
  fc.tuple(anyCluster, fc.nat(30)).map(
    ([c, index]) =>
      new Change(`delete pod ${index} of ${c}`, (lab) => {
        const found = lab.pods(c)[index];
        return found === undefined ? lab : lab.remove(keyIn(c, found));
      }),
  ),
  fc.constant(
    new Change("restart", (lab) => {
      const again = new TestLab();
      for (const bucket of lab.resources.buckets()) {
        again.apply(lab.resources.list(bucket).map((value) => ({ key: keyOfAny(bucket, value), value: structuredClone(value) })));
      }
      return again;
    }),
  ),
];

describe("addresses", () => {
  it("are never given twice, under any interleaving of changes and restarts", () => {
    fc.assert(
      fc.property(fc.commands(changes, { maxCommands: 25 }), (commands) => {
        const lab = new TestLab(azure);
        lab.settle();
        fc.modelRun(() => ({ model: {}, real: { lab } }), commands);
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

function expectUnique(lab: TestLab): void {
  const vnetAddresses = new Map<string, string>();
  const claim = (owners: Map<string, string>, address: string | number, owner: string) => {
    expect(owners.get(`${address}`) ?? owner, `${address} has two owners`).toBe(owner);
    owners.set(`${address}`, owner);
  };
  const subnets: Readonly<Record<string, string>> = { plain: "10.240.0.0/28", flat: "10.240.2.0/25" };
  const claimInSubnet = (address: string, subnet: string, owner: string) => {
    const prefix = mustPrefix(subnets[subnet.slice(subnet.lastIndexOf("/") + 1)] ?? "");
    expect(prefixContains(prefix, mustAddress(address)), `${address} in ${prefix}`).toBe(true);
    claim(vnetAddresses, address, owner);
  };
  const nicTypes = [
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
  ] as const;
  const nics = nicTypes.flatMap((type) => lab.arm<NetworkInterface>(type));
  for (const nic of nics)
    for (const { id = "", properties } of nic.properties.ipConfigurations)
      claimInSubnet(properties.privateIPAddress, properties.subnet.id, id);
  for (const balancer of lab.arm<LoadBalancer>("Microsoft.Network/loadBalancers")) {
    for (const { id = "", properties } of balancer.properties.frontendIPConfigurations) {
      if (properties.privateIPAddress !== undefined) claimInSubnet(properties.privateIPAddress, properties.subnet?.id ?? "", id);
    }
    const backends = balancer.properties.backendAddressPools[0]?.properties.backendIPConfigurations ?? [];
    for (const { id } of backends) expect(nics.some((nic) => id.startsWith(nic.id))).toBe(true);
  }
  const publicOwners = new Map<string, string>();
  for (const { id, properties } of lab.arm<PublicIPAddress>("Microsoft.Network/publicIPAddresses"))
    claim(publicOwners, properties.ipAddress ?? "", id);

  for (const name of clusters) {
    const [podOwners, serviceOwners, portOwners, prefixOwners] = [new Map(), new Map(), new Map(), new Map()];
    const nodes = new Map(lab.nodes(name).map((node) => [node.metadata.name, node]));
    for (const node of nodes.values()) if (node.spec.podCIDR !== undefined) claim(prefixOwners, node.spec.podCIDR, node.metadata.name);
    for (const { metadata, spec, status } of lab.pods(name)) {
      const address = status?.podIP;
      if (address === undefined) continue;
      const node = nodes.get(spec.nodeName ?? "");
      expect(node, `node of ${metadata.name}`).toBeDefined();
      if (spec.hostNetwork === true) continue;
      claim(podOwners, address, metadata.name);
      if (name === "k") expect(prefixContains(mustPrefix(node?.spec.podCIDR ?? ""), mustAddress(address))).toBe(true);
      else {
        const nic = nics.find(({ properties }) => node?.spec.providerID.endsWith(properties.virtualMachine?.id ?? ""));
        expect(
          nic?.properties.ipConfigurations.some(({ properties }) => !properties.primary && properties.privateIPAddress === address),
        ).toBe(true);
      }
    }
    for (const { metadata, spec } of lab.kube<Service>(name, "Service")) {
      if (spec.clusterIP !== undefined && spec.clusterIP !== "None") claim(serviceOwners, spec.clusterIP, metadata.name);
      const ports = [...(spec.ports ?? []).map(({ nodePort }) => nodePort), spec.healthCheckNodePort];
      for (const port of new Set(ports)) if (port !== undefined) claim(portOwners, port, metadata.name);
    }
  }
}

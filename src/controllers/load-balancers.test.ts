import { describe, expect, it } from "vitest";
import type { LoadBalancer, ProbeResult, PublicIPAddress } from "../arm/resources.ts";
import type { Service } from "../kube/objects.ts";
import { cluster, deployment, keyIn, machine, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

const plain = subnetId("hub", "plain");
const internal = { "service.beta.kubernetes.io/azure-load-balancer-internal": "true" };
const ipv4 = (address: string) => ({ ...internal, "service.beta.kubernetes.io/azure-load-balancer-ipv4": address });

function lab(...services: readonly Service[]): TestLab {
  const made = new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24", front: "10.240.1.0/29" }),
    cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" }),
    pool("c", "np1", plain, { count: 3 }),
  ]).add("c", deployment("web", 2), ...services);
  made.settle();
  return made;
}

const balancer = (of: TestLab, name = "kubernetes") =>
  of.arm<LoadBalancer>("Microsoft.Network/loadBalancers").find((b) => b.name === name)?.properties;
const publicAddresses = (of: TestLab) => of.arm<PublicIPAddress>("Microsoft.Network/publicIPAddresses");
const ingress = (of: TestLab, name: string) =>
  of
    .kube<Service>("c", "Service")
    .find(({ metadata }) => metadata.name === name)
    ?.status?.loadBalancer?.ingress?.map(({ ip }) => ip);
const public_ = (name: string, spec: Partial<Service["spec"]> = {}) =>
  service(name, { type: "LoadBalancer", selector: { app: "web" }, ...spec });
const results = (of: TestLab) => of.arm<ProbeResult>("Drydock.Lab/probeResults").map(({ properties }) => properties.healthy.length);

describe("the load balancer of a cluster", () => {
  it("is made with it: an outbound address, all nodes, and the outbound rule", () => {
    const c = lab();
    const [address, ...others] = publicAddresses(c);
    expect(others).toEqual([]);
    expect(address).toMatchObject({ tags: { "aks-managed-type": "aks-slb-managed-outbound-ip" }, properties: { ipAddress: "198.18.0.4" } });
    expect(address?.name).toMatch(/^[0-9a-f-]{36}$/);
    const { backendAddressPools, outboundRules, loadBalancingRules } = balancer(c) ?? {};
    expect(backendAddressPools?.map(({ name, properties }) => `${name} ${properties.backendIPConfigurations.length}`)).toEqual([
      "kubernetes 3",
      "aksOutboundBackendPool 3",
    ]);
    expect(backendAddressPools?.[1]?.properties.backendIPConfigurations.map(({ id }) => /virtualMachines\/(\d+)/.exec(id)?.[1])).toEqual([
      "0",
      "1",
      "2",
    ]);
    expect(outboundRules).toMatchObject([
      {
        name: "aksOutboundRule",
        properties: { allocatedOutboundPorts: 0, idleTimeoutInMinutes: 30, enableTcpReset: true, protocol: "All" },
      },
    ]);
    expect(loadBalancingRules).toEqual([]);
  });

  it("has as many outbound addresses as asked for", () => {
    const c = lab();
    const profile = { managedOutboundIPs: { count: 3 }, allocatedOutboundPorts: 0, idleTimeoutInMinutes: 30 };
    c.put(cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16", loadBalancerProfile: profile })).settle();
    expect(
      publicAddresses(c)
        .map(({ properties }) => properties.ipAddress)
        .sort(),
    ).toEqual(["198.18.0.4", "198.18.0.5", "198.18.0.6"]);
    expect(balancer(c)?.outboundRules[0]?.properties.frontendIPConfigurations).toHaveLength(3);
  });
});

describe("public Services", () => {
  it("get an address, and a rule and probe per port, by cloud-provider-azure's names", () => {
    const c = lab(
      public_("web", {
        ports: [
          { name: "http", port: 80 },
          { name: "dns", port: 53, protocol: "UDP" },
        ],
        sessionAffinity: "ClientIP",
      }),
    );
    expect(ingress(c, "web")).toEqual(["198.18.0.5"]);
    const address = publicAddresses(c).find(({ name }) => name.startsWith("kubernetes-a"));
    const base = address?.name.slice("kubernetes-".length);
    expect(base).toHaveLength(32);
    expect(address?.tags).toMatchObject({ "k8s-azure-service": "default/web", "k8s-azure-cluster-name": "kubernetes" });
    const { loadBalancingRules = [], probes = [], frontendIPConfigurations = [] } = balancer(c) ?? {};
    expect(frontendIPConfigurations.map(({ name }) => name)).toContain(base);
    expect(loadBalancingRules.map(({ name }) => name)).toEqual([`${base}-TCP-80`, `${base}-UDP-53`]);
    expect(loadBalancingRules[0]?.properties).toMatchObject({
      frontendPort: 80,
      backendPort: 80,
      enableFloatingIP: true,
      loadDistribution: "SourceIP",
      idleTimeoutInMinutes: 4,
      disableOutboundSnat: true,
    });
    expect(probes.map(({ name, properties }) => ({ name, ...properties }))).toEqual([
      { name: `${base}-TCP-80`, protocol: "Tcp", port: 30086, intervalInSeconds: 5, numberOfProbes: 2 },
    ]);
    expect(loadBalancingRules[1]?.properties.probe).toBeUndefined();
  });

  it("are probed at their health-check port under Local, UDP too", () => {
    const c = lab(
      public_("web", {
        externalTrafficPolicy: "Local",
        ports: [
          { name: "a", port: 80 },
          { name: "b", port: 53, protocol: "UDP" },
        ],
      }),
    );
    const { probes = [], loadBalancingRules = [] } = balancer(c) ?? {};
    expect(probes).toMatchObject([
      { name: expect.stringMatching(/-TCP-30088$/), properties: { protocol: "Http", requestPath: "/healthz", port: 30088 } },
    ]);
    expect(loadBalancingRules.map(({ properties }) => properties.probe)).toEqual([{ id: probes[0]?.id }, { id: probes[0]?.id }]);
    // Two endpoints on two of three nodes.
    expect(results(c)).toEqual([2]);
  });

  it("are answered by every node under Cluster as long as there is an endpoint", () => {
    const c = lab(public_("web"));
    expect(results(c)).toEqual([3]);
    c.add("c", deployment("web", 0)).settle();
    expect(results(c)).toEqual([0]);
  });

  it("follow appProtocol", () => {
    const c = lab(public_("web", { ports: [{ port: 80, appProtocol: "http" }] }));
    expect(balancer(c)?.probes[0]?.properties).toMatchObject({ protocol: "Http", requestPath: "/", port: 30086 });
  });

  const azure = (settings: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(settings).map(([name, value]) => [`service.beta.kubernetes.io/${name}`, value]));
  const two = [
    { name: "http", port: 80 },
    { name: "https", port: 443, appProtocol: "https" },
  ];
  it.each([
    {
      name: "settings of the Service",
      annotations: { "azure-load-balancer-health-probe-protocol": "http", "azure-load-balancer-health-probe-request-path": "/healthz" },
      probes: [
        { protocol: "Http", port: 30086, requestPath: "/healthz", intervalInSeconds: 5, numberOfProbes: 2 },
        { protocol: "Https", port: 30087, requestPath: "/healthz", intervalInSeconds: 5, numberOfProbes: 2 },
      ],
    },
    {
      name: "settings of a port before them",
      annotations: {
        "azure-load-balancer-health-probe-interval": "20",
        "port_443_health-probe_protocol": "Tcp",
        "port_443_health-probe_num-of-probe": "4",
        "port_443_health-probe_port": "http",
      },
      probes: [
        { protocol: "Tcp", port: 30086, intervalInSeconds: 20, numberOfProbes: 2 },
        { protocol: "Tcp", port: 30086, intervalInSeconds: 20, numberOfProbes: 4 },
      ],
    },
    {
      name: "a port of the node",
      annotations: { "port_80_health-probe_port": "10256", port_443_no_lb_rule: "true" },
      probes: [{ protocol: "Tcp", port: 10256, intervalInSeconds: 5, numberOfProbes: 2 }],
    },
    { name: "none", annotations: { port_80_no_probe_rule: "true", port_443_no_probe_rule: "true" }, probes: [] },
  ])("are probed as annotated: $name", ({ annotations, probes }) => {
    const c = lab(service("web", { type: "LoadBalancer", selector: { app: "web" }, ports: two }, azure(annotations)));
    expect(balancer(c)?.probes.map(({ properties }) => properties)).toEqual(probes);
  });

  it("share one probe where the cluster says so", () => {
    const profile = {
      managedOutboundIPs: { count: 1 },
      allocatedOutboundPorts: 0,
      idleTimeoutInMinutes: 30,
      clusterServiceLoadBalancerHealthProbeMode: "Shared",
    } as const;
    const c = lab(
      public_("web"),
      public_("dns", { ports: [{ port: 53, protocol: "UDP" }] }),
      public_("mine", { externalTrafficPolicy: "Local" }),
    );
    c.put(cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16", loadBalancerProfile: profile })).settle();
    expect(balancer(c)?.probes.map(({ name, properties }) => `${name} ${properties.port}`)).toEqual([
      "cluster-service-shared-health-probe 10356",
      expect.stringMatching(/ 30\d+$/),
    ]);
    expect(balancer(c)?.loadBalancingRules.every(({ properties }) => properties.probe !== undefined)).toBe(true);
    expect(results(c)).toEqual([2, 3]);
  });

  it("lead to the node port without floating IP, and need one then", () => {
    const off = azure({ "azure-disable-load-balancer-floating-ip": "true" });
    const c = lab(
      service("web", { type: "LoadBalancer", selector: { app: "web" } }, off),
      service("bare", { type: "LoadBalancer", allocateLoadBalancerNodePorts: false }, off),
    );
    expect(balancer(c)?.loadBalancingRules).toMatchObject([
      { properties: { frontendPort: 80, backendPort: expect.any(Number), enableFloatingIP: false } },
    ]);
    expect(c.events("c")[0]).toContain("port 80 has no node port");
  });

  it("tell the addresses that others forward to them", () => {
    const c = lab(service("web", { type: "LoadBalancer" }, azure({ "azure-additional-public-ips": "20.1.2.3, 20.1.2.4" })));
    expect(ingress(c, "web")).toEqual(["198.18.0.5", "20.1.2.3", "20.1.2.4"]);
  });

  it("keep their address, free it with the Service, and do not get one back at once", () => {
    const c = lab(public_("m"));
    c.add("c", public_("a")).settle();
    expect([ingress(c, "m"), ingress(c, "a")]).toEqual([["198.18.0.5"], ["198.18.0.6"]]);
    c.remove(keyIn("c", public_("m"))).settle();
    expect(publicAddresses(c)).toHaveLength(2);
    expect(balancer(c)?.loadBalancingRules).toHaveLength(1);
    expect(results(c)).toHaveLength(1);
    c.add("c", public_("m")).settle();
    expect(ingress(c, "m")).toEqual(["198.18.0.7"]);
  });

  it("lose it when they become plain", () => {
    const c = lab(public_("web"));
    const web = c.kube<Service>("c", "Service").find(({ metadata }) => metadata.name === "web");
    if (web === undefined) throw new Error("no service");
    const plainOne: Service = { ...web, spec: { ...web.spec, type: "ClusterIP" } };
    c.add("c", plainOne).settle();
    expect(ingress(c, "web")).toBeUndefined();
    expect(publicAddresses(c)).toHaveLength(1);
  });
});

describe("internal Services", () => {
  it("get an address of the node subnet on a load balancer of their own, which goes with the last", () => {
    const c = lab(service("web", { type: "LoadBalancer" }, internal));
    expect(ingress(c, "web")).toEqual(["10.240.0.7"]);
    expect(balancer(c, "kubernetes-internal")?.frontendIPConfigurations[0]?.properties).toEqual({
      privateIPAddress: "10.240.0.7",
      subnet: { id: plain },
    });
    c.remove(keyIn("c", service("web"))).settle();
    expect(balancer(c, "kubernetes-internal")).toBeUndefined();
  });

  it("may choose subnet and address", () => {
    const front = { ...internal, "service.beta.kubernetes.io/azure-load-balancer-internal-subnet": "front" };
    const c = lab(service("a", { type: "LoadBalancer" }, front), service("b", { type: "LoadBalancer" }, ipv4("10.240.0.99")));
    expect([ingress(c, "a"), ingress(c, "b")]).toEqual([["10.240.1.4"], ["10.240.0.99"]]);
    expect(balancer(c, "kubernetes-internal")?.loadBalancingRules[0]?.name).toMatch(/^a[0-9a-f]{31}-front-TCP-80$/);
  });

  it("may share an address if their ports differ", () => {
    const c = lab(
      service("a", { type: "LoadBalancer" }, ipv4("10.240.0.99")),
      service("b", { type: "LoadBalancer", ports: [{ port: 81 }] }, ipv4("10.240.0.99")),
      service("c", { type: "LoadBalancer", ports: [{ port: 81 }] }, ipv4("10.240.0.99")),
    );
    expect([ingress(c, "a"), ingress(c, "b"), ingress(c, "c")]).toEqual([["10.240.0.99"], ["10.240.0.99"], undefined]);
    expect(balancer(c, "kubernetes-internal")?.frontendIPConfigurations).toHaveLength(1);
    expect(c.events("c")).toEqual([
      "SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer: port 81 of 10.240.0.99 is another Service's",
    ]);
  });

  it("take every port with high-availability ports, and share their address with nobody", () => {
    const all = { ...ipv4("10.240.0.99"), "service.beta.kubernetes.io/azure-load-balancer-enable-high-availability-ports": "true" };
    const c = lab(
      service(
        "a",
        {
          type: "LoadBalancer",
          ports: [
            { name: "x", port: 80 },
            { name: "y", port: 81 },
          ],
        },
        all,
      ),
      service("b", { type: "LoadBalancer", ports: [{ port: 82 }] }, ipv4("10.240.0.99")),
    );
    expect(balancer(c, "kubernetes-internal")?.loadBalancingRules).toMatchObject([
      { name: expect.stringMatching(/-TCP-80$/), properties: { protocol: "All", frontendPort: 0, backendPort: 0, enableFloatingIP: true } },
    ]);
    expect(c.events("c")[0]).toContain("every port of 10.240.0.99 is another Service's");
  });

  it.each([
    { address: "10.240.0.4", why: "PrivateIPAddressInUse: 10.240.0.4 is in use" },
    { address: "10.240.0.1", why: "PrivateIPAddressNotInSubnet: 10.240.0.1 is not assignable in subnet plain" },
    { address: "10.99.0.4", why: "PrivateIPAddressNotInSubnet: 10.99.0.4 is not assignable in subnet plain" },
  ])("are refused $address", ({ address, why }) => {
    const c = lab(service("a", { type: "LoadBalancer" }, ipv4(address)));
    expect(ingress(c, "a")).toBeUndefined();
    expect(c.events("c")[0]).toContain(why);
  });

  it("wait when the subnet is full, and go on when it is not", () => {
    const front = { ...internal, "service.beta.kubernetes.io/azure-load-balancer-internal-subnet": "front" };
    const c = lab();
    c.put(...["x", "y", "z"].map((name) => machine(name, subnetId("hub", "front")))).add(
      "c",
      service("a", { type: "LoadBalancer" }, front),
    );
    c.settle();
    expect(c.events("c")[0]).toContain("SubnetIsFull: needs 1 address, 0 free of 3 in subnet hub/front");
    c.remove(machine("y", plain).id.toLowerCase()).settle();
    expect(ingress(c, "a")).toEqual(["10.240.1.5"]);
  });
});

import { describe, expect, it } from "vitest";
import type { Service } from "../kube/objects.ts";
import { cluster, keyIn, pool, service, subnetId, TestLab, vnet } from "./testing/lab.ts";

function lab(serviceCidr = "10.0.0.0/16"): TestLab {
  const dnsServiceIP = serviceCidr.replace(/\.0\/\d+$/, ".10");
  return new TestLab([
    ...vnet("hub", ["10.240.0.0/16"], { plain: "10.240.0.0/24" }),
    cluster("c", { serviceCidr, dnsServiceIP }),
    pool("c", "np1", subnetId("hub", "plain"), { count: 1 }),
  ]);
}

const get = (of: TestLab, name: string) => of.kube<Service>("c", "Service").find(({ metadata }) => metadata.name === name)?.spec;
const dns = (): Service => ({ ...service("kube-dns"), metadata: { name: "kube-dns", namespace: "kube-system" } });

describe("cluster addresses", () => {
  it("come from the upper band first; the first is for the API server and the DNS one is kept for DNS", () => {
    const c = lab().add("c", service("a"), service("b"), dns());
    c.settle();
    expect(get(c, "kubernetes")?.clusterIP).toBe("10.0.0.1");
    expect(get(c, "kube-dns")?.clusterIP).toBe("10.0.0.10");
    // 65,536 / 16 = 4,096, at most 256: the static band is 10.0.0.1 to 10.0.1.0.
    expect([get(c, "a")?.clusterIP, get(c, "b")?.clusterIP]).toEqual(["10.0.1.1", "10.0.1.2"]);
  });

  it("wrap into the static band, stop before reserved ones, and then say that none is left", () => {
    // 16 - 2 addresses, all in the static band of 16; without .1 and .10 there are 12.
    const c = lab("10.0.0.0/28").add("c", ...Array.from({ length: 13 }, (_, i) => service(`s${String(i).padStart(2, "0")}`)));
    c.settle();
    expect(get(c, "s00")?.clusterIP).toBe("10.0.0.2");
    expect(get(c, "s11")?.clusterIP).toBe("10.0.0.14");
    expect(get(c, "s12")?.clusterIP).toBeUndefined();
    expect(c.events("c")[0]).toBe(
      "ClusterIPNotAllocated: no cluster IP left: all 14 addresses of 10.0.0.0/28 (without network and broadcast) are in use or reserved",
    );
    c.remove(keyIn("c", service("s05"))).settle();
    expect(get(c, "s12")?.clusterIP).toBe("10.0.0.7");
    expect(c.events("c")).toEqual([]);
  });

  it("are kept when they are explicit, and when others come first by name", () => {
    const c = lab().add("c", service("m"), service("z", { clusterIP: "10.0.1.2" }));
    c.settle();
    const before = get(c, "m")?.clusterIP;
    c.add("c", service("a")).settle();
    expect([get(c, "m")?.clusterIP, get(c, "z")?.clusterIP, get(c, "a")?.clusterIP]).toEqual([before, "10.0.1.2", "10.0.1.3"]);
  });

  it("are not given to headless and external ones", () => {
    const c = lab().add("c", service("h", { clusterIP: "None" }), service("e", { type: "ExternalName", externalName: "example.com" }));
    c.settle();
    expect([get(c, "h")?.clusterIP, get(c, "e")?.clusterIP]).toEqual(["None", undefined]);
  });

  it("are reported when they cannot be", () => {
    const c = lab().add(
      "c",
      service("a", { clusterIP: "10.9.0.1" }),
      service("b", { clusterIP: "10.0.0.77" }),
      service("c", { clusterIP: "10.0.0.77" }),
    );
    c.settle();
    expect([...c.events("c")].sort()).toEqual([
      "ClusterIPAlreadyAllocated: cluster IP 10.0.0.77 is another Service's",
      "ClusterIPOutOfRange: cluster IP 10.9.0.1 is not within the service CIDR 10.0.0.0/16",
    ]);
  });
});

describe("node ports", () => {
  it("come from above the static band, once each", () => {
    const ports = [
      { name: "a", port: 80 },
      { name: "b", port: 443, nodePort: 30086 },
      { name: "c", port: 90 },
    ];
    const c = lab().add("c", service("a", { type: "NodePort", ports }));
    c.settle();
    expect(get(c, "a")?.ports?.map(({ nodePort }) => nodePort)).toEqual([30087, 30086, 30088]);
  });

  it("are shared by the protocols of one port", () => {
    const ports = [
      { name: "udp", port: 53, protocol: "UDP" },
      { name: "tcp", port: 53, protocol: "TCP" },
    ] as const;
    const c = lab().add("c", service("dns", { type: "NodePort", ports }));
    c.settle();
    expect(get(c, "dns")?.ports?.map(({ nodePort }) => nodePort)).toEqual([30086, 30086]);
  });

  it("include one for health checks under Local, and none that nobody wants", () => {
    const c = lab().add(
      "c",
      service("local", { type: "LoadBalancer", externalTrafficPolicy: "Local" }),
      service("nodeport", { type: "NodePort", externalTrafficPolicy: "Local" }),
      service("without", { type: "LoadBalancer", allocateLoadBalancerNodePorts: false }),
      service("plain"),
    );
    c.settle();
    expect(get(c, "local")).toMatchObject({ healthCheckNodePort: 30087, ports: [{ nodePort: 30086 }] });
    expect(get(c, "nodeport")?.healthCheckNodePort).toBeUndefined();
    expect(get(c, "without")?.ports).toEqual([{ port: 80 }]);
    expect(get(c, "plain")?.ports).toEqual([{ port: 80 }]);
  });
});

/** The fabric between VNets, in the kernel and in the tracer: peering, gateways and their sites. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { expectationText, observationText } from "../../src/lab/check.ts";
import { journeys } from "../labs/journeys.ts";
import type { LabText } from "../labs/random-lab.ts";
import { openText, predict, RunningLab } from "../labs/running-lab.ts";

const kernel = new Kernel();

/** Brings the lab up, sends a packet between every pair of ends, and returns how the journeys that are asked for went: predicted, then observed. */
async function run(text: LabText, asked: readonly string[]): Promise<Readonly<Record<string, string>>> {
  const view = openText(text);
  const lab = new RunningLab(view, kernel);
  try {
    expect(await lab.disagreements(1)).toMatchObject({ found: [] });
    const results: Record<string, string> = {};
    for (const [journey, question] of journeys(view, asked)) {
      const [expected] = predict(view, question);
      const observed = await lab.send(question);
      results[journey] = `${expected === undefined ? "" : expectationText(expected)}; ${observationText(observed as never)}`;
    }
    return results;
  } finally {
    lab.close();
  }
}

const lost = expect.stringMatching(/^(black-hole|dropped|spoofed|asymmetric), .*; timeout$/);
const answered = (by: string, saw: string) =>
  expect.stringMatching(
    new RegExp(`^answered by ${by}, which saw ${saw}(:[0-9-]+)?( \\([0-9.]+ %\\))?; answered by ${by}, which saw ${saw}(:\\d+)?$`),
  );

/** Hub and spokes: `a` and `b` are peered with the hub and not with each other; the site is behind the hub's gateway. */
const hubAndSpokes = (options: { readonly hubToA?: string; readonly aToHub?: string; readonly more?: string } = {}): LabText => ({
  lab: `lab: t
networks:
  - name: hub
    addressSpace: [10.0.0.0/16]
    subnets: [{ name: s, prefix: 10.0.1.0/24 }]
    peerings: [{ network: a${options.hubToA ?? ", allowGatewayTransit: true"} }, { network: b }]
  - name: a
    addressSpace: [10.1.0.0/16]
    subnets: [{ name: s, prefix: 10.1.1.0/24 }]
    peerings: [{ network: hub${options.aToHub ?? ", useRemoteGateways: true"} }]
  - name: b
    addressSpace: [10.2.0.0/16]
    subnets: [{ name: s, prefix: 10.2.1.0/24 }]
    peerings: [{ network: hub }]
machines:
  - { name: h, subnet: hub/s, listen: [80/tcp, 53/udp] }
  - { name: a, subnet: a/s, listen: [80/tcp, 53/udp] }
  - { name: b, subnet: b/s, listen: [80/tcp, 53/udp] }
sites:
  - { name: hq, network: hub, prefixes: [192.168.0.0/16], machines: [{ name: erp, address: 192.168.1.5, listen: [80/tcp] }] }
${options.more ?? ""}`,
  manifests: {},
});

describe("peering", () => {
  test("joins two VNets, goes no further, and lends the gateway to those that ask", async () => {
    expect(
      await run(hubAndSpokes(), [
        "vm/a > vm/h:80",
        "vm/h > vm/a:53/udp",
        "vm/a > vm/b:80",
        "vm/a > site/hq/erp:80",
        "site/hq/erp > vm/a:80",
        "vm/b > site/hq/erp:80",
        "site/hq/erp > vm/b:80",
      ]),
    ).toEqual({
      "vm/a > vm/h:80": answered("vm/h", "10.1.1.4"),
      "vm/h > vm/a:53/udp": answered("vm/a", "10.0.1.4"),
      "vm/a > vm/b:80": lost,
      "vm/a > site/hq/erp:80": answered("site/hq/erp", "10.1.1.4"),
      "site/hq/erp > vm/a:80": answered("vm/a", "192.168.1.5"),
      "vm/b > site/hq/erp:80": lost,
      "site/hq/erp > vm/b:80": expect.stringMatching(/^no-route/),
    });
  });

  test("needs both sides", async () => {
    const one = hubAndSpokes({ aToHub: "" }).lab.replace("    peerings: [{ network: hub }]\nmachines", "machines");
    expect(await run({ lab: one, manifests: {} }, ["vm/b > vm/h:80", "vm/h > vm/b:80", "vm/a > vm/h:80"])).toEqual({
      "vm/b > vm/h:80": lost,
      "vm/h > vm/b:80": lost,
      "vm/a > vm/h:80": answered("vm/h", "10.1.1.4"),
    });
  });

  test("allowVirtualNetworkAccess: false on one side stops both directions", async () => {
    const closed = hubAndSpokes({ aToHub: ", allowVirtualNetworkAccess: false", hubToA: "" });
    expect(await run(closed, ["vm/a > vm/h:80", "vm/h > vm/a:80"])).toEqual({ "vm/a > vm/h:80": lost, "vm/h > vm/a:80": lost });
  });

  test("propagation off: the subnet does not learn what is behind the gateway", async () => {
    const off = hubAndSpokes({ more: "routeTables: [{ name: t, subnets: [a/s], disableBgpRoutePropagation: true }]" });
    expect(await run(off, ["vm/a > site/hq/erp:80", "vm/h > site/hq/erp:80"])).toEqual({
      "vm/a > site/hq/erp:80": lost,
      "vm/h > site/hq/erp:80": answered("site/hq/erp", "10.0.1.4"),
    });
  });
});

/** Spokes that reach each other, the site and the Internet by the firewall in the hub. */
const throughFirewall = (
  options: {
    readonly forwarded?: boolean;
    readonly bBack?: boolean;
    readonly direct?: boolean;
    readonly forwards?: boolean;
    readonly snat?: string;
  } = {},
): LabText => {
  const { forwarded = true, bBack = true, direct = false, forwards = true, snat = "internet" } = options;
  const flag = forwarded ? ", allowForwardedTraffic: true" : "";
  const udr = (name: string, prefix: string) =>
    `{ name: ${name}, addressPrefix: ${prefix}, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.1.4 }`;
  const spoke = (name: string, number: number, other: string) =>
    `  - { name: ${name}, addressSpace: [10.${number}.0.0/16], subnets: [{ name: s, prefix: 10.${number}.1.0/24 }], peerings: [{ network: hub, useRemoteGateways: true${flag} }${direct ? `, { network: ${other} }` : ""}] }`;
  return {
    lab: `lab: t
rules: lesson
networks:
  - name: hub
    addressSpace: [10.0.0.0/16]
    subnets: [{ name: firewall, prefix: 10.0.1.0/24 }, { name: GatewaySubnet, prefix: 10.0.0.0/27 }]
    peerings: [{ network: a, allowGatewayTransit: true }, { network: b, allowGatewayTransit: true }]
${spoke("a", 1, "b")}
${spoke("b", 2, "a")}
machines:
  - name: fw
    subnet: hub/firewall
    address: 10.0.1.4
    enableIPForwarding: ${forwards}
    firewall:
      snat: ${snat}
      rules:
        - { name: web, protocols: [TCP], destinationAddresses: [10.0.0.0/8, 203.0.113.10], destinationPorts: [80, 443] }
        - { name: names, protocols: [UDP], sourceAddresses: [10.1.0.0/16], destinationPorts: [53] }
        - { name: ping, protocols: [ICMP], sourceAddresses: [10.1.0.0/16] }
  - { name: a, subnet: a/s, listen: [80/tcp, 53/udp] }
  - { name: b, subnet: b/s, listen: [80/tcp, 22/tcp, 53/udp] }
  - { name: quiet, subnet: b/s }
routeTables:
  - { name: a, subnets: [a/s], disableBgpRoutePropagation: true, routes: [${udr("b", "10.2.0.0/16")}, ${udr("site", "192.168.0.0/16")}, ${udr("out", "0.0.0.0/0")}] }
${bBack ? `  - { name: b, subnets: [b/s], disableBgpRoutePropagation: true, routes: [${udr("a", "10.1.0.0/16")}, ${udr("site", "192.168.0.0/16")}, ${udr("out", "0.0.0.0/0")}] }` : ""}
  - { name: in, subnets: [hub/GatewaySubnet], routes: [${udr("a", "10.1.0.0/16")}] }
sites:
  - { name: hq, network: hub, prefixes: [192.168.0.0/16], machines: [{ name: erp, address: 192.168.1.5, listen: [80/tcp, 8080/tcp] }] }
internet:
  - { name: www, address: 203.0.113.10, listen: [443/tcp, 53/udp] }
`,
    manifests: {},
  };
};

describe("a firewall in the hub", () => {
  test("judges what goes between the spokes, to the site and to the Internet", async () => {
    expect(
      await run(throughFirewall(), [
        "vm/a > vm/b:80",
        "vm/a > vm/b:22",
        "vm/a > vm/b:53/udp",
        "vm/b > vm/a:53/udp",
        "vm/a > vm/quiet",
        "vm/a > internet/www:443",
        "vm/fw > internet/www:443",
        "site/hq/erp > vm/a:80",
        "vm/a > site/hq/erp:80",
        "vm/a > site/hq/erp:8080",
      ]),
    ).toEqual({
      "vm/a > vm/b:80": answered("vm/b", "10.1.1.4"),
      "vm/a > vm/b:22": lost,
      "vm/a > vm/b:53/udp": answered("vm/b", "10.1.1.4"),
      "vm/b > vm/a:53/udp": lost,
      "vm/a > vm/quiet": "answered; answered",
      "vm/a > internet/www:443": answered("internet/www", "198.19.255.\\d"),
      "vm/fw > internet/www:443": answered("internet/www", "198.19.255.\\d"),
      "site/hq/erp > vm/a:80": answered("vm/a", "192.168.1.5"),
      "vm/a > site/hq/erp:80": lost,
      "vm/a > site/hq/erp:8080": lost,
    });
  });

  test("gets private space by a default route alone, too", async () => {
    const text = throughFirewall();
    const lab = text.lab.replace(/routes: \[.*(\{[^{}]*0\.0\.0\.0\/0[^{}]*\})\]/g, "routes: [$1]");
    expect(await run({ ...text, lab }, ["vm/a > vm/b:80", "site/hq/erp > vm/a:80", "vm/a > internet/www:443"])).toEqual({
      "vm/a > vm/b:80": answered("vm/b", "10.1.1.4"),
      "site/hq/erp > vm/a:80": answered("vm/a", "192.168.1.5"),
      "vm/a > internet/www:443": answered("internet/www", "198.19.255.\\d"),
    });
  });

  test("its address takes the place of the sender's when it translates all", async () => {
    expect(await run(throughFirewall({ snat: "all" }), ["vm/a > vm/b:80", "site/hq/erp > vm/a:80"])).toEqual({
      "vm/a > vm/b:80": answered("vm/b", "10.0.1.4"),
      "site/hq/erp > vm/a:80": answered("vm/a", "10.0.1.4"),
    });
  });

  test("what it forwards is refused by a peering that takes no forwarded traffic", async () => {
    expect(await run(throughFirewall({ forwarded: false }), ["vm/a > vm/b:80", "vm/fw > vm/b:80", "site/hq/erp > vm/a:80"])).toEqual({
      "vm/a > vm/b:80": lost,
      "vm/fw > vm/b:80": answered("vm/b", "10.0.1.4"),
      "site/hq/erp > vm/a:80": answered("vm/a", "192.168.1.5"),
    });
  });

  test("gets nothing when its network interface does not forward", async () => {
    expect(await run(throughFirewall({ forwards: false }), ["vm/a > vm/b:80"])).toEqual({ "vm/a > vm/b:80": lost });
  });
});

describe("a firewall that sees one direction only", () => {
  // a sends to b by the firewall; b, peered with a, answers directly. And the other way round.
  const lab = throughFirewall({ bBack: false, direct: true });

  test("drops the reply of a flow that it has not seen begin: TCP's and ICMP's as invalid, UDP's by its rules", async () => {
    expect(
      await run(lab, [
        "vm/b > vm/a:80",
        "vm/b > vm/a:53/udp",
        "vm/quiet > vm/fw",
        "vm/a > vm/b:80",
        "vm/a > vm/b:53/udp",
        "vm/a > vm/quiet",
      ]),
    ).toEqual({
      "vm/b > vm/a:80": expect.stringMatching(/^asymmetric, .*; timeout$/),
      "vm/b > vm/a:53/udp": expect.stringMatching(/^asymmetric, .*; timeout$/),
      "vm/quiet > vm/fw": "answered; answered",
      // The other way round, what the firewall does not see is the reply.
      "vm/a > vm/b:80": expect.stringMatching(/^asymmetric, .*; connected, and silent then.*$/),
      "vm/a > vm/b:53/udp": answered("vm/b", "10.1.1.4"),
      "vm/a > vm/quiet": "answered; answered",
    });
  });

  test("the trace says where the two directions parted", () => {
    const view = openText(lab);
    const [[, question] = []] = journeys(view, ["vm/b > vm/a:80"]);
    if (question === undefined) throw new Error("no such journey");
    const [path] = view.tracer.trace(question.host, question.packet);
    expect(path?.hops.map(({ host }) => host)).toEqual(["vm/b", "vnet/b", "vnet/a", "vm/a"]);
    expect(path?.return?.hops.map(({ host }) => host)).toEqual(["vm/a", "vnet/a", "vnet/hub", "vm/fw"]);
    expect(path?.return?.decidedBy).toMatchObject({
      host: "vm/fw",
      origin: { reason: "firewall fw knows no flow that the packet belongs to: it has not seen how the flow began" },
    });
  });
});

describe("a route to an appliance for the subnet of an internal load balancer", () => {
  const lab = (action: string, floating: boolean): LabText => ({
    lab: `lab: t
networks:
  - name: hub
    addressSpace: [10.0.0.0/16]
    subnets: [{ name: nodes, prefix: 10.0.1.0/24 }, { name: fw, prefix: 10.0.2.0/24 }, { name: clients, prefix: 10.0.3.0/24 }]
machines:
  - { name: fw, subnet: hub/fw, address: 10.0.2.4, enableIPForwarding: true, firewall: { defaultAction: ${action} } }
  - { name: client, subnet: hub/clients, address: 10.0.3.4 }
routeTables:
  - { name: there, subnets: [hub/clients], routes: [{ name: r, addressPrefix: 10.0.1.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.2.4 }] }
  - { name: back, subnets: [hub/nodes], routes: [{ name: r, addressPrefix: 10.0.3.0/24, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.2.4 }] }
clusters:
  - { name: c, networkPlugin: azure, subnet: hub/nodes, serviceCidr: 172.20.0.0/24, dnsServiceIP: 172.20.0.10, pools: [{ name: p, count: 3, maxPods: 10 }], manifests: [web.yaml] }
`,
    manifests: {
      "web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec: { replicas: 3, selector: { matchLabels: { app: web } }, template: { metadata: { labels: { app: web } }, spec: { containers: [{ name: main, image: any, ports: [{ containerPort: 80 }] }] } } }
---
apiVersion: v1
kind: Service
metadata: { name: web, annotations: { service.beta.kubernetes.io/azure-load-balancer-internal: "true"${floating ? "" : ', service.beta.kubernetes.io/azure-disable-load-balancer-floating-ip: "true"'} } }
spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }] }
`,
    },
  });

  test("is taken first, and the flow is balanced when it comes from there", async () => {
    const journey = "vm/client > c:default/svc/web:80";
    for (const floating of [true, false]) {
      expect(await run(lab("Deny", floating), [journey])).toEqual({ [journey]: lost });
      expect(await run(lab("Allow", floating), [journey])).toEqual({ [journey]: answered("pod/c/default/web-[a-z0-9-]+", "10.0.1.\\d+") });
    }
  });
});

describe("a service endpoint", () => {
  test("is a way past the default route, under the sender's private address, for its own subnet", async () => {
    const lab = `lab: t
rules: lesson
networks:
  - name: hub
    addressSpace: [10.0.0.0/16]
    subnets:
      - { name: with, prefix: 10.0.1.0/24, serviceEndpoints: [Microsoft.Storage] }
      - { name: without, prefix: 10.0.2.0/24 }
      - { name: overridden, prefix: 10.0.3.0/24, serviceEndpoints: [Microsoft.Storage] }
machines:
  - { name: with, subnet: hub/with, listen: [22/tcp] }
  - { name: without, subnet: hub/without }
  - { name: overridden, subnet: hub/overridden }
routeTables:
  - { name: nowhere, subnets: [hub/with], routes: [{ name: default, addressPrefix: 0.0.0.0/0, nextHopType: None }] }
  - { name: own, subnets: [hub/overridden], routes: [{ name: storage, addressPrefix: 20.60.0.1/32, nextHopType: None }] }
internet:
  - { name: storage, address: 20.60.0.1, listen: [443/tcp], service: Microsoft.Storage }
  - { name: other, address: 20.60.0.2, listen: [443/tcp] }
`;
    const results = await run({ lab, manifests: {} }, [
      "vm/with > internet/storage:443",
      "vm/with > internet/other:443",
      "vm/without > internet/storage:443",
      "vm/overridden > internet/storage:443",
      "internet/storage > vm/with:22",
    ]);
    expect(results).toEqual({
      "vm/with > internet/storage:443": answered("internet/storage", "10.0.1.4"),
      "vm/with > internet/other:443": lost,
      "vm/without > internet/storage:443": answered("internet/storage", "198.19.255.1"),
      "vm/overridden > internet/storage:443": lost,
      "internet/storage > vm/with:22": lost,
    });
  });
});

describe("a private endpoint", () => {
  test("is reached past the route tables of its clients, from peered VNets and sites too, and answers past its own", async () => {
    const lab = `lab: t
networks:
  - name: hub
    addressSpace: [10.0.0.0/16]
    subnets: [{ name: services, prefix: 10.0.1.0/24 }, { name: apps, prefix: 10.0.2.0/24 }]
    peerings: [{ network: spoke, allowGatewayTransit: true }]
  - name: spoke
    addressSpace: [10.1.0.0/16]
    subnets: [{ name: s, prefix: 10.1.1.0/24 }]
    peerings: [{ network: hub, useRemoteGateways: true }, { network: beyond }]
  - name: beyond
    addressSpace: [10.2.0.0/16]
    subnets: [{ name: s, prefix: 10.2.1.0/24 }]
    peerings: [{ network: spoke }]
privateEndpoints:
  - { name: sql, subnet: hub/services, address: 10.0.1.10, listen: [1433/tcp] }
machines:
  - { name: near, subnet: hub/services, listen: [22/tcp] }
  - { name: app, subnet: hub/apps }
  - { name: spoke, subnet: spoke/s, listen: [22/tcp] }
  - { name: beyond, subnet: beyond/s }
routeTables:
  - { name: nowhere, subnets: [hub/apps, hub/services, spoke/s], routes: [{ name: hub, addressPrefix: 10.0.0.0/16, nextHopType: None }, { name: spoke, addressPrefix: 10.1.0.0/16, nextHopType: None }] }
sites:
  - { name: hq, network: hub, prefixes: [192.168.0.0/16], machines: [{ name: erp, address: 192.168.1.5 }] }
`;
    const asked = ["vm/app", "vm/near", "vm/spoke", "vm/beyond", "site/hq/erp"].map((from) => `${from} > endpoint/sql:1433`);
    expect(await run({ lab, manifests: {} }, [...asked, "endpoint/sql > vm/spoke:22", "vm/app > vm/near:22"])).toEqual({
      "vm/app > endpoint/sql:1433": answered("endpoint/sql", "10.0.2.4"),
      "vm/near > endpoint/sql:1433": answered("endpoint/sql", "10.0.1.4"),
      "vm/spoke > endpoint/sql:1433": answered("endpoint/sql", "10.1.1.4"),
      "vm/beyond > endpoint/sql:1433": lost,
      "site/hq/erp > endpoint/sql:1433": answered("endpoint/sql", "192.168.1.5"),
      "endpoint/sql > vm/spoke:22": lost,
      "vm/app > vm/near:22": lost,
    });
  });
});

const example = (name: string): LabText => {
  const folder = join(import.meta.dirname, "../../examples", name);
  const manifests = Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]));
  return { lab: manifests["lab.yaml"] ?? "", manifests };
};

describe("examples", () => {
  test("asymmetric-firewall", async () => {
    const results = await run(example("asymmetric-firewall"), [
      "vm/app > vm/routed:443",
      "vm/routed > vm/app:443",
      "vm/shared > vm/app:443",
      "vm/app > vm/shared:443",
      "vm/app > vm/shared:53/udp",
    ]);
    expect(results).toEqual({
      "vm/app > vm/routed:443": answered("vm/routed", "10.1.1.4"),
      "vm/routed > vm/app:443": answered("vm/app", "10.0.3.4"),
      "vm/shared > vm/app:443": expect.stringMatching(/^asymmetric, .*; timeout$/),
      "vm/app > vm/shared:443": expect.stringMatching(/^asymmetric, .*; connected, and silent then.*$/),
      "vm/app > vm/shared:53/udp": answered("vm/shared", "10.1.1.4"),
    });
  });

  test("hub-and-spoke", async () => {
    const results = await run(example("hub-and-spoke"), [
      "shop:default/pod/web* > vm/db:5432",
      "shop:default/pod/web* > internet/partner:443",
      "shop:default/pod/web* > internet/partner:80",
      "shop:default/pod/web* > site/hq/erp:443",
      "site/hq/erp > vm/db:5432",
      "vm/db > site/hq/erp:443",
      "site/hq/erp > endpoint/kube-apiserver-shop:443",
      "vm/db > shop:default/svc/internal:80",
      "internet/partner > shop:default/svc/ingress:80",
    ]);
    expect(results).toEqual({
      "shop:default/pod/web* > vm/db:5432": answered("vm/db", "10.1.0.\\d+"),
      "shop:default/pod/web* > internet/partner:443": answered("internet/partner", "198.18.0.\\d+"),
      "shop:default/pod/web* > internet/partner:80": lost,
      "shop:default/pod/web* > site/hq/erp:443": answered("site/hq/erp", "10.1.0.\\d+"),
      "site/hq/erp > vm/db:5432": answered("vm/db", "192.168.10.5"),
      "vm/db > site/hq/erp:443": lost,
      // A /32 route, which is longer than that to the firewall.
      "site/hq/erp > endpoint/kube-apiserver-shop:443": answered("endpoint/kube-apiserver-shop", "192.168.10.5"),
      "vm/db > shop:default/svc/internal:80": lost,
      // In by the load balancer, out by the firewall.
      "internet/partner > shop:default/svc/ingress:80": expect.stringMatching(/^asymmetric, .*; timeout$/),
    });
  });
});

/**
 * What Azure and AKS do with IPv6, packet by packet, with the addresses that their documents lead one to expect: neither the tracer nor the compiler is
 * asked what ought to come. Each test names the document.
 */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RouteTable } from "../../src/arm/resources.ts";
import { Kernel } from "../../src/kernel/index.ts";
import type { Service } from "../../src/kube/objects.ts";
import { mustAddress } from "../../src/net/address.ts";
import { armBucket, kubeBucket } from "../../src/resources/resources.ts";
import { openText, RunningLab } from "../labs/running-lab.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();

const kernel = new Kernel();
let lab: RunningLab;

function useLab(text: string, manifest: string): void {
  beforeAll(() => {
    lab = new RunningLab(openText({ lab: text, manifests: { "m.yaml": manifest } }), kernel);
  });
  afterAll(() => lab.close());
}

type Answer = { readonly outcome: string; readonly receiver?: string | undefined; readonly sees?: string | undefined };

async function ask(host: string, destination: string, port: number): Promise<Answer> {
  const packet = { protocol: "tcp", destination: mustAddress(destination), destinationPort: port } as const;
  const { outcome, receiver, source } = await lab.send({ host, packet });
  return outcome === "answered" ? { outcome, receiver, sees: source?.address } : { outcome };
}

const answered = (receiver: string, sees: string): Answer => ({ outcome: "answered", receiver, sees });
const isPod = expect.stringMatching(/^pod\/c\/default\/web-[01]$/);
const lost: Answer = { outcome: "timeout" };
const [firstNode, secondNode] = ["fd00:240::4", "fd00:240::5"];
const aNode = expect.stringMatching(/^fd00:240::[45]$/);
const db = "fd00:240:0:4::4";
const partner = "2001:db8::10";

const networks = (more = "", nodes = "") => `lab: outcomes
networks:
  - name: hub
    addressSpace: [10.240.0.0/16, "fd00:240::/48"]
    subnets:
      - { name: nodes, prefixes: [10.240.0.0/24, "fd00:240::/64"] }
      - { name: data, prefixes: [10.240.4.0/24, "fd00:240:0:4::/64"] }
    peerings: [{ network: spoke }]
  - name: spoke
    addressSpace: [10.250.0.0/16, "fd00:250::/48"]
    subnets: [{ name: apps, prefixes: [10.250.1.0/24, "fd00:250:0:1::/64"] }]
    peerings: [{ network: hub }]
machines:
  - { name: db, subnet: hub/data, ipFamilies: [IPv4, IPv6], listen: [5432/tcp] }
  - { name: nva, subnet: hub/data, ipFamilies: [IPv4, IPv6], enableIPForwarding: true, publicIPAddress: nva }
  - { name: far, subnet: spoke/apps, ipFamilies: [IPv4, IPv6], listen: [80/tcp] }
publicIPAddresses: [{ name: nva }]
internet: [{ name: partner, address: 203.0.113.10, ipv6Address: "${partner}", listen: [443/tcp] }]
${more}
clusters:
  - name: c
    networkPlugin: azure
    networkPluginMode: overlay
    ipFamilies: [IPv4, IPv6]
    subnet: hub/nodes
    pools: [{ name: np1, count: 2 }]
    manifests: [m.yaml]
    ${nodes}
`;

const internal = 'service.beta.kubernetes.io/azure-load-balancer-internal: "true"';
const denyOthers = 'service.beta.kubernetes.io/azure-deny-all-except-load-balancer-source-ranges: "true"';
const service = (name: string, spec: string, annotations = "") =>
  `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, annotations: { ${annotations} } }, spec: { selector: { app: web }, ports: [{ port: 80 }], ${spec} } }`;
const pods = `apiVersion: apps/v1
kind: StatefulSet
metadata: { name: web }
spec:
  serviceName: web
  replicas: 2
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }] }
`;

/** The addresses of a Service at a load balancer, by family. */
function frontends(name: string): { readonly four: string; readonly six: string } {
  const services = lab.view.resources.list(kubeBucket("c", "Service")) as readonly Service[];
  const found = services.find(({ metadata }) => metadata.name === name);
  const ips = (found?.status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  return { four: ips.find((ip) => !ip.includes(":")) ?? "", six: ips.find((ip) => ip.includes(":")) ?? "" };
}

describe("Azure CNI Overlay in dual stack", () => {
  useLab(
    networks(),
    [
      pods,
      service("cluster", "type: LoadBalancer, ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv4, IPv6]"),
      service("local", "type: LoadBalancer, ipFamilies: [IPv6], externalTrafficPolicy: Local"),
      service("inside", "type: LoadBalancer, ipFamilyPolicy: PreferDualStack", internal),
      service("inside-local", "type: LoadBalancer, ipFamilies: [IPv6], externalTrafficPolicy: Local", internal),
      service(
        "limited",
        'type: LoadBalancer, ipFamilyPolicy: PreferDualStack, loadBalancerSourceRanges: [10.250.0.0/16, "fd00:250::/48"]',
        `${internal}, ${denyOthers}`,
      ),
      service("four", "type: NodePort, ports: [{ port: 80, nodePort: 31004 }]").replace("ports: [{ port: 80 }], ", ""),
      service("six", "type: NodePort, ipFamilies: [IPv6], ports: [{ port: 80, nodePort: 31006 }]").replace("ports: [{ port: 80 }], ", ""),
    ].join("\n---\n"),
  );
  const pod = "pod/c/default/web-0";
  const [own, other] = ["fd12:3456:789a::", "fd12:3456:789a:0:1::"];

  test("node prefixes are those of configure-dual-stack's example", () => {
    const nodes = [...(lab.view.topology.clusters.get("c")?.nodes.values() ?? [])].map(({ node }) => ({
      addresses: node.status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address),
      podCIDRs: node.spec.podCIDRs,
    }));
    expect(nodes).toEqual([
      { addresses: ["10.240.0.4", firstNode], podCIDRs: ["10.244.0.0/24", "fd12:3456:789a::/80"] },
      { addresses: ["10.240.0.5", secondNode], podCIDRs: ["10.244.1.0/24", "fd12:3456:789a:0:1::/80"] },
    ]);
  });

  test("pods reach each other untranslated (azure-cni-overlay), the VNet and its peers as their node (configure-dual-stack)", async () => {
    expect(await ask(pod, other, 80)).toEqual(answered("pod/c/default/web-1", own));
    expect(await ask(pod, db, 5432)).toEqual(answered("vm/db", firstNode));
    expect(await ask("pod/c/default/web-1", "fd00:250:0:1::4", 80)).toEqual(answered("vm/far", secondNode));
  });

  test("nobody outside the cluster reaches a pod (azure-cni-overlay)", async () => {
    expect(await ask("vm/db", own, 80)).toEqual(lost);
    expect(await ask("vm/far", other, 80)).toEqual(lost);
  });

  test("outbound rules for both families (configure-dual-stack): an address of each is seen", async () => {
    expect(await ask(pod, partner, 443)).toEqual(answered("internet/partner", "2001:2::4"));
    expect(await ask(pod, "203.0.113.10", 443)).toEqual(answered("internet/partner", "198.18.0.5"));
  });

  test("a machine without a public IPv6 address is not let out: IPv6 has no default outbound access (ipv6-overview)", async () => {
    expect(await ask("vm/db", partner, 443)).toEqual(lost);
  });

  test("public frontends: policy Cluster shows a node, Local the client (k8s docs: source-ip), both by floating IP", async () => {
    const { six } = frontends("cluster");
    expect(six).toBe("2001:2::5");
    expect(await ask("internet/partner", six, 80)).toEqual(answered(isPod, aNode));
    expect(await ask("internet/partner", frontends("local").six, 80)).toEqual(answered(isPod, partner));
  });

  test("internal frontends have no floating IP and lead to node ports (cloud-provider-azure, pull request 1698): source as the policy says", async () => {
    expect(frontends("inside").six).toBe("fd00:240::6");
    expect(await ask("vm/db", "fd00:240::6", 80)).toEqual(answered(isPod, aNode));
    expect(await ask("vm/far", "fd00:240::6", 80)).toEqual(answered(isPod, aNode));
    expect(await ask("vm/db", frontends("inside-local").six, 80)).toEqual(answered(isPod, db));
    // Floating IP in IPv4: the same Service, at its own address.
    expect(await ask("vm/db", "10.240.0.6", 80)).toMatchObject({ outcome: "answered", receiver: isPod });
  });

  test("the ranges of an internal Service hold in IPv4, and not in IPv6: its rules name an address that no packet has (reconcileSecurityGroup)", async () => {
    const { four, six } = frontends("limited");
    expect(await ask("vm/far", four, 80)).toMatchObject({ outcome: "answered" });
    expect(await ask("vm/db", four, 80)).toEqual(lost);
    expect(await ask("vm/far", six, 80)).toMatchObject({ outcome: "answered" });
    expect(await ask("vm/db", six, 80)).toEqual(answered(isPod, aNode));
  });

  test("a node port is open in the families of its Service (KEP-563)", async () => {
    expect(await ask("vm/db", firstNode, 31006)).toEqual(answered(isPod, aNode));
    expect(await ask("vm/db", "10.240.0.4", 31006)).toEqual({ outcome: "refused" });
    expect(await ask("vm/db", "10.240.0.4", 31004)).toMatchObject({ outcome: "answered", receiver: isPod });
    expect(await ask("vm/db", firstNode, 31004)).toEqual({ outcome: "refused" });
  });
});

describe("a dual-stack cluster that leaves by user-defined routes of IPv4 alone", () => {
  useLab(
    networks(
      `routeTables:
  - name: out
    subnets: [hub/nodes]
    routes: [{ name: default, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.240.4.5 }]`,
      "outboundType: userDefinedRouting",
    ),
    [pods, service("public", "type: LoadBalancer, ipFamilyPolicy: PreferDualStack")].join("\n---\n"),
  );

  test("does not reach the Internet by IPv6 (configure-dual-stack, note), and is reached by it", async () => {
    expect(await ask("pod/c/default/web-0", partner, 443)).toEqual(lost);
    expect(await ask("internet/partner", frontends("public").six, 80)).toEqual(answered(isPod, aNode));
  });
});

describe("NetworkPolicies", () => {
  useLab(
    networks("", "networkDataplane: cilium\n    networkPolicy: cilium"),
    [
      pods,
      service("local", "type: LoadBalancer, ipFamilyPolicy: PreferDualStack, externalTrafficPolicy: Local"),
      `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: web }
spec:
  podSelector: { matchLabels: { app: web } }
  ingress:
    - from: [{ ipBlock: { cidr: "${partner}/128" } }]
    - from: [{ podSelector: { matchLabels: { app: web } } }]
  egress:
    - to: [{ podSelector: {} }]
    - to: [{ ipBlock: { cidr: 10.240.0.0/16 } }]
  policyTypes: [Ingress, Egress]`,
    ].join("\n---\n"),
  );

  test("a peer of one family lets in that family alone, a selector both (k8s docs: network-policies)", async () => {
    expect(await ask("internet/partner", frontends("local").six, 80)).toEqual(answered(isPod, partner));
    expect(await ask("internet/partner", frontends("local").four, 80)).toEqual(lost);
    expect(await ask("pod/c/default/web-0", "fd12:3456:789a:0:1::", 80)).toEqual(answered("pod/c/default/web-1", "fd12:3456:789a::"));
    expect(await ask("pod/c/default/web-0", "10.240.4.4", 5432)).toEqual(answered("vm/db", "10.240.0.4"));
    expect(await ask("pod/c/default/web-0", db, 5432)).toEqual(lost);
  });
});

describe("kubenet in dual stack", () => {
  useLab(
    networks().replace(
      "networkPlugin: azure\n    networkPluginMode: overlay",
      'networkPlugin: kubenet\n    podCidrs: [10.244.0.0/16, "fd13::/56"]',
    ),
    pods,
  );

  test("two routes per node, to its addresses of either family (configure-kubenet-dual-stack; cloud-provider-azure, azure_routes.go)", async () => {
    const [table] = lab.view.resources.list(armBucket("Microsoft.Network/routeTables")) as readonly RouteTable[];
    const routes = (table?.properties.routes ?? []).map(({ name, properties }) => [
      name.replace(/^aks-np1-\d+-/, ""),
      properties.addressPrefix,
      properties.nextHopIpAddress,
    ]);
    expect(routes.sort()).toEqual([
      ["vmss000000____102440024", "10.244.0.0/24", "10.240.0.4"],
      ["vmss000000____fd1364", "fd13::/64", firstNode],
      ["vmss000001____102441024", "10.244.1.0/24", "10.240.0.5"],
      ["vmss000001____fd1300164", "fd13:0:0:1::/64", secondNode],
    ]);
    const [from, to] = ["fd13::2", "fd13:0:0:1::2"];
    expect(await ask("pod/c/default/web-0", to, 80)).toEqual(answered("pod/c/default/web-1", from));
    expect(await ask("pod/c/default/web-0", db, 5432)).toEqual(answered("vm/db", firstNode));
  });
});

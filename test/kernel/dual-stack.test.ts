import { expect, test } from "vitest";
import { Kernel } from "../../src/kernel/index.ts";
import { questionsFor } from "../../src/lab/check.ts";
import { openText, predict, RunningLab } from "../labs/running-lab.ts";

/** Every pair of a lab in both families, by real packets: VNets, peering, security groups, routes, and clusters of both options that have dual stack. */
const networks = `lab: dual
networks:
  - name: hub
    addressSpace: [10.240.0.0/16, "fd00:240::/48"]
    subnets:
      - { name: apps, prefixes: [10.240.1.0/24, "fd00:240:0:1::/64"] }
      - { name: db, prefixes: [10.240.2.0/24, "fd00:240:0:2::/64"] }
      - { name: old, prefix: 10.240.3.0/24 }
      - { name: nodes, prefixes: [10.240.4.0/24, "fd00:240:0:4::/64"] }
      - { name: nva, prefixes: [10.240.5.0/24, "fd00:240:0:5::/64"] }
    peerings: [{ network: spoke }]
  - name: spoke
    addressSpace: [10.250.0.0/16, "fd00:250::/48"]
    subnets: [{ name: apps, prefixes: [10.250.1.0/24, "fd00:250:0:1::/64"] }]
    peerings: [{ network: hub, allowForwardedTraffic: true }]
publicIPAddresses: [{ name: four }, { name: six, publicIPAddressVersion: IPv6 }]
securityGroups:
  - name: db
    subnets: [hub/db]
    rules:
      - { name: sql, priority: 100, direction: Inbound, access: Allow, protocol: Tcp, sourceAddressPrefix: "fd00:240:0:1::/64", destinationPortRange: "5432" }
      - { name: others, priority: 200, direction: Inbound, access: Deny, destinationPortRange: "5432" }
routeTables:
  - name: by-nva
    subnets: [spoke/apps]
    routes:
      - { name: hub6, addressPrefix: "fd00:240:0:1::/64", nextHopType: VirtualAppliance, nextHopIpAddress: "fd00:240:0:5::9" }
      - { name: nowhere, addressPrefix: "2001:db8:1::/48", nextHopType: None }
machines:
  - { name: app, subnet: hub/apps, ipFamilies: [IPv4, IPv6], listen: [80/tcp, 53/udp], publicIPAddress: four, publicIPv6Address: six }
  - { name: plain, subnet: hub/apps, ipFamilies: [IPv4, IPv6] }
  - { name: db, subnet: hub/db, ipv6Address: "fd00:240:0:2::10", listen: [5432/tcp] }
  - { name: legacy, subnet: hub/old, listen: [80/tcp] }
  - { name: nva, subnet: hub/nva, ipv6Address: "fd00:240:0:5::9", enableIPForwarding: true }
  - { name: far, subnet: spoke/apps, ipFamilies: [IPv4, IPv6], listen: [80/tcp] }
internet:
  - { name: partner, address: 203.0.113.10, ipv6Address: "2001:db8::10", listen: [443/tcp, 53/udp] }
  - { name: blocked, address: 203.0.113.11, ipv6Address: "2001:db8:1::10", listen: [443/tcp] }
  - { name: four-only, address: 203.0.113.12, listen: [443/tcp] }
`;

const manifest = `apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: 4
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec: { containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }] }
---
${service("both", "ClusterIP", "ipFamilyPolicy: RequireDualStack, ipFamilies: [IPv6, IPv4]")}
---
${service("six", "NodePort", "ipFamilies: [IPv6]")}
---
${service("sticky", "ClusterIP", "ipFamilyPolicy: PreferDualStack, sessionAffinity: ClientIP")}
---
${service("public", "LoadBalancer", "ipFamilyPolicy: PreferDualStack")}
---
${service("local", "LoadBalancer", "ipFamilies: [IPv6], externalTrafficPolicy: Local")}
---
${service("limited", "LoadBalancer", 'ipFamilyPolicy: PreferDualStack, loadBalancerSourceRanges: ["2001:db8:1::/48", 203.0.113.10/32]')}
---
${service("inside", "LoadBalancer", "ipFamilyPolicy: PreferDualStack", 'annotations: { service.beta.kubernetes.io/azure-load-balancer-internal: "true" }')}
---
${service("nobody", "ClusterIP", "ipFamilyPolicy: PreferDualStack", "", "none")}
`;

function service(name: string, type: string, more: string, metadata = "", app = "web"): string {
  const spec = `type: ${type}, selector: { app: ${app} }, ports: [{ port: 80 }], ${more}`;
  return `{ apiVersion: v1, kind: Service, metadata: { name: ${name}${metadata === "" ? "" : `, ${metadata}`} }, spec: { ${spec} } }`;
}

const options = {
  overlay: 'networkPlugin: azure, networkPluginMode: overlay, podCidrs: [10.244.0.0/16, "fd12:3456:789a::/64"]',
  kubenet: 'networkPlugin: kubenet, podCidrs: [10.244.0.0/16, "fd13::/56"]',
};

const kernel = new Kernel();

for (const [name, option] of Object.entries(options)) {
  test(`${name}: every packet of both families goes where the tracer says`, async () => {
    const cluster = `clusters: [{ name: c, ${option}, ipFamilies: [IPv4, IPv6], subnet: hub/nodes, pools: [{ count: 2 }], manifests: [m.yaml] }]`;
    const lab = new RunningLab(openText({ lab: `${networks}${cluster}`, manifests: { "m.yaml": manifest } }), kernel);
    try {
      const { packets, found } = await lab.disagreements(1);
      expect(found.map(({ text }) => text)).toEqual([]);
      expect(packets).toBeGreaterThan(400);
      const delivered = [...questionsFor(lab.view, 1, undefined).asked].filter(
        (question) => question.packet.destination.includes(":") && predict(lab.view, question)[0]?.outcomes[0] === "answered",
      );
      expect(delivered.length).toBeGreaterThan(80);
    } finally {
      lab.close();
    }
  }, 300_000);
}

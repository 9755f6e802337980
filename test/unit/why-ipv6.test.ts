/** What keeps IPv6 packets from arriving, and the change that lets them: each said here in full. */

import { describe, expect, test } from "vitest";
import { findSender, findTarget } from "../../src/lab/ends.ts";
import { explain } from "../../src/why/index.ts";
import { openText } from "../labs/running-lab.ts";

const lab = `lab: t
networks:
  - name: hub
    addressSpace: [10.240.0.0/16, "fd00:240::/48"]
    subnets:
      - { name: nodes, prefixes: [10.240.0.0/24, "fd00:240::/64"] }
      - { name: data, prefixes: [10.240.4.0/24, "fd00:240:0:4::/64"] }
      - { name: old, prefix: 10.240.5.0/24 }
  - name: spoke
    addressSpace: [10.250.0.0/16, "fd00:250::/48"]
    subnets: [{ name: apps, prefixes: [10.250.1.0/24, "fd00:250:0:1::/64"] }]
publicIPAddresses: [{ name: six, publicIPAddressVersion: IPv6 }]
securityGroups:
  - name: data
    subnets: [hub/data]
    rules:
      - { name: deny, priority: 200, direction: Inbound, access: Deny }
routeTables:
  - { name: r, subnets: [hub/nodes], routes: [{ name: none, addressPrefix: "2001:db8:1::/48", nextHopType: None }] }
machines:
  - { name: db, subnet: hub/data, ipFamilies: [IPv4, IPv6], listen: [5432/tcp] }
  - { name: own, subnet: hub/nodes, ipFamilies: [IPv4, IPv6], publicIPv6Address: six, listen: [22/tcp] }
  - { name: old, subnet: hub/old, listen: [80/tcp] }
  - { name: far, subnet: spoke/apps, ipFamilies: [IPv4, IPv6], listen: [80/tcp] }
internet: [{ name: partner, address: 203.0.113.10, ipv6Address: "2001:db8::10", listen: [443/tcp] }, { name: blocked, address: 203.0.113.11, ipv6Address: "2001:db8:1::10", listen: [443/tcp] }]
clusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, networkDataplane: cilium, networkPolicy: cilium, ipFamilies: [IPv4, IPv6], subnet: hub/nodes, pools: [{ count: 1 }], manifests: [m.yaml] }]
`;

const manifest = `apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec: { containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Pod
metadata: { name: shut, labels: { app: shut } }
spec: { containers: [{ name: c, image: i, ports: [{ containerPort: 80 }] }] }
---
{ apiVersion: v1, kind: Service, metadata: { name: limited }, spec: { type: LoadBalancer, selector: { app: web }, ports: [{ port: 80 }], ipFamilyPolicy: RequireDualStack, externalTrafficPolicy: Local, loadBalancerSourceRanges: ["2001:db8:5::/48"] } }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: shut }
spec: { podSelector: { matchLabels: { app: shut } }, policyTypes: [Ingress, Egress] }
`;

describe("why, over IPv6", () => {
  const view = openText({ lab, manifests: { "m.yaml": manifest } });
  test.each([
    [
      "pod/web",
      "vm/db:5432",
      "add rule allow-tcp-fd00-240-5-to-fd00-240-0-4-4-5432 to NSG data: Inbound, priority 199, Allow Tcp from fd00:240::5 to fd00:240:0:4::4 port 5432",
    ],
    ["pod/web", "vm/far:80", "peer VNets hub and spoke, on both sides"],
    ["pod/web", "pod/shut:80", "add NetworkPolicy default/allow-shut-from-web-80: ingress of shut from web of namespace default on TCP 80"],
    ["vm/own", "[2001:db8:1::10]:443", "add route 2001:db8:1::10/128 with next hop Internet to route table r of subnet hub/nodes"],
    ["pod/web", "svc/limited:80", "add fd12:3456:789a::1/128 to loadBalancerSourceRanges of Service default/limited"],
  ])("%s > %s", (from, to, change) => {
    const sender = findSender(view, from, {});
    const target =
      "found" in sender
        ? findTarget(view, to, { sender: sender.found, family: 6, via: to.startsWith("svc/") ? "loadbalancer" : undefined })
        : sender;
    if (!("found" in sender) || !("found" in target)) throw new Error("no such end");
    const { address: destination, port: destinationPort } = target.found;
    const packet = { protocol: "tcp", destination, ...(destinationPort === undefined ? {} : { destinationPort }) } as const;
    const { obstacles, proof } = explain(view, { from: sender.found.host, packet }, { measured: false });
    expect(obstacles.map((one) => ("change" in one ? one.change.what : one.nothing))).toEqual([change]);
    expect(proof.arrives).toBe(true);
  });
});

/** What the load balancers of a dual-stack cluster are refused, and what their Services may say of IPv6. */

import { expect, test } from "vitest";
import type { LoadBalancer, PublicIPAddress } from "../arm/resources.ts";
import type { Event, Service } from "../kube/objects.ts";
import { openLab } from "../lab/index.ts";
import { armBucket, kubeBucket } from "../resources/resources.ts";

const internal = 'service.beta.kubernetes.io/azure-load-balancer-internal: "true"';
const service = (name: string, spec: string, annotations = "") =>
  `{ apiVersion: v1, kind: Service, metadata: { name: ${name}, annotations: { ${annotations} } }, spec: { type: LoadBalancer, ports: [{ port: 80 }], ${spec} } }`;

function open(services: readonly string[], more = "") {
  const lab = `lab: t
networks:
  - name: hub
    addressSpace: [10.240.0.0/16, "fd00:240::/48"]
    subnets: [{ name: nodes, prefixes: [10.240.0.0/24, "fd00:240::/64"] }]
publicIPAddresses: [{ name: four }, { name: six, publicIPAddressVersion: IPv6 }]
clusters: [{ name: c, networkPlugin: azure, networkPluginMode: overlay, ipFamilies: [IPv4, IPv6], subnet: hub/nodes, pools: [{ count: 1 }], manifests: [m.yaml] ${more} }]
`;
  const { view, problems } = openLab([{ path: "lab.yaml", text: lab }], (path) => ({ path, text: services.join("\n---\n") }));
  if (view === undefined) throw new Error(problems.map(({ message }) => message).join("\n"));
  const all = view.resources.list(kubeBucket("c", "Service")) as readonly Service[];
  return {
    ingress: (name: string) => all.find(({ metadata }) => metadata.name === name)?.status?.loadBalancer?.ingress?.map(({ ip }) => ip) ?? [],
    events: (view.resources.list(kubeBucket("c", "Event")) as readonly Event[]).map(({ message }) => message),
    address: (name: string) =>
      (view.resources.list(armBucket("Microsoft.Network/publicIPAddresses")) as readonly PublicIPAddress[]).find((one) => one.name === name)
        ?.properties.ipAddress,
    balancers: view.resources.list(armBucket("Microsoft.Network/loadBalancers")) as readonly LoadBalancer[],
  };
}

test("a load balancer has no IPv6 frontend without one of IPv4 (cloud-provider-azure, issue 1831)", () => {
  const alone = open([service("six", "ipFamilies: [IPv6]", internal)]);
  expect(alone.ingress("six")).toEqual([]);
  expect(alone.events.join()).toContain("AtleastOneIpV4RequiredForIpV6LbFrontendIpConfiguration");
  expect(alone.balancers.map(({ name }) => name)).toEqual(["kubernetes"]);
  const beside = open([service("a-six", "ipFamilies: [IPv6]", internal), service("four", "ipFamilies: [IPv4]", internal)]);
  expect(beside.ingress("a-six")).toEqual(["fd00:240::5"]);
});

test("the outbound rule's frontend counts; without it a public Service of IPv6 alone waits", () => {
  const six = service("six", "ipFamilies: [IPv6]");
  expect(open([six]).ingress("six")).toEqual(["2001:2::6"]);
  expect(open([six], ", outboundType: none").ingress("six")).toEqual([]);
});

test("frontends of both families from AKS 1.27 on, IPv4's first; before, the first family's (configure-dual-stack)", () => {
  const both = [service("both", "ipFamilies: [IPv6, IPv4], ipFamilyPolicy: RequireDualStack")];
  expect(open(both).ingress("both")).toEqual(["198.18.0.6", "2001:2::6"]);
  expect(open(both, ', kubernetesVersion: "1.26"').ingress("both")).toEqual(["2001:2::6"]);
});

test("a Service names its public IPv6 address in an annotation of its own, or alone in IPv4's (azure_utils.go: getServicePIPName)", () => {
  const name = (annotation: string, address: string) => `service.beta.kubernetes.io/${annotation}: ${address}`;
  const lab = open([service("six", "ipFamilies: [IPv6]", name("azure-pip-name", "six"))]);
  expect(lab.ingress("six")).toEqual([lab.address("six")]);
  const both = open([
    service("both", "ipFamilyPolicy: RequireDualStack", `${name("azure-pip-name", "four")}, ${name("azure-pip-name-ipv6", "six")}`),
  ]);
  expect(both.ingress("both")).toEqual([both.address("four"), both.address("six")]);
  const wrong = open([service("six", "ipFamilies: [IPv6]", name("azure-pip-name-ipv6", "four"))]);
  expect(wrong.events.join()).toContain("public IPv6 address four, of annotation azure-pip-name-ipv6, does not exist");
});

test("azure-load-balancer-ipv6 is the address of an internal frontend (azure_utils.go: getServiceLoadBalancerIP)", () => {
  const address = 'service.beta.kubernetes.io/azure-load-balancer-ipv6: "fd00:240::50"';
  expect(open([service("both", "ipFamilyPolicy: RequireDualStack", `${internal}, ${address}`)]).ingress("both")).toEqual([
    "10.240.0.5",
    "fd00:240::50",
  ]);
});

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCommand } from "./testing/run.ts";

const why = async (example: string, ...words: string[]) => {
  const { status, stdout, stderr } = await runCommand(["why", ...words, `examples/${example}/lab.yaml`, "-o", "json"]);
  if (stderr !== "") throw new Error(stderr);
  return { status, ...(JSON.parse(stdout) as Answer) };
};
type Answer = {
  readonly arrives: boolean;
  readonly allowedBy?: readonly { readonly origin: { readonly reason: string } }[];
  readonly obstacles: readonly {
    readonly obstacle: object;
    readonly change?: { readonly what: string; readonly document?: object };
    readonly nothing?: string;
  }[];
  readonly proof: { readonly arrives: boolean };
};

test("a peering is proposed between VNets of an export, whose subscription is another than a lab's", async () => {
  const group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/net/providers";
  const estate = ["left", "right"].flatMap((name, index) => {
    const id = `${group}/Microsoft.Network/virtualNetworks/${name}`;
    const pool = { name: "np", count: 1, mode: "System", vnetSubnetId: `${id}/subnets/aks` };
    return [
      {
        id,
        name,
        addressSpace: { addressPrefixes: [`10.${index}.0.0/16`] },
        subnets: [{ id: `${id}/subnets/aks`, name: "aks", addressPrefix: `10.${index}.0.0/24` }],
      },
      {
        id: `${group}/Microsoft.ContainerService/managedClusters/${name}`,
        name,
        location: "westeurope",
        dnsPrefix: name,
        agentPoolProfiles: [pool],
        networkProfile: { networkPlugin: "azure", serviceCidr: "172.20.0.0/16", dnsServiceIp: "172.20.0.10" },
      },
    ];
  });
  const file = join(mkdtempSync(join(tmpdir(), "drydock-why-")), "estate.json");
  writeFileSync(file, JSON.stringify(estate));
  const nodes = await runCommand(["show", "resources", file, "-o", "json"]);
  const node = /aks-np-\d{8}-vmss000000/.exec(nodes.stdout)?.[0];
  const { stdout } = await runCommand(["why", `left:node/${node}`, "10.1.0.4:10250", file, "-o", "json"]);
  const answer = JSON.parse(stdout) as Answer;
  expect(answer.obstacles[0]?.change?.what).toBe("peer VNets left and right, on both sides");
  expect(answer.obstacles[0]?.change?.document).toMatchObject([
    { id: `${group}/Microsoft.Network/virtualNetworks/left/virtualNetworkPeerings/left-to-right` },
    { id: `${group}/Microsoft.Network/virtualNetworks/right/virtualNetworkPeerings/right-to-left` },
  ]);
});

describe("every obstacle with the change that lifts it, proved", () => {
  test.each([
    {
      example: "security-groups",
      words: ["vm/db", "internet/office:443"],
      changes: [
        "add rule allow-tcp-10-240-4-4-to-203-0-113-10-443 to NSG db-nsg: Outbound, priority 100, Allow; rule no-internet moves up by one to make room",
        "give subnet hub/data a NAT gateway with a public address",
        "let internet/office listen on 443/tcp: it listens on nothing",
      ],
    },
    {
      example: "security-groups",
      words: ["vm/stranger", "vm/db:5432"],
      changes: [
        "add rule allow-tcp-10-240-5-5-to-10-240-4-4-5432 to NSG data-nsg: Inbound, priority 4095, Allow Tcp from 10.240.5.5 to 10.240.4.4 port 5432",
      ],
    },
    {
      example: "security-groups",
      words: ["internet/elsewhere", "shop:svc/web"],
      changes: ["add 198.51.100.10/32 to loadBalancerSourceRanges of Service default/web"],
    },
    {
      example: "network-policy",
      words: ["deploy/ledger", "deploy/api:8080"],
      changes: ["add NetworkPolicy shop/allow-api-from-ledger-8080: ingress of api from ledger of namespace payments on TCP 8080"],
    },
    {
      example: "network-policy",
      words: ["deploy/web", "vm/db:22"],
      changes: [
        "add NetworkPolicy shop/allow-web-to-10-240-9-4-22: egress of web to 10.240.9.4 on TCP 22",
        "let vm/db listen on 22/tcp: it listens on 5432/tcp",
      ],
    },
    {
      example: "asymmetric-firewall",
      words: ["vm/app", "vm/shared:443"],
      changes: ["add route 10.1.1.4/32 with next hop VirtualAppliance 10.0.1.4 to a new route table of subnet hub/shared"],
    },
    {
      example: "asymmetric-firewall",
      words: ["vm/shared", "vm/app:443"],
      changes: ["add route 10.1.1.4/32 with next hop VirtualAppliance 10.0.1.4 to a new route table of subnet hub/shared"],
    },
    {
      example: "hub-and-spoke",
      words: ["internet/partner", "shop:svc/ingress"],
      changes: ["add route 203.0.113.10/32 with next hop Internet to route table shop of subnet shop/nodes"],
    },
    {
      example: "hub-and-spoke",
      words: ["site/hq/erp", "vm/db:22"],
      changes: [
        "add rule allow-tcp-192-168-10-5-to-10-2-0-4-22 to firewall fw, before those that deny: Allow TCP from 192.168.10.5 to 10.2.0.4 port 22",
        "let vm/db listen on 22/tcp: it listens on 5432/tcp",
      ],
    },
    {
      example: "two-options",
      words: ["vm/db", "shop-kubenet:deploy/web"],
      changes: ["add route 10.244.0.0/24 with next hop VirtualAppliance 10.240.0.4 to a new route table of subnet hub/data"],
    },
    {
      example: "pod-subnet",
      words: ["pod/web-0", "internet/partner:443"],
      changes: ["add route 203.0.113.10/32 with next hop Internet to route table inside of subnet hub/blocks"],
    },
    {
      example: "egress",
      words: ["isolated:pod/web", "internet/partner"],
      changes: ["give subnet hub/isolated a NAT gateway with a public address"],
    },
  ])("$example: $words", async ({ example, words, changes }) => {
    const { status, arrives, obstacles, proof } = await why(example, ...words);
    expect(obstacles.map(({ change, nothing }) => change?.what ?? nothing)).toEqual(changes);
    expect({ status, arrives, proved: proof.arrives }).toEqual({ status: 1, arrives: false, proved: true });
  });
});

test("what nothing can change is said, with what to do instead", async () => {
  const { status, obstacles, proof } = await why("overlay", "vm/db", "red:pod/web-0");
  expect(obstacles).toMatchObject([{ obstacle: { outcome: "black-hole" }, nothing: expect.stringContaining("LoadBalancer or NodePort") }]);
  expect({ status, proved: proof.arrives }).toEqual({ status: 1, proved: false });
});

test("what arrives is told, with the rules that let it", async () => {
  const { status, arrives, allowedBy } = await why("security-groups", "vm/jump", "vm/db:5432");
  expect({ status, arrives }).toEqual({ status: 0, arrives: true });
  expect(allowedBy?.map(({ origin }) => origin.reason)).toContainEqual(expect.stringContaining("allow-operators"));
});

test("as text: obstacle, cause, change, owner, and the outcome with the change", async () => {
  const { status, stdout } = await runCommand(["why", "vm/app", "vm/shared:443", "examples/asymmetric-firewall/lab.yaml"]);
  expect(status).toBe(1);
  expect(stdout).toContain("parted   at vnet/hub: there from vm/fw, back to vnet/spoke");
  expect(stdout).toContain("nextHopIpAddress: 10.0.1.4");
  expect(stdout).toContain("with this change it arrives: delivered to vm/shared, which saw 10.1.1.4:32768");
});

import { describe, expect, test } from "vitest";
import { load, printed } from "../testing/documents.ts";

const lab = (rules: string, more = "") => `lab: t
networks:
  - { name: hub, addressSpace: [10.240.0.0/16], subnets: [{ name: a, prefix: 10.240.0.0/24 }, { name: GatewaySubnet, prefix: 10.240.255.0/27 }] }
  - { name: spoke, addressSpace: [10.241.0.0/16], subnets: [{ name: a, prefix: 10.241.0.0/24 }] }
machines:
  - { name: one, subnet: hub/a, applicationSecurityGroups: [front] }
  - { name: far, subnet: spoke/a, applicationSecurityGroups: [away] }
securityGroups:
  - name: g
    subnets: [hub/a]
    machines: [one]
    rules:
${rules}
${more}`;
const rule = (rest: string) => `      - { name: r, priority: 100, direction: Inbound, access: Allow, ${rest} }`;

describe("a group", () => {
  const loaded = load(lab(rule("sourceApplicationSecurityGroups: [front], destinationPortRange: 80")));
  const find = (type: string) => loaded.resources.map(({ value }) => value).filter((value) => "type" in value && value.type === type);

  test("has no problems", () => expect(printed(loaded)).toBe(""));
  test("is ARM's, with Azure's default rules", () => {
    expect(find("Microsoft.Network/networkSecurityGroups")).toMatchObject([
      {
        name: "g",
        properties: {
          securityRules: [
            {
              name: "r",
              properties: {
                protocol: "*",
                sourceApplicationSecurityGroups: [{ id: expect.stringMatching(/\/applicationSecurityGroups\/front$/) }],
                sourcePortRange: "*",
                destinationAddressPrefix: "*",
                destinationPortRange: "80",
              },
            },
          ],
          defaultSecurityRules: { length: 6 },
        },
      },
    ]);
  });
  test("is on its subnets and machines, and machines are in application security groups", () => {
    expect(find("Microsoft.Network/virtualNetworks/subnets")[0]).toMatchObject({
      properties: { networkSecurityGroup: { id: expect.any(String) } },
    });
    expect(find("Microsoft.Compute/virtualMachines")[0]).toMatchObject({
      tags: {
        "drydock-network-security-group": expect.stringMatching(/\/g$/),
        "drydock-application-security-groups": expect.stringMatching(/\/front$/),
      },
    });
  });
});

describe("what Azure refuses, and what is not modelled", () => {
  const cases: readonly [string, string, string][] = [
    ["a priority out of range", rule("priority: 99"), ""],
    ["the priority of another rule", `${rule("")}\n      - { name: s, priority: 100, direction: Inbound, access: Deny }`, ""],
    ["two ways to say the source", rule("sourceAddressPrefix: 10.0.0.0/8, sourceApplicationSecurityGroups: [front]"), ""],
    ["no prefix", rule("sourceAddressPrefix: 10.0.0.300"), ""],
    ["bits behind the network", rule("sourceAddressPrefix: 10.0.0.1/24"), ""],
    ["a service tag of Azure's services", rule("destinationAddressPrefix: Storage.WestEurope"), ""],
    ["a tag in a list", rule("sourceAddressPrefixes: [VirtualNetwork, 192.0.2.1]"), ""],
    ["a platform tag inbound", rule("sourceAddressPrefix: AzurePlatformDNS"), ""],
    ["a port range backwards", rule("destinationPortRange: 90-80"), ""],
    ["ports of Icmp", rule("protocol: Icmp, destinationPortRange: 80"), ""],
    ["IPsec", rule("protocol: Esp"), ""],
    ["an application security group that nobody is in", rule("sourceApplicationSecurityGroups: [frnt]"), ""],
    [
      "application security groups of two VNets",
      rule("sourceApplicationSecurityGroups: [front], destinationApplicationSecurityGroups: [away]"),
      "",
    ],
    ["a subnet's second group", rule(""), "  - { name: h, subnets: [hub/a] }"],
    ["a group on the gateway's subnet", rule(""), "  - { name: h, subnets: [hub/GatewaySubnet] }"],
    ["a machine that is not there", rule(""), "  - { name: h, machines: [ona] }"],
  ];
  test.each(cases)("%s", (_what, rules, more) => {
    // The later of two properties of a name is another problem: priority is given once.
    const text = lab(rules, more).replace(
      "priority: 100, direction: Inbound, access: Allow, priority: 99",
      "priority: 99, direction: Inbound, access: Allow",
    );
    expect(printed(load(text))).toMatchSnapshot();
  });
});

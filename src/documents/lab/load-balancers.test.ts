import { describe, expect, test } from "vitest";
import { load, printed } from "../testing/documents.ts";

const lab = (balancer: string) =>
  load(`lab: t
networks:
  - { name: hub, addressSpace: [10.0.0.0/16], subnets: [{ name: a, prefix: 10.0.1.0/24 }] }
  - { name: far, addressSpace: [10.1.0.0/16], subnets: [{ name: a, prefix: 10.1.1.0/24 }] }
machines: [{ name: one, subnet: hub/a, address: 10.0.1.9, listen: [80/tcp] }, { name: other, subnet: far/a }]
loadBalancers:
  - ${balancer}
`);

test("a load balancer is ARM's, in front of the machines' network interfaces", () => {
  const loaded = lab(
    "{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one], rules: [{ name: http, frontendPort: 80, probe: { protocol: Http, port: 80 } }] }",
  );
  expect(printed(loaded)).toBe("");
  expect(
    loaded.resources.map(({ value }) => value).find((value) => "type" in value && value.type === "Microsoft.Network/loadBalancers"),
  ).toMatchObject({
    properties: {
      frontendIPConfigurations: [
        { properties: { privateIPAddress: "10.0.1.100", subnet: { id: expect.stringMatching(/\/subnets\/a$/) } } },
      ],
      backendAddressPools: [
        {
          properties: {
            backendIPConfigurations: [{ id: expect.stringMatching(/\/networkInterfaces\/one-nic\/ipConfigurations\/ipconfig1$/) }],
          },
        },
      ],
      loadBalancingRules: [{ name: "http", properties: { protocol: "Tcp", frontendPort: 80, backendPort: 80, enableFloatingIP: false } }],
      probes: [{ properties: { protocol: "Http", port: 80, requestPath: "/", intervalInSeconds: 5, numberOfProbes: 2 } }],
    },
  });
});

describe("what Azure refuses", () => {
  const rules = "rules: [{ name: http, frontendPort: 80 }]";
  test.each([
    [
      "an address outside",
      `{ name: web, subnet: hub/a, address: 10.0.2.4, machines: [one], ${rules} }`,
      /10\.0\.2\.4 is not in subnet hub\/a.*PrivateIPAddressNotInSubnet/,
    ],
    ["a reserved one", `{ name: web, subnet: hub/a, address: 10.0.1.1, machines: [one], ${rules} }`, /PrivateIPAddressInReservedRange/],
    [
      "a machine's",
      `{ name: web, subnet: hub/a, address: 10.0.1.9, machines: [one], ${rules} }`,
      /one and load balancer web both want 10\.0\.1\.9/,
    ],
    ["no address", `{ name: web, subnet: hub/a, address: x, machines: [one], ${rules} }`, /"x" is no IPv4 address/],
    [
      "a machine of another VNet",
      `{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one, other], ${rules} }`,
      /machine other is not in VNet hub/,
    ],
    [
      "a machine that is not there",
      `{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [onne], ${rules} }`,
      /there is no machine "onne"; did you mean "one"\?/,
    ],
    [
      "a port twice",
      "{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one], rules: [{ name: a, frontendPort: 80 }, { name: b, frontendPort: 80 }] }",
      /rules a and b of load balancer web both take port 80\/tcp/,
    ],
    [
      "no port",
      "{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one], rules: [{ name: a, frontendPort: 0 }] }",
      /frontendPort 0 is no port/,
    ],
    [
      "all ports and one more",
      "{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one], rules: [{ name: a, protocol: All }, { name: b, frontendPort: 80 }] }",
      /rule a of load balancer web takes all ports \(high-availability ports\); with 1 more of the same frontend and machines Azure refuses it/,
    ],
    [
      "a port of all protocols",
      "{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one], rules: [{ name: a, protocol: All, frontendPort: 80 }] }",
      /frontendPort of a rule for all protocols is 0, not 80/,
    ],
    [
      "floating IP",
      "{ name: web, subnet: hub/a, address: 10.0.1.100, machines: [one], rules: [{ name: a, frontendPort: 1, enableFloatingIP: true }] }",
      /enableFloatingIP .* is not modelled yet/,
    ],
    [
      "a public one",
      `{ name: web, subnet: hub/a, publicIPAddress: p, address: 10.0.1.100, machines: [one], ${rules} }`,
      /publicIPAddress .* is not modelled yet/,
    ],
  ])("%s", (_, balancer, says) => expect(printed(lab(balancer))).toMatch(says));
});

describe("a route to its frontend", () => {
  const routed = (machine: string, rule: string) =>
    printed(
      load(`lab: t
networks: [{ name: hub, addressSpace: [10.0.0.0/16], subnets: [{ name: a, prefix: 10.0.1.0/24 }, { name: b, prefix: 10.0.2.0/24 }] }]
machines: [{ name: fw1, subnet: hub/a, enableIPForwarding: true }, { name: fw2, subnet: hub/a${machine} }]
loadBalancers: [{ name: fw, subnet: hub/a, address: 10.0.1.100, machines: [fw1, fw2], rules: [${rule}] }]
routeTables: [{ name: t, subnets: [hub/b], routes: [{ name: out, addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.1.100 }] }]
`),
    );

  test("is refused where there are no high-availability ports: nobody knows which flows it would take", () => {
    expect(routed(", enableIPForwarding: true", "{ name: r, frontendPort: 443 }")).toMatch(
      /next hop 10\.0\.1\.100 is the frontend of load balancer fw, which has no rule for all ports.*\(NotModelled\)/,
    );
  });

  test("leads to all machines behind it, which must forward", () => {
    expect(routed(", enableIPForwarding: true", "{ name: r, protocol: All }")).toBe("");
    expect(routed("", "{ name: r, protocol: All }")).toMatch(
      /next hop 10\.0\.1\.100 leads to machine fw2, whose network interface does not forward/,
    );
  });
});

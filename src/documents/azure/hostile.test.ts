import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadFiles } from "../testing/documents.ts";
import { bounds } from "../tree.ts";

/** Generous: a machine that does other things too must pass, and what is quadratic must not. */
const timeoutMs = 60_000;

const many = <T>(count: number, one: (index: number) => T) => Array.from({ length: count }, (_, index) => one(index));
const id = (type: string, name: string) => `/subscriptions/s/resourceGroups/g/providers/${type}/${name}`;
const load = (document: unknown) => loadFiles([{ path: "d.json", text: JSON.stringify(document) }]);
const vnet = (subnets: unknown[]) => ({
  id: id("Microsoft.Network/virtualNetworks", "v"),
  properties: { addressSpace: { addressPrefixes: ["10.0.0.0/8"] }, subnets },
});
const planned = (resources: unknown[], configuration: unknown = {}) => ({
  format_version: "1.2",
  planned_values: { root_module: { resources } },
  configuration: { root_module: configuration },
});
const resource = (type: string, name: string, values: unknown, index?: number) => ({
  address: `${type}.${name}${index === undefined ? "" : `[${index}]`}`,
  mode: "managed",
  type,
  name,
  ...(index === undefined ? {} : { index }),
  values,
});

describe("much of anything is read in time", () => {
  const large: readonly (readonly [name: string, document: () => unknown])[] = [
    [
      "subnets of one VNet",
      () => [vnet(many(5000, (n) => ({ name: `s${n}`, properties: { addressPrefix: `10.${n >> 8}.${n & 255}.0/24` } })))],
    ],
    ["the same id", () => many(5000, () => vnet([]))],
    ["twins of a name", () => many(5000, (n) => ({ ...vnet([]), id: vnet([]).id.replace("/g/", `/g${n}/`) }))],
    [
      "rules of one group",
      () => [
        {
          id: id("Microsoft.Network/networkSecurityGroups", "n"),
          properties: {
            securityRules: many(5000, (n) => ({ name: `r${n}`, properties: { priority: n, direction: "Inbound", access: "Deny" } })),
          },
        },
      ],
    ],
    [
      "references to nothing",
      () => [
        vnet(
          many(3000, (n) => ({
            name: `s${n}`,
            properties: { addressPrefix: `10.${n >> 8}.${n & 255}.0/24`, routeTable: { id: id("Microsoft.Network/routeTables", `t${n}`) } },
          })),
        ),
      ],
    ],
    [
      "clusters without subnets",
      () => many(300, (n) => ({ id: id("Microsoft.ContainerService/managedClusters", `c${n}`), properties: {} })),
    ],
    ["unknown types", () => many(5000, (n) => ({ id: id("A.B/c", `x${n}`), properties: { [`p${n}`]: n } }))],
    [
      "instances in a plan",
      () => planned(many(3000, (n) => resource("azurerm_subnet", "s", { name: `s${n}`, virtual_network_name: "v" }, n))),
    ],
    [
      "references that go round in circles",
      () =>
        planned(
          many(500, (n) => resource("azurerm_network_interface", `n${n}`, { name: `n${n}`, ip_configuration: [{ name: "c" }] })),
          {
            resources: many(500, (n) => ({
              type: "azurerm_network_interface",
              name: `n${n}`,
              expressions: {
                ip_configuration: [
                  {
                    subnet_id: { references: many(20, (m) => `azurerm_network_interface.n${(n + m) % 500}.ip_configuration[0].subnet_id`) },
                  },
                ],
              },
            })),
          },
        ),
    ],
    [
      "a firewall policy that is its own parent",
      () => {
        const policy = id("Microsoft.Network/firewallPolicies", "p");
        return [
          vnet([{ name: "AzureFirewallSubnet", properties: { addressPrefix: "10.0.0.0/24" } }]),
          { id: policy, properties: { basePolicy: { id: policy } } },
          {
            id: id("Microsoft.Network/azureFirewalls", "f"),
            properties: {
              firewallPolicy: { id: policy },
              ipConfigurations: [{ properties: { subnet: { id: `${vnet([]).id}/subnets/AzureFirewallSubnet` } } }],
            },
          },
        ];
      },
    ],
  ];
  for (const [name, document] of large) {
    test(
      name,
      () => {
        const text = JSON.stringify(document());
        const start = performance.now();
        const lab = loadFiles([{ path: "d.json", text }]);
        expect(performance.now() - start).toBeLessThan(timeoutMs / 4);
        expect(lab.problems.every(({ message }) => message.length < 2000)).toBe(true);
      },
      timeoutMs,
    );
  }
});

test("text that is nested too deep inside a body is not read", () => {
  const body = `${'{"properties":'.repeat(bounds.depth * 100)}1${"}".repeat(bounds.depth * 100)}`;
  const lab = load(planned([resource("azapi_resource", "a", { type: "Microsoft.Network/virtualNetworks@2024-05-01", name: "v", body })]));
  expect(lab.problems.map(({ code }) => code)).toContain("RequiredProperty");
});

describe("any values in the places of resources are read or refused", () => {
  const keys = [
    "id",
    "name",
    "type",
    "properties",
    "tags",
    "subnets",
    "addressPrefix",
    "agentPoolProfiles",
    "networkProfile",
    "routes",
    "values",
    "address",
  ];
  const value = fc.letrec((tie) => ({
    any: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(null, true, 0, -1, 1e300, "", "x", "10.0.0.0/8", id("Microsoft.Network/virtualNetworks", "v")),
      fc.array(tie("any"), { maxLength: 4 }),
      fc.dictionary(fc.constantFrom(...keys), tie("any"), { maxKeys: 6 }),
    ),
  })).any;
  const types = [
    "Microsoft.Network/virtualNetworks",
    "Microsoft.Network/virtualNetworks/v/subnets",
    "Microsoft.Network/routeTables",
    "Microsoft.Network/networkSecurityGroups",
    "Microsoft.Network/networkInterfaces",
    "Microsoft.Network/azureFirewalls",
    "Microsoft.Compute/virtualMachines",
    "Microsoft.ContainerService/managedClusters",
  ];
  test("of an export", () => {
    fc.assert(
      fc.property(fc.constantFrom(...types), value, (type, properties) => {
        const lab = load([{ id: id(type, "x"), properties }]);
        expect(lab.problems.every(({ file, line }) => file === "d.json" && line !== undefined)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
  test("of a plan", () => {
    const planTypes = [
      "azurerm_virtual_network",
      "azurerm_subnet",
      "azurerm_kubernetes_cluster",
      "azurerm_network_interface",
      "azurerm_firewall",
      "azurerm_route_table",
      "azapi_resource",
    ];
    fc.assert(
      fc.property(fc.constantFrom(...planTypes), value, value, (type, values, expressions) => {
        load(planned([resource(type, "x", values)], { resources: [{ type, name: "x", expressions }] }));
      }),
      { numRuns: 300 },
    );
  });
});

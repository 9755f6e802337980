import { describe, expect, test } from "vitest";
import { cluster, deployment, keyIn } from "../controllers/testing/lab.ts";
import { applyRequest, bodyOf, observeRequest, probeRequests, scaleRequest } from "./requests.ts";

const body = (value: unknown) => ({ text: async () => (typeof value === "string" ? value : JSON.stringify(value)) });
const packet = { protocol: "tcp", source: "0.0.0.0", destination: "10.240.4.4", destinationPort: 5432 };
const aks = cluster("c", { networkPlugin: "kubenet", podCidr: "10.244.0.0/16" });
const web = deployment("web", 1);

describe("bodies that are as they should be", () => {
  test("apply", async () => {
    const documents = [
      { key: aks.id.toLowerCase(), value: aks },
      { key: keyIn("c", web), value: web },
    ];
    expect(await bodyOf(applyRequest, body(documents))).toEqual(documents);
  });
  test("scale", async () => expect(await bodyOf(scaleRequest, body({ pool: "np1", count: 3 }))).toEqual({ pool: "np1", count: 3 }));
  test("probe", async () => {
    const requests = [{ from: "vm/db", packet, timeoutMs: 1000 }];
    expect(await bodyOf(probeRequests, body(requests))).toEqual(requests);
  });
});

describe("what is wrong is said with its place", () => {
  test.each([
    ["no JSON", scaleRequest, "{", /^the body is no JSON: /],
    ["not what is asked for", applyRequest, {}, /expected array/],
    ["a count that is none", scaleRequest, { pool: "np1", count: "3" }, /^count: .*expected number/],
    ["a count below zero", scaleRequest, { pool: "np1", count: -1 }, /^count: .*>=0/],
    ["a part of a node", scaleRequest, { pool: "np1", count: 1.5 }, /^count: .*expected int/],
    ["an unknown property", scaleRequest, { pool: "np1", count: 1, clutser: "c" }, /"clutser"/],
    ["a resource without properties", applyRequest, [{ key: "/x", value: { id: "/x", name: "x" } }], /^0\.value: /],
    ["somebody else's key", applyRequest, [{ key: "/other", value: aks }], /^0\.key: is \/other; the resource's own is \/subscriptions\//],
    [
      "another type than the id's",
      applyRequest,
      [{ key: aks.id.toLowerCase(), value: { ...aks, type: "Microsoft.Network/routeTables" } }],
      /^0\.value\.type: /,
    ],
    ["another kind than the key's", applyRequest, [{ key: keyIn("c", web).replace("Deployment", "Pod"), value: web }], /^0\.key: /],
    [
      "an address that is none",
      probeRequests,
      [{ from: "vm/db", packet: { ...packet, destination: "10.240.4.400" }, timeoutMs: 1 }],
      /^0\.packet\.destination: "10.240.4.400" is no address/,
    ],
    [
      "a port that is none",
      probeRequests,
      [{ from: "vm/db", packet: { ...packet, destinationPort: 65_536 }, timeoutMs: 1 }],
      /destinationPort/,
    ],
    ["no time at all", observeRequest, { from: "vm/db", packet, hosts: [], timeoutMs: 0 }, /^timeoutMs: /],
  ])("%s", async (_, schema, value, message) => {
    await expect(bodyOf(schema as typeof applyRequest, body(value))).rejects.toThrow(message);
    await expect(bodyOf(schema as typeof applyRequest, body(value))).rejects.toMatchObject({ trouble: { code: "request" } });
  });
});

/** Applying networks to a real kernel: once, twice, and changed. */

import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Kernel } from "../../src/kernel/kernel.ts";
import { mustAddress } from "../../src/net/address.ts";
import { address, host, link, neighbour, network, route, rule, veth } from "./build.ts";
import { answer, ask } from "./reach.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();
let kernel: Kernel;
beforeEach(() => {
  kernel = new Kernel();
});
afterEach(() => kernel.close());

const router = host("router", [veth("r1", "one eth0", ["10.1.0.1/24"]), veth("r2", "two eth0", ["10.2.0.1/24"])], { forwarding: true });
const one = host("one", [veth("eth0", "router r1", ["10.1.0.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.1.0.1" })] });
const two = host("two", [veth("eth0", "router r2", ["10.2.0.2/24"])], { routes: [route("0.0.0.0/0", { via: "10.2.0.1" })] });
const line = network(router, one, two);

test("two hosts talk through a router", async () => {
  const report = kernel.apply(line);
  expect(report.errors).toEqual([]);
  expect(report.waiting).toEqual([]);
  expect(report.made).toEqual(["one", "router", "two"]);
  const server = await answer("two", 80);
  expect(await ask("one", { destination: mustAddress("10.2.0.2"), port: 80 })).toMatchObject({
    source: "10.1.0.2",
    destination: "10.2.0.2",
  });
  expect(await ask("one", { destination: mustAddress("10.2.0.2"), port: 81 })).toBe("ECONNREFUSED");
  server.close();
});

test("applying twice does nothing the second time", () => {
  kernel.apply(line);
  expect(kernel.apply(line)).toEqual({ operations: 0, made: [], changed: [], removed: [], errors: [], waiting: [] });
  // Equal, but other objects.
  const copy = network(...line.names().map((name) => structuredClone(line.host(name)) ?? one));
  expect(kernel.apply(copy)).toEqual({ operations: 0, made: [], changed: [], removed: [], errors: [], waiting: [] });
});

/** The recorded answers of the kernel's hash expression, which the tracer reproduces, are what this kernel answers too. */

import { createSocket } from "node:dgram";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Field, Table } from "../../src/ir/ruleset.ts";
import { connections } from "../../src/kernel/conntrack.ts";
import { Kernel } from "../../src/kernel/kernel.ts";
import { udpBind } from "../../src/kernel/sockets.ts";
import { mustAddress } from "../../src/net/address.ts";
import { host, link, network, origin, route } from "./build.ts";
import { requireKernel } from "./require-kernel.ts";

requireKernel();
const kernel = new Kernel();
afterAll(() => kernel.close());

const fields = z.enum(["ip saddr", "ip daddr", "th sport", "th dport", "meta l4proto"]) satisfies z.ZodType<Field>;
const fixture = z.object({
  rows: z.array(
    z.object({
      fields: z.array(fields),
      modulus: z.number(),
      seed: z.number(),
      offset: z.number(),
      source: z.string(),
      sourcePort: z.number(),
      destination: z.string(),
      destinationPort: z.number(),
      protocol: z.enum(["tcp", "udp"]),
      result: z.number(),
    }),
  ),
});
const rows = fixture
  .parse(JSON.parse(readFileSync(new URL("fixtures/jhash.json", import.meta.url), "utf8")))
  .rows.filter((row) => row.protocol === "udp" && row.sourcePort >= 1024);

/** Each row has a rule of its own, which marks the connection of its tuple with the result. */
const table: Table = {
  family: "ip",
  name: "hash",
  chains: [
    {
      name: "output",
      base: { type: "filter", hook: "output", priority: 0, policy: "accept" },
      rules: rows.map((row) => ({
        matches: [
          { kind: "value", field: "ip saddr", op: "==", values: [row.source] },
          { kind: "value", field: "th sport", op: "==", values: [row.sourcePort] },
        ],
        statements: [
          {
            kind: "set-mark",
            target: "ct",
            value: { kind: "hash", fields: row.fields, modulus: row.modulus, seed: row.seed, offset: row.offset },
          },
        ],
        origin,
      })),
    },
  ],
  sets: [],
  maps: [],
};

beforeAll(() => {
  const addresses = [...new Set(rows.map((row) => `${row.source}/32`))];
  const all = host("hashing", [link("loopback", "lo", addresses)], {
    routes: [route("10.0.0.0/8", { type: "local", dev: "lo", table: 255 })],
    ruleSet: [table],
  });
  expect(kernel.apply(network(all)).errors).toEqual([]);
});

test("jhash", async () => {
  for (const row of rows) {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve) =>
      socket.bind({ fd: udpBind("hashing", { address: mustAddress(row.source), port: row.sourcePort }) }, resolve),
    );
    await new Promise<void>((resolve, reject) => {
      socket.on("error", () => undefined);
      socket.send("x", row.destinationPort, row.destination, (error) => (error === null ? resolve() : reject(error)));
    });
    socket.close();
  }
  const marks = new Map(connections("hashing").map(({ original, mark }) => [`${original.source} ${original.sourcePort}`, mark]));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.map((row) => marks.get(`${row.source} ${row.sourcePort}`))).toEqual(rows.map((row) => row.result));
});

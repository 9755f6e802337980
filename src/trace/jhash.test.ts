import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Field } from "../ir/ruleset.ts";
import { mustAddress } from "../net/address.ts";
import { appendWords, bytesOf, readerOf } from "./fields.ts";
import { jhashSlot, reciprocalScale } from "./jhash.ts";
import { Packet } from "./packet.ts";

type Row = {
  readonly fields: readonly Field[];
  readonly modulus: number;
  readonly seed: number;
  readonly offset: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
  readonly protocol: "tcp" | "udp";
  readonly result: number;
};

// Measured in the kernel, by the kernel room's tests.
const measured: { readonly rows: readonly Row[] } = JSON.parse(
  readFileSync(new URL("../../test/kernel/fixtures/jhash.json", import.meta.url), "utf8"),
);

function slotOf(row: Omit<Row, "result">): number {
  const { protocol, sourcePort, destinationPort, fields } = row;
  const tuple = { protocol, source: mustAddress(row.source), sourcePort, destination: mustAddress(row.destination), destinationPort };
  const packet = new Packet(tuple, { pick: () => 0, weigh: () => 0, taken: 0 });
  const words: number[] = [];
  for (const field of fields) appendWords(words, field, readerOf(field)(packet) ?? 0);
  const [only] = fields;
  return row.offset + jhashSlot(words, fields.length === 1 && only !== undefined ? bytesOf(only) : words.length * 4, row.seed, row.modulus);
}

describe("jhash", () => {
  it("picks what the kernel picked", () => {
    expect(measured.rows.length).toBeGreaterThan(10);
    for (const { result, ...row } of measured.rows) expect({ ...row, result: slotOf(row) }).toEqual({ ...row, result });
  });

  it.each([
    // Read from Linux 6.18: jhash FIELDS mod 1000003 seed 9, and of one field alone, which is not padded.
    { name: "protocol before address", fields: ["meta l4proto", "ip saddr"], seed: 9, want: 473656 },
    { name: "an address alone", fields: ["ip saddr"], seed: 9, want: 938674 },
    { name: "a port alone", fields: ["th dport"], seed: 1, want: 115649 },
    { name: "a large seed", fields: ["ip saddr", "th sport"], seed: 0xdeadbeef, want: 657030 },
  ] as const)("$name", ({ fields, seed, want }) => {
    const row = { source: "10.0.0.1", sourcePort: 40000, destination: "198.18.7.9", destinationPort: 53, protocol: "udp" } as const;
    expect(slotOf({ ...row, fields, seed, modulus: 1_000_003, offset: 0 })).toBe(want);
  });

  it("scales without losing bits", () => {
    for (const [value, range] of [
      [0xffffffff, 0xffffffff],
      [0xfffffffe, 1_000_003],
      [1, 0xffffffff],
      [0x80000000, 2],
    ] as const) {
      expect(reciprocalScale(value, range)).toBe(Number((BigInt(value) * BigInt(range)) >> 32n));
    }
  });
});

import { describe, expect, it } from "vitest";
import { automaticPortRange, portRange, portsPerNode } from "./snat-ports.ts";

describe("portsPerNode", () => {
  it.each([
    { pool: 1, allocated: 0, addresses: 1, want: 1024 },
    { pool: 48, allocated: 0, addresses: 1, want: 1024 },
    { pool: 50, allocated: 0, addresses: 1, want: 1024 },
    { pool: 52, allocated: 0, addresses: 1, want: 512 },
    { pool: 101, allocated: 0, addresses: 1, want: 256 },
    { pool: 400, allocated: 0, addresses: 3, want: 128 },
    { pool: 800, allocated: 0, addresses: 1, want: 64 },
    { pool: 1000, allocated: 0, addresses: 1, want: 32 },
    { pool: 5, allocated: 4000, addresses: 2, want: 4000 },
    { pool: 5, allocated: 0, addresses: 0, want: 0 },
  ])("gives $want to each of $pool with $allocated allocated and $addresses addresses", ({ pool, allocated, addresses, want }) => {
    expect(portsPerNode(pool, allocated, addresses)).toBe(want);
  });
});

describe("portRange", () => {
  it("places blocks one after another, then on the next address, then nowhere", () => {
    expect(portRange(0, 1024, 1)).toEqual({ addressIndex: 0, first: 1024, last: 2047 });
    expect(portRange(61, 1024, 1)).toEqual({ addressIndex: 0, first: 63488, last: 64511 });
    expect(portRange(62, 1024, 1)).toBeUndefined();
    expect(portRange(62, 1024, 2)).toEqual({ addressIndex: 1, first: 1024, last: 2047 });
    expect(portRange(0, 64_000, 1)).toEqual({ addressIndex: 0, first: 1024, last: 65023 });
  });

  // AKS docs, configure-load-balancer-standard.md.
  it.each([
    { ports: 1000, addresses: 2, nodes: 128 },
    { ports: 1000, addresses: 7, nodes: 448 },
    { ports: 4000, addresses: 2, nodes: 32 },
    { ports: 4000, addresses: 7, nodes: 112 },
  ])("has room for $nodes nodes with $ports ports and $addresses addresses", ({ ports, addresses, nodes }) => {
    expect(portRange(nodes - 1, ports, addresses)).toBeDefined();
    expect(portRange(nodes, ports, addresses)).toBeUndefined();
  });
});

describe("automaticPortRange", () => {
  const rangesOf = (pool: number) =>
    Array.from(
      { length: pool },
      (_, index) => automaticPortRange(index, portsPerNode(pool, 0, 1), 1) ?? { addressIndex: -1, first: 0, last: 0 },
    );

  it("is one block after another up to 50 backends", () => {
    for (const index of [0, 1, 49]) expect(automaticPortRange(index, 1024, 1)).toEqual(portRange(index, 1024, 1));
  });

  it.each([50, 100, 200, 400, 800])("is a part of what it was when a pool of %i grows by one", (pool) => {
    const after = rangesOf(pool + 1);
    for (const [index, { first, last }] of rangesOf(pool).entries()) {
      expect(after[index]?.first).toBe(first);
      expect(after[index]?.last).toBe((first + last - 1) / 2);
    }
  });

  it.each([1, 50, 51, 63, 101, 400, 801, 1000])("is nobody else's in a pool of %i", (pool) => {
    const sorted = rangesOf(pool).sort((a, b) => a.first - b.first);
    expect(sorted.every(({ addressIndex, last }, index) => addressIndex === 0 && last < (sorted[index + 1]?.first ?? 65_536))).toBe(true);
  });

  it("goes on at the next address, then nowhere", () => {
    expect(automaticPortRange(1983, 32, 1)).toMatchObject({ addressIndex: 0 });
    expect(automaticPortRange(1984, 32, 2)).toEqual({ addressIndex: 1, first: 1024, last: 1055 });
    expect(automaticPortRange(1984, 32, 1)).toBeUndefined();
  });
});

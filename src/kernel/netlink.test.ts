import { describe, expect, test } from "vitest";
import type { Route } from "../ir/network.ts";
import { mustAddress } from "../net/address.ts";
import { mustPrefix } from "../net/prefix.ts";
import { attributes, Batch } from "./netlink.ts";
import { changeAddress, changeNeighbour, changeRoute } from "./netlink-route.ts";

const origin = { resource: "r", reason: "w" };

/** The only message of a batch, in hexadecimal without its header. */
function bytes(write: (batch: Batch) => void): string {
  const batch = new Batch();
  write(batch);
  const [chunk = new Uint8Array()] = [...batch.chunks(65536)];
  return Buffer.from(chunk).toString("hex").slice(32);
}

describe("messages, as `strace -e sendmsg ip …` shows them", () => {
  const route: Route = {
    type: "unicast",
    table: 254,
    dst: mustPrefix("10.0.0.0/8"),
    dev: "eth0",
    via: mustAddress("10.1.0.1"),
    metric: 5,
    origin,
  };
  test("ip route replace 10.0.0.0/8 via 10.1.0.1 dev 2 metric 5 proto static", () => {
    expect(bytes((batch) => changeRoute(batch, "put", route, 2))).toBe(
      ["02080000fe040001", "00000000", "080001000a000000", "0800060005000000", "0800040002000000", "080005000a010001"].join(""),
    );
  });
  test("a table with a large number is named in an attribute", () => {
    const message = bytes((batch) => changeRoute(batch, "put", { ...route, table: 0xc0a80001 }, 2));
    expect(message.slice(0, 16)).toBe("0208000000040001");
    expect(message).toContain("08000f000100a8c0");
  });
  test("ip address replace 10.1.0.2/24 dev 2", () => {
    const address = { address: mustAddress("10.1.0.2"), prefixLength: 24, origin };
    expect(bytes((batch) => changeAddress(batch, "add", 2, address))).toBe("0218000002000000080002000a010002080001000a010002");
  });
  test("ip neighbour replace 10.1.0.7 lladdr 02:00:00:00:00:07 dev 2 nud permanent", () => {
    const neighbour = { dev: "eth0", address: mustAddress("10.1.0.7"), mac: "02:00:00:00:00:07", origin };
    expect(bytes((batch) => changeNeighbour(batch, "put", neighbour, 2, false))).toBe(
      ["020000000200000080000000", "080001000a010007", "0a0002000200000000070000"].join(""),
    );
  });
  test("a gateway of the other family is refused before anything is sent", () => {
    const batch = new Batch();
    expect(() => changeRoute(batch, "put", { ...route, via: mustAddress("fd00::1") }, 2)).toThrow("other family");
  });
});

describe("a batch", () => {
  test("goes out in runs of whole messages", () => {
    const batch = new Batch();
    for (let i = 0; i < 1000; i++) {
      batch.begin(16, 0, 16);
      batch.text(3, "x".repeat(i % 50));
      batch.end();
    }
    const chunks = [...batch.chunks(1000)].map((chunk) => Buffer.from(chunk));
    let count = 0;
    for (const chunk of chunks) {
      expect(chunk.length).toBeLessThanOrEqual(1000);
      for (let at = 0; at < chunk.length; at += chunk.readUInt32LE(at)) expect(chunk.readUInt32LE(at + 8)).toBe(++count);
    }
    expect(count).toBe(1000);
  });

  test("forgets a message that was taken back", () => {
    const batch = new Batch();
    batch.begin(16, 0, 16);
    batch.end();
    batch.begin(17, 0, 16);
    batch.drop();
    batch.begin(18, 0, 16);
    batch.end();
    const [chunk = new Uint8Array()] = [...batch.chunks(1000)];
    expect(batch.count).toBe(2);
    expect(Buffer.from(chunk).readUInt16LE(36)).toBe(18);
  });

  test("nests attributes, which are read back", () => {
    const batch = new Batch();
    batch.begin(16, 0, 0);
    const outer = batch.open(18);
    batch.text(1, "veth");
    batch.u8(2, 7);
    batch.close(outer);
    batch.address(5, mustAddress("fd00::1"));
    batch.end();
    const [chunk = new Uint8Array()] = [...batch.chunks(1000)];
    const all = attributes(Buffer.from(chunk), 16);
    const inner = attributes(all.get(18) ?? Buffer.alloc(0), 0);
    expect(inner.get(1)?.toString()).toBe("veth\0");
    expect(inner.get(2)?.[0]).toBe(7);
    expect(all.get(5)?.toString("hex")).toBe("fd000000000000000000000000000001");
  });
});

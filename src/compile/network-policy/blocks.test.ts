import { expect, test } from "vitest";
import { ipv4Number, mustAddress } from "../../net/address.ts";
import { mustPrefix, prefixContains, prefixesOverlap } from "../../net/prefix.ts";
import { prefixesOf } from "./blocks.ts";

test("an exception is cut out", () => {
  expect(prefixesOf([{ cidr: "10.0.0.0/8", except: ["10.0.0.0/9", "10.192.0.0/10"] }])).toEqual(["10.128.0.0/10"]);
  expect(prefixesOf([{ cidr: "0.0.0.0/0" }])).toEqual(["0.0.0.0/0"]);
  expect(prefixesOf([{ cidr: "0.0.0.0/0", except: ["128.0.0.0/1"] }])).toEqual(["0.0.0.0/1"]);
  expect(prefixesOf([{ cidr: "10.0.0.3/24" }])).toEqual(["10.0.0.0/24"]);
});

test("an exception is one from its own block only", () => {
  expect(prefixesOf([{ cidr: "10.0.0.0/8", except: ["10.1.0.0/16"] }, { cidr: "10.1.0.0/16" }])).toEqual(["10.0.0.0/8"]);
});

test("IPv6 holds no IPv4 address", () => expect(prefixesOf([{ cidr: "2001:db8::/32" }])).toEqual([]));

test("nothing overlaps, and every address is where it belongs", () => {
  const blocks = [
    { cidr: "10.0.0.0/28", except: ["10.0.0.1/32", "10.0.0.6/31", "10.0.0.4/30"] },
    { cidr: "10.0.0.12/30" },
    { cidr: "10.0.0.0/30", except: ["10.0.0.2/32"] },
  ];
  const prefixes = prefixesOf(blocks);
  for (const [index, prefix] of prefixes.entries()) {
    for (const other of prefixes.slice(index + 1)) expect(prefixesOverlap(prefix, other)).toBe(false);
  }
  for (let last = 0; last < 32; last++) {
    const address = mustAddress(`10.0.0.${last}`);
    const wanted = blocks.some(
      ({ cidr, except = [] }) =>
        prefixContains(mustPrefix(cidr), address) && !except.some((text) => prefixContains(mustPrefix(text), address)),
    );
    expect([ipv4Number(address), prefixes.some((prefix) => prefixContains(prefix, address))]).toEqual([ipv4Number(address), wanted]);
  }
});

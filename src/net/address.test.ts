import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { describe, expect, test } from "vitest";
import { addressFrom, addressValue, addToAddress, compareAddresses, familyOf, mustAddress, parseAddress } from "./address.ts";

describe("parseAddress", () => {
  const refused = [
    "",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "01.2.3.4",
    "1.2.3.4 ",
    "1..2.3",
    ":::",
    "1::2::3",
    "12345::",
    "::1%eth0",
    "1:2:3:4:5:6:7",
    "::ffff:1.2.3.999",
    "a.b.c.d",
  ];
  for (const text of refused) test(`refuses ${JSON.stringify(text)}`, () => expect(parseAddress(text)).toBeUndefined());

  const canonical = [
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["::ffff:10.0.0.1", "::ffff:a00:1"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
  ] as const;
  for (const [text, want] of canonical) test(`${text} is ${want}`, () => expect(parseAddress(text)).toBe(want));

  test("agrees with ipaddr.js on IPv4", () => {
    fc.assert(fc.property(fc.ipV4(), (text) => parseAddress(text) === ipaddr.parse(text).toString()));
  });
  test("agrees with ipaddr.js on IPv6", () => {
    // ipaddr.js reads a dotted tail as IPv4-mapped always; the table above covers ours.
    const undotted = fc.ipV6().filter((text) => !text.includes("."));
    fc.assert(
      fc.property(
        undotted,
        (text) => ipaddr.parse(parseAddress(text) ?? "").toNormalizedString() === ipaddr.parse(text).toNormalizedString(),
      ),
    );
  });
  test("never throws", () => {
    fc.assert(fc.property(fc.string(), (text) => void parseAddress(text)));
  });
});

test("value and text are inverse", () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const address = mustAddress(text);
      return addressFrom(familyOf(address), addressValue(address)) === address;
    }),
  );
});

test("addition stops at both ends", () => {
  expect(addToAddress(mustAddress("10.0.0.255"), 1)).toBe("10.0.1.0");
  expect(addToAddress(mustAddress("255.255.255.255"), 1)).toBeUndefined();
  expect(addToAddress(mustAddress("0.0.0.0"), -1)).toBeUndefined();
});

test("orders by family, then by value", () => {
  const sorted = ["10.0.0.10", "10.0.0.9", "::1", "9.9.9.9"].map(mustAddress).sort(compareAddresses);
  expect(sorted).toEqual(["9.9.9.9", "10.0.0.9", "10.0.0.10", "::1"]);
});

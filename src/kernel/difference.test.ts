import fc from "fast-check";
import { expect, test } from "vitest";
import { difference } from "./difference.ts";

const lists = fc.uniqueArray(fc.nat(12)).map((numbers) => numbers.map((number) => ({ number })));
const text = ({ number }: { readonly number: number }): string => `${number}`;

test("removing and adding what it says turns one into the other", () => {
  fc.assert(
    fc.property(lists, lists, fc.boolean(), (before, other, shared) => {
      const after = shared ? [...before.slice(1), ...other.filter((one) => !before.some((old) => old.number === one.number))] : other;
      const { removed, added } = difference(before, after, text);
      const left = before.filter((element) => !removed.includes(element)).map(text);
      expect([...left, ...added.map(text)].sort()).toEqual(after.map(text).sort());
      expect(removed.map(text).filter((one) => added.map(text).includes(one))).toEqual([]);
    }),
  );
});

test("elements that both lists share are not looked at", () => {
  const shared = Array.from({ length: 1000 }, (_, number) => ({ number }));
  let looked = 0;
  const { removed, added } = difference([{ number: -1 }, ...shared], [...shared, { number: 1000 }], (element) => {
    looked++;
    return text(element);
  });
  expect([removed, added]).toEqual([[{ number: -1 }], [{ number: 1000 }]]);
  expect(looked).toBeLessThan(5);
});

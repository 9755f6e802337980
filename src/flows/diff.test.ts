import { describe, expect, test } from "vitest";
import { randomLab } from "../../test/labs/random-lab.ts";
import { openText } from "../../test/labs/running-lab.ts";
import { consequencesOf } from "./consequences.ts";
import { diffFlows } from "./diff.ts";

describe("a design and itself, read twice, do the same", () => {
  test.each([3])("lab of seed %i", (seed) => {
    const text = randomLab(seed);
    const [left, right] = [openText(text), openText(text)];
    expect(diffFlows(left, right).changes).toEqual([]);
    expect(consequencesOf(left, right)).toEqual({ addresses: [], routes: [], rules: [] });
  });
});
